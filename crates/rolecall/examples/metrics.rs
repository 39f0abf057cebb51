//! Records session events as metrics, and prints them.
//!
//! Runs without AWS:
//!
//! ```sh
//! cargo run -p rolecall --example metrics --features metrics
//! ```
#![allow(clippy::print_stdout, reason = "the output of a program")]

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use rolecall::observe::Metrics;
use rolecall::provider::Credentials;
use rolecall::{Chain, Environment};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    run()
}

/// `tests/examples.rs` runs this, too.
pub(crate) fn run() -> Result<(), Box<dyn std::error::Error>> {
    // A service installs the recorder of an exporter, such as metrics-exporter-prometheus.
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        // `with_local_recorder` records on this thread, so the runtime must not use another one.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(request_sessions())
    })?;

    let metrics = counters(&snapshotter);
    for (metric, count) in &metrics {
        println!("{metric} {count}");
    }
    // Ten calls, and one fetch: a cache hit is not an event.
    assert!(metrics.contains(&("rolecall_fetches_total".to_owned(), 1)), "{metrics:?}");
    Ok(())
}

async fn request_sessions() -> Result<(), Box<dyn std::error::Error>> {
    let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let provider = Chain::builder()
        .environment(Environment::fixed([("AWS_REGION", "eu-west-1")]))
        .observer(Metrics::new())
        .from_sdk_provider("example keys", Credentials::new(id, secret, None, None, "example"))?
        .provider();
    for _ in 0..10 {
        provider.session().await?;
    }
    Ok(())
}

fn counters(snapshotter: &Snapshotter) -> Vec<(String, u64)> {
    let metrics = snapshotter.snapshot().into_vec().into_iter();
    let counters = metrics.filter_map(|(key, _, _, value)| match value {
        DebugValue::Counter(count) => Some((key.key().name().to_owned(), count)),
        _ => None,
    });
    counters.collect()
}

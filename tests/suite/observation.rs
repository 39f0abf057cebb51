//! What can be seen of sessions from outside: metrics by the whole way of a chain, and nothing of a hit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use rolecall::{
    Event, FetchContext, Metrics, Observer, Provider, Role, Session, SessionSource, Urgency,
};
use rolecall_testkit::FaultRule;
use rolecall_tests::{CHECKOUT, HUB, World};
use tracing_subscriber::fmt::format::FmtSpan;

/// Every counter that moved, and how many values every histogram got, since the last look.
fn moved(snapshotter: &Snapshotter) -> BTreeMap<String, u64> {
    let mut moved = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let labels = key.key().labels().map(|label| format!("{}={}", label.key(), label.value()));
        let labels = labels.collect::<Vec<_>>().join(",");
        let count = match value {
            DebugValue::Counter(count) => count,
            DebugValue::Histogram(values) => values.len() as u64,
            DebugValue::Gauge(_) => panic!("{key:?}"),
        };
        if count > 0 {
            moved.insert(format!("{}{{{labels}}}", key.key().name()), count);
        }
    }
    moved
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn hits(provider: &Provider) {
    for _ in 0..1000 {
        provider.provide_credentials().await.unwrap();
        provider.session(FetchContext::caller()).await.unwrap();
    }
}

#[test]
fn a_chain_is_measured_base_and_hop_and_a_hit_is_not() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        current_thread().block_on(async {
            let world = World::new().await.unwrap();
            let builder = world.builder().unwrap().observer(Arc::new(Metrics::new()));
            let chain = builder.from_env().unwrap().assume(Role::new(HUB).unwrap());
            let provider = chain.cached();
            provider.provide_credentials().await.unwrap();
            let fetched = [
                ("rolecall_fetch_seconds{outcome=ok,urgency=caller}", 2),
                ("rolecall_fetches_started_total{urgency=caller}", 2),
                ("rolecall_fetches_total{outcome=ok,urgency=caller,kind=none}", 2),
            ];
            assert_eq!(moved(&snapshotter), fetched.map(|(n, c)| (n.to_owned(), c)).into());
            hits(&provider).await;
            assert_eq!(moved(&snapshotter), BTreeMap::new());
            // A refresh that fails, and a rejection.
            world.aws.inject(FaultRule::throttled()).unwrap();
            let session = provider.session(FetchContext::caller()).await.unwrap();
            provider.reject(&session);
            provider.provide_credentials().await.unwrap();
            let failed = [
                ("rolecall_fetch_seconds{outcome=failed,urgency=caller}", 1),
                ("rolecall_fetches_started_total{urgency=caller}", 1),
                ("rolecall_fetches_total{outcome=failed,urgency=caller,kind=throttled}", 1),
                ("rolecall_rejections_total{}", 1),
                ("rolecall_served_stale_total{}", 1),
            ];
            assert_eq!(moved(&snapshotter), failed.map(|(n, c)| (n.to_owned(), c)).into());
        });
    });
}

#[test]
fn with_the_label_of_the_source_each_of_a_chain_is_called_by_its_role() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        current_thread().block_on(async {
            let world = World::new().await.unwrap();
            let metrics = Arc::new(Metrics::new().with_source());
            let chain = world.builder().unwrap().observer(metrics).from_env().unwrap();
            chain.assume(Role::new(HUB).unwrap()).cached().provide_credentials().await.unwrap();
        });
    });
    let started =
        |role: &str| (format!("rolecall_fetches_started_total{{urgency=caller,source={role}}}"), 1);
    let mut moved = moved(&snapshotter);
    moved.retain(|metric, _| metric.starts_with("rolecall_fetches_started_total"));
    assert_eq!(moved, [started(CHECKOUT), started(HUB)].into());
}

#[test]
fn every_metric_stands_in_the_readme_and_in_the_manual() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let session =
        Session::builder(Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test"))
            .build();
    let (urgency, took) = (Urgency::Caller, Duration::from_secs(1));
    metrics::with_local_recorder(&recorder, || {
        let metrics = Metrics::new();
        for event in [
            Event::FetchStarted { urgency },
            Event::FetchEnded { urgency, took, result: Ok(&session) },
            Event::ServedStale { left: took },
            Event::Rejected { access_key_id: "" },
            Event::Evicted,
            Event::Removed,
        ] {
            metrics.observe("", &event);
        }
    });
    let readme = include_str!("../../README.md");
    let manual = include_str!("../../crates/rolecall/src/lib.rs");
    let recorded = snapshotter.snapshot().into_vec();
    assert_eq!(recorded.len(), 7);
    for (key, _, _, _) in recorded {
        let mut row = format!("| `{}` | ", key.key().name());
        assert!(readme.contains(&row), "README.md: {row}");
        row.insert_str(0, "//! ");
        assert!(manual.contains(&row), "the manual: {row}");
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Alone: which events anybody wants is remembered for the whole process, and other tests want none.
#[test]
fn a_fetch_is_a_span_with_its_outcome_and_a_hit_is_nothing_at_all() {
    let name = "observation::a_fetch_is_a_span_with_its_outcome_and_a_hit_is_nothing_at_all";
    crate::chains::alone(name, what_is_written);
}

fn what_is_written() {
    let written = Written::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .with_writer({
            let written = written.clone();
            move || written.clone()
        })
        .finish();
    // For this thread, on which all of this runs.
    tracing::subscriber::with_default(subscriber, || {
        current_thread().block_on(async {
            let world = World::new().await.unwrap();
            let chain = world.builder().unwrap().from_env().unwrap();
            let provider = chain.assume(Role::new(HUB).unwrap()).cached();
            provider.provide_credentials().await.unwrap();
            let log = written.take();
            let closed = |role: &str, urgency: &str, outcome: &str| {
                format!(
                    "rolecall.fetch{{source=\"{role}\" urgency=\"{urgency}\" outcome=\"{outcome}\"}}: \
                     rolecall_cache::shell::in_flight: close"
                )
            };
            for role in [CHECKOUT, HUB] {
                assert!(log.contains(&closed(role, "caller", "ok")), "{log}");
            }
            hits(&provider).await;
            assert_eq!(written.take(), "");
            world.aws.inject(FaultRule::throttled()).unwrap();
            // Into the refresh windows of both.
            world.hands.advance(Duration::from_secs(3300));
            provider.provide_credentials().await.unwrap();
            let mut log = String::new();
            while !log.contains(&closed(HUB, "background", "failed")) {
                tokio::time::sleep(Duration::from_millis(1)).await;
                log += &written.take();
            }
            assert!(log.contains("WARN") && log.contains("no session was fetched"), "{log}");
            for secret in world.aws.secrets() {
                assert!(!log.contains(&secret), "a secret is in the log");
            }
        });
    });
}

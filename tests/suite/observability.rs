//! Metrics and traces of a chain: each fetch is recorded, a cache hit is not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use rolecall::observe::{Event, Metrics, Observer};
use rolecall::provider::{FetchContext, FetchMode};
use rolecall::{CachedProvider, ProvideSession, Role, Session};
use rolecall_testkit::FaultRule;
use rolecall_tests::{CHECKOUT, HUB, ORDERS, World};
use tracing_subscriber::fmt::format::FmtSpan;

/// Returns the increments of counters and the numbers of histogram values since the last snapshot.
fn take_counts(snapshotter: &Snapshotter) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let labels = key.key().labels().map(|label| format!("{}={}", label.key(), label.value()));
        let labels = labels.collect::<Vec<_>>().join(",");
        let count = match value {
            DebugValue::Counter(count) => count,
            DebugValue::Histogram(values) => values.len() as u64,
            DebugValue::Gauge(_) => panic!("{key:?}"),
        };
        if count > 0 {
            counts.insert(format!("{}{{{labels}}}", key.key().name()), count);
        }
    }
    counts
}

fn current_thread_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn make_hits(provider: &CachedProvider) {
    for _ in 0..1000 {
        provider.provide_credentials().await.unwrap();
        provider.provide_session(FetchContext::foreground()).await.unwrap();
    }
}

#[test]
fn metrics_count_fetches_but_not_hits() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        current_thread_runtime().block_on(async {
            let world = World::new().await.unwrap();
            let builder = world.builder().unwrap().observer(Metrics::new());
            let chain = builder.from_env().unwrap().assume_role(Role::new(HUB).unwrap());
            let provider = chain.provider();
            provider.provide_credentials().await.unwrap();
            let fetched = [
                ("rolecall_fetch_duration_seconds{outcome=ok,mode=foreground}", 2),
                ("rolecall_fetches_started_total{mode=foreground}", 2),
                ("rolecall_fetches_total{outcome=ok,mode=foreground,kind=none}", 2),
            ];
            assert_eq!(take_counts(&snapshotter), fetched.map(|(n, c)| (n.to_owned(), c)).into());
            make_hits(&provider).await;
            assert_eq!(take_counts(&snapshotter), BTreeMap::new());
            // An invalidation whose refresh fails.
            world.aws.inject(FaultRule::throttled()).unwrap();
            let session = provider.provide_session(FetchContext::foreground()).await.unwrap();
            provider.invalidate(&session);
            provider.provide_credentials().await.unwrap();
            let failed = [
                ("rolecall_fetch_duration_seconds{outcome=failed,mode=foreground}", 1),
                ("rolecall_fetches_started_total{mode=foreground}", 1),
                ("rolecall_fetches_total{outcome=failed,mode=foreground,kind=throttled}", 1),
                ("rolecall_invalidations_total{}", 1),
                ("rolecall_served_stale_total{}", 1),
            ];
            assert_eq!(take_counts(&snapshotter), failed.map(|(n, c)| (n.to_owned(), c)).into());
        });
    });
}

#[test]
fn metrics_label_each_hop_by_role() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        current_thread_runtime().block_on(async {
            let world = World::new().await.unwrap();
            let metrics = Arc::new(Metrics::new().with_provider());
            let chain = world.builder().unwrap().observer(metrics).from_env().unwrap();
            chain
                .assume_role(Role::new(HUB).unwrap())
                .provider()
                .provide_credentials()
                .await
                .unwrap();
        });
    });
    let started = |role: &str| {
        (format!("rolecall_fetches_started_total{{mode=foreground,provider={role}}}"), 1)
    };
    let mut counts = take_counts(&snapshotter);
    counts.retain(|metric, _| metric.starts_with("rolecall_fetches_started_total"));
    assert_eq!(counts, [started(CHECKOUT), started(HUB)].into());
}

/// Counts events by provider.
#[derive(Debug, Default)]
struct Counts(Mutex<BTreeMap<String, usize>>);

impl Observer for Counts {
    fn observe(&self, provider: &str, event: &Event<'_>) {
        if let Event::FetchCompleted { .. } = event {
            *self.0.lock().unwrap().entry(provider.to_owned()).or_default() += 1;
        }
    }
}

#[tokio::test]
async fn observer_of_chain_receives_the_hops_that_follow() {
    let world = World::new().await.unwrap();
    let [base, one, other, last] = [(); 4].map(|()| Arc::<Counts>::default());
    let chain = world.builder().unwrap().observer(Arc::clone(&base)).from_env().unwrap();
    let hub = || Role::new(HUB).unwrap();
    let of_one = chain.clone().observer(Arc::clone(&one)).assume_role(hub());
    let of_other = chain.observer(Arc::clone(&other)).assume_role(hub());
    let orders = of_other.clone().observer(Arc::clone(&last));
    let orders = orders.assume_role(Role::new(ORDERS).unwrap());
    for chain in [&of_one, &orders, &of_other] {
        chain.provider().provide_credentials().await.unwrap();
    }
    let counts = |observer: &Counts| observer.0.lock().unwrap().clone();
    let once = |role: &str| BTreeMap::from([(role.to_owned(), 1)]);
    assert_eq!(counts(&base), once(CHECKOUT));
    assert_eq!(counts(&one), once(HUB));
    assert_eq!(counts(&other), once(HUB));
    assert_eq!(counts(&last), once(ORDERS));
    assert_eq!(world.aws.count("AssumeRoleWithWebIdentity"), 1);
}

#[test]
fn every_metric_is_documented() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let session =
        Session::builder(Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test"))
            .build();
    let (mode, took) = (FetchMode::Foreground, Duration::from_secs(1));
    metrics::with_local_recorder(&recorder, || {
        let metrics = Metrics::new();
        for event in [
            Event::fetch_started(mode),
            Event::fetch_completed(mode, took, Ok(&session)),
            Event::served_stale(took),
            Event::invalidated(""),
            Event::Evicted,
            Event::Removed,
        ] {
            metrics.observe("", &event);
        }
    });
    let readme = include_str!("../../README.md");
    let manual = include_str!("../../crates/rolecall/src/manual/observability.rs");
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
struct LogBuffer(Arc<Mutex<Vec<u8>>>);

impl LogBuffer {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl std::io::Write for LogBuffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// Isolated: tracing caches per process which events have a subscriber, and other tests have none.
#[test]
fn tracing_records_fetches_but_not_hits() {
    let name = "observability::tracing_records_fetches_but_not_hits";
    crate::isolated::run_isolated(name, check_log);
}

fn check_log() {
    let buffer = LogBuffer::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .with_writer({
            let buffer = buffer.clone();
            move || buffer.clone()
        })
        .finish();
    // The subscriber of this thread, which runs all of the test.
    tracing::subscriber::with_default(subscriber, || {
        current_thread_runtime().block_on(async {
            let world = World::new().await.unwrap();
            let chain = world.builder().unwrap().from_env().unwrap();
            let provider = chain.assume_role(Role::new(HUB).unwrap()).provider();
            provider.provide_credentials().await.unwrap();
            let log = buffer.take();
            let closed = |role: &str, mode: &str, outcome: &str| {
                format!(
                    "rolecall.fetch{{provider=\"{role}\" mode=\"{mode}\" outcome=\"{outcome}\"}}: \
                     rolecall_cache::entry::fetch: close"
                )
            };
            for role in [CHECKOUT, HUB] {
                assert!(log.contains(&closed(role, "foreground", "ok")), "{log}");
            }
            make_hits(&provider).await;
            assert_eq!(buffer.take(), "");
            world.aws.inject(FaultRule::throttled()).unwrap();
            // Into the advisory refresh windows of both providers.
            world.clock.advance(Duration::from_secs(3300));
            provider.provide_credentials().await.unwrap();
            let mut log = String::new();
            while !log.contains(&closed(HUB, "background", "failed")) {
                tokio::time::sleep(Duration::from_millis(1)).await;
                log += &buffer.take();
            }
            assert!(log.contains("WARN") && log.contains("failed to fetch a session"), "{log}");
            for secret in world.aws.secrets() {
                assert!(!log.contains(&secret), "the log contains a secret");
            }
        });
    });
}

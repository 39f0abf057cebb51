//! An observer that records session events as metrics.

use ::metrics::{Label, Unit};

use crate::{Event, FetchMode, Observer, Session, SessionError};

const FETCHES_STARTED: &str = "rolecall_fetches_started_total";
const FETCHES: &str = "rolecall_fetches_total";
const FETCH_DURATION: &str = "rolecall_fetch_duration_seconds";
const SERVED_STALE: &str = "rolecall_served_stale_total";
const INVALIDATIONS: &str = "rolecall_invalidations_total";
const EVICTIONS: &str = "rolecall_evictions_total";
const REMOVALS: &str = "rolecall_removals_total";

/// An [`Observer`] that records events with the crate `metrics` (0.24), in the recorder that the
/// program has installed.
///
/// | metric | meaning | labels |
/// |---|---|---|
/// | `rolecall_fetches_started_total` | fetches that started | `mode` |
/// | `rolecall_fetches_total` | fetches that completed | `outcome`, `mode`, `kind` |
/// | `rolecall_fetch_duration_seconds` | histogram of the duration of fetches | `outcome`, `mode` |
/// | `rolecall_served_stale_total` | failed refreshes while the cached session was valid | |
/// | `rolecall_invalidations_total` | sessions that a service rejected | |
/// | `rolecall_evictions_total` | sessions that a pool evicted | |
/// | `rolecall_removals_total` | sessions that were removed from a pool | |
///
/// `outcome` is `ok`, `failed`, or `deferred`: a background fetch did not get a permit of the rate
/// limiter in time. `mode` is `foreground` (a caller waits) or `background`. `kind` is the
/// [`ErrorKind`](crate::ErrorKind), such as `throttled` or `invalid_response`, or `none`.
///
/// `rolecall_fetches_started_total` minus `rolecall_fetches_total` is not the number of running
/// fetches: a fetch that another one replaced, or whose runtime shut down, starts and does not
/// complete. [`Event::FetchCompleted`] lists these fetches.
///
/// By default, no label identifies the session: the number of time series does not grow with the
/// number of roles. See [`with_provider`](Self::with_provider). A cache hit is not an event and
/// updates no metric.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use rolecall_core::{Event, FetchMode, Metrics, Observer};
///
/// // Install the program's recorder first.
/// let metrics: Arc<dyn Observer> = Arc::new(Metrics::new());
/// // The cache calls `observe` for each event.
/// metrics.observe("static keys", &Event::fetch_started(FetchMode::Foreground));
/// ```
#[derive(Clone, Debug)]
pub struct Metrics {
    with_provider: bool,
}

impl Metrics {
    /// Creates the observer and describes its metrics to the installed recorder.
    #[allow(clippy::new_without_default, reason = "it has a side effect: it describes the metrics")]
    pub fn new() -> Self {
        ::metrics::describe_counter!(FETCHES_STARTED, Unit::Count, "Session fetches that started");
        ::metrics::describe_counter!(FETCHES, Unit::Count, "Session fetches that completed");
        ::metrics::describe_histogram!(
            FETCH_DURATION,
            Unit::Seconds,
            "Duration of session fetches"
        );
        let description = "Failed refreshes while the cached session was valid";
        ::metrics::describe_counter!(SERVED_STALE, Unit::Count, description);
        let description = "Sessions that a service rejected";
        ::metrics::describe_counter!(INVALIDATIONS, Unit::Count, description);
        ::metrics::describe_counter!(EVICTIONS, Unit::Count, "Sessions that a pool evicted");
        let description = "Sessions that were removed from a pool";
        ::metrics::describe_counter!(REMOVALS, Unit::Count, description);
        Self { with_provider: false }
    }

    /// Adds the label `provider` to every metric: the provider's
    /// [`name`](crate::ProvideSession::name), such as the role's ARN.
    ///
    /// This creates time series for each role. Use it in programs that have few roles.
    #[must_use]
    pub fn with_provider(mut self) -> Self {
        self.with_provider = true;
        self
    }

    fn labels<const N: usize>(&self, provider: &str, labels: [Label; N]) -> Vec<Label> {
        let provider = self.with_provider.then(|| Label::new("provider", provider.to_owned()));
        labels.into_iter().chain(provider).collect()
    }

    fn increment(&self, metric: &'static str, provider: &str) {
        ::metrics::counter!(metric, self.labels(provider, [])).increment(1);
    }
}

impl Observer for Metrics {
    fn observe(&self, provider: &str, event: &Event<'_>) {
        match *event {
            Event::FetchStarted { mode } => {
                let labels = self.labels(provider, [mode_label(mode)]);
                ::metrics::counter!(FETCHES_STARTED, labels).increment(1);
            }
            Event::FetchCompleted { mode, duration, result } => {
                let (outcome, mode) = (outcome_label(result), mode_label(mode));
                let labels = self.labels(provider, [outcome.clone(), mode.clone()]);
                ::metrics::histogram!(FETCH_DURATION, labels).record(duration);
                let labels = self.labels(provider, [outcome, mode, kind_label(result)]);
                ::metrics::counter!(FETCHES, labels).increment(1);
            }
            Event::ServedStale { .. } => self.increment(SERVED_STALE, provider),
            Event::Invalidated { .. } => self.increment(INVALIDATIONS, provider),
            Event::Evicted => self.increment(EVICTIONS, provider),
            Event::Removed => self.increment(REMOVALS, provider),
        }
    }
}

fn mode_label(mode: FetchMode) -> Label {
    Label::from_static_parts("mode", mode.name())
}

fn outcome_label(result: Result<&Session, &SessionError>) -> Label {
    let outcome = match result {
        Ok(_) => "ok",
        // Apart from failures: an alert on failures must not fire because of the rate limit.
        Err(error) if error.is_deferred() => "deferred",
        Err(_) => "failed",
    };
    Label::from_static_parts("outcome", outcome)
}

fn kind_label(result: Result<&Session, &SessionError>) -> Label {
    match result {
        Ok(_) => Label::from_static_parts("kind", "none"),
        Err(error) => Label::new("kind", error.kind().to_string().replace(' ', "_")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use aws_credential_types::Credentials;
    use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

    use super::*;
    use crate::ErrorKind;

    const ROLE: &str = "arn:aws:iam::444455556666:role/orders";

    /// Returns the metrics that changed since the last snapshot, with their labels and values.
    fn take_changes(snapshotter: &Snapshotter) -> BTreeMap<String, String> {
        let mut changes = BTreeMap::new();
        for (key, _, _, value) in snapshotter.snapshot().into_vec() {
            let labels =
                key.key().labels().map(|label| format!("{}={}", label.key(), label.value()));
            let labels = labels.collect::<Vec<_>>().join(",");
            let value = match value {
                DebugValue::Counter(0) => continue,
                DebugValue::Histogram(values) if values.is_empty() => continue,
                DebugValue::Counter(count) => count.to_string(),
                other => format!("{other:?}"),
            };
            changes.insert(format!("{}{{{labels}}}", key.key().name()), value);
        }
        changes
    }

    /// Returns the changes that each of the events causes, in order.
    fn record_each(
        metrics: impl FnOnce() -> Metrics,
        events: &[Event<'_>],
    ) -> Vec<Vec<(String, String)>> {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        ::metrics::with_local_recorder(&recorder, || {
            let metrics = metrics();
            let record = |event| {
                metrics.observe(ROLE, event);
                take_changes(&snapshotter).into_iter().collect()
            };
            events.iter().map(record).collect()
        })
    }

    fn change(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn event_updates_only_its_metrics() {
        let session = Session::builder(Credentials::for_tests()).build();
        let error = SessionError::new(ErrorKind::InvalidResponse, "no XML");
        let deferred = SessionError::deferred("the rate limit of STS calls is reached");
        let duration = Duration::from_millis(250);
        let (foreground, background) = (FetchMode::Foreground, FetchMode::Background);
        let events = [
            Event::FetchStarted { mode: foreground },
            Event::FetchStarted { mode: background },
            Event::fetch_completed(foreground, duration, Ok(&session)),
            Event::fetch_completed(background, duration, Err(&error)),
            Event::fetch_completed(background, duration, Err(&deferred)),
            Event::served_stale(duration),
            Event::Invalidated { access_key_id: "AKIAIOSFODNN7EXAMPLE" },
            Event::Evicted,
            Event::Removed,
        ];
        assert_eq!(
            record_each(Metrics::new, &events),
            [
                vec![change("rolecall_fetches_started_total{mode=foreground}", "1")],
                vec![change("rolecall_fetches_started_total{mode=background}", "1")],
                vec![
                    change(
                        "rolecall_fetch_duration_seconds{outcome=ok,mode=foreground}",
                        "Histogram([0.25])"
                    ),
                    change("rolecall_fetches_total{outcome=ok,mode=foreground,kind=none}", "1"),
                ],
                vec![
                    change(
                        "rolecall_fetch_duration_seconds{outcome=failed,mode=background}",
                        "Histogram([0.25])"
                    ),
                    change(
                        "rolecall_fetches_total{outcome=failed,mode=background,kind=invalid_response}",
                        "1"
                    ),
                ],
                vec![
                    change(
                        "rolecall_fetch_duration_seconds{outcome=deferred,mode=background}",
                        "Histogram([0.25])"
                    ),
                    change(
                        "rolecall_fetches_total{outcome=deferred,mode=background,kind=throttled}",
                        "1"
                    ),
                ],
                vec![change("rolecall_served_stale_total{}", "1")],
                vec![change("rolecall_invalidations_total{}", "1")],
                vec![change("rolecall_evictions_total{}", "1")],
                vec![change("rolecall_removals_total{}", "1")],
            ]
        );
    }

    #[test]
    fn with_provider_adds_provider_label() {
        let events = [Event::Evicted, Event::FetchStarted { mode: FetchMode::Foreground }];
        assert_eq!(
            record_each(|| Metrics::new().with_provider(), &events),
            [
                vec![change(&format!("rolecall_evictions_total{{provider={ROLE}}}"), "1")],
                vec![change(
                    &format!("rolecall_fetches_started_total{{mode=foreground,provider={ROLE}}}"),
                    "1"
                )],
            ]
        );
    }

    #[test]
    fn new_describes_every_metric() {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        ::metrics::with_local_recorder(&recorder, || {
            let metrics = Metrics::new();
            let session = Session::builder(Credentials::for_tests()).build();
            let duration = Duration::from_secs(1);
            for event in [
                Event::FetchStarted { mode: FetchMode::Foreground },
                Event::fetch_completed(FetchMode::Foreground, duration, Ok(&session)),
                Event::served_stale(duration),
                Event::Invalidated { access_key_id: "" },
                Event::Evicted,
                Event::Removed,
            ] {
                metrics.observe(ROLE, &event);
            }
        });
        let recorded = snapshotter.snapshot().into_vec();
        assert_eq!(recorded.len(), 7);
        for (key, unit, description, _) in recorded {
            let name = key.key().name().to_owned();
            assert!(description.is_some_and(|text| !text.is_empty()), "{name} has no description");
            let expected = if name.ends_with("_seconds") { Unit::Seconds } else { Unit::Count };
            assert_eq!(unit, Some(expected), "{name}");
        }
    }
}

//! Events as metrics.

use ::metrics::{Label, Unit};

use crate::{Event, FetchError, Observer, Session, Urgency};

const STARTED: &str = "rolecall_fetches_started_total";
const FETCHES: &str = "rolecall_fetches_total";
const SECONDS: &str = "rolecall_fetch_seconds";
const STALE: &str = "rolecall_served_stale_total";
const REJECTIONS: &str = "rolecall_rejections_total";
const EVICTIONS: &str = "rolecall_evictions_total";
const REMOVALS: &str = "rolecall_removals_total";

/// An [`Observer`] that records into the facade of the crate `metrics` (0.24), for whatever recorder the program has.
///
/// | metric | what it counts | labels |
/// |---|---|---|
/// | `rolecall_fetches_started_total` | fetches that began | `urgency` |
/// | `rolecall_fetches_total` | fetches that ended | `outcome`, `urgency`, `kind` |
/// | `rolecall_fetch_seconds` | a histogram: how long a fetch took | `outcome`, `urgency` |
/// | `rolecall_served_stale_total` | refreshes that failed while callers went on with the session that is held | |
/// | `rolecall_rejections_total` | sessions that a service refused | |
/// | `rolecall_evictions_total` | sessions that a pool let go of | |
/// | `rolecall_removals_total` | sessions that were removed from a pool | |
///
/// `outcome` is `ok`, `failed`, or `put_off` (the budget for STS had no turn for it, and nobody waited); `urgency` is `caller` (somebody waits) or `background`; `kind` is the
/// [`ErrorKind`](crate::ErrorKind) (`throttled`, `invalid_response`), or `none`. No label says whose session it is, so
/// that their number does not grow with the roles; [`with_source`](Self::with_source) adds that. A session that is handed
/// out is no event: no metric is touched.
///
/// ```
/// use std::sync::Arc;
/// use rolecall_core::{Event, Metrics, Observer, Urgency};
///
/// // After the program's recorder is installed.
/// let metrics: Arc<dyn Observer> = Arc::new(Metrics::new());
/// // The cache does this.
/// metrics.observe("static keys", &Event::FetchStarted { urgency: Urgency::Caller });
/// ```
#[derive(Clone, Debug)]
pub struct Metrics {
    with_source: bool,
}

impl Metrics {
    /// Describes the metrics to the recorder that is installed, and records into it.
    #[allow(clippy::new_without_default, reason = "it does something: it describes")]
    pub fn new() -> Self {
        ::metrics::describe_counter!(STARTED, Unit::Count, "Fetches of a session that began");
        ::metrics::describe_counter!(FETCHES, Unit::Count, "Fetches of a session that ended");
        ::metrics::describe_histogram!(SECONDS, Unit::Seconds, "How long a fetch took");
        let what = "Refreshes that failed while callers went on with the session that is held";
        ::metrics::describe_counter!(STALE, Unit::Count, what);
        ::metrics::describe_counter!(REJECTIONS, Unit::Count, "Sessions that a service refused");
        ::metrics::describe_counter!(EVICTIONS, Unit::Count, "Sessions that a pool let go of");
        let what = "Sessions that were removed from a pool";
        ::metrics::describe_counter!(REMOVALS, Unit::Count, what);
        Self { with_source: false }
    }

    /// Every metric has the label `source`, too: what the session is of (the role's ARN, the provider's name). A time
    /// series for each role: for programs that have few.
    #[must_use]
    pub fn with_source(mut self) -> Self {
        self.with_source = true;
        self
    }

    fn labels<const N: usize>(&self, source: &str, labels: [Label; N]) -> Vec<Label> {
        let source = self.with_source.then(|| Label::new("source", source.to_owned()));
        labels.into_iter().chain(source).collect()
    }
}

impl Observer for Metrics {
    fn observe(&self, source: &str, event: &Event<'_>) {
        match *event {
            Event::FetchStarted { urgency } => {
                let labels = self.labels(source, [of_urgency(urgency)]);
                ::metrics::counter!(STARTED, labels).increment(1);
            }
            Event::FetchEnded { urgency, took, result } => {
                let (outcome, urgency) = (of_outcome(urgency, result), of_urgency(urgency));
                let labels = self.labels(source, [outcome.clone(), urgency.clone()]);
                ::metrics::histogram!(SECONDS, labels).record(took);
                let labels = self.labels(source, [outcome, urgency, of_kind(result)]);
                ::metrics::counter!(FETCHES, labels).increment(1);
            }
            Event::ServedStale { .. } => self.count(STALE, source),
            Event::Rejected { .. } => self.count(REJECTIONS, source),
            Event::Evicted => self.count(EVICTIONS, source),
            Event::Removed => self.count(REMOVALS, source),
        }
    }
}

impl Metrics {
    fn count(&self, metric: &'static str, source: &str) {
        ::metrics::counter!(metric, self.labels(source, [])).increment(1);
    }
}

fn of_urgency(urgency: Urgency) -> Label {
    Label::from_static_parts("urgency", urgency.name())
}

fn of_outcome(urgency: Urgency, result: Result<&Session, &FetchError>) -> Label {
    let outcome = match result {
        Ok(_) => "ok",
        Err(error) if error.is_put_off(urgency) => "put_off",
        Err(_) => "failed",
    };
    Label::from_static_parts("outcome", outcome)
}

fn of_kind(result: Result<&Session, &FetchError>) -> Label {
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

    /// What moved since the last look: a metric with its labels, and by how much, or what was recorded.
    fn moved(snapshotter: &Snapshotter) -> BTreeMap<String, String> {
        let mut moved = BTreeMap::new();
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
            moved.insert(format!("{}{{{labels}}}", key.key().name()), value);
        }
        moved
    }

    /// What each of these events moves, told of the role.
    fn each(metrics: impl FnOnce() -> Metrics, events: &[Event<'_>]) -> Vec<Vec<(String, String)>> {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        ::metrics::with_local_recorder(&recorder, || {
            let metrics = metrics();
            let one = |event| {
                metrics.observe(ROLE, event);
                moved(&snapshotter).into_iter().collect()
            };
            events.iter().map(one).collect()
        })
    }

    fn is(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn each_event_moves_its_metric_and_no_other() {
        let session = Session::builder(Credentials::for_tests()).build();
        let error = FetchError::new(ErrorKind::InvalidResponse, "no XML");
        let put_off = FetchError::new(ErrorKind::Throttled, "the budget for STS is used up");
        let took = Duration::from_millis(250);
        let (caller, background) = (Urgency::Caller, Urgency::Background);
        let events = [
            Event::FetchStarted { urgency: caller },
            Event::FetchStarted { urgency: background },
            Event::FetchEnded { urgency: caller, took, result: Ok(&session) },
            Event::FetchEnded { urgency: background, took, result: Err(&error) },
            Event::FetchEnded { urgency: background, took, result: Err(&put_off) },
            Event::ServedStale { left: took },
            Event::Rejected { access_key_id: "AKIAIOSFODNN7EXAMPLE" },
            Event::Evicted,
            Event::Removed,
        ];
        assert_eq!(
            each(Metrics::new, &events),
            [
                vec![is("rolecall_fetches_started_total{urgency=caller}", "1")],
                vec![is("rolecall_fetches_started_total{urgency=background}", "1")],
                vec![
                    is("rolecall_fetch_seconds{outcome=ok,urgency=caller}", "Histogram([0.25])"),
                    is("rolecall_fetches_total{outcome=ok,urgency=caller,kind=none}", "1"),
                ],
                vec![
                    is(
                        "rolecall_fetch_seconds{outcome=failed,urgency=background}",
                        "Histogram([0.25])"
                    ),
                    is(
                        "rolecall_fetches_total{outcome=failed,urgency=background,kind=invalid_response}",
                        "1"
                    ),
                ],
                vec![
                    is(
                        "rolecall_fetch_seconds{outcome=put_off,urgency=background}",
                        "Histogram([0.25])"
                    ),
                    is(
                        "rolecall_fetches_total{outcome=put_off,urgency=background,kind=throttled}",
                        "1"
                    ),
                ],
                vec![is("rolecall_served_stale_total{}", "1")],
                vec![is("rolecall_rejections_total{}", "1")],
                vec![is("rolecall_evictions_total{}", "1")],
                vec![is("rolecall_removals_total{}", "1")],
            ]
        );
    }

    #[test]
    fn whose_session_it_is_is_a_label_where_that_is_asked_for() {
        let events = [Event::Evicted, Event::FetchStarted { urgency: Urgency::Caller }];
        assert_eq!(
            each(|| Metrics::new().with_source(), &events),
            [
                vec![is(&format!("rolecall_evictions_total{{source={ROLE}}}"), "1")],
                vec![is(
                    &format!("rolecall_fetches_started_total{{urgency=caller,source={ROLE}}}"),
                    "1"
                )],
            ]
        );
    }

    #[test]
    fn every_metric_is_described_to_the_recorder() {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        ::metrics::with_local_recorder(&recorder, || {
            let metrics = Metrics::new();
            let session = Session::builder(Credentials::for_tests()).build();
            let took = Duration::from_secs(1);
            for event in [
                Event::FetchStarted { urgency: Urgency::Caller },
                Event::FetchEnded { urgency: Urgency::Caller, took, result: Ok(&session) },
                Event::ServedStale { left: took },
                Event::Rejected { access_key_id: "" },
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
            assert!(description.is_some_and(|text| !text.is_empty()), "{name} says nothing");
            let expected = if name.ends_with("_seconds") { Unit::Seconds } else { Unit::Count };
            assert_eq!(unit, Some(expected), "{name}");
        }
    }
}

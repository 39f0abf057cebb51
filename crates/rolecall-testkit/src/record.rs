use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::SystemTime;

/// A request that the local AWS received, and its outcome.
///
/// [`LocalAws::calls`](crate::LocalAws::calls) returns the most recent ones.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rolecall_testkit::SetupError> {
/// let aws = rolecall_testkit::LocalAws::builder().start().await?;
/// assert!(aws.calls().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The service: `sts`, `s3`, `secretsmanager` or `ecr`, and `unknown` for any other.
    pub service: String,
    /// The operation, such as `AssumeRole`; `Unknown` if it could not be determined.
    pub operation: String,
    /// The ARN of the caller; `None` unless the request's signature was verified.
    pub caller: Option<String>,
    /// The error code of the response; `None` if the call succeeded.
    pub error: Option<String>,
    /// The reason for the error, where the response does not say it.
    pub reason: Option<String>,
    /// The time of the call, by the server's clock.
    pub at: SystemTime,
}

/// A function that receives each call.
pub(crate) struct Watcher(Box<dyn Fn(&Call) + Send + Sync>);

impl Watcher {
    pub(crate) fn new(function: impl Fn(&Call) + Send + Sync + 'static) -> Self {
        Self(Box::new(function))
    }

    pub(crate) fn see(&self, call: &Call) {
        (self.0)(call);
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}

/// The newest calls, and how many there were of each operation.
#[derive(Debug)]
pub(crate) struct Record {
    calls: VecDeque<Call>,
    counts: BTreeMap<String, usize>,
    kept: usize,
}

const KEPT: usize = 10_000;

impl Default for Record {
    fn default() -> Self {
        Self::of_the_newest(KEPT)
    }
}

impl Record {
    pub(crate) fn of_the_newest(kept: usize) -> Self {
        Self { calls: VecDeque::new(), counts: BTreeMap::new(), kept: kept.min(KEPT) }
    }

    pub(crate) fn add(&mut self, call: Call) {
        // Operations are of a fixed set, so the map is bounded.
        *self.counts.entry(call.operation.clone()).or_default() += 1;
        if self.calls.len() >= self.kept {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.iter().cloned().collect()
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        self.counts.clone()
    }
}

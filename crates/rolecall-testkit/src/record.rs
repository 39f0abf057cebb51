use std::collections::{BTreeMap, VecDeque};
use std::time::SystemTime;

/// One call that reached the local AWS.
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
    /// `sts`, `s3`, `secretsmanager` or `ecr`; `unknown` for what is none of them.
    pub service: String,
    /// `AssumeRole`, ...
    pub operation: String,
    /// The caller's ARN, once it is known who it is.
    pub caller: Option<String>,
    /// The error code it was answered with; `None` for success.
    pub error: Option<String>,
    /// Why, in words that the caller does not get.
    pub reason: Option<String>,
    /// By the server's clock.
    pub at: SystemTime,
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

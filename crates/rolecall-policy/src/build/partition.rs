//! Partitions: which one the values of a policy belong to.

use super::check::fault;
use crate::arn::{Arn, partition_of};
use crate::error::PolicyError;

/// A value that belongs to one partition.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    value: String,
    partition: String,
}

impl Placed {
    /// The partition in an ARN.
    pub(super) fn arn(arn: &str) -> Option<Self> {
        let partition = Arn::parse(arn)?.partition.to_owned();
        Some(Self { value: arn.to_owned(), partition })
    }

    /// The partition of a Region.
    pub(super) fn region(region: &str) -> Self {
        Self { value: region.to_owned(), partition: partition_of(region).to_owned() }
    }
}

/// Returns the partition of a policy: the one that was set, or the one that its values belong to,
/// or `aws`.
///
/// Nothing in one partition is reachable from another, so values of two make no policy.
pub(super) fn resolve(set: Option<&str>, placed: &[Placed]) -> Result<String, PolicyError> {
    let first = placed.first();
    let partition = set.or(first.map(|placed| placed.partition.as_str())).unwrap_or("aws");
    let Some(other) = placed.iter().find(|placed| placed.partition != partition) else {
        return Ok(partition.to_owned());
    };
    let against = match (set, first) {
        (None, Some(first)) => format!("{:?} to {partition}", first.value),
        _ => format!("the policy to {partition}"),
    };
    let Placed { value, partition: own } = other;
    let message = format!("{value:?} belongs to the partition {own}, and {against}");
    Err(fault("partition", format!("{message}; hint: build a policy for each partition")))
}

//! The actions, resource types and condition keys of AWS services, as the AWS Service Authorization
//! Reference lists them.
//!
//! `data/services.txt` contains the reference; its header describes the format. The first lookup
//! splits the file into services, and the first lookup in a service parses the lines of that
//! service.
//!
//! Service prefixes, actions and condition keys are compared without regard to case, as IAM does.

mod arns;
mod glob;
mod key;
mod nearest;
mod service;

use std::ops::Range;
use std::sync::OnceLock;

pub(crate) use arns::{ArnForm, arn_forms};
pub(crate) use glob::Glob;
pub(crate) use key::{ValueType, listed_key, matches_key};
pub(crate) use nearest::nearest;
pub use service::AccessLevel;
pub(crate) use service::{Action, ActionResource, ResourceType, Service};

const DATA: &str = include_str!("../../../data/services.txt");

static CATALOG: OnceLock<Catalog> = OnceLock::new();

struct Catalog {
    /// Sorted by prefix.
    entries: Vec<Entry>,
}

struct Entry {
    prefix: &'static str,
    lines: &'static str,
    service: OnceLock<Service>,
}

fn catalog() -> &'static Catalog {
    CATALOG.get_or_init(|| {
        let starts: Vec<usize> = DATA.match_indices("\n@").map(|(at, _)| at + 1).collect();
        let ends = starts.iter().skip(1).copied().chain([DATA.len()]);
        let ranges = starts.iter().zip(ends).map(|(start, end)| Range { start: *start, end });
        Catalog { entries: ranges.filter_map(|range| DATA.get(range)).map(Entry::new).collect() }
    })
}

impl Entry {
    fn new(lines: &'static str) -> Self {
        let first = lines.lines().next().unwrap_or_default().trim_start_matches('@');
        let prefix = first.split('|').next().unwrap_or_default();
        Self { prefix, lines, service: OnceLock::new() }
    }
}

/// Returns the service with a prefix such as `s3`.
pub(crate) fn service(prefix: &str) -> Option<&'static Service> {
    let entries = &catalog().entries;
    let prefix = prefix.to_ascii_lowercase();
    let index = entries.binary_search_by(|entry| entry.prefix.cmp(&prefix)).ok()?;
    let entry = entries.get(index)?;
    Some(entry.service.get_or_init(|| Service::parse(entry.lines)))
}

/// Returns the prefixes of all services, sorted.
pub(crate) fn prefixes() -> impl Iterator<Item = &'static str> {
    catalog().entries.iter().map(|entry| entry.prefix)
}

/// Returns the prefix that is spelled most like `prefix`, if one is similar.
pub(crate) fn nearest_prefix(prefix: &str) -> Option<&'static str> {
    nearest(prefix, prefixes())
}

/// Returns the action that `action` names, such as `s3:GetObject`.
#[cfg(test)]
pub(crate) fn action(action: &str) -> Option<Action> {
    let (prefix, name) = action.split_once(':')?;
    service(prefix)?.action(name)
}

#[cfg(test)]
mod tests;

//! The generator itself: its cases are repeatable, valid, and reach each decision.

use std::collections::BTreeMap;

use super::case;
use crate::naive::{self, ALLOWED, EXPLICITLY_DENIED, IMPLICITLY_DENIED};

#[test]
fn same_seed_returns_same_case() {
    assert_eq!(case(7), case(7));
    assert_ne!(case(7), case(8));
}

#[test]
fn cases_are_valid_and_reach_each_decision() {
    let mut counts = BTreeMap::new();
    for seed in 0..6_000 {
        let case = case(seed);
        let decision = naive::evaluate(&case).unwrap_or_else(|error| panic!("{error}: {case:#}"));
        *counts.entry(decision).or_insert(0_u32) += 1;
    }
    for decision in [ALLOWED, IMPLICITLY_DENIED, EXPLICITLY_DENIED] {
        assert!(counts[decision] >= 1_200, "{counts:?}");
    }
}

//! The evaluator against the naive one of `naive`, on generated cases.

use rolecall_policy::Simulation;

use crate::{generate, naive};

/// Cases that every run compares. `ROLECALL_POLICY_CASES` sets another number.
const CASES: u64 = 100_000;

#[test]
fn evaluators_agree_on_generated_cases() {
    let cases = match std::env::var("ROLECALL_POLICY_CASES") {
        Ok(count) => count.parse().unwrap(),
        Err(_) => CASES,
    };
    let mut differences = Vec::new();
    let mut decided = [0_u64; 3];
    for seed in 0..cases {
        let case = generate::case(seed);
        let expected = naive::evaluate(&case);
        let simulation = Simulation::parse(&case.to_string());
        let actual = match &simulation {
            Ok(simulation) => Ok(simulation.evaluate().outcome().as_str()),
            Err(error) => Err(error.to_string()),
        };
        if actual.as_ref().ok() != expected.as_ref().ok() {
            differences.push(format!("{actual:?}, naive {expected:?}: {case}"));
            if differences.len() == 10 {
                break;
            }
        }
        let index = match expected {
            Ok(naive::ALLOWED) => 0,
            Ok(naive::IMPLICITLY_DENIED) => 1,
            _ => 2,
        };
        decided[index] += 1;
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    // A generator whose cases all end alike would compare nothing.
    for count in decided {
        assert!(count * 5 >= cases, "{decided:?} of {cases}");
    }
}

//! The simulated day, small: 300 roles, six hours, an hour of outage in them.

use std::time::Duration;

use rolecall_tests::figures::{Figure, table};
use rolecall_tests::simulation::{Day, Outage, figures, run};

fn small(outage: Outage, calls_per_second: u32) -> Day {
    let hour = Duration::from_secs(3600);
    let mut day = Day::of_10_000_roles(calls_per_second);
    day.roles = 300;
    day.length = 6 * hour;
    day.outage = 2 * hour..3 * hour;
    day.answers = outage;
    day.piece = hour / 4;
    day
}

#[track_caller]
fn meets_its_goals(day: &Day) {
    let tally = run(day, |_| {}).unwrap();
    let figures = figures(day, &tally, "");
    let shown = table(&figures);
    assert!(figures.iter().all(Figure::is_ok), "{shown}");
    // It was a day with something in it.
    let of = |name: &str| figures.iter().find(|figure| figure.name == name).unwrap().value;
    assert!(of("calls") > 600_000.0 && of("sessions") > 1500.0, "{shown}");
    assert!(of("outage_failed") > 1000.0 && of("first_load_waited") >= 300.0, "{shown}");
    assert!(of("recovery_s") > 0.0, "{shown}");
}

#[test]
fn a_day_with_an_outage_meets_its_goals() {
    meets_its_goals(&small(Outage::Refuses, 200));
}

#[test]
fn a_day_with_an_outage_meets_its_goals_at_a_small_budget_and_an_sts_that_hangs() {
    meets_its_goals(&small(Outage::Hangs, 10));
}

//! The simulated day at a small scale: 300 roles, six hours, with an outage of one hour.

use std::time::Duration;

use rolecall_tests::figures::{Figure, table};
use rolecall_tests::simulation::{Day, Outage, figures, run};

fn small_day(outage: Outage, calls_per_second: u32) -> Day {
    let hour = Duration::from_secs(3600);
    let mut day = Day::of_10_000_roles(calls_per_second);
    day.roles = 300;
    day.length = 6 * hour;
    day.outage = 2 * hour..3 * hour;
    day.outage_mode = outage;
    day.interval = hour / 4;
    day
}

#[track_caller]
fn assert_goals_met(day: &Day) {
    let tally = run(day, |_| {}).unwrap();
    let figures = figures(day, &tally, "");
    let shown = table(&figures);
    assert!(figures.iter().all(Figure::is_ok), "{shown}");
    // The day had enough traffic and failures for the goals to mean something.
    let of = |name: &str| figures.iter().find(|figure| figure.name == name).unwrap().value;
    assert!(of("calls") > 600_000.0 && of("sessions") > 1500.0, "{shown}");
    assert!(of("outage_failed") > 1000.0 && of("first_load_waited") >= 300.0, "{shown}");
    assert!(of("recovery_s") > 0.0, "{shown}");
}

#[test]
fn day_with_outage_meets_goals() {
    assert_goals_met(&small_day(Outage::Unavailable, 200));
}

#[test]
fn day_with_hung_sts_meets_goals() {
    assert_goals_met(&small_day(Outage::Hangs, 10));
}

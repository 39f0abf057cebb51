//! The simulations at a small scale: days of a pool and of a fleet, rejecting services, outages.

use std::time::Duration;

use rolecall_tests::figures::{Figure, table};
use rolecall_tests::simulation::oracle::{
    most_fetches_because_of_rejections, most_fetches_in_outage,
};
use rolecall_tests::simulation::{
    Day, FleetDay, Histories, Outage, figures, rejection_figures, run,
};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

fn small_day(outage: Outage, calls_per_second: u32) -> Day {
    let mut day = Day::of_10_000_roles(calls_per_second);
    day.roles = 300;
    day.length = 6 * HOUR;
    day.outage = 2 * HOUR..3 * HOUR;
    day.outage_mode = outage;
    day.interval = HOUR / 4;
    day
}

/// Returns the value of a figure by its name.
#[track_caller]
fn value_of(figures: &[Figure], name: &str) -> f64 {
    figures.iter().find(|figure| figure.name == name).unwrap().value
}

#[track_caller]
fn assert_goals_met(figures: &[Figure]) {
    assert!(figures.iter().all(Figure::is_ok), "{}", table(figures));
}

#[track_caller]
fn assert_day_meets_goals(day: &Day) {
    let tally = run(day, |_| {}).unwrap();
    let figures = figures(day, &tally, "");
    assert_goals_met(&figures);
    // The day had enough traffic and failures for the goals to mean something.
    let of = |name: &str| value_of(&figures, name);
    let shown = table(&figures);
    assert!(of("calls") > 600_000.0 && of("sessions") > 1500.0, "{shown}");
    assert!(of("outage_failed") > 1000.0 && of("first_load_waited") >= 300.0, "{shown}");
    assert!(of("recovery_s") > 0.0, "{shown}");
}

#[test]
fn day_with_outage_meets_goals() {
    assert_day_meets_goals(&small_day(Outage::Unavailable, 200));
}

#[test]
fn day_with_hung_sts_meets_goals() {
    assert_day_meets_goals(&small_day(Outage::Hangs, 10));
}

#[test]
fn fleet_day_meets_goals() {
    let mut day = FleetDay::of_20_processes();
    (day.processes, day.roles, day.length) = (3, 200, 7 * HOUR);
    day.freeze = 3 * HOUR..3 * HOUR + 20 * MINUTE;
    day.brown_out = 4 * HOUR..4 * HOUR + 30 * MINUTE;
    day.outage = 5 * HOUR..5 * HOUR + 40 * MINUTE;
    day.rejections = 6 * HOUR..6 * HOUR + 30 * MINUTE;
    day.interval = HOUR / 4;
    let tally = day.run(|_| {}).unwrap();
    let figures = day.figures(&tally);
    let of = |name: &str| value_of(&figures, name);
    let shown = table(&figures);
    // Every phase had the failures that its goals are about.
    assert!(of("fleet_freeze_fetches_in_flight") > 0.0, "{shown}");
    assert!(of("fleet_freeze_sessions_expired") > 5.0, "{shown}");
    assert!(of("fleet_thaw_first_requests") == 200.0, "{shown}");
    assert!(of("fleet_brown_out_sessions") > 100.0, "{shown}");
    assert!(of("fleet_outage_failed") > 1000.0, "{shown}");
    assert!(of("fleet_rejections") > 1000.0, "{shown}");
    assert_goals_met(&figures);
}

#[test]
fn rejecting_services_meet_goals() {
    assert_goals_met(&rejection_figures(4711).unwrap());
}

#[test]
fn outage_histories_meet_goals() {
    let histories = Histories { count: 200, longest_outage: 4 * HOUR, seed: 4711 };
    let figures = histories.run().unwrap().figures();
    let expired = ["histories_refused_expired_in_outage", "histories_hung_expired_in_outage"];
    for name in expired {
        assert!(value_of(&figures, name) > 20.0, "{}", table(&figures));
    }
    assert_goals_met(&figures);
}

#[test]
fn same_seed_repeats_the_simulations() {
    let histories = |seed| {
        let histories = Histories { count: 40, longest_outage: HOUR, seed };
        histories.run().unwrap().figures()
    };
    assert_eq!(histories(1), histories(1));
    assert_ne!(histories(1), histories(2));
    let mut day = FleetDay::of_20_processes();
    (day.processes, day.roles, day.length, day.interval) = (2, 50, HOUR, MINUTE);
    (day.freeze, day.outage) = (40 * MINUTE..50 * MINUTE, 55 * MINUTE..56 * MINUTE);
    let calls = |day: &FleetDay| day.calls_and_sessions_per_minute(&day.run(|_| {}).unwrap());
    assert_eq!(calls(&day), calls(&day));
    assert_ne!(calls(&day), calls(&FleetDay { seed: 1, ..day.clone() }));
}

#[test]
fn fetches_because_of_rejections_by_table() {
    // After 0, 10, 30, 70, 150, 310 and 610 seconds, and one more.
    for (seconds, most) in [(1, 2), (10, 2), (11, 3), (31, 4), (311, 7), (611, 8), (3600, 17)] {
        let time = Duration::from_secs(seconds);
        assert_eq!(most_fetches_because_of_rejections(time), most, "{seconds} s");
    }
}

#[test]
fn fetches_in_outage_by_table() {
    let seconds = Duration::from_secs;
    for (outage, length, remaining, most) in [
        // Expired: at 0, 1.3, 3.6, 7.9, 16.2, 26.5, .. seconds; and two more.
        (Outage::Unavailable, 1, 0, 3),
        (Outage::Unavailable, 27, 0, 8),
        (Outage::Unavailable, 86_400, 0, 8393),
        // A call that gets no answer makes two attempts of five seconds.
        (Outage::Hangs, 86_400, 0, 4324),
        // Valid throughout, outside the mandatory window: at 0, 0.6, 1.7, 3.8, 7.9, .. seconds.
        (Outage::Unavailable, 5, 3600, 6),
        (Outage::Unavailable, 60, 3600, 9),
    ] {
        let (length, remaining) = (seconds(length), seconds(remaining));
        let allowed = most_fetches_in_outage(outage, length, remaining, HOUR);
        assert_eq!(allowed, most, "{outage:?} for {length:?} with {remaining:?} remaining");
    }
}

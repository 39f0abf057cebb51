//! Random histories: in whatever order things happen, the machine answers as the design says.

use proptest::prelude::*;

use super::world::{Outcome, Step, Use, World};
use super::*;

fn failure() -> impl Strategy<Value = Failure> {
    prop_oneof![
        4 => Just(Failure::Retryable),
        2 => Just(Failure::Permanent),
        2 => Just(Failure::Deferred),
    ]
}

fn outcome(shortest: i64) -> impl Strategy<Value = Outcome> {
    prop_oneof![
        6 => (shortest..50_000, any::<bool>()).prop_map(|(seconds, measured)| {
            Outcome::Session { lifetime: seconds * oracle::SECOND, measured }
        }),
        2 => prop_oneof![Just(0), -12_i64..12, -40_000_i64..40_000]
            .prop_map(|moved| Outcome::Same { moved }),
        1 => Just(Outcome::Sooner),
        1 => Just(Outcome::Expired),
        1 => any::<bool>().prop_map(|is_static| Outcome::Unlimited { is_static }),
        5 => failure().prop_map(Outcome::Fail),
    ]
}

fn mode() -> impl Strategy<Value = FetchMode> {
    prop_oneof![3 => Just(FOREGROUND), 1 => Just(BACKGROUND)]
}

fn reason() -> impl Strategy<Value = InvalidSession> {
    prop_oneof![Just(InvalidSession::Expired), Just(InvalidSession::Unknown)]
}

fn complete(shortest: i64) -> impl Strategy<Value = Step> {
    (prop::bool::weighted(0.2), outcome(shortest), 0_i64..3)
        .prop_map(|(late, outcome, draw)| Step::Complete { late, outcome, draw })
}

/// A step of any kind.
fn step(shortest: i64) -> impl Strategy<Value = Step> {
    let request = prop_oneof![
        4 => Just(Request::Session),
        2 => (0_u64..4000).prop_map(|min| Request::ValidFor(secs(min))),
    ];
    prop_oneof![
        8 => (0_u64..3000).prop_map(Step::Pass),
        4 => (0_u64..20_000).prop_map(Step::Pass),
        3 => (0_u64..5000).prop_map(|seconds| Step::Pass(1000 * seconds)),
        1 => prop_oneof![-40_000_i64..40_000, -20_i64..20].prop_map(Step::SetWall),
        10 => (request, mode()).prop_map(|(request, mode)| Step::Call(request, mode)),
        1 => Just(Step::Refresh),
        12 => complete(shortest),
        2 => any::<(bool, bool)>().prop_map(|(late, called)| Step::Lose { late, called }),
        4 => reason().prop_map(Step::Reject),
        2 => Just(Step::Accept),
        2 => prop::bool::weighted(0.7).prop_map(Step::Slots),
        1 => prop_oneof![20 => Just(Step::Pass(1)), 1 => Just(Step::Remove)],
    ]
}

/// A moment of a busy time: a call, its fetch completes at once, and a service may reject the
/// session.
fn busy_moment(failing: u32) -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        (9 - failing) => (900_i64..50_000).prop_map(|seconds| {
            Outcome::Session { lifetime: seconds * oracle::SECOND, measured: true }
        }),
        failing => failure().prop_map(Outcome::Fail),
    ];
    let answer = prop_oneof![
        3 => Just(None),
        3 => reason().prop_map(|reason| Some(Step::Reject(reason))),
        1 => Just(Some(Step::Accept)),
    ];
    (0_u64..2500, mode(), outcome, 0_i64..3, answer).prop_map(
        |(millis, mode, outcome, draw, answer)| {
            let call = Step::Call(Request::Session, mode);
            let complete = Step::Complete { late: false, outcome, draw };
            [Some(Step::Pass(millis)), Some(call), Some(complete), answer]
                .into_iter()
                .flatten()
                .collect()
        },
    )
}

fn busy_time() -> impl Strategy<Value = Vec<Step>> {
    (1_u32..9)
        .prop_flat_map(|failing| proptest::collection::vec(busy_moment(failing), 1..120))
        .prop_map(|moments| moments.concat())
}

fn uses() -> impl Strategy<Value = Use> {
    prop_oneof![
        Just(Use { wanted: true, always: false, never_ahead: false }),
        Just(Use { wanted: false, always: false, never_ahead: false }),
        Just(Use { wanted: true, always: true, never_ahead: false }),
        Just(Use { wanted: false, always: false, never_ahead: true }),
    ]
}

fn live(steps: Vec<Step>, used: Use) -> World {
    let mut world = World::new(used);
    for step in steps {
        world.take(step);
    }
    world
}

/// Most calls in a minute in a busy time. Callers of an entry without a session: at 0, 1, 3, 7, 15,
/// 25 .. 55 s. The background, until a session expires: each half second of the last eight, and
/// then an eighth of the remaining time apart.
const MAX_CALLS_PER_MINUTE: usize = 44;

proptest! {
    #[test]
    fn random_history_follows_design(
        steps in proptest::collection::vec(step(2), 1..100), used in uses(),
    ) {
        live(steps, used);
    }

    #[test]
    fn random_history_of_sts_follows_design(
        steps in proptest::collection::vec(step(900), 1..150), used in uses(),
    ) {
        live(steps, used);
    }

    #[test]
    fn busy_time_calls_provider_as_backoff_allows(steps in busy_time(), used in uses()) {
        let world = live(steps, used);
        prop_assert!(world.max_calls(60) <= MAX_CALLS_PER_MINUTE, "{}", world.max_calls(60));
    }
}

//! Random histories: whatever happens, in whatever order, no promise is broken.

use proptest::prelude::*;

use self::world::World;
use super::*;

mod world;

/// One step of a history.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Time passes; hours of it, when the machine was suspended.
    Pass(Duration),
    Call(Ask, FetchMode),
    Tick {
        wanted: bool,
        always: bool,
    },
    /// The oldest or the newest fetch on its way comes back; a slow one after others took over.
    Answer {
        late: bool,
        answer: Answer,
        draw: f64,
    },
    /// Its runtime is gone, or took no more tasks.
    Lost {
        late: bool,
        asked: bool,
    },
    Reject {
        current: bool,
    },
    Remove,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    New {
        lifetime: u64,
    },
    Same,
    /// The wall clock was stepped: the same keys seem to end then.
    SameShifted {
        by: i64,
    },
    ExpiresSooner,
    Expired,
    /// An error, or the source panicked.
    Fail {
        retryable: bool,
    },
    /// The rate limit deferred it if it is in the background. A foreground fetch gets a permit.
    Deferral,
}

/// `shortest`: of sessions, in seconds.
fn step(shortest: u64, asks: bool) -> impl Strategy<Value = Step> {
    let answer = prop_oneof![
        4 => (shortest..50_000).prop_map(|lifetime| Answer::New { lifetime }),
        1 => Just(Answer::Same),
        1 => (-40_000_i64..40_000).prop_map(|by| Answer::SameShifted { by }),
        1 => Just(Answer::ExpiresSooner),
        1 => Just(Answer::Expired),
        4 => any::<bool>().prop_map(|retryable| Answer::Fail { retryable }),
        2 => Just(Answer::Deferral),
    ];
    let ask = prop_oneof![
        6 => Just(Ask::Session),
        2 => (0_u64..4000).prop_map(|least| Ask::ValidFor(secs(least))),
        1 => Just(Ask::Now),
    ];
    prop_oneof![
        8 => (0_u64..3_000).prop_map(|millis| Step::Pass(Duration::from_millis(millis))),
        4 => (0_u64..20_000).prop_map(|millis| Step::Pass(Duration::from_millis(millis))),
        2 => (0_u64..5_000).prop_map(|seconds| Step::Pass(secs(seconds))),
        12 => (ask, any::<bool>()).prop_map(move |(ask, background)| {
            let mode = if background { FetchMode::Background } else { FetchMode::Foreground };
            Step::Call(if asks { ask } else { Ask::Session }, mode)
        }),
        4 => any::<(bool, bool)>().prop_map(|(wanted, always)| Step::Tick { wanted, always }),
        12 => (any::<bool>(), answer, 0.0..1.0_f64)
            .prop_map(|(late, answer, draw)| Step::Answer { late, answer, draw }),
        2 => any::<(bool, bool)>().prop_map(|(late, asked)| Step::Lost { late, asked }),
        4 => any::<bool>().prop_map(|current| Step::Reject { current }),
        1 => prop_oneof![30 => Just(Step::Pass(secs(1))), 1 => Just(Step::Remove)],
    ]
}

/// What a busy time is like.
#[derive(Clone, Copy, Debug)]
struct Busy {
    /// So many of nine answers are errors.
    failing: u32,
    /// No caller comes, and mostly there is no turn for a fetch.
    unattended: bool,
    /// Runtimes end, and tasks with them.
    losing: bool,
}

/// A step of a history: a call, mostly with a fetch that completes at once, and sometimes a
/// service that rejects the session.
fn moment(shortest: u64, asks: bool, busy: Busy) -> impl Strategy<Value = Vec<Step>> {
    let Busy { failing, unattended, losing } = busy;
    let answer = prop_oneof![
        (9 - failing) => (shortest..50_000).prop_map(|lifetime| Some(Answer::New { lifetime })),
        failing => prop_oneof![3 => Just(true), 1 => Just(false)]
            .prop_map(|retryable| Some(Answer::Fail { retryable })),
        if unattended { 30 } else { 1 } => Just(Some(Answer::Deferral)),
        1 => Just(None),
    ];
    let ask = prop_oneof![
        1 => Just(Ask::Session),
        if asks { 3 } else { 0 } => Just(Ask::Now),
    ];
    let longest = if asks { 500 } else { 1000 };
    let other = prop_oneof![
        if losing { 40 } else { 1 } => Just(Some(Step::Lost { late: false, asked: true })),
        1 => Just(Some(Step::Lost { late: false, asked: false })),
        6 => Just(Some(Step::Tick { wanted: true, always: true })),
        32 => Just(None),
    ];
    (0_u64..longest, ask, any::<bool>(), other, answer, 0.0..1.0_f64, any::<bool>()).prop_map(
        move |(millis, ask, background, other, answer, draw, rejected)| {
            let background = background || unattended;
            let mode = if background { FetchMode::Background } else { FetchMode::Foreground };
            let time = Step::Pass(Duration::from_millis(millis));
            let mut steps = vec![time, Step::Call(ask, mode)];
            steps.extend(other);
            steps.extend(answer.map(|answer| Step::Answer { late: false, answer, draw }));
            steps.extend(rejected.then_some(Step::Reject { current: true }));
            steps
        },
    )
}

/// A minute or two of them.
fn busy(shortest: u64, asks: bool) -> impl Strategy<Value = Vec<Step>> {
    (0_u32..9, any::<bool>(), any::<bool>())
        .prop_flat_map(move |(failing, unattended, losing)| {
            let busy = Busy { failing, unattended, losing };
            proptest::collection::vec(moment(shortest, asks, busy), 200..400)
        })
        .prop_map(|moments| moments.concat())
}

fn live(steps: Vec<Step>, most: usize, ahead: bool) {
    let mut world = World::new(most, ahead);
    world.look();
    for step in steps {
        world.take_step(step);
        world.look();
    }
}

/// With sessions of a second and callers that request another one each time: one fetch a second.
const MAX_FETCHES: usize = 61;
/// With sessions as STS gives them, and ordinary callers: failures at 0, 1, 3, 7, 15, 25 .. 55 s,
/// and rejections.
const MAX_STS_FETCHES: usize = 12;

proptest! {
    #[test]
    fn no_history_breaks_a_promise(
        steps in proptest::collection::vec(step(1, true), 1..120), ahead: bool,
    ) {
        live(steps, MAX_FETCHES, ahead);
    }

    #[test]
    fn no_busy_time_breaks_a_promise(steps in busy(1, true), ahead: bool) {
        live(steps, MAX_FETCHES, ahead);
    }

    #[test]
    fn no_history_of_sts_asks_it_more_than_so_often(
        steps in proptest::collection::vec(step(900, false), 1..200), ahead: bool,
    ) {
        live(steps, MAX_STS_FETCHES, ahead);
    }

    #[test]
    fn no_busy_time_of_sts_asks_it_more_than_so_often(steps in busy(900, false), ahead: bool) {
        live(steps, MAX_STS_FETCHES, ahead);
    }
}

//! Random histories: whatever happens, in whatever order, no promise is broken.

use proptest::prelude::*;

use super::*;

/// One step of a history.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Time passes; hours of it, when the machine was suspended.
    Pass(Duration),
    Call(Ask, Urgency),
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
    EndsSooner,
    Expired,
    /// An error, or the source panicked.
    Fail {
        retryable: bool,
    },
    /// In the background there was no turn for it: STS was not asked. For whom a caller waits there is one.
    PutOff,
}

/// `shortest`: of sessions, in seconds.
fn step(shortest: u64, asks: bool) -> impl Strategy<Value = Step> {
    let answer = prop_oneof![
        4 => (shortest..50_000).prop_map(|lifetime| Answer::New { lifetime }),
        1 => Just(Answer::Same),
        1 => (-40_000_i64..40_000).prop_map(|by| Answer::SameShifted { by }),
        1 => Just(Answer::EndsSooner),
        1 => Just(Answer::Expired),
        4 => any::<bool>().prop_map(|retryable| Answer::Fail { retryable }),
        2 => Just(Answer::PutOff),
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
            let urgency = if background { Urgency::Background } else { Urgency::Caller };
            Step::Call(if asks { ask } else { Ask::Session }, urgency)
        }),
        4 => any::<(bool, bool)>().prop_map(|(wanted, always)| Step::Tick { wanted, always }),
        12 => (any::<bool>(), answer, 0.0..1.0_f64)
            .prop_map(|(late, answer, draw)| Step::Answer { late, answer, draw }),
        2 => any::<(bool, bool)>().prop_map(|(late, asked)| Step::Lost { late, asked }),
        4 => any::<bool>().prop_map(|current| Step::Reject { current }),
        1 => prop_oneof![30 => Just(Step::Pass(secs(1))), 1 => Just(Step::Remove)],
    ]
}

#[derive(Clone, Copy)]
struct Fetch {
    generation: u64,
    since: Moment,
    background: bool,
}

/// The machine, and what a simple-minded observer knows of it.
struct World {
    slot: Machine,
    now: Moment,
    held: Option<Keys>,
    /// Every fetch whose task lives.
    on_the_way: Vec<Fetch>,
    /// When each began.
    begun: Vec<Moment>,
    sessions: u32,
    removed: bool,
    /// So many in a minute at most.
    most: usize,
}

impl World {
    fn new(most: usize) -> Self {
        Self {
            slot: Slot::new(OVERDUE, true),
            now: at(0),
            held: None,
            on_the_way: Vec::new(),
            begun: Vec::new(),
            sessions: 0,
            removed: false,
            most,
        }
    }

    fn valid(&self, now: Moment) -> Option<Keys> {
        self.held.filter(|held| now < held.end)
    }

    fn take(&self, late: bool) -> Option<usize> {
        let last = self.on_the_way.len().checked_sub(1)?;
        Some(if late { 0 } else { last })
    }

    fn start(&mut self, background: bool) {
        assert!(!self.removed, "a fetch for a slot that was removed");
        for Fetch { generation, since, .. } in &self.on_the_way {
            let lives = self.now - *since < OVERDUE && self.slot.awaits(*generation);
            assert!(!lives, "a second fetch starts beside one that runs");
        }
        let generation = self.slot.start(self.now);
        self.on_the_way.push(Fetch { generation, since: self.now, background });
        self.begun.push(self.now);
        let minute_ago = self.now.earlier_by(secs(60));
        let in_a_minute = self.begun.iter().filter(|begun| **begun > minute_ago).count();
        assert!(in_a_minute <= self.most, "{in_a_minute} fetches in a minute");
    }

    fn take_step(&mut self, step: Step) {
        match step {
            Step::Pass(time) => self.now = self.now + time,
            Step::Call(ask, urgency) => match self.slot.decide_for(ask, urgency, self.now) {
                Decision::Hand { refresh: true, .. } => self.start(true),
                Decision::Wait(wait) => {
                    if wait.start {
                        self.start(urgency == Urgency::Background);
                    }
                    self.slot.waited_for();
                }
                _ => {}
            },
            Step::Tick { wanted, always } => {
                if self.slot.tick(self.now, wanted, always) == Tick::Refresh {
                    self.start(true);
                }
            }
            Step::Answer { late, answer, draw } => {
                let Some(index) = self.take(late) else { return };
                let fetch = self.on_the_way.remove(index);
                if self.slot.awaits(fetch.generation) {
                    self.answer(fetch, answer, draw);
                }
            }
            Step::Lost { late, asked } => {
                let Some(index) = self.take(late) else { return };
                let fetch = self.on_the_way.remove(index);
                if !asked {
                    self.was_not_asked(fetch);
                }
                if self.slot.awaits(fetch.generation) && !self.slot.lost(asked) {
                    self.slot.failed(self.now, Failure { error: "gone", retryable: true }, 0.0);
                }
            }
            Step::Reject { current } => {
                let Some(Keys { id, end }) = self.held else { return };
                let id = if current { id } else { id.wrapping_sub(1) };
                assert!(!self.slot.reject(self.now, &Keys { id, end }) || current);
            }
            Step::Remove => {
                self.slot.remove();
                (self.removed, self.held) = (true, None);
            }
        }
    }

    fn was_not_asked(&mut self, fetch: Fetch) {
        let begun = self.begun.iter().rposition(|begun| *begun == fetch.since).unwrap();
        self.begun.remove(begun);
    }

    fn answer(&mut self, fetch: Fetch, answer: Answer, draw: f64) {
        let since = fetch.since;
        if let Answer::PutOff = answer
            && fetch.background
        {
            self.was_not_asked(fetch);
            let (ago, before) = (self.slot.failures.not_before, self.slot.look(self.now));
            self.slot.put_off(self.now, "put off", draw);
            assert_eq!(self.slot.failures.not_before, ago, "callers are bound by it");
            assert_eq!(self.slot.look(self.now).failures_in_a_row, before.failures_in_a_row);
            let decision = self.slot.decide(self.now);
            assert_ne!(decision, Decision::Fail("put off"), "a caller pays for it");
            return;
        }
        self.sessions += 1;
        let (id, now, held) = (self.sessions, self.now, self.held);
        let shifted = |end: Moment, by: i64| match by {
            0.. => end + secs(by.unsigned_abs()),
            _ => end.earlier_by(secs(by.unsigned_abs())),
        };
        let session = match answer {
            Answer::New { lifetime } => Some(Keys { id, end: since + secs(lifetime) }),
            Answer::Same => held,
            Answer::SameShifted { by } => {
                held.map(|held| Keys { end: shifted(held.end, by), ..held })
            }
            Answer::EndsSooner => held.map(|held| Keys { id, end: held.end.earlier_by(secs(1)) }),
            Answer::Expired => Some(Keys { id, end: now.earlier_by(secs(1)) }),
            Answer::Fail { .. } | Answer::PutOff => None,
        };
        let fetched = session.map(|session| Fetched { session, since, end: session.end });
        match fetched.filter(|fetched| self.slot.check(now, fetched).is_ok()) {
            Some(fetched) => {
                self.slot.succeeded(now, fetched.clone(), draw);
                let unchanged = self.valid(now).is_some_and(|held| {
                    held.id == fetched.session.id && fetched.end <= held.end + SAME_END
                });
                if !unchanged {
                    self.held = Some(fetched.session);
                }
            }
            None => {
                let retryable = !matches!(answer, Answer::Fail { retryable: false });
                self.slot.failed(now, Failure { error: "no", retryable }, draw);
                if let Some(held) = self.valid(now) {
                    let most = now + secs(1).max((held.end - now) / 4);
                    assert!(self.slot.failures.not_before <= most, "backoff beyond a quarter");
                }
            }
        }
    }

    /// What must be at every moment.
    fn look(&self) {
        self.look_at_a_call(self.now);
        let quiet_until = self.slot.quiet_until();
        if self.now < quiet_until {
            let last = quiet_until.earlier_by(Duration::from_nanos(1));
            for now in [self.now, self.now + (last - self.now) / 2, last] {
                let held = self.valid(now).expect("quiet with no valid session");
                assert_eq!(self.slot.decide(now), hand(held, false), "at {now:?}");
            }
        }
        let awaited = |fetch: &&Fetch| self.slot.awaits(fetch.generation);
        assert!(self.on_the_way.iter().filter(awaited).count() <= 1);
        // With nobody's help an outage of the slot is over once the longest memory is.
        let later = self.now + OVERDUE;
        if self.valid(later).is_none() && !self.removed {
            let decision = self.slot.decide(later);
            assert!(matches!(decision, Decision::Wait(Wait { start: true, .. })), "{decision:?}");
        }
        let look = self.slot.look(self.now);
        assert_eq!(look.state.holds_session(), self.valid(self.now).is_some(), "{look:?}");
    }

    fn look_at_a_call(&self, now: Moment) {
        let valid = self.valid(now);
        match self.slot.decide_for(Ask::Session, Urgency::Background, now) {
            Decision::Hand { session, .. } => assert_eq!(Some(session), valid),
            Decision::Fail(_) => assert_eq!(valid, None, "an error while a session is held"),
            _ => {}
        }
        match self.slot.decide(now) {
            Decision::Hand { session, .. } => assert_eq!(Some(session), valid),
            Decision::Fail(_) => assert_eq!(valid, None, "an error while a session is held"),
            Decision::Wait(wait) => {
                assert_eq!(wait.otherwise, valid.map(|held| (held, held.end)));
                assert!(now < wait.until && wait.until <= now + OVERDUE, "{wait:?}");
            }
            Decision::Removed => assert!(self.removed),
            Decision::TooShort(_) => panic!("nobody asked for more"),
        }
        for least in [1, 60, 1800, 50_000].map(secs) {
            match self.slot.decide_for(Ask::ValidFor(least), Urgency::Caller, now) {
                Decision::Hand { session, .. } => {
                    assert_eq!(Some(session), valid);
                    assert!(session.end - now >= least, "too short");
                }
                Decision::TooShort(left) => {
                    assert_eq!(Some(left), valid.map(|held| held.end - now));
                    assert!(left < least);
                }
                Decision::Wait(Wait { otherwise: Some((held, end)), .. }) => {
                    assert!((Some(held), held.end) == (valid, end) && end >= now + least);
                }
                Decision::Wait(_) | Decision::Fail(_) => {}
                Decision::Removed => assert!(self.removed),
            }
        }
        if let Decision::Hand { session, .. } = self.slot.decide_for(Ask::Now, Urgency::Caller, now)
        {
            assert_eq!(Some(session), valid);
        }
    }
}

fn live(steps: Vec<Step>, most: usize) {
    let mut world = World::new(most);
    world.look();
    for step in steps {
        world.take_step(step);
        world.look();
    }
}

proptest! {
    /// Sessions of a second, and callers who ask for another at every call: one fetch a second, and one that was lost.
    #[test]
    fn no_history_breaks_a_promise(steps in proptest::collection::vec(step(1, true), 1..120)) {
        live(steps, 61);
    }

    /// Sessions as STS gives them, and ordinary callers: failures at 0, 1, 3, 7, 15, 25 .. 55 s, a rejection, a loss.
    #[test]
    fn no_history_of_sts_asks_it_more_than_so_often(
        steps in proptest::collection::vec(step(900, false), 1..200),
    ) {
        live(steps, 12);
    }
}

//! Random histories: whatever happens, in whatever order, no promise is broken.

use proptest::prelude::*;

use super::*;

/// One step of a history.
#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(Duration),
    Call,
    Tick {
        wanted: bool,
        always: bool,
    },
    /// The oldest or the newest fetch on its way comes back.
    Answer {
        late: bool,
        answer: Answer,
        draw: f64,
    },
    Lost {
        late: bool,
    },
    Reject {
        current: bool,
    },
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    New { lifetime: u64 },
    Same,
    EndsSooner,
    Expired,
    Fail { retryable: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let answer = prop_oneof![
        4 => (1_u64..50_000).prop_map(|lifetime| Answer::New { lifetime }),
        1 => Just(Answer::Same),
        1 => Just(Answer::EndsSooner),
        1 => Just(Answer::Expired),
        4 => any::<bool>().prop_map(|retryable| Answer::Fail { retryable }),
    ];
    prop_oneof![
        4 => (0_u64..20_000).prop_map(|millis| Step::Pass(Duration::from_millis(millis))),
        2 => (0_u64..5_000).prop_map(|seconds| Step::Pass(secs(seconds))),
        6 => Just(Step::Call),
        2 => any::<(bool, bool)>().prop_map(|(wanted, always)| Step::Tick { wanted, always }),
        6 => (any::<bool>(), answer, 0.0..1.0_f64)
            .prop_map(|(late, answer, draw)| Step::Answer { late, answer, draw }),
        1 => any::<bool>().prop_map(|late| Step::Lost { late }),
        2 => any::<bool>().prop_map(|current| Step::Reject { current }),
    ]
}

/// The machine, and what a simple-minded observer knows of it.
struct World {
    slot: Machine,
    now: Moment,
    held: Option<Keys>,
    /// Generation and start of every fetch whose task lives.
    on_the_way: Vec<(u64, Moment)>,
    sessions: u32,
}

impl World {
    fn new() -> Self {
        Self {
            slot: Slot::new(OVERDUE, true),
            now: at(0),
            held: None,
            on_the_way: Vec::new(),
            sessions: 0,
        }
    }

    fn valid(&self, now: Moment) -> Option<Keys> {
        self.held.filter(|held| now < held.end)
    }

    fn take(&self, late: bool) -> Option<usize> {
        let last = self.on_the_way.len().checked_sub(1)?;
        Some(if late { 0 } else { last })
    }

    fn start(&mut self) {
        for (generation, since) in &self.on_the_way {
            let lives = self.now - *since < OVERDUE && self.slot.awaits(*generation);
            assert!(!lives, "a second fetch starts beside one that runs");
        }
        let generation = self.slot.start(self.now);
        self.on_the_way.push((generation, self.now));
    }

    fn take_step(&mut self, step: Step) {
        match step {
            Step::Pass(time) => self.now = self.now + time,
            Step::Call => match self.slot.decide(self.now) {
                Decision::Hand { refresh: true, .. } => self.start(),
                Decision::Wait(wait) => {
                    if wait.start {
                        self.start();
                    }
                    self.slot.waited_for();
                }
                Decision::Hand { .. } | Decision::Fail(_) => {}
            },
            Step::Tick { wanted, always } => {
                if self.slot.tick(self.now, wanted, always) == Tick::Refresh {
                    self.start();
                }
            }
            Step::Answer { late, answer, draw } => {
                let Some(index) = self.take(late) else { return };
                let (generation, since) = self.on_the_way.remove(index);
                if self.slot.awaits(generation) {
                    self.answer(since, answer, draw);
                }
            }
            Step::Lost { late } => {
                let Some(index) = self.take(late) else { return };
                let (generation, _) = self.on_the_way.remove(index);
                self.slot.lost(generation);
            }
            Step::Reject { current } => {
                let Some(Keys { id, end }) = self.held else { return };
                let id = if current { id } else { id - 1 };
                assert!(!self.slot.reject(self.now, &Keys { id, end }) || current);
            }
        }
    }

    fn answer(&mut self, since: Moment, answer: Answer, draw: f64) {
        self.sessions += 1;
        let (id, now, held) = (self.sessions, self.now, self.held);
        let session = match answer {
            Answer::New { lifetime } => Some(Keys { id, end: since + secs(lifetime) }),
            Answer::Same => held,
            Answer::EndsSooner => held.map(|held| Keys { id, end: held.end.earlier_by(secs(1)) }),
            Answer::Expired => Some(Keys { id, end: now.earlier_by(secs(1)) }),
            Answer::Fail { .. } => None,
        };
        let fetched = session.map(|session| Fetched { session, since, end: session.end });
        match fetched.filter(|fetched| self.slot.check(now, fetched).is_ok()) {
            Some(fetched) => {
                self.held = Some(fetched.session);
                self.slot.succeeded(now, fetched, draw);
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
        let awaited = |(generation, _): &&(u64, Moment)| self.slot.awaits(*generation);
        assert!(self.on_the_way.iter().filter(awaited).count() <= 1);
        // With nobody's help an outage of the slot is over once the longest memory is.
        let later = self.now + OVERDUE;
        if self.valid(later).is_none() {
            let decision = self.slot.decide(later);
            assert!(matches!(decision, Decision::Wait(Wait { start: true, .. })), "{decision:?}");
        }
    }

    fn look_at_a_call(&self, now: Moment) {
        let valid = self.valid(now);
        match self.slot.decide(now) {
            Decision::Hand { session, .. } => assert_eq!(Some(session), valid),
            Decision::Fail(_) => assert_eq!(valid, None, "an error while a session is held"),
            Decision::Wait(wait) => {
                assert_eq!(wait.otherwise, valid.map(|held| (held, held.end)));
                assert!(now < wait.until && wait.until <= now + OVERDUE, "{wait:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn no_history_breaks_a_promise(steps in proptest::collection::vec(step(), 1..80)) {
        let mut world = World::new();
        world.look();
        for step in steps {
            world.take_step(step);
            world.look();
        }
    }
}

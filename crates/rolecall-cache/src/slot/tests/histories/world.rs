//! The machine as it is seen from outside, and what must be whatever happens to it.

use super::*;

#[derive(Clone, Copy)]
struct Fetch {
    generation: u64,
    since: Moment,
    background: bool,
}

/// What a fetch starts for.
#[derive(Clone, Copy)]
enum Cause {
    /// Somebody waits for what is asked.
    Wait(Ask, FetchMode),
    /// Nobody does: a call in the refresh window, the timer.
    Refresh,
}

/// A session that came in.
#[derive(Clone, Copy)]
struct InHand {
    keys: Keys,
    lifetime: Duration,
    rejected: bool,
}

/// Fetches that went wrong, one after the other.
#[derive(Clone, Copy)]
struct Trouble {
    in_a_row: u32,
    /// The last of them.
    at: Moment,
    /// The next comes no sooner.
    again: Moment,
    /// Whoever needs another session than the one that is held hears of it until then, at least.
    told_until: Moment,
}

impl Trouble {
    const NONE: Self =
        Self { in_a_row: 0, at: Moment::ZERO, again: Moment::ZERO, told_until: Moment::ZERO };

    /// One more, while what is held is good for `left`. Each pause is as short as it may be.
    fn add(&mut self, now: Moment, retryable: bool, left: Duration) {
        let doubled = 1 << self.in_a_row.min(20);
        let told = secs(if retryable { doubled } else { doubled.max(5) }.min(10));
        let most = secs(if retryable { doubled } else { 30 * doubled }.min(300)).min(left / 4);
        let pause = if left.is_zero() { told } else { secs(1).max(most / 2) };
        *self = Self {
            in_a_row: self.in_a_row + 1,
            at: now,
            again: now + pause,
            told_until: now + told,
        };
    }
}

/// The machine, and what a simple-minded observer knows of it.
pub(super) struct World {
    slot: Machine,
    /// Whether sessions are refreshed before their end.
    ahead: bool,
    now: Moment,
    held: Option<InHand>,
    failures: Trouble,
    /// In the background, without a turn.
    put_offs: Trouble,
    /// Fetches lost since a session came in.
    losses: u32,
    /// The last fetch on account of a rejection, and when it began.
    for_a_rejection: Option<(u64, Moment)>,
    /// Every fetch whose task lives.
    on_the_way: Vec<Fetch>,
    /// When each of the last minute began that asked the source.
    begun: Vec<(u64, Moment)>,
    sessions: u32,
    removed: bool,
    /// So many in a minute at most.
    most: usize,
}

impl World {
    pub(super) fn new(most: usize, ahead: bool) -> Self {
        Self {
            slot: Slot::new(OVERDUE, ahead),
            ahead,
            now: at(0),
            held: None,
            failures: Trouble::NONE,
            put_offs: Trouble::NONE,
            losses: 0,
            for_a_rejection: None,
            on_the_way: Vec::new(),
            begun: Vec::new(),
            sessions: 0,
            removed: false,
            most,
        }
    }

    fn in_hand(&self, now: Moment) -> Option<InHand> {
        self.held.filter(|held| now < held.keys.end)
    }

    fn valid(&self, now: Moment) -> Option<Keys> {
        self.in_hand(now).map(|held| held.keys)
    }

    fn left(&self) -> Duration {
        self.valid(self.now).map_or(Duration::ZERO, |held| held.end - self.now)
    }

    /// From when a caller waits though this session is valid.
    fn hard_at(&self, held: InHand) -> Moment {
        match self.ahead {
            _ if held.rejected => Moment::ZERO,
            true => held.keys.end.earlier_by(secs(60).min(held.lifetime / 10)),
            false => held.keys.end,
        }
    }

    fn take(&self, late: bool) -> Option<usize> {
        let last = self.on_the_way.len().checked_sub(1)?;
        Some(if late { 0 } else { last })
    }

    fn start(&mut self, cause: Cause) {
        assert!(!self.removed, "a fetch for a slot that was removed");
        for Fetch { generation, since, .. } in &self.on_the_way {
            let lives = self.now - *since < OVERDUE && self.slot.awaits(*generation);
            assert!(!lives, "a second fetch starts beside one that runs");
        }
        let background = matches!(cause, Cause::Refresh | Cause::Wait(_, FetchMode::Background));
        let held_is_no_use = match cause {
            Cause::Wait(Ask::Now, _) => true,
            Cause::Wait(Ask::ValidFor(least), _) => self.left() < least,
            _ => false,
        };
        self.look_at_the_pause(cause, background, held_is_no_use);
        let generation = self.slot.start(self.now);
        let rejected = self.in_hand(self.now).is_some_and(|held| held.rejected);
        if rejected && !held_is_no_use && matches!(cause, Cause::Wait(..)) {
            if let Some((_, before)) = self.for_a_rejection {
                assert!(self.now >= before + secs(10), "two fetches for rejections within 10 s");
            }
            self.for_a_rejection = Some((generation, self.now));
        }
        self.on_the_way.push(Fetch { generation, since: self.now, background });
        self.begun.push((generation, self.now));
        let minute_ago = self.now.earlier_by(secs(60));
        self.begun.retain(|(_, begun)| *begun > minute_ago);
        let in_a_minute = self.begun.len();
        assert!(in_a_minute <= self.most, "{in_a_minute} fetches in a minute");
    }

    /// Whether it is long enough since the last went wrong.
    fn look_at_the_pause(&self, cause: Cause, background: bool, held_is_no_use: bool) {
        let Self { now, failures, put_offs, .. } = *self;
        let again = match cause {
            _ if failures.in_a_row == 0 => now,
            Cause::Wait(Ask::Now, _) => failures.at + secs(1),
            _ if held_is_no_use && self.valid(now).is_some() => failures.told_until,
            _ => failures.again,
        };
        assert!(
            now >= again,
            "a fetch {:?} after failure {}",
            now - failures.at,
            failures.in_a_row
        );
        // Whoever needs another than the one that is held waits for a turn.
        if background
            && !(held_is_no_use && self.valid(now).is_some())
            && !matches!(cause, Cause::Wait(Ask::Now, _))
        {
            let ago = now - put_offs.at;
            assert!(now >= put_offs.again, "a fetch {ago:?} after put-off {}", put_offs.in_a_row);
        }
    }

    pub(super) fn take_step(&mut self, step: Step) {
        match step {
            Step::Pass(time) => self.now = self.now + time,
            Step::Call(ask, mode) => match self.slot.decide_for(ask, mode, self.now) {
                Decision::Hand { refresh: true, .. } => self.start(Cause::Refresh),
                Decision::Wait(wait) => {
                    if wait.start {
                        self.start(Cause::Wait(ask, mode));
                    }
                    self.slot.waited_for();
                }
                _ => {}
            },
            Step::Tick { wanted, always } => {
                if self.slot.tick(self.now, wanted, always) == Tick::Refresh {
                    self.start(Cause::Refresh);
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
                if !self.slot.awaits(fetch.generation) {
                    return;
                }
                // One that was lost and its next count as one.
                let excused = !asked || self.losses == 0;
                self.losses += u32::from(asked);
                if excused {
                    self.begun.retain(|(generation, _)| *generation != fetch.generation);
                }
                assert_eq!(self.slot.lost(asked), excused);
                if !excused {
                    self.slot.failed(self.now, Failure { error: "gone", retryable: true }, 0.0);
                    self.went_wrong(true);
                }
            }
            Step::Reject { current } => {
                let Some(held) = &mut self.held else { return };
                let Keys { id, end } = held.keys;
                let id = if current { id } else { id.wrapping_sub(1) };
                let news = self.slot.invalidate(self.now, &Keys { id, end });
                assert_eq!(news, current && !held.rejected);
                held.rejected |= current;
            }
            Step::Remove => {
                self.slot.remove();
                (self.removed, self.held) = (true, None);
            }
        }
    }

    fn was_not_asked(&mut self, fetch: Fetch) {
        self.begun.retain(|(generation, _)| *generation != fetch.generation);
        if self.for_a_rejection.is_some_and(|(generation, _)| generation == fetch.generation) {
            self.for_a_rejection = None;
        }
    }

    fn went_wrong(&mut self, retryable: bool) {
        let left = self.left();
        self.failures.add(self.now, retryable, left);
        self.put_offs = Trouble::NONE;
    }

    fn answer(&mut self, fetch: Fetch, answer: Answer, draw: f64) {
        let since = fetch.since;
        if let Answer::Deferral = answer
            && fetch.background
        {
            self.was_not_asked(fetch);
            let (ago, before) = (self.slot.failures.not_before, self.slot.look(self.now));
            self.slot.deferred(self.now, "put off", draw);
            let left = self.left();
            self.put_offs.add(self.now, true, left);
            assert_eq!(self.slot.failures.not_before, ago, "callers are bound by it");
            assert_eq!(self.slot.look(self.now).consecutive_failures, before.consecutive_failures);
            let decision = self.slot.decide(self.now);
            assert_ne!(decision, Decision::Fail("put off"), "a caller pays for it");
            return;
        }
        self.sessions += 1;
        let (id, now) = (self.sessions, self.now);
        let held = self.held.map(|held| held.keys);
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
            Answer::ExpiresSooner => {
                held.map(|held| Keys { id, end: held.end.earlier_by(secs(11)) })
            }
            Answer::Expired => Some(Keys { id, end: now.earlier_by(secs(1)) }),
            Answer::Fail { .. } | Answer::Deferral => None,
        };
        let fetched = session.map(|session| Fetched { session, since, end: session.end });
        match fetched.filter(|fetched| self.slot.check(now, fetched).is_ok()) {
            Some(fetched) => {
                self.slot.succeeded(now, fetched.clone(), draw);
                let unchanged = self.valid(now).is_some_and(|held| {
                    held.id == fetched.session.id && fetched.end <= held.end + SAME_END
                });
                if !unchanged {
                    let (keys, lifetime) = (fetched.session, fetched.end - since);
                    self.held = Some(InHand { keys, lifetime, rejected: false });
                }
                (self.failures, self.put_offs) = (Trouble::NONE, Trouble::NONE);
                self.losses = 0;
            }
            None => {
                let retryable = !matches!(answer, Answer::Fail { retryable: false });
                self.slot.failed(now, Failure { error: "no", retryable }, draw);
                self.went_wrong(retryable);
                if let Some(held) = self.valid(now) {
                    let most = now + secs(1).max((held.end - now) / 4);
                    assert!(self.slot.failures.not_before <= most, "backoff beyond a quarter");
                }
            }
        }
    }

    /// What must be at every moment.
    pub(super) fn look(&self) {
        self.look_at_a_call(self.now);
        if let Some(held) = self.in_hand(self.now) {
            for edge in [self.hard_at(held), held.keys.end] {
                self.look_at_a_call(self.now.max(edge.earlier_by(Duration::from_nanos(1))));
            }
        }
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
        assert_eq!(look.state.has_session(), self.valid(self.now).is_some(), "{look:?}");
    }

    fn look_at_a_call(&self, now: Moment) {
        let valid = self.valid(now);
        match self.slot.decide_for(Ask::Session, FetchMode::Background, now) {
            Decision::Hand { session, .. } => assert_eq!(Some(session), valid),
            Decision::Fail(_) => assert_eq!(valid, None, "an error while a session is held"),
            Decision::Wait(wait) => self.look_at_a_wait(wait.until, now),
            _ => {}
        }
        match self.slot.decide(now) {
            Decision::Hand { session, .. } => assert_eq!(Some(session), valid),
            Decision::Fail(_) => assert_eq!(valid, None, "an error while a session is held"),
            Decision::Wait(wait) => {
                assert_eq!(wait.otherwise, valid.map(|held| (held, held.end)));
                assert!(now < wait.until && wait.until <= now + OVERDUE, "{wait:?}");
                self.look_at_a_wait(wait.until, now);
            }
            Decision::Removed => assert!(self.removed),
            Decision::TooShort(_) => panic!("nobody asked for more"),
        }
        for least in [1, 60, 1800, 50_000].map(secs) {
            match self.slot.decide_for(Ask::ValidFor(least), FetchMode::Foreground, now) {
                Decision::Hand { session, .. } => {
                    assert_eq!(Some(session), valid);
                    assert!(session.end - now >= least, "too short");
                }
                Decision::TooShort(left) => {
                    assert_eq!(Some(left), valid.map(|held| held.end - now));
                    assert!(left < least);
                }
                Decision::Wait(Wait { otherwise: Some((held, end)), until, .. }) => {
                    assert!((Some(held), held.end) == (valid, end) && end >= now + least);
                    self.look_at_a_wait(until, now);
                }
                Decision::Wait(_) | Decision::Fail(_) => {
                    assert!(valid.is_none_or(|held| held.end - now < least), "long enough");
                }
                Decision::Removed => assert!(self.removed),
            }
        }
        if let Decision::Hand { session, .. } =
            self.slot.decide_for(Ask::Now, FetchMode::Foreground, now)
        {
            assert_eq!(Some(session), valid);
        }
    }

    /// Nobody waits who has a valid session, but for one that was rejected, or in its hard window,
    /// and not for long.
    fn look_at_a_wait(&self, until: Moment, now: Moment) {
        let Some(held) = self.in_hand(now) else { return };
        assert!(now >= self.hard_at(held), "a caller waits while a valid session is held");
        assert!(held.rejected || until <= now + secs(2), "a caller waits for too long");
    }
}

//! Runs a history on the machine and on the [oracle](super::oracle), and compares them.

use super::oracle::{Oracle, Phase, Response, SECOND, Says};
use super::*;

/// One step of a history.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Milliseconds pass.
    Pass(u64),
    /// The wall clock is set, in seconds.
    SetWall(i64),
    Call(Request, FetchMode),
    /// `refresh()`.
    Refresh,
    Complete {
        /// The oldest fetch, which may be overdue, or the newest.
        late: bool,
        outcome: Outcome,
        /// The random draw, in halves.
        draw: i64,
    },
    Lose {
        late: bool,
        called: bool,
    },
    Reject(InvalidSession),
    Accept,
    /// The timer has a free permit for background fetches, or none.
    Slots(bool),
    Remove,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Session {
        lifetime: i64,
        measured: bool,
    },
    /// The cached keys; the reading of their expiration moved by so many seconds.
    Same {
        moved: i64,
    },
    Sooner,
    Expired,
    Unlimited {
        is_static: bool,
    },
    Fail(Failure),
}

/// How the entry is used and refreshed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    pub(super) wanted: bool,
    pub(super) always: bool,
    pub(super) never_ahead: bool,
}

struct Task {
    generation: u64,
    began: i64,
    mode: FetchMode,
}

pub(super) struct World {
    entry: Entry,
    oracle: Oracle,
    used: Use,
    /// Microseconds since the start, and the same on the wall clock.
    now: i64,
    wall: i64,
    tasks: Vec<Task>,
    lost: u32,
    sessions: u32,
    refused: u32,
    free_permits: bool,
    /// When the timer calls, and until when the hit path returns the cached session.
    armed: Moment,
    /// The start of each fetch that called the provider.
    pub(super) calls: Vec<i64>,
}

fn moment(micros: i64) -> Moment {
    let passed = Duration::from_micros(micros.unsigned_abs());
    if micros < 0 { at(0).earlier_by(passed) } else { at(0) + passed }
}

fn micros(moment: Moment) -> i64 {
    i64::try_from((moment - at(0)).as_micros()).unwrap()
}

fn both(now: i64, wall: i64) -> Now {
    let start = UNIX_EPOCH + secs(1_700_000_000);
    let passed = Duration::from_micros(wall.unsigned_abs());
    Now { at: moment(now), wall: if wall < 0 { start - passed } else { start + passed } }
}

fn said(answer: Answer) -> Says {
    match answer {
        Decision::Return { session, refresh } => Says::Session { id: session.0, refresh },
        Decision::Wait(Wait { start, until, fallback }) => {
            let fallback = fallback.map(|(keys, _)| keys.0);
            Says::Wait { start, until: micros(until), fallback }
        }
        Decision::Fail("foreground") => Says::Error(FOREGROUND),
        Decision::Fail(_) => Says::Error(BACKGROUND),
        Decision::TooShort(_) => Says::TooShort,
        Decision::Removed => Says::Removed,
    }
}

impl World {
    pub(super) fn new(used: Use) -> Self {
        let mut oracle = Oracle::default();
        oracle.never_ahead = used.never_ahead;
        Self {
            entry: empty(),
            oracle,
            used,
            now: 0,
            wall: 0,
            tasks: Vec::new(),
            lost: 0,
            sessions: 0,
            refused: 0,
            free_permits: true,
            armed: Moment::MAX,
            calls: Vec::new(),
        }
    }

    fn time(&self) -> Now {
        both(self.now, self.wall)
    }

    pub(super) fn take(&mut self, step: Step) {
        match step {
            Step::Pass(millis) => self.pass(i64::try_from(millis).unwrap() * 1000),
            Step::SetWall(seconds) => self.wall += seconds * SECOND,
            Step::Call(request, mode) => self.call(request, mode),
            Step::Refresh => {
                self.call(Request::NewerThan(self.entry.newest_generation()), FOREGROUND);
            }
            Step::Complete { late, outcome, draw } => self.complete(late, outcome, draw),
            Step::Lose { late, called } => self.lose(late, called),
            Step::Reject(reason) => {
                self.entry.invalidate(self.time(), reason);
                self.oracle.reject(reason, self.now);
            }
            Step::Accept => {
                self.entry.clear_suspicion();
                self.oracle.accept();
            }
            Step::Slots(free) => {
                self.free_permits = free;
                if free && self.oracle.queued {
                    self.tick();
                }
            }
            Step::Remove => {
                self.entry.remove();
                self.oracle.removed = true;
                (self.oracle.held, self.oracle.running) = (None, None);
            }
        }
        // Each change is shown to the timer; a wall clock that was set calls every entry.
        self.arm();
        self.compare();
    }

    /// Lets time pass, and calls the entry when the timer does.
    fn pass(&mut self, micros_passed: i64) {
        let end = self.now + micros_passed;
        while self.armed < moment(end) {
            // The timer's time, rounded up to what the oracle counts in.
            let due = (micros(self.armed) + 1).clamp(self.now, end);
            self.wall += due - self.now;
            self.now = due;
            self.tick();
        }
        self.wall += end - self.now;
        self.now = end;
    }

    fn next_wakeup(&self) -> Wakeup {
        let Use { wanted, always, .. } = self.used;
        self.entry.next_wakeup(self.time(), wanted, always)
    }

    fn arm(&mut self) {
        self.armed = match self.next_wakeup() {
            Wakeup::Refresh => self.time().at,
            Wakeup::At(moment) => {
                assert!(moment > self.time().at, "the timer spins");
                moment
            }
        };
    }

    fn tick(&mut self) {
        self.entry.set_queued(false);
        self.oracle.queued = false;
        if self.next_wakeup() == Wakeup::Refresh {
            self.start_background();
        }
        self.arm();
    }

    fn start_background(&mut self) {
        match self.free_permits {
            true => self.begin(BACKGROUND, false),
            false => {
                self.entry.set_queued(true);
                self.oracle.queued = true;
            }
        }
    }

    fn begin(&mut self, mode: FetchMode, forced: bool) {
        let generation = self.entry.begin_fetch(self.time(), mode, forced);
        self.oracle.begin(generation, mode, forced, [self.now, self.wall]);
        self.tasks.push(Task { generation, began: self.now, mode });
        self.calls.push(self.now);
    }

    fn call(&mut self, request: Request, mode: FetchMode) {
        match self.entry.decide(request, mode, self.time()) {
            Decision::Return { refresh: true, .. } => self.start_background(),
            Decision::Wait(wait) => {
                if wait.start {
                    self.begin(mode, matches!(request, Request::NewerThan(_)));
                }
                self.entry.join_fetch();
                if let Some(running) = &mut self.oracle.running {
                    running.joined = true;
                }
            }
            _ => {}
        }
    }

    fn take_task(&mut self, late: bool) -> Option<Task> {
        let last = self.tasks.len().checked_sub(1)?;
        Some(self.tasks.remove(if late { 0 } else { last }))
    }

    fn respond(&mut self, outcome: Outcome, began: i64) -> Result<Response, Failure> {
        self.sessions += 1;
        let held = self.oracle.held.map(|held| held.response);
        let new = |expires, measured| Response {
            id: self.sessions,
            requested: if measured { began } else { self.now },
            expires,
            measured,
            is_static: false,
        };
        Ok(match outcome {
            Outcome::Session { lifetime, measured } => new(Some(began + lifetime), measured),
            Outcome::Same { moved } => {
                let held = held.ok_or(Failure::Retryable)?;
                let expires = held.expires.map(|at| at + moved * SECOND);
                let requested = if held.measured { held.requested } else { self.now };
                Response { requested, expires, ..held }
            }
            Outcome::Sooner => {
                let expires = held.and_then(|held| held.expires).ok_or(Failure::Retryable)?;
                new(Some((expires - 11 * SECOND).max(began + SECOND)), true)
            }
            Outcome::Expired => new(Some(self.now), true),
            Outcome::Unlimited { is_static } => Response { is_static, ..new(None, false) },
            Outcome::Fail(failure) => return Err(failure),
        })
    }

    /// As the task of a fetch does when it has a result.
    fn complete(&mut self, late: bool, outcome: Outcome, draw: i64) {
        let Some(Task { generation, began, mode }) = self.take_task(late) else { return };
        let failure = match self.respond(outcome, began) {
            Ok(response) => {
                let accepts = self.entry.accepts_session(generation);
                assert_eq!(accepts, !self.oracle.removed && generation > self.oracle.newest);
                if !accepts {
                    return;
                }
                let fetched = Fetched {
                    session: Keys(response.id),
                    since: moment(response.requested),
                    expires_at: response.expires.map_or(Moment::MAX, moment),
                    measured: response.measured,
                    is_static: response.is_static,
                };
                let useful = self.oracle.is_useful(generation, response, self.now, self.wall);
                assert_eq!(
                    self.entry.check(self.time(), generation, &fetched).is_ok(),
                    useful,
                    "{response:?}"
                );
                if useful {
                    let random = draw as f64 / 2.0;
                    let ahead = !self.used.never_ahead;
                    // A late session also reaches those that wait for the fetch that took over.
                    let waited_for = self.oracle.running.is_some_and(|fetch| fetch.joined);
                    let joined =
                        self.entry.succeed(self.time(), generation, fetched, ahead, random);
                    assert_eq!(joined, waited_for);
                    self.oracle.adopt(generation, response, draw, [self.now, self.wall]);
                    (self.lost, self.refused) = (0, 0);
                    return;
                }
                Failure::Refused
            }
            Err(failure) => failure,
        };
        if self.entry.is_current(generation) {
            self.fail(mode, failure, draw);
        }
    }

    fn fail(&mut self, mode: FetchMode, failure: Failure, draw: i64) {
        let error = if mode == FOREGROUND { "foreground" } else { "background" };
        let counts = self.entry.fail(self.time(), failure, error, draw as f64 / 2.0);
        assert_eq!(counts, self.oracle.fail(failure, draw, [self.now, self.wall]));
        match failure {
            _ if !counts => {}
            Failure::Refused => self.refused += 1,
            Failure::Deferred if mode == BACKGROUND => {
                // The provider was not called.
                self.calls.pop();
            }
            _ => self.refused = 0,
        }
    }

    fn lose(&mut self, late: bool, called: bool) {
        let Some(Task { generation, began, mode }) = self.take_task(late) else { return };
        let excused = !called || self.lost == 0;
        if !called {
            self.calls.retain(|call| *call != began);
        }
        if !self.entry.is_current(generation) {
            return;
        }
        self.lost += u32::from(called && excused);
        assert_eq!(self.entry.lose_fetch(called), excused);
        match excused {
            true => self.oracle.running = None,
            false => self.fail(mode, Failure::Retryable, 0),
        }
    }

    /// Compares every answer, now and at times at which something may change.
    fn compare(&self) {
        let Self { entry, oracle, now, wall, .. } = self;
        let held = oracle.held.map(|held| held.response);
        let edges = held.and_then(|held| held.expires).into_iter().flat_map(|at| [at - 1000, at]);
        let soon = [0, 500, 1000, 2000, 10_000, 16_000, 300_000].map(|millis| now + 1000 * millis);
        for probe in soon.into_iter().chain(edges).filter(|probe| probe >= now) {
            let wall = wall + (probe - now);
            let time = both(probe, wall);
            for mode in [FOREGROUND, BACKGROUND] {
                for request in [
                    Request::Session,
                    Request::ValidFor(secs(2)),
                    Request::ValidFor(secs(1000)),
                    Request::NewerThan(entry.newest_generation()),
                    Request::NewerThan(entry.newest_generation().saturating_sub(1)),
                ] {
                    let answer = said(entry.decide(request, mode, time));
                    let expected = oracle.says(request, mode, probe, wall);
                    assert_eq!(answer, expected, "{request:?} {mode:?} at {probe}, now {now}");
                    self.check_promises(&answer, mode, probe);
                }
            }
            let phase = oracle.phase(probe, wall);
            let failures = entry.report(time).consecutive_failures;
            assert_eq!(failures as usize, oracle.failures());
            assert_eq!(entry.report(time).refused_responses, self.refused);
            assert_eq!(entry.report(time).state.has_session(), phase != Phase::Without);
            let Use { wanted, always, .. } = self.used;
            let due = oracle.is_due(probe, wall, wanted, always);
            let wakeup = entry.next_wakeup(time, wanted, always);
            if oracle.newest > 0 || oracle.failures() > 0 {
                assert_eq!(wakeup == Wakeup::Refresh, due, "{phase:?} at {probe}, now {now}");
            }
            // The timer does not sleep past a refresh that is due.
            assert!(!due || self.armed <= time.at, "due at {probe}, armed {:?}", self.armed);
        }
        self.check_quiet_period();
    }

    /// What a caller is promised whatever happened before.
    fn check_promises(&self, answer: &Says, mode: FetchMode, now: i64) {
        let valid = self
            .oracle
            .held
            .map(|held| held.response)
            .filter(|response| response.expires.is_none_or(|expires| now < expires));
        match answer {
            Says::Session { id, .. } => {
                assert_eq!(Some(*id), valid.map(|valid| valid.id), "an expired session");
            }
            Says::Error(from) => {
                // No caller receives the error of a fetch that did not try on its behalf.
                assert!(mode == BACKGROUND || *from == FOREGROUND, "an error of the background");
            }
            Says::Wait { until, fallback, .. } => {
                assert!(now < *until && *until <= now + 16 * SECOND);
                assert!(fallback.is_none() || *until <= now + 2 * SECOND, "a long wait");
            }
            Says::TooShort | Says::Removed => {}
        }
    }

    /// During the quiet period, the machine would give what the hit path gives.
    fn check_quiet_period(&self) {
        let time = self.time();
        let quiet_until = self.entry.quiet_until(time);
        if quiet_until <= time.at {
            return;
        }
        let last = quiet_until.earlier_by(Duration::from_nanos(1)) - time.at;
        let id = self.oracle.held.map_or(0, |held| held.response.id);
        for passed in [Duration::ZERO, last / 3, last / 2, last] {
            let then = Now {
                at: time.at + passed,
                wall: time.wall.checked_add(passed).unwrap_or(time.wall),
            };
            let answer = self.entry.decide(Request::Session, FOREGROUND, then);
            assert_eq!(answer, session(id), "after {passed:?} of {last:?}");
        }
    }

    /// Returns the most calls of the provider in a window of so many seconds.
    pub(super) fn max_calls(&self, seconds: i64) -> usize {
        let within = |start: i64| {
            let window = start..start + seconds * SECOND;
            self.calls.iter().filter(|call| window.contains(call)).count()
        };
        self.calls.iter().map(|start| within(*start)).max().unwrap_or(0)
    }
}

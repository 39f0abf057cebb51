//! An STS on the clock, and the source of each role's sessions in front of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use rolecall::sts::{StsClient, Turns};
use rolecall::{
    Clock, ErrorKind, FetchContext, FetchError, Moment, Session, SessionSource, Urgency,
};

use super::{Day, Tally};

/// How long an answer takes.
const LATENCY: Duration = Duration::from_millis(100);
/// How long a session is good.
const LIFETIME: Duration = Duration::from_secs(3600);

/// What STS does in an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// It says that it is unavailable, as soon as it would else answer.
    Refuses,
    /// It does not answer.
    Hangs,
}

/// How the access key ids of a role's sessions begin.
pub(super) fn key_of(role: usize) -> String {
    format!("ASIA{role:06}")
}

/// STS, and what it saw.
#[derive(Debug)]
pub(super) struct Sts {
    clock: Clock,
    start: Moment,
    turns: Turns,
    answers: Outage,
    out: AtomicBool,
    /// The end of each role's newest session; 0 before the first.
    ends: Vec<AtomicU64>,
    /// How many fetches of each role run.
    live: Vec<AtomicU64>,
    happenings: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    attempts: Vec<u32>,
    granted: Vec<u32>,
    sessions: u64,
    two_at_once: u64,
}

impl Sts {
    pub(super) fn new(day: &Day, clock: Clock) -> Self {
        let zeros = || (0..day.roles).map(|_| AtomicU64::new(0)).collect();
        Self {
            turns: Turns::new(day.budget, clock.clone()),
            start: clock.now(),
            clock,
            answers: day.answers,
            out: AtomicBool::new(false),
            ends: zeros(),
            live: zeros(),
            happenings: AtomicU64::new(0),
            seen: Mutex::default(),
        }
    }

    pub(super) fn is_out(&self, out: bool) {
        self.out.store(out, Ordering::Relaxed);
    }

    /// The end of a role's newest session.
    pub(super) fn end_of(&self, role: usize) -> Option<Moment> {
        match self.ends[role].load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Moment::from_nanos(nanos)),
        }
    }

    /// How much has happened: while this grows, nothing is at rest.
    pub(super) fn happenings(&self) -> u64 {
        self.happenings.load(Ordering::Relaxed)
    }

    pub(super) fn something_happened(&self) {
        self.happenings.fetch_add(1, Ordering::Relaxed);
    }

    /// What was seen.
    pub(super) fn hand_over(&self, tally: &mut Tally) {
        let seen = self.see(std::mem::take);
        tally.attempts = seen.attempts;
        tally.granted = seen.granted;
        tally.sessions = seen.sessions;
        tally.two_at_once = seen.two_at_once;
    }

    fn see<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One attempt.
    async fn ask(&self, role: usize) -> Result<Session, FetchError> {
        let asked = self.clock.now();
        self.see(|seen| count(&mut seen.attempts, asked - self.start));
        let out = self.out.load(Ordering::Relaxed);
        let takes = match self.answers {
            Outage::Hangs if out => StsClient::ATTEMPT_LIMIT,
            _ => LATENCY,
        };
        self.clock.sleep_until(asked + takes).await;
        self.something_happened();
        if out {
            return Err(FetchError::new(ErrorKind::Unavailable, "STS is out"));
        }
        let number = self.see(|seen| {
            count(&mut seen.granted, asked - self.start);
            seen.sessions += 1;
            seen.sessions
        });
        let id = format!("{}{number:010}", key_of(role));
        let keys = Credentials::new(id, "secret", Some("token".into()), None, "simulation");
        self.ends[role].store((asked + LIFETIME).as_nanos(), Ordering::Relaxed);
        Ok(Session::builder(keys).base("simulation").lifetime(asked, LIFETIME, &self.clock).build())
    }
}

fn count(by_second: &mut Vec<u32>, at: Duration) {
    let second = usize::try_from(at.as_secs()).unwrap_or(usize::MAX);
    if by_second.len() <= second {
        by_second.resize(second + 1, 0);
    }
    by_second[second] += 1;
}

/// Where one role's sessions come from: what a hop and the STS client do, on the clock.
#[derive(Debug)]
pub(super) struct StsOfRole {
    sts: Arc<Sts>,
    role: usize,
}

impl StsOfRole {
    pub(super) fn new(sts: Arc<Sts>, role: usize) -> Self {
        Self { sts, role }
    }
}

#[async_trait]
impl SessionSource for StsOfRole {
    async fn session(&self, cx: FetchContext) -> Result<Session, FetchError> {
        let Self { sts, role } = self;
        let _live = Live::begin(sts, *role);
        let begun = sts.clock.now();
        let most = match cx.urgency {
            Urgency::Caller => StsClient::CALLER_ATTEMPTS,
            _ => 1,
        };
        let mut before = None;
        let mut attempt = 1;
        loop {
            let patience = StsClient::CALL_LIMIT
                .saturating_sub(sts.clock.now() - begun + StsClient::ATTEMPT_LIMIT);
            let turn = match sts.turns.take(cx.urgency, patience).await {
                Ok(turn) => turn,
                Err(used_up) => return Err(before.unwrap_or(used_up)),
            };
            let answer = sts.ask(*role).await;
            drop(turn);
            let Err(error) = answer else { return answer };
            let pause = (StsClient::FIRST_PAUSE * 2_u32.pow(attempt - 1)).mul_f64(fastrand::f64());
            let in_time =
                sts.clock.now() - begun + pause + StsClient::ATTEMPT_LIMIT <= StsClient::CALL_LIMIT;
            if attempt >= most || !in_time {
                return Err(error);
            }
            sts.clock.sleep_until(sts.clock.now() + pause).await;
            before = Some(error);
            attempt += 1;
        }
    }
}

/// A fetch that runs.
struct Live<'a>(&'a Sts, usize);

impl<'a> Live<'a> {
    fn begin(sts: &'a Sts, role: usize) -> Self {
        if sts.live[role].fetch_add(1, Ordering::Relaxed) > 0 {
            sts.see(|seen| seen.two_at_once += 1);
        }
        sts.something_happened();
        Self(sts, role)
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.0.live[self.1].fetch_sub(1, Ordering::Relaxed);
        self.0.something_happened();
    }
}

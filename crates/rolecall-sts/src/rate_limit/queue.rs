//! The calls that wait for a permit, in the order in which they get one.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use rolecall_core::{FetchMode, Moment};
use tokio::sync::Notify;

use super::RateLimit;
use super::pace::{Pace, Start};

/// Time after which a permit that the call has not claimed lapses if another call needs it.
///
/// A runtime that is only busy polls a call that was woken within milliseconds. A foreground call
/// of [`StsClient`](crate::StsClient) waits for 9 seconds at most: it receives the permits of a
/// runtime that stands still before it gives up.
const CLAIM_TIME: Duration = Duration::from_secs(5);

/// Identifies a call that waits. Later calls have higher tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// Tells a call that waits what to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It has a permit now.
    Granted,
    /// It asks again at this time: it is the next one to start, or an unclaimed permit lapses.
    At(Moment),
    /// Others precede it, or as many calls as permitted are in flight: until it is woken.
    Blocked,
}

/// The calls that wait, and those that have a permit.
///
/// Whatever happens to the queue grants all permits that are due, also to calls whose future is not
/// polled at the time. A future that is neither polled nor dropped thereby delays the calls behind
/// it until the next event at most, and not until its own timeout.
///
/// If the future of a call that has a permit is not polled, because its runtime stands still, the
/// permit lapses after [`CLAIM_TIME`] once another call finds all permits in use. The call returns
/// to its place in the queue when it is polled: until then it delays no other one.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) pace: Pace,
    /// Number of permits that are granted and not released.
    in_flight: u32,
    max_in_flight: NonZeroU32,
    last_ticket: u64,
    foreground: Calls,
    background: Calls,
    /// The calls that have not claimed their permits yet.
    granted: Calls,
    /// The calls whose permits lapsed, and which were not polled since.
    lapsed: Calls,
    /// The calls to be woken once the lock of the queue is released: a waker may run other code.
    to_wake: Vec<Arc<Notify>>,
}

/// Calls by their tickets. One type in all places: the code of a sorted map takes long to compile.
type Calls = BTreeMap<Ticket, Call>;

/// A call that has not claimed a permit yet.
#[derive(Debug)]
struct Call {
    mode: FetchMode,
    notify: Arc<Notify>,
    /// The permit, if the call is one of those with a permit.
    grant: Option<Grant>,
}

#[derive(Debug)]
struct Grant {
    start: Start,
    granted_at: Moment,
}

impl Queue {
    pub(super) fn new(limit: RateLimit) -> Self {
        Self {
            pace: Pace::new(limit.calls_per_second),
            in_flight: 0,
            max_in_flight: limit.in_flight,
            last_ticket: 0,
            foreground: Calls::new(),
            background: Calls::new(),
            granted: Calls::new(),
            lapsed: Calls::new(),
            to_wake: Vec::new(),
        }
    }

    /// Returns `true` if no permit is free, whatever the rate.
    pub(super) fn is_full(&self) -> bool {
        self.in_flight >= self.max_in_flight.get()
    }

    /// Adds a call. Returns `None` if it cannot start by its deadline unless a call before it gives
    /// up.
    pub(super) fn enter(
        &mut self,
        mode: FetchMode,
        now: Moment,
        deadline: Moment,
    ) -> Option<(Ticket, Arc<Notify>)> {
        let mut ahead = self.foreground.len();
        if mode != FetchMode::Foreground {
            ahead += self.background.len();
        }
        if self.pace.earliest_start(ahead, now) > deadline {
            return None;
        }
        self.last_ticket += 1;
        let (ticket, notify) = (Ticket(self.last_ticket), Arc::new(Notify::new()));
        let call = Call { mode, notify: Arc::clone(&notify), grant: None };
        self.class(mode).insert(ticket, call);
        Some((ticket, notify))
    }

    /// Returns what the call with this ticket waits for. If that is nothing, the call has its
    /// permit from now on and must [`release`](Self::release) it.
    pub(super) fn check(&mut self, ticket: Ticket, now: Moment) -> Admission {
        // A permit is claimed before it could lapse.
        if self.granted.remove(&ticket).is_some() {
            self.grant_due(now);
            return Admission::Granted;
        }
        if let Some(call) = self.lapsed.remove(&ticket) {
            // In front of the calls that arrived later.
            self.class(call.mode).insert(ticket, call);
        }
        self.grant_due(now);
        if self.granted.remove(&ticket).is_some() {
            return Admission::Granted;
        }
        match self.first() {
            _ if self.is_full() => {
                let grants = self.granted.values().filter_map(|call| call.grant.as_ref());
                let granted_at = grants.map(|grant| grant.granted_at).min();
                granted_at.map_or(Admission::Blocked, |at| Admission::At(at + CLAIM_TIME))
            }
            Some((_, first)) if first == ticket => Admission::At(self.pace.next_start(now)),
            _ => Admission::Blocked,
        }
    }

    /// Removes a call that has given up. Does nothing if it has claimed its permit.
    pub(super) fn leave(&mut self, ticket: Ticket, now: Moment) {
        if let Some(call) = self.granted.remove(&ticket) {
            if let Some(grant) = call.grant {
                self.pace.take_back(&grant.start);
            }
            self.release(now);
            return;
        }
        self.lapsed.remove(&ticket);
        let removed =
            self.foreground.remove(&ticket).or_else(|| self.background.remove(&ticket)).is_some();
        if removed {
            self.advance(now);
        }
    }

    /// Releases the permit of a call.
    pub(super) fn release(&mut self, now: Moment) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.advance(now);
    }

    /// Returns the calls to be woken.
    pub(super) fn take_woken(&mut self) -> Vec<Arc<Notify>> {
        std::mem::take(&mut self.to_wake)
    }

    /// Returns the number of calls whose permits lapsed and which were not polled since.
    #[cfg(test)]
    pub(super) fn count_lapsed(&self) -> usize {
        self.lapsed.len()
    }

    /// Grants the permits that are due, and has the next call in line set its timer.
    fn advance(&mut self, now: Moment) {
        self.grant_due(now);
        self.wake_first();
    }

    fn grant_due(&mut self, now: Moment) {
        if self.is_full() && self.first().is_some() {
            self.lapse_unclaimed(now);
        }
        let mut granted = false;
        while !self.is_full() {
            let Some((mode, ticket)) = self.first() else { break };
            let Some(start) = self.pace.start(now) else { break };
            let Some(mut call) = self.class(mode).remove(&ticket) else { break };
            self.to_wake.push(Arc::clone(&call.notify));
            call.grant = Some(Grant { start, granted_at: now });
            self.granted.insert(ticket, call);
            self.in_flight += 1;
            granted = true;
        }
        // The timer of the call that was next in line has served its purpose.
        if granted {
            self.wake_first();
        }
    }

    /// Takes back the permits of calls that seem not to be polled. They do not wait in line
    /// meanwhile, since they would only receive the permits again.
    fn lapse_unclaimed(&mut self, now: Moment) {
        let is_unclaimed = |grant: &Grant| now >= grant.granted_at + CLAIM_TIME;
        let lapsed =
            self.granted.extract_if(.., |_, call| call.grant.as_ref().is_some_and(is_unclaimed));
        for (ticket, call) in lapsed {
            // Their share of the rate is that of a time that is over: the calls start over.
            self.in_flight = self.in_flight.saturating_sub(1);
            self.lapsed.insert(ticket, Call { grant: None, ..call });
        }
    }

    /// Returns the next call in line: no background call starts while a foreground call waits.
    fn first(&self) -> Option<(FetchMode, Ticket)> {
        let first = |class: &Calls| class.first_key_value().map(|(first, _)| *first);
        let foreground = first(&self.foreground).map(|ticket| (FetchMode::Foreground, ticket));
        foreground.or_else(|| Some((FetchMode::Background, first(&self.background)?)))
    }

    fn wake_first(&mut self) {
        if let Some((mode, ticket)) = self.first() {
            let notify = self.class(mode).get(&ticket).map(|call| Arc::clone(&call.notify));
            self.to_wake.extend(notify);
        }
    }

    fn class(&mut self, mode: FetchMode) -> &mut Calls {
        match mode {
            FetchMode::Foreground => &mut self.foreground,
            _ => &mut self.background,
        }
    }
}

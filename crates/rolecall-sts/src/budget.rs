//! How many calls STS is asked at most: its quota is per account and Region, and shared.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rolecall_core::{Clock, ErrorKind, FetchError, Moment, Urgency};
use tokio::sync::{Semaphore, SemaphorePermit};

/// What one client may ask of STS: 200 calls a second and 64 at once, unless set.
///
/// STS answers 600 calls a second for each account and Region by default, to all callers together. Callers wait for
/// their turn, first come first served; a background refresh that finds none is put off.
///
/// ```
/// use std::num::NonZeroU32;
/// use rolecall_sts::Budget;
///
/// let mut budget = Budget::default();
/// assert_eq!(budget.calls_per_second.get(), 200);
/// budget.calls_per_second = NonZeroU32::new(50).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// Calls a second.
    pub calls_per_second: NonZeroU32,
    /// Calls at once.
    pub in_flight: NonZeroU32,
}

impl Default for Budget {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self { calls_per_second: number(200), in_flight: number(64) }
    }
}

/// A [`Budget`] at work: who wants to call takes a turn, and holds it until the call is done.
///
/// Every [`StsClient`](crate::StsClient) has one, and takes a turn for each attempt. For a source of one's own that
/// shares STS's quota (GetFederationToken, a broker that calls STS): take the turns of the client that is there, or of
/// one's own.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rolecall_core::FetchError> {
/// use std::time::Duration;
/// use rolecall_core::{Clock, Urgency};
/// use rolecall_sts::{Budget, Turns};
///
/// let turns = Turns::new(Budget::default(), Clock::system());
/// let turn = turns.take(Urgency::Caller, Duration::from_secs(9)).await?;
/// // The call comes here.
/// drop(turn);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Turns {
    budget: Budget,
    clock: Clock,
    /// Who waits, in order: it knows at once whether somebody's patience will do.
    line: Mutex<Line>,
    at_once: Semaphore,
    /// Who goes. Turns that passed while others were in flight are not made up for all at once.
    pace: Mutex<Line>,
}

impl Turns {
    /// All of a budget, on this clock.
    pub fn new(budget: Budget, clock: Clock) -> Self {
        let line = || Mutex::new(Line::of(budget));
        let most = usize::try_from(budget.in_flight.get()).unwrap_or(Semaphore::MAX_PERMITS);
        let at_once = Semaphore::new(most.min(Semaphore::MAX_PERMITS));
        Self { budget, clock, line: line(), at_once, pace: line() }
    }

    /// A turn, held until the call is done. A caller waits `patience` for it at most, first come first served; in the
    /// background there is one at once, or the refresh is put off. [`Throttled`](ErrorKind::Throttled), without a code
    /// of STS's, where there is none.
    pub async fn take(&self, urgency: Urgency, patience: Duration) -> Result<Turn<'_>, FetchError> {
        let patience = match urgency {
            Urgency::Caller => patience,
            _ => Duration::ZERO,
        };
        let until = self.clock.now() + patience;
        self.wait_in(&self.line, until).await?;
        let no_room = || used_up(self.budget.in_flight, "at once");
        let permit = match self.at_once.try_acquire() {
            Ok(permit) => permit,
            Err(_) if patience.is_zero() => return Err(no_room()),
            Err(_) => match self.clock.until(until, self.at_once.acquire()).await {
                Ok(Ok(permit)) => permit,
                Ok(Err(_)) | Err(_) => return Err(no_room()),
            },
        };
        self.wait_in(&self.pace, until).await?;
        Ok(Turn(permit))
    }

    async fn wait_in(&self, line: &Mutex<Line>, until: Moment) -> Result<(), FetchError> {
        let turn = {
            let now = self.clock.now();
            line.lock().unwrap_or_else(PoisonError::into_inner).take(now, until - now)
        };
        let Some(turn) = turn else {
            return Err(used_up(self.budget.calls_per_second, "a second"));
        };
        self.clock.sleep_until(turn).await;
        Ok(())
    }
}

/// A turn of [`Turns`]: one of the calls that are in flight, until it is dropped.
///
/// ```
/// # async fn show(turns: &rolecall_sts::Turns) -> Result<(), rolecall_core::FetchError> {
/// use std::time::Duration;
/// use rolecall_core::Urgency;
/// let turn: rolecall_sts::Turn<'_> = turns.take(Urgency::Background, Duration::ZERO).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Turn<'a>(#[expect(dead_code, reason = "held for its drop")] SemaphorePermit<'a>);

fn used_up(calls: NonZeroU32, when: &str) -> FetchError {
    let word = if calls.get() == 1 { "call" } else { "calls" };
    let message = format!("the budget for STS is used up ({calls} {word} {when})");
    FetchError::new(ErrorKind::Throttled, message)
        .with_hint("fewer roles at once, or a larger budget (StsClientBuilder::budget)")
}

/// Who comes is given the next free turn, at even distances: nobody overtakes.
#[derive(Debug)]
struct Line {
    distance: Duration,
    /// How many turns may be had at once after a quiet time.
    spare: Duration,
    next: Moment,
}

impl Line {
    fn of(budget: Budget) -> Self {
        let distance = Duration::from_secs(1) / budget.calls_per_second.get();
        // A tenth of a second's turns.
        Self { distance, spare: Duration::from_millis(100), next: Moment::ZERO }
    }

    /// When the turn is; `None`, and no turn is taken, if that is later than `patience` from now.
    fn take(&mut self, now: Moment, patience: Duration) -> Option<Moment> {
        let turn = self.next.max(now.earlier_by(self.spare));
        if turn > now + patience {
            return None;
        }
        self.next = turn + self.distance;
        Some(turn.max(now))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rolecall_core::ManualClock;

    use super::*;

    fn budget(calls_per_second: u32, in_flight: u32) -> Budget {
        let number = |n| NonZeroU32::new(n).unwrap();
        Budget { calls_per_second: number(calls_per_second), in_flight: number(in_flight) }
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn turns_are_given_in_order_at_even_distances() {
        let start = Moment::ZERO + MINUTE;
        let mut line = Line::of(budget(50, 1));
        let waits: Vec<u128> =
            (0..100).map(|_| (line.take(start, MINUTE).unwrap() - start).as_millis()).collect();
        // Six at once (a tenth of a second's, and its own), then one every 20 ms.
        let expected: Vec<u128> = (0..100_u128).map(|n| (n * 20).saturating_sub(100)).collect();
        assert_eq!(waits, expected);
        // Nobody waits longer than he has patience for, and he takes nobody's turn.
        assert_eq!(line.take(start, Duration::from_millis(1899)), None);
        assert_eq!(
            line.take(start, Duration::from_millis(1900)),
            Some(start + Duration::from_millis(1900))
        );
        // A quiet hour saves up no more than a tenth of a second's.
        let later = start + 60 * MINUTE;
        let at_once = (0..100).filter(|_| line.take(later, Duration::ZERO).is_some()).count();
        assert_eq!(at_once, 6);
    }

    #[tokio::test]
    async fn nobody_in_the_background_waits_and_callers_wait_for_their_turn() {
        let hands = ManualClock::new();
        let turns = Arc::new(Turns::new(budget(1, 64), hands.clock()));
        drop(turns.take(Urgency::Background, MINUTE).await.unwrap());
        // Who waited here would wait for ever: the clock stands.
        let take = turns.take(Urgency::Background, MINUTE);
        let put_off = tokio::time::timeout(MINUTE / 6, take).await.unwrap().unwrap_err();
        assert_eq!(put_off.kind(), ErrorKind::Throttled);
        assert_eq!(
            put_off.to_string(),
            "the budget for STS is used up (1 call a second); look at: fewer roles at once, or a larger budget \
             (StsClientBuilder::budget)"
        );
        let waits = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take(Urgency::Caller, MINUTE).await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        hands.advance(Duration::from_secs(1));
        waits.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn turns_that_passed_behind_calls_that_hung_are_not_made_up_for_at_once() {
        let hands = ManualClock::new();
        let turns = Arc::new(Turns::new(budget(10, 20), hands.clock()));
        let mut hung = Vec::new();
        for _ in 0..20 {
            hands.advance(Duration::from_millis(100));
            hung.push(turns.take(Urgency::Caller, MINUTE).await.unwrap());
        }
        let taken = Arc::new(AtomicUsize::new(0));
        for _ in 0..40 {
            let (turns, taken) = (Arc::clone(&turns), Arc::clone(&taken));
            tokio::spawn(async move {
                drop(turns.take(Urgency::Caller, MINUTE).await.unwrap());
                taken.fetch_add(1, Ordering::Relaxed);
            });
        }
        let so_many = || async {
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            taken.load(Ordering::Relaxed)
        };
        assert_eq!(so_many().await, 0);
        hands.advance(10 * Duration::from_secs(1));
        assert_eq!(so_many().await, 0);
        hung.clear();
        // What a quiet tenth of a second saved up, and then ten a second.
        assert_eq!(so_many().await, 2);
        for second in 1..=3 {
            for _ in 0..10 {
                hands.advance(Duration::from_millis(100));
                so_many().await;
            }
            assert_eq!(so_many().await, 2 + 10 * second);
        }
    }

    #[tokio::test]
    async fn nobody_waits_longer_than_his_patience_though_he_waits_twice() {
        let hands = ManualClock::new();
        let turns = Arc::new(Turns::new(budget(10, 1), hands.clock()));
        let _hangs = turns.take(Urgency::Caller, MINUTE).await.unwrap();
        let second = Duration::from_secs(1);
        let waits: Vec<_> = (0..10)
            .map(|_| {
                let turns = Arc::clone(&turns);
                tokio::spawn(async move { turns.take(Urgency::Caller, second).await.map(drop) })
            })
            .collect();
        tokio::task::yield_now().await;
        for _ in 0..10 {
            hands.advance(second / 10);
            tokio::task::yield_now().await;
        }
        for wait in waits {
            assert!(wait.is_finished());
            assert_eq!(wait.await.unwrap().unwrap_err().kind(), ErrorKind::Throttled);
        }
    }

    #[tokio::test]
    async fn no_more_than_so_many_are_in_flight() {
        let turns = Turns::new(budget(1000, 2), Clock::system());
        let one = turns.take(Urgency::Caller, MINUTE).await.unwrap();
        let _two = turns.take(Urgency::Caller, MINUTE).await.unwrap();
        let third = turns.take(Urgency::Background, MINUTE).await.unwrap_err();
        assert!(third.message().contains("2 calls at once"), "{third}");
        let impatient = turns.take(Urgency::Caller, Duration::from_millis(20)).await;
        assert_eq!(impatient.unwrap_err().kind(), ErrorKind::Throttled);
        drop(one);
        drop(turns.take(Urgency::Background, MINUTE).await.unwrap());
    }
}

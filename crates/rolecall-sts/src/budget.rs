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

/// A budget at work.
#[derive(Debug)]
pub(crate) struct Turns {
    budget: Budget,
    clock: Clock,
    line: Mutex<Line>,
    at_once: Semaphore,
}

impl Turns {
    pub(crate) fn new(budget: Budget, clock: Clock) -> Self {
        let line = Mutex::new(Line::of(budget));
        let most = usize::try_from(budget.in_flight.get()).unwrap_or(Semaphore::MAX_PERMITS);
        let at_once = Semaphore::new(most.min(Semaphore::MAX_PERMITS));
        Self { budget, clock, line, at_once }
    }

    /// A turn, held until the call is done. A caller waits `patience` for it at most; in the background there is none,
    /// or it is put off.
    pub(crate) async fn take(
        &self,
        urgency: Urgency,
        patience: Duration,
    ) -> Result<SemaphorePermit<'_>, FetchError> {
        let patience = match urgency {
            Urgency::Caller => patience,
            _ => Duration::ZERO,
        };
        let rate = format!("{} calls a second", self.budget.calls_per_second);
        let turn = {
            let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
            line.take(self.clock.now(), patience)
        };
        self.clock.sleep_until(turn.ok_or_else(|| used_up(&rate))?).await;
        let at_once = format!("{} calls at once", self.budget.in_flight);
        if patience.is_zero() {
            return self.at_once.try_acquire().map_err(|_| used_up(&at_once));
        }
        match tokio::time::timeout(patience, self.at_once.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(used_up(&at_once)),
        }
    }
}

fn used_up(what: &str) -> FetchError {
    FetchError::new(ErrorKind::Throttled, format!("the budget for STS is used up ({what})"))
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
            "the budget for STS is used up (1 calls a second); look at: fewer roles at once, or a larger budget \
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

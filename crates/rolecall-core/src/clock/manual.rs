//! A clock that tests turn.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use super::{Clock, Kind, Moment};

/// A clock that stands still until it is turned. Clones are hands of the same clock.
///
/// ```
/// use std::time::Duration;
/// use rolecall_core::ManualClock;
///
/// let hands = ManualClock::new();
/// let clock = hands.clock();
/// let before = clock.now();
/// hands.advance(Duration::from_secs(3600));
/// assert_eq!(clock.now() - before, Duration::from_secs(3600));
/// ```
#[derive(Clone)]
pub struct ManualClock(Arc<Face>);

struct Face {
    /// The moment, to be read without the lock: what is under test may read it at every call. Written under the lock
    /// alone.
    now: AtomicU64,
    works: Mutex<Works>,
}

struct Works {
    wall: SystemTime,
    /// Who sleeps, by when they wake: turning the clock costs those whose time has come, and not the others.
    sleepers: BTreeMap<(Moment, u64), Waker>,
    names: u64,
}

impl ManualClock {
    /// A clock that shows the machine's wall time of this moment, and stands.
    pub fn new() -> Self {
        Self::at(SystemTime::now())
    }

    /// A clock whose wall shows `wall`, and stands.
    pub fn at(wall: SystemTime) -> Self {
        // Not at zero: "an hour ago" must be a moment too.
        let now = Moment::ZERO + Duration::from_secs(1_000_000);
        let works = Works { wall, sleepers: BTreeMap::new(), names: 0 };
        Self(Arc::new(Face { now: AtomicU64::new(now.as_nanos()), works: Mutex::new(works) }))
    }

    /// The clock to hand to what is under test.
    pub fn clock(&self) -> Clock {
        Clock(Kind::Manual(self.clone()))
    }

    /// Time passes, by both clocks. Sleepers whose time has come wake.
    pub fn advance(&self, by: Duration) {
        let mut works = self.works();
        let now = self.now() + by;
        works.wall += by;
        self.0.now.store(now.as_nanos(), Ordering::Release);
        let later = works.sleepers.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut works.sleepers, later);
        drop(works);
        // Outside the lock: a waker may do anything.
        for waker in due.into_values() {
            waker.wake();
        }
    }

    /// Somebody sets the wall clock; no time passes.
    pub fn set_wall(&self, wall: SystemTime) {
        self.works().wall = wall;
    }

    #[inline]
    pub(super) fn now(&self) -> Moment {
        Moment::from_nanos(self.0.now.load(Ordering::Acquire))
    }

    pub(super) fn wall(&self) -> SystemTime {
        self.works().wall
    }

    pub(super) fn sleep_until(&self, deadline: Moment) -> impl Future<Output = ()> + '_ {
        Sleep { clock: self, deadline, name: None }
    }

    fn works(&self) -> MutexGuard<'_, Works> {
        // A panic under it (a wall time that the calendar cannot hold) leaves it whole.
        self.0.works.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Sleep<'a> {
    clock: &'a ManualClock,
    deadline: Moment,
    /// What it is called among the sleepers, once it is one.
    name: Option<u64>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.clock.now() >= self.deadline {
            return Poll::Ready(());
        }
        let (clock, deadline) = (self.clock, self.deadline);
        let mut works = clock.works();
        // Turned since.
        if clock.now() >= deadline {
            return Poll::Ready(());
        }
        let name = *self.name.get_or_insert_with(|| {
            works.names += 1;
            works.names
        });
        let before = works.sleepers.insert((deadline, name), cx.waker().clone());
        drop(works);
        drop(before);
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(name) = self.name {
            let waker = self.clock.works().sleepers.remove(&(self.deadline, name));
            drop(waker);
        }
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualClock").field("now", &self.now()).field("wall", &self.wall()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use aws_smithy_async::time::TimeSource;

    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_is_turned_far_enough() {
        let hands = ManualClock::new();
        let clock = hands.clock();
        let deadline = clock.now() + Duration::from_secs(10);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(deadline).await }
        });
        hands.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        hands.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn only_those_are_woken_whose_time_has_come_and_once() {
        let hands = ManualClock::new();
        let clock = hands.clock();
        let woken: [Arc<Woken>; 3] = Default::default();
        let mut sleeps: Vec<_> = (1..=3)
            .map(|second| Box::pin(clock.sleep_until(clock.now() + Duration::from_secs(second))))
            .collect();
        for (sleep, woken) in sleeps.iter_mut().zip(&woken) {
            let waker = Waker::from(Arc::clone(woken));
            assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        let counts = || [0, 1, 2].map(|n: usize| woken[n].0.load(Ordering::Relaxed));
        hands.advance(Duration::from_millis(999));
        assert_eq!(counts(), [0, 0, 0]);
        hands.advance(Duration::from_millis(1001));
        assert_eq!(counts(), [1, 1, 0]);
        hands.advance(Duration::from_millis(999));
        assert_eq!(counts(), [1, 1, 0]);
        // One that is polled by another task tells that one.
        let other = Arc::<Woken>::default();
        let waker = Waker::from(Arc::clone(&other));
        assert!(sleeps[2].as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        hands.advance(Duration::from_millis(1));
        assert_eq!((counts(), other.0.load(Ordering::Relaxed)), ([1, 1, 0], 1));
    }

    #[test]
    fn one_that_is_dropped_is_a_sleeper_no_more() {
        let hands = ManualClock::new();
        let clock = hands.clock();
        let context = &mut Context::from_waker(Waker::noop());
        {
            let mut sleep = pin!(clock.sleep_until(clock.now() + Duration::from_secs(1)));
            assert!(sleep.as_mut().poll(context).is_pending());
            assert!(sleep.as_mut().poll(context).is_pending());
            assert_eq!(hands.works().sleepers.len(), 1);
        }
        assert_eq!(hands.works().sleepers.len(), 0);
    }

    #[test]
    fn setting_the_wall_clock_moves_no_deadline() {
        let hands = ManualClock::new();
        let clock = hands.clock();
        let (now, wall) = (clock.now(), clock.wall());
        hands.set_wall(wall + Duration::from_secs(1_000_000));
        assert_eq!(clock.now(), now);
        assert_eq!(TimeSource::now(&clock), wall + Duration::from_secs(1_000_000));
    }
}

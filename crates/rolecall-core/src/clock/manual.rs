//! A clock that tests advance.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use super::{Clock, Kind, Moment};

/// A clock that advances only by [`advance`](Self::advance). Clones control the same clock.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use rolecall_core::ManualClock;
///
/// let manual = ManualClock::new();
/// let clock = manual.clock();
/// let before = clock.now();
/// manual.advance(Duration::from_secs(3600));
/// assert_eq!(clock.now() - before, Duration::from_secs(3600));
/// ```
#[derive(Clone)]
pub struct ManualClock(Arc<Shared>);

struct Shared {
    /// The current moment, readable without the lock, since a cache reads it on every call. Written
    /// under the lock only.
    now: AtomicU64,
    locked: Mutex<Locked>,
}

struct Locked {
    wall: SystemTime,
    /// The pending sleeps by deadline and id. The order lets `advance` wake the sleeps that are due
    /// without visiting the others.
    sleepers: BTreeMap<(Moment, u64), Waker>,
    last_id: u64,
}

impl ManualClock {
    /// Creates a clock whose wall time is the system's current time.
    pub fn new() -> Self {
        Self::at(SystemTime::now())
    }

    /// Creates a clock whose wall time is `wall`.
    pub fn at(wall: SystemTime) -> Self {
        // Starts above zero, because a test may subtract an hour from the first moment.
        let now = Moment::ZERO + Duration::from_secs(1_000_000);
        let locked = Locked { wall, sleepers: BTreeMap::new(), last_id: 0 };
        Self(Arc::new(Shared { now: AtomicU64::new(now.as_nanos()), locked: Mutex::new(locked) }))
    }

    /// Returns the [`Clock`] to pass to the code under test.
    pub fn clock(&self) -> Clock {
        Clock(Kind::Manual(self.clone()))
    }

    /// Advances both the monotonic and the wall clock by `duration`, and wakes the sleeps that are
    /// due.
    ///
    /// # Panics
    ///
    /// Panics if [`SystemTime`] cannot represent the new wall time.
    pub fn advance(&self, duration: Duration) {
        let mut locked = self.lock();
        let now = self.now() + duration;
        locked.wall += duration;
        self.0.now.store(now.as_nanos(), Ordering::Release);
        let later = locked.sleepers.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut locked.sleepers, later);
        drop(locked);
        // Wakers run outside the lock: a waker may poll or drop a sleep, which takes the lock.
        for waker in due.into_values() {
            waker.wake();
        }
    }

    /// Sets the wall clock, as an administrator or NTP does. Deadlines are not affected.
    pub fn set_wall(&self, wall: SystemTime) {
        self.lock().wall = wall;
    }

    #[inline]
    pub(super) fn now(&self) -> Moment {
        Moment::from_nanos(self.0.now.load(Ordering::Acquire))
    }

    pub(super) fn wall(&self) -> SystemTime {
        self.lock().wall
    }

    pub(super) fn sleep_until(&self, deadline: Moment) -> impl Future<Output = ()> + '_ {
        Sleep { clock: self, deadline, id: None }
    }

    fn lock(&self) -> MutexGuard<'_, Locked> {
        // Poisoning is ignored: only `advance` can panic under the lock, when the wall time
        // overflows, and it has changed nothing by then.
        self.0.locked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Sleep<'a> {
    clock: &'a ManualClock,
    deadline: Moment,
    /// Its id among the sleepers, once it was polled.
    id: Option<u64>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.clock.now() >= self.deadline {
            return Poll::Ready(());
        }
        let (clock, deadline) = (self.clock, self.deadline);
        let mut locked = clock.lock();
        // Checked again under the lock: an `advance` between the check above and the lock has
        // collected its wakers already, and this sleep would not be woken.
        if clock.now() >= deadline {
            return Poll::Ready(());
        }
        let id = *self.id.get_or_insert_with(|| {
            locked.last_id += 1;
            locked.last_id
        });
        let replaced = locked.sleepers.insert((deadline, id), cx.waker().clone());
        // Dropping a waker can run other code, so the lock is released first.
        drop(locked);
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            // Bound to a variable to be dropped after the lock is released: dropping a waker can
            // run other code.
            let waker = self.clock.lock().sleepers.remove(&(self.deadline, id));
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
    async fn advance_past_deadline_wakes_sleeper() {
        let manual = ManualClock::new();
        let clock = manual.clock();
        let deadline = clock.now() + Duration::from_secs(10);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(deadline).await }
        });
        manual.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        manual.advance(Duration::from_secs(1));
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
    fn advance_wakes_only_due_sleepers_once() {
        let manual = ManualClock::new();
        let clock = manual.clock();
        let woken: [Arc<Woken>; 3] = Default::default();
        let mut sleeps: Vec<_> = (1..=3)
            .map(|second| Box::pin(clock.sleep_until(clock.now() + Duration::from_secs(second))))
            .collect();
        for (sleep, woken) in sleeps.iter_mut().zip(&woken) {
            let waker = Waker::from(Arc::clone(woken));
            assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        let counts = || [0, 1, 2].map(|n: usize| woken[n].0.load(Ordering::Relaxed));
        manual.advance(Duration::from_millis(999));
        assert_eq!(counts(), [0, 0, 0]);
        manual.advance(Duration::from_millis(1001));
        assert_eq!(counts(), [1, 1, 0]);
        manual.advance(Duration::from_millis(999));
        assert_eq!(counts(), [1, 1, 0]);
        // A sleep that another task polls wakes that task.
        let other = Arc::<Woken>::default();
        let waker = Waker::from(Arc::clone(&other));
        assert!(sleeps[2].as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        manual.advance(Duration::from_millis(1));
        assert_eq!((counts(), other.0.load(Ordering::Relaxed)), ([1, 1, 0], 1));
    }

    #[test]
    fn dropped_sleep_removes_its_waker() {
        let manual = ManualClock::new();
        let clock = manual.clock();
        let context = &mut Context::from_waker(Waker::noop());
        {
            let mut sleep = pin!(clock.sleep_until(clock.now() + Duration::from_secs(1)));
            assert!(sleep.as_mut().poll(context).is_pending());
            assert!(sleep.as_mut().poll(context).is_pending());
            assert_eq!(manual.lock().sleepers.len(), 1);
        }
        assert_eq!(manual.lock().sleepers.len(), 0);
    }

    #[test]
    fn set_wall_does_not_move_deadlines() {
        let manual = ManualClock::new();
        let clock = manual.clock();
        let (now, wall) = (clock.now(), clock.wall());
        manual.set_wall(wall + Duration::from_secs(1_000_000));
        assert_eq!(clock.now(), now);
        assert_eq!(TimeSource::now(&clock), wall + Duration::from_secs(1_000_000));
    }

    #[test]
    fn clock_starts_at_given_wall_time() {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let manual = ManualClock::at(wall);
        let clock = manual.clock();
        assert_eq!(clock.wall(), wall);
        assert!(clock.now() - Moment::ZERO >= Duration::from_secs(3600), "an hour ago exists");
        manual.advance(Duration::from_secs(5));
        assert_eq!(clock.wall(), wall + Duration::from_secs(5));
        assert_eq!(
            format!("{manual:?}"),
            format!("ManualClock {{ now: {:?}, wall: {:?} }}", clock.now(), clock.wall())
        );
        let before = SystemTime::now();
        assert!(ManualClock::default().clock().wall() >= before);
    }

    #[test]
    fn sleeps_with_equal_deadline_all_wake() {
        let manual = ManualClock::new();
        let clock = manual.clock();
        let deadline = clock.now() + Duration::from_secs(1);
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(Arc::clone(&woken));
        let mut sleeps: Vec<_> = (0..3).map(|_| Box::pin(clock.sleep_until(deadline))).collect();
        for sleep in &mut sleeps {
            assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        manual.advance(Duration::from_secs(1));
        assert_eq!(woken.0.load(Ordering::Relaxed), 3);
    }
}

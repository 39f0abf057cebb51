//! The timer's limit of background fetches, and its queue.

use std::sync::Mutex;

use tokio::sync::Semaphore;

use super::*;
use crate::entry::Entry;
use crate::script::session;
use crate::timer::{MAX_IN_FLIGHT, Timed};

/// What the providers of one timer share.
struct Fleet {
    script: ScriptedProvider,
    timer: Arc<Timer>,
    shared: Arc<Shared>,
    /// The keys of the background fetches, in the order of their calls.
    calls: Mutex<Vec<usize>>,
    running: AtomicUsize,
    most_running: AtomicUsize,
    /// Foreground fetches do not wait, and background fetches take one permit each.
    permits: Semaphore,
    failure: Mutex<Option<Response>>,
}

#[derive(Clone)]
struct Member {
    fleet: Arc<Fleet>,
    key: usize,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member {}", self.key)
    }
}

struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl ProvideSession for Member {
    async fn provide_session(&self, context: FetchContext) -> Result<Session, SessionError> {
        let Fleet { script, calls, running, most_running, permits, failure, .. } = &*self.fleet;
        // The lifetimes differ by 50 ms, in no order of the keys.
        let rank = self.rank();
        let session = |number| {
            let lifetime = Duration::from_secs(HOUR) + Duration::from_millis(50) * rank;
            let credentials = session(number, HOUR, &script.clock()).credentials().clone();
            let clock = script.clock();
            Session::builder(credentials).lifetime(clock.now(), lifetime, &clock).build()
        };
        if context.mode() == FetchMode::Foreground {
            return Ok(session(1));
        }
        calls.lock().unwrap().push(self.key);
        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
        most_running.fetch_max(now, Ordering::SeqCst);
        let _running = Running(running);
        permits.acquire().await.unwrap().forget();
        let failure = *failure.lock().unwrap();
        match failure {
            Some(Response::Panic) => panic!("scripted panic"),
            Some(Response::Hang) => std::future::pending().await,
            Some(_) => Err(SessionError::new(ErrorKind::Unavailable, "unavailable")),
            None => Ok(session(2)),
        }
    }
}

impl Member {
    fn rank(&self) -> u32 {
        u32::try_from(self.key * 7919 % 1000).unwrap()
    }
}

type Handle = CachedProvider<Member>;

impl Fleet {
    fn new() -> Arc<Self> {
        let script = ScriptedProvider::new();
        let timer = Timer::new(script.clock());
        let shared = Shared::new(Arc::clone(&timer), Refresh::WhileUsed, Observed::default());
        Arc::new(Self {
            script,
            timer,
            shared,
            calls: Mutex::default(),
            running: AtomicUsize::new(0),
            most_running: AtomicUsize::new(0),
            permits: Semaphore::new(0),
            failure: Mutex::default(),
        })
    }

    /// Creates entries, fetches their sessions, and advances until all are due.
    async fn due(self: &Arc<Self>, count: usize) -> Vec<Handle> {
        let mut members = Vec::new();
        for key in 0..count {
            let origin = ProviderOrigin::new(Arc::new(Member { fleet: Arc::clone(self), key }));
            let cached = CachedProvider(Entry::new(origin, Arc::clone(&self.shared)));
            with_timeout(request(&cached)).await.unwrap();
            members.push(cached);
        }
        self.script.advance(3300);
        self.settle().await;
        members
    }

    async fn settle(&self) {
        for _ in 0..20 {
            settle().await;
        }
    }

    fn fail_with(&self, response: Option<Response>) {
        *self.failure.lock().unwrap() = response;
    }

    fn calls(&self) -> Vec<usize> {
        self.calls.lock().unwrap().clone()
    }

    /// In flight, and queued.
    fn load(&self) -> (usize, usize) {
        (self.timer.in_flight(), self.timer.queued())
    }
}

fn current(member: &Handle) -> usize {
    number(&poll(&mut pin!(request(member))).expect("the caller waits").unwrap())
}

#[tokio::test]
async fn thousand_due_entries_run_64_fetches_in_order_of_expiration() {
    let fleet = Fleet::new();
    let members = fleet.due(1000).await;
    assert_eq!(fleet.load(), (MAX_IN_FLIGHT, 1000 - MAX_IN_FLIGHT));
    assert_eq!(fleet.calls().len(), MAX_IN_FLIGHT);
    // Callers of all entries receive their sessions, and start nothing.
    assert!(members.iter().all(|member| current(member) == 1));
    assert_eq!(fleet.load(), (MAX_IN_FLIGHT, 1000 - MAX_IN_FLIGHT));
    for _ in 0..1000 {
        fleet.permits.add_permits(1);
        settle().await;
        assert!(fleet.timer.in_flight() <= MAX_IN_FLIGHT);
    }
    fleet.settle().await;
    assert_eq!(fleet.most_running.load(Ordering::SeqCst), MAX_IN_FLIGHT);
    assert_eq!((fleet.load(), fleet.calls().len()), ((0, 0), 1000));
    assert!(members.iter().all(|member| current(member) == 2));
    // The soonest expiration first, once the queue is filled.
    let rank = |key: &usize| members[*key].inner().rank();
    let ranks: Vec<_> = fleet.calls()[MAX_IN_FLIGHT..].iter().map(rank).collect();
    assert!(ranks.is_sorted(), "{ranks:?}");
}

#[tokio::test]
async fn queued_entry_fetches_in_foreground_for_its_callers() {
    let fleet = Fleet::new();
    let members = fleet.due(200).await;
    let running = fleet.calls();
    let mut queued = members.clone();
    queued.retain(|member| !running.contains(&member.inner().key));
    queued.truncate(10);
    // In the mandatory window the limit does not delay callers.
    fleet.script.advance(295);
    let now = fleet.script.clock().now();
    let mut callers: Vec<_> = queued.iter().map(|member| Box::pin(request(member))).collect();
    assert!(callers.iter_mut().all(|caller| poll(caller).is_none()));
    assert_eq!(fleet.timer.queued(), 200 - MAX_IN_FLIGHT - 10);
    for caller in callers {
        let session = with_timeout(caller).await.unwrap();
        let expires_at = session.expiration(&fleet.script.clock());
        assert!(expires_at >= now + Duration::from_secs(HOUR), "the cached session");
    }
    fleet.permits.add_permits(1000);
    fleet.settle().await;
    fleet.script.advance(1);
    fleet.settle().await;
    assert_eq!(fleet.load(), (0, 0));
    let calls = fleet.calls();
    assert!(queued.iter().all(|member| !calls.contains(&member.inner().key)));
}

#[tokio::test]
async fn removed_and_dropped_entries_leave_the_queue() {
    let fleet = Fleet::new();
    let mut members = fleet.due(300).await;
    let running = fleet.calls();
    let mut queued: Vec<_> = (0..300).filter(|key| !running.contains(key)).collect();
    let (removed, rest) = (queued.split_off(200), queued);
    for key in &removed[..20] {
        assert!(members[*key].0.remove());
    }
    members.retain(|member| !removed[20..].contains(&member.inner().key));
    assert_eq!(fleet.load(), (MAX_IN_FLIGHT, 200));
    fleet.permits.add_permits(1000);
    fleet.settle().await;
    assert_eq!(fleet.load(), (0, 0));
    let calls = fleet.calls();
    assert!(removed.iter().all(|key| !calls.contains(key)));
    assert!(rest.iter().all(|key| calls.contains(key)));
}

#[tokio::test]
async fn removed_and_dropped_entries_free_their_permits() {
    let fleet = Fleet::new();
    let mut members = fleet.due(128).await;
    let running = fleet.calls();
    for key in &running[..32] {
        assert!(members[*key].0.remove());
    }
    members.retain(|member| !running[32..].contains(&member.inner().key));
    fleet.settle().await;
    assert_eq!((fleet.load(), fleet.calls().len()), ((64, 0), 128), "the queued ones run");
}

#[tokio::test]
async fn panicking_and_failing_providers_free_their_permits() {
    for response in [Response::Panic, Response::Unavailable] {
        let fleet = Fleet::new();
        fleet.fail_with(Some(response));
        let members = fleet.due(200).await;
        fleet.permits.add_permits(200);
        fleet.settle().await;
        assert_eq!((fleet.load(), fleet.calls().len()), ((0, 0), 200), "{response:?}");
        fleet.fail_with(None);
        fleet.permits.add_permits(200);
        for _ in 0..20 {
            fleet.script.advance(1);
            fleet.settle().await;
        }
        assert!(members.iter().all(|member| current(member) == 2));
        assert_eq!(fleet.load(), (0, 0));
    }
}

#[tokio::test]
async fn hanging_providers_free_their_permits_at_the_timeout() {
    let fleet = Fleet::new();
    let members = fleet.due(200).await;
    fleet.script.advance(15);
    fleet.settle().await;
    fleet.script.advance(15);
    fleet.settle().await;
    assert_eq!(fleet.load().0, MAX_IN_FLIGHT);
    fleet.permits.add_permits(1000);
    for _ in 0..10 {
        fleet.script.advance(2);
        fleet.settle().await;
    }
    assert!(members.iter().all(|member| current(member) == 2));
    assert_eq!(fleet.load(), (0, 0));
}

/// As if the timer took the entry from the queue, and a fetch armed it before the call.
#[tokio::test]
async fn called_entry_that_is_armed_has_one_time() {
    let fleet = Fleet::new();
    let origin = ProviderOrigin::new(Arc::new(Member { fleet: Arc::clone(&fleet), key: 0 }));
    let cached = CachedProvider(Entry::new(origin, Arc::clone(&fleet.shared)));
    with_timeout(request(&cached)).await.unwrap();
    assert_eq!(fleet.timer.armed(), 1);
    // It will expire before its refresh is due.
    fleet.script.step_wall_clock(3500);
    Arc::clone(&cached.0).tick(fleet.timer.try_acquire_permit());
    assert_eq!((fleet.timer.armed(), fleet.load()), (1, (0, 0)));
}

#[tokio::test]
async fn caller_does_not_overtake_the_queue() {
    let fleet = Fleet::new();
    let members = fleet.due(200).await;
    let running = fleet.calls();
    // One fetch fails, and an entry from the queue has its permit.
    fleet.fail_with(Some(Response::Unavailable));
    fleet.permits.add_permits(1);
    fleet.settle().await;
    fleet.fail_with(None);
    assert_eq!(fleet.load(), (MAX_IN_FLIGHT, 200 - MAX_IN_FLIGHT - 1));
    // It may try again, and another permit becomes free. The timer did not run since.
    fleet.script.advance(1);
    assert!(members[running[1]].0.remove());
    assert_eq!(current(&members[running[0]]), 1);
    assert_eq!(fleet.load(), (MAX_IN_FLIGHT - 1, 200 - MAX_IN_FLIGHT));
    fleet.settle().await;
    assert_eq!(fleet.load(), (MAX_IN_FLIGHT, 200 - MAX_IN_FLIGHT - 1));
    let calls = fleet.calls();
    let rank = |key: &usize| members[*key].inner().rank();
    let waited = (0..200).filter(|key| *key == running[0] || !running.contains(key));
    let next = waited.filter(|key| *key != calls[MAX_IN_FLIGHT]).min_by_key(rank);
    assert_eq!(calls.get(MAX_IN_FLIGHT + 1).copied(), next, "the session that expires first");
}

/// The callers of queued entries find that the timer's task ended with its runtime, or that it
/// stands still with its runtime.
#[test]
fn callers_of_queued_entries_move_the_queue() {
    for ends in [true, false] {
        let fleet = Fleet::new();
        let first = runtime();
        let mut members = first.block_on(fleet.due(200));
        let running = fleet.calls();
        let stopped = (!ends).then_some(first);
        members.retain(|member| !running.contains(&member.inner().key));
        fleet.permits.add_permits(1000);
        runtime().block_on(async {
            fleet.script.advance(59);
            assert!(members.iter().all(|member| current(member) == 1));
            fleet.settle().await;
            assert_eq!(fleet.calls().len(), MAX_IN_FLIGHT, "hits that look at nothing");
            fleet.script.advance(1);
            assert_eq!(current(&members[0]), 1);
            fleet.settle().await;
            fleet.script.advance(1);
            fleet.settle().await;
            assert_eq!(fleet.load(), (0, 0));
            assert!(members.iter().all(|member| current(member) == 2));
        });
        drop(stopped);
    }
}

/// A runtime ends with 64 fetches in flight: the timer continues on the next one.
#[test]
fn ended_runtime_frees_permits_and_keeps_the_queue() {
    let fleet = Fleet::new();
    let first = runtime();
    let members = first.block_on(fleet.due(200));
    assert_eq!(fleet.load(), (MAX_IN_FLIGHT, 200 - MAX_IN_FLIGHT));
    drop(first);
    assert_eq!(fleet.load(), (0, 200 - MAX_IN_FLIGHT));
    fleet.permits.add_permits(1000);
    runtime().block_on(async {
        // A call of an entry that is not queued starts the timer's task.
        assert!(members.iter().all(|member| current(member) == 1));
        fleet.settle().await;
        fleet.script.advance(1);
        fleet.settle().await;
        assert_eq!(fleet.load(), (0, 0));
        assert!(members.iter().all(|member| current(member) == 2));
    });
}

//! The calling tasks of a soak: what they do, and what they report to the monitor.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rolecall::cache::SessionPool;
use rolecall::provider::FetchContext;
use rolecall::time::{Clock, Moment};
use rolecall::{ErrorKind, ProvideSession, Session, SessionError};

use super::invariants::InvariantMonitor;

/// Calls the pool for random tenants until `stop` is set.
///
/// Most calls get a session. A few in a thousand remove the entry, abandon the call, require a
/// minimum remaining lifetime, refresh, or invalidate the session that they received.
pub(super) async fn run(
    pool: SessionPool<usize>,
    monitor: Arc<InvariantMonitor>,
    stop: Arc<AtomicBool>,
    seed: u64,
) {
    let mut rng = fastrand::Rng::with_seed(seed);
    while !stop.load(Ordering::Relaxed) {
        let tenant = rng.usize(0..monitor.tenants());
        match rng.u32(0..1000) {
            0 => {
                pool.remove(&tenant);
            }
            1..20 => abandon_call(&pool, &monitor, tenant).await,
            20..40 => call_session_valid_for(&pool, &monitor, tenant).await,
            40..44 => refresh(&pool, &monitor, tenant).await,
            number => {
                let session = get_session(&pool, &monitor, tenant).await;
                if let Some(session) = session.ok().filter(|_| number < 48) {
                    monitor.record_invalidation(tenant, &session);
                    pool.get(&tenant).invalidate(&session);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(rng.u64(1..8))).await;
    }
}

pub(super) async fn get_session(
    pool: &SessionPool<usize>,
    monitor: &InvariantMonitor,
    tenant: usize,
) -> Result<Session, SessionError> {
    let before = monitor.snapshot(tenant);
    let handle = pool.get(&tenant);
    let call = timed(monitor.clock(), handle.provide_session(FetchContext::foreground())).await;
    monitor.count(|counts| counts.calls += 1);
    if let Some(pending_at) = call.pending_at {
        monitor.count(|counts| counts.waited += 1);
        monitor.check_wait(tenant, before, Duration::ZERO, pending_at);
    }
    match &call.result {
        Ok(session) => monitor.check_served(tenant, session, Duration::ZERO, call.polled_at),
        // Another task removed the entry while this call was waiting.
        Err(error) if error.kind() == ErrorKind::Removed => {}
        Err(error) => monitor.check_failed_call(tenant, before, error),
    }
    call.result
}

/// Makes a call and drops it after a millisecond. The fetch that it may have started must continue.
async fn abandon_call(pool: &SessionPool<usize>, monitor: &InvariantMonitor, tenant: usize) {
    let handle = pool.get(&tenant);
    let call = timed(monitor.clock(), handle.provide_session(FetchContext::foreground()));
    let finished = tokio::time::timeout(Duration::from_millis(1), call).await;
    if let Ok(TimedCall { result: Ok(session), polled_at, .. }) = finished {
        monitor.check_served(tenant, &session, Duration::ZERO, polled_at);
    }
}

/// Requires a session that remains valid for a while. The call may fail, since the cached session
/// may expire earlier while STS is unavailable.
async fn call_session_valid_for(
    pool: &SessionPool<usize>,
    monitor: &InvariantMonitor,
    tenant: usize,
) {
    let min_remaining = Duration::from_secs(400);
    let before = monitor.snapshot(tenant);
    let handle = pool.get(&tenant);
    let call = timed(monitor.clock(), handle.session_valid_for(min_remaining)).await;
    monitor.count(|counts| counts.valid_for_calls += 1);
    if let Some(pending_at) = call.pending_at {
        monitor.check_wait(tenant, before, min_remaining, pending_at);
    }
    match call.result {
        Ok(session) => monitor.check_served(tenant, &session, min_remaining, call.polled_at),
        Err(error) if error.kind() == ErrorKind::Removed => {}
        Err(error) => monitor.check_failed_valid_for(tenant, before, min_remaining, &error),
    }
}

/// Refreshes the session. If that fails, the next call must still receive the cached one.
async fn refresh(pool: &SessionPool<usize>, monitor: &InvariantMonitor, tenant: usize) {
    let before = monitor.snapshot(tenant);
    let handle = pool.get(&tenant);
    let call = timed(monitor.clock(), handle.refresh()).await;
    monitor.count(|counts| counts.refreshes += 1);
    match call.result {
        Ok(session) => monitor.check_served(tenant, &session, Duration::ZERO, call.polled_at),
        Err(error) if error.kind() == ErrorKind::Removed => {}
        Err(_) => {
            let next = get_session(pool, monitor, tenant).await;
            monitor.check_call_after_failed_refresh(tenant, before, next.as_ref());
        }
    }
}

/// The result of a call and its times on the session clock.
struct TimedCall {
    result: Result<Session, SessionError>,
    /// Time before the last poll: a session that was returned was valid then.
    polled_at: Moment,
    /// Time after the first poll, if the call was not ready then and had to wait.
    pending_at: Option<Moment>,
}

async fn timed(
    clock: &Clock,
    call: impl Future<Output = Result<Session, SessionError>>,
) -> TimedCall {
    let mut call = pin!(call);
    let (mut polled_at, mut pending_at) = (clock.now(), None);
    let result = std::future::poll_fn(|context| {
        polled_at = clock.now();
        let poll = call.as_mut().poll(context);
        if poll.is_pending() && pending_at.is_none() {
            pending_at = Some(clock.now());
        }
        poll
    })
    .await;
    TimedCall { result, polled_at, pending_at }
}

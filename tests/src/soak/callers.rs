//! What a task does all the time: calls, now and then a rejection or a removal.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rolecall::cache::SessionPool;
use rolecall::{Clock, ErrorKind, FetchContext, FetchError, Moment, Session, SessionSource};

use super::ledger::Ledger;

/// Calls until it is told to stop.
pub(super) async fn call(
    pool: SessionPool<usize>,
    ledger: Arc<Ledger>,
    stop: Arc<AtomicBool>,
    seed: u64,
) {
    let mut dice = fastrand::Rng::with_seed(seed);
    while !stop.load(Ordering::Relaxed) {
        let tenant = dice.usize(0..ledger.tenants());
        match dice.u32(0..1000) {
            0 => {
                pool.remove(&tenant);
            }
            1..20 => give_up(&pool, tenant).await,
            20..40 => for_long(&pool, &ledger, tenant).await,
            40..44 => drop(pool.get(&tenant).refresh_now().await),
            die => {
                let session = ask(&pool, &ledger, tenant).await;
                if let Some(session) = session.filter(|_| die < 48) {
                    ledger.will_be_rejected(tenant, &session);
                    pool.get(&tenant).reject(&session);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(dice.u64(1..8))).await;
    }
}

async fn ask(pool: &SessionPool<usize>, ledger: &Ledger, tenant: usize) -> Option<Session> {
    let before = ledger.look(tenant);
    let handle = pool.get(&tenant);
    let asked = watched(ledger.clock(), handle.session(FetchContext::caller())).await;
    ledger.count(|counts| counts.calls += 1);
    if let Some(at) = asked.waited_at {
        ledger.waited(tenant, before, at);
    }
    match asked.answer {
        Ok(session) => {
            ledger.served(tenant, &session, Duration::ZERO, asked.last);
            Some(session)
        }
        Err(error) if error.kind() == ErrorKind::Removed => None,
        Err(error) => {
            ledger.failed(tenant, before, &error);
            None
        }
    }
}

/// A caller with little patience: what it set off goes on.
async fn give_up(pool: &SessionPool<usize>, tenant: usize) {
    let handle = pool.get(&tenant);
    let answer = handle.session(FetchContext::caller());
    let _ = tokio::time::timeout(Duration::from_millis(1), answer).await;
}

/// A session for what takes a while; there may be none, and then it is an error.
async fn for_long(pool: &SessionPool<usize>, ledger: &Ledger, tenant: usize) {
    let least = Duration::from_secs(400);
    let handle = pool.get(&tenant);
    let asked = watched(ledger.clock(), handle.session_valid_for(least)).await;
    if let Ok(session) = asked.answer {
        ledger.served(tenant, &session, least, asked.last);
    }
}

struct Asked {
    answer: Result<Session, FetchError>,
    /// The moment before it was looked after for the last time: what was handed out was good then.
    last: Moment,
    /// The moment at which it was not answered at once, if so.
    waited_at: Option<Moment>,
}

async fn watched(clock: &Clock, call: impl Future<Output = Result<Session, FetchError>>) -> Asked {
    let mut call = pin!(call);
    let (mut last, mut waited_at) = (clock.now(), None);
    let answer = std::future::poll_fn(|context| {
        last = clock.now();
        let poll = call.as_mut().poll(context);
        if poll.is_pending() && waited_at.is_none() {
            waited_at = Some(clock.now());
        }
        poll
    })
    .await;
    Asked { answer, last, waited_at }
}

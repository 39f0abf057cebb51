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
            1..20 => give_up(&pool, &ledger, tenant).await,
            20..40 => for_long(&pool, &ledger, tenant).await,
            40..44 => refresh(&pool, &ledger, tenant).await,
            die => {
                let session = ask(&pool, &ledger, tenant).await;
                if let Some(session) = session.ok().filter(|_| die < 48) {
                    ledger.will_be_rejected(tenant, &session);
                    pool.get(&tenant).reject(&session);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(dice.u64(1..8))).await;
    }
}

async fn ask(
    pool: &SessionPool<usize>,
    ledger: &Ledger,
    tenant: usize,
) -> Result<Session, FetchError> {
    let before = ledger.look(tenant);
    let handle = pool.get(&tenant);
    let asked = watched(ledger.clock(), handle.session(FetchContext::caller())).await;
    ledger.count(|counts| counts.calls += 1);
    if let Some(at) = asked.waited_at {
        ledger.count(|counts| counts.waited += 1);
        ledger.waited(tenant, before, Duration::ZERO, at);
    }
    match &asked.answer {
        Ok(session) => ledger.served(tenant, session, Duration::ZERO, asked.last),
        Err(error) if error.kind() == ErrorKind::Removed => {}
        Err(error) => ledger.failed(tenant, before, error),
    }
    asked.answer
}

/// A caller with little patience: what it set off goes on.
async fn give_up(pool: &SessionPool<usize>, ledger: &Ledger, tenant: usize) {
    let handle = pool.get(&tenant);
    let answer = watched(ledger.clock(), handle.session(FetchContext::caller()));
    let answered = tokio::time::timeout(Duration::from_millis(1), answer).await;
    if let Ok(Asked { answer: Ok(session), last, .. }) = answered {
        ledger.served(tenant, &session, Duration::ZERO, last);
    }
}

/// A session for what takes a while; there may be none, and then it is an error.
async fn for_long(pool: &SessionPool<usize>, ledger: &Ledger, tenant: usize) {
    let least = Duration::from_secs(400);
    let before = ledger.look(tenant);
    let handle = pool.get(&tenant);
    let asked = watched(ledger.clock(), handle.session_valid_for(least)).await;
    ledger.count(|counts| counts.for_long += 1);
    if let Some(at) = asked.waited_at {
        ledger.waited(tenant, before, least, at);
    }
    match asked.answer {
        Ok(session) => ledger.served(tenant, &session, least, asked.last),
        Err(error) if error.kind() == ErrorKind::Removed => {}
        Err(error) => ledger.failed_for_long(tenant, before, least, &error),
    }
}

/// Another session at once: if there is none to be had, the one that is held stays in use.
async fn refresh(pool: &SessionPool<usize>, ledger: &Ledger, tenant: usize) {
    let before = ledger.look(tenant);
    let handle = pool.get(&tenant);
    let asked = watched(ledger.clock(), handle.refresh_now()).await;
    ledger.count(|counts| counts.refreshes += 1);
    match asked.answer {
        Ok(session) => ledger.served(tenant, &session, Duration::ZERO, asked.last),
        Err(error) if error.kind() == ErrorKind::Removed => {}
        Err(_) => {
            let then = ask(pool, ledger, tenant).await;
            ledger.after_a_failed_refresh(tenant, before, then.as_ref());
        }
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

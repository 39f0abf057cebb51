//! What a call does: it returns the cached item, or waits for the result of a fetch.

use rolecall_core::{FetchContext, FetchMode, Moment, SessionError};
use tokio::sync::watch;

use super::Entry;
use super::decide::{Decision, Request, Wait, serves};
use super::error::{outside_a_runtime, removed, too_short, unavailable};
use super::item::{Item, Origin};
use super::snapshot::{TOUCHED, USED};
use crate::sync::{Arc, Runtime};

/// Maximum number of fetches that one call waits for. Each after the first means that a fetch was
/// lost, overdue, in the background, or too early for the request.
const MAX_FETCHES_PER_CALL: u32 = 5;

/// A fetched item and its expiration, or why there is none: what all waiting callers share.
#[derive(Clone)]
pub(super) struct Outcome<I> {
    /// The fetch that this is the result of: the one that callers wait for, or one before it whose
    /// session arrived late.
    pub(super) generation: u64,
    pub(super) result: Result<(I, Moment), SessionError>,
}

impl<I> Outcome<I> {
    fn session_for(&self, request: Request, now: Moment) -> Option<&I> {
        let (item, expires_at) = self.result.as_ref().ok()?;
        (request.is_newer(self.generation) && request.is_met(now, *expires_at)).then_some(item)
    }
}

enum Plan<I> {
    Return(I),
    Wait(Waiting<I>),
}

/// The fetch that a caller waits for.
struct Waiting<I> {
    wait: Wait<I>,
    generation: u64,
    mode: FetchMode,
    outcome: watch::Receiver<Option<Outcome<I>>>,
}

impl<O: Origin> Entry<O, O::Item> {
    /// Returns an item that fulfills the request, or why there is none.
    pub(crate) async fn obtain(
        self: &Arc<Self>,
        request: Request,
        context: FetchContext,
        input: impl Fn() -> O::Input,
    ) -> Result<O::Item, SessionError> {
        for _ in 0..MAX_FETCHES_PER_CALL {
            let Waiting { wait, generation, mode, mut outcome } =
                match self.plan(request, context.mode(), &input)? {
                    Plan::Return(item) => return Ok(item),
                    Plan::Wait(waiting) => waiting,
                };
            let clock = &self.clock;
            // A late session of another fetch may not be what this call requests.
            let ends_wait = |outcome: &Option<Outcome<O::Item>>| {
                outcome.as_ref().is_some_and(|outcome| {
                    outcome.generation == generation
                        || outcome.session_for(request, clock.now()).is_some()
                })
            };
            let waited = clock.until(wait.until, outcome.wait_for(ends_wait)).await;
            let now = clock.now();
            let outcome = match &waited {
                Ok(Ok(outcome)) => outcome.as_ref(),
                // The time is over, or the task is gone. The next decision takes over a fetch that
                // is lost or overdue.
                Ok(Err(_)) | Err(_) => None,
            };
            match outcome.and_then(|outcome| outcome.session_for(request, now)) {
                Some(item) => return Ok(item.clone()),
                None if self.is_removed() => return Err(removed(self.origin.name())),
                None => {}
            }
            if let Some((item, _)) = wait.fallback.filter(|(_, end)| request.is_met(now, *end)) {
                return Ok(item);
            }
            match outcome {
                // A background fetch makes one attempt, and none if the rate limit defers it. A
                // caller without a session starts a fetch that tries on its behalf.
                Some(Outcome { result: Err(error), generation })
                    if request.is_newer(*generation) && serves(mode, context.mode()) =>
                {
                    return Err(error.clone());
                }
                _ => {}
            }
        }
        Err(unavailable(format!(
            "{MAX_FETCHES_PER_CALL} fetches ended without a session that is still valid"
        )))
    }

    /// Decides once, and starts the fetch that the decision calls for.
    fn plan(
        self: &Arc<Self>,
        request: Request,
        mode: FetchMode,
        input: &impl Fn() -> O::Input,
    ) -> Result<Plan<O::Item>, SessionError> {
        let mut state = self.lock();
        let now = self.now();
        match (state.machine.decide(request, mode, now), Runtime::current()) {
            (Decision::Return { session, refresh }, runtime) => {
                self.mark(USED | TOUCHED);
                let refresh = refresh || state.machine.queued;
                if refresh && let Some(runtime) = runtime {
                    self.start_background(state, &runtime, now, input(), None);
                }
                Ok(Plan::Return(session))
            }
            (Decision::Fail(error), _) => Err(error),
            (Decision::TooShort(remaining), _) => {
                let cached = state.machine.session().cloned();
                drop(state);
                let cached = cached.as_ref().and_then(Item::session);
                Err(too_short(self.origin.name(), request, remaining, cached))
            }
            (Decision::Removed, _) => {
                // The name is a provider's code, which may call this entry.
                drop(state);
                Err(removed(self.origin.name()))
            }
            (Decision::Wait(wait), Some(runtime)) => {
                if wait.fallback.is_some() {
                    // Marked before the fetch completes, since the timer is armed then: it does not
                    // retry for a session that is unused.
                    self.mark(USED | TOUCHED);
                }
                let forced = matches!(request, Request::NewerThan(_));
                let fetch =
                    wait.start.then(|| self.begin_fetch(&mut state, now, mode, forced, None));
                state.machine.join_fetch();
                let running = state.machine.running_fetch();
                let outcome = state.outcome.as_ref().map(watch::Sender::subscribe);
                drop(state);
                if let Some(fetch) = fetch {
                    self.spawn(fetch, &runtime, input());
                }
                match (running, outcome) {
                    (Some((generation, mode)), Some(outcome)) => {
                        Ok(Plan::Wait(Waiting { wait, generation, mode, outcome }))
                    }
                    // A fetch that is running has an outcome to wait for.
                    _ => Err(unavailable("the running fetch has no result to wait for")),
                }
            }
            // Without a runtime there are no timers, and nothing can wait.
            (Decision::Wait(wait), None) => {
                drop(state);
                let (item, _) =
                    wait.fallback.ok_or_else(|| outside_a_runtime(self.origin.name()))?;
                self.mark(USED | TOUCHED);
                Ok(Plan::Return(item))
            }
        }
    }
}

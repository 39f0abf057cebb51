//! A pool whose entries are all due for a refresh, behind a rate limit.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use rolecall::cache::SessionPool;
use rolecall::provider::{FetchContext, FetchMode};
use rolecall::sts::{RateLimit, RateLimiter};
use rolecall::time::{Clock, Moment};
use rolecall::{CachedProvider, ProvideSession, Session, SessionError};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::peers::Outcome;
use crate::report::show_progress;
use crate::sts::{HOUR, SHORT_TOKEN_LENGTH, keys_with_token};

/// Lifetime of the sessions that are due, the shortest that STS permits, and what remains of it.
///
/// Such a session is refreshed between 5 and 12.5 minutes after it was requested, and its callers
/// wait for the refresh from 14 minutes on. With 140 seconds left, each is due, whatever was drawn.
const LIFETIME: Duration = Duration::from_secs(15 * 60);
const REMAINING: Duration = Duration::from_secs(140);
/// Time in which a pool must be loaded and measured, before callers wait for a refresh.
const MAX_DURATION: Duration = Duration::from_secs(80);

/// Time that an attempt may wait for a permit, as in `StsClient`: a call has 14 seconds, of which
/// its attempt keeps 5.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(9);

/// Tasks that load a pool.
const LOADERS: usize = 4;

/// Provides sessions without latency, behind a rate limit as `StsClient` has it.
#[derive(Debug)]
struct LimitedProvider {
    clock: Clock,
    limiter: RateLimiter,
    /// The lifetime and the age of the sessions that are fetched while the pool is loaded.
    loaded: (Duration, Duration),
    /// Background fetches wait until the pool is loaded, so that all entries are due at once.
    started: watch::Sender<bool>,
    attempts: AtomicUsize,
    sessions: AtomicUsize,
}

impl LimitedProvider {
    fn create_session(&self, requested_at: Moment, lifetime: Duration) -> Session {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        let keys = keys_with_token(number, SHORT_TOKEN_LENGTH, None);
        Session::builder(keys).lifetime(requested_at, lifetime, &self.clock).build()
    }
}

#[async_trait]
impl ProvideSession for LimitedProvider {
    async fn provide_session(&self, context: FetchContext) -> Result<Session, SessionError> {
        if !*self.started.borrow() {
            if context.mode() == FetchMode::Foreground {
                let (lifetime, age) = self.loaded;
                return Ok(self.create_session(self.clock.now().earlier_by(age), lifetime));
            }
            // The sender lives as long as this provider.
            let _ = self.started.subscribe().wait_for(|started| *started).await;
        }
        self.attempts.fetch_add(1, Ordering::Relaxed);
        let requested_at = self.clock.now();
        let permit = self.limiter.acquire(context.mode(), PERMIT_TIMEOUT).await?;
        let session = self.create_session(requested_at, HOUR);
        drop(permit);
        Ok(session)
    }

    /// Longer than the pool is loaded: a fetch that waits for that must not be abandoned.
    fn timeout(&self) -> Duration {
        HOUR
    }

    fn name(&self) -> &str {
        "limited"
    }
}

/// Whether the entries of a [`LoadedPool`] are due for a refresh.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entries {
    Due,
    Fresh,
}

/// A pool with a cached session for each of its keys, on a runtime of its own.
pub(crate) struct LoadedPool {
    provider: Arc<LimitedProvider>,
    pool: SessionPool<u64>,
    pub(crate) runtime: Runtime,
    created: Instant,
}

/// What a provider and this process have done so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    /// Calls of the provider, deferred ones included.
    pub(crate) attempts: usize,
    pub(crate) sessions: usize,
    /// CPU time of all threads of this process, in seconds.
    pub(crate) cpu: f64,
}

impl Counts {
    /// Returns what has been done since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            attempts: self.attempts - earlier.attempts,
            sessions: self.sessions - earlier.sessions,
            cpu: self.cpu - earlier.cpu,
        }
    }
}

impl LoadedPool {
    pub(crate) fn new(entries: Entries, count: u64, calls_per_second: u32) -> Outcome<Self> {
        let clock = Clock::system();
        let age = LIFETIME - REMAINING;
        if clock.now() < Moment::ZERO + age {
            let minutes = age.as_secs() / 60;
            return Err(format!("the machine was booted less than {minutes} minutes ago").into());
        }
        let loaded = match entries {
            Entries::Due => (LIFETIME, age),
            Entries::Fresh => (HOUR, Duration::ZERO),
        };
        let mut limit = RateLimit::default();
        limit.calls_per_second = NonZeroU32::new(calls_per_second).ok_or("no calls")?;
        let provider = Arc::new(LimitedProvider {
            limiter: RateLimiter::new(limit, clock.clone()),
            clock,
            loaded,
            started: watch::Sender::new(false),
            attempts: AtomicUsize::new(0),
            sessions: AtomicUsize::new(0),
        });
        let of_key = Arc::clone(&provider);
        let pool = SessionPool::builder(move |_: &u64| {
            let provider: Arc<dyn ProvideSession> = of_key.clone();
            provider
        });
        let pool = pool.capacity(count).build();
        let runtime = Builder::new_multi_thread().enable_all().build()?;
        let loaded = Self { provider, pool, runtime, created: Instant::now() };
        loaded.load(count)?;
        Ok(loaded)
    }

    /// Fetches a session for each key, and hands it to one caller: an unused session is not
    /// refreshed.
    fn load(&self, count: u64) -> Outcome {
        show_progress(format_args!("loading {count} entries"));
        let loaders = (0..LOADERS).map(|loader| {
            let pool = self.pool.clone();
            self.runtime.spawn(async move {
                for key in (0..count).skip(loader).step_by(LOADERS) {
                    pool.get(&key).provide_credentials().await?;
                }
                Ok::<(), CredentialsError>(())
            })
        });
        for loader in loaders.collect::<Vec<_>>() {
            self.runtime.block_on(loader)??;
        }
        match self.provider.sessions.load(Ordering::Relaxed) as u64 {
            sessions if sessions == count => Ok(()),
            sessions => Err(format!("{sessions} sessions were fetched for {count} keys").into()),
        }
    }

    /// Returns the cached provider of a key.
    pub(crate) fn get(&self, key: u64) -> CachedProvider {
        self.pool.get(&key)
    }

    /// Lets background fetches begin, and returns the counts before that.
    pub(crate) fn start(&self) -> Counts {
        let counts = self.counts();
        self.provider.started.send_replace(true);
        counts
    }

    /// Returns the counts so far.
    ///
    /// # Errors
    ///
    /// Returns an error if callers may wait for refreshes by now.
    pub(crate) fn finish(&self) -> Outcome<Counts> {
        match self.created.elapsed() > MAX_DURATION {
            true => Err("the machine is too slow: sessions are about to expire".into()),
            false => Ok(self.counts()),
        }
    }

    fn counts(&self) -> Counts {
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Counts {
            attempts: count(&self.provider.attempts),
            sessions: count(&self.provider.sessions),
            cpu: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
        }
    }
}

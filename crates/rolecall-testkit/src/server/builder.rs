//! The setup of a server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rolecall_core::Clock;

use super::{InWork, Listening, LocalAws, SetupError, Shared, serve};
use crate::faults::Faults;
use crate::record::{Call, Record, Watcher};
use crate::world::{Account, World};

/// A builder for [`LocalAws`].
///
/// # Examples
///
/// Sessions expire and signatures become stale by the server's clock, which a test can advance with
/// a `ManualClock` (feature `test-util` of rolecall-core):
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rolecall_testkit::SetupError> {
/// use rolecall_core::ManualClock;
/// use rolecall_testkit::{Account, IamUser, LocalAws};
///
/// let manual = ManualClock::new();
/// let aws = LocalAws::builder()
///     .clock(manual.clock())
///     .account(Account::new("111122223333").user(IamUser::new("ann")))
///     .start()
///     .await?;
/// assert!(aws.user_credentials("111122223333", "ann").is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct LocalAwsBuilder {
    accounts: Vec<Account>,
    clock: Clock,
    max_retained: Option<usize>,
    port: u16,
    watcher: Option<Watcher>,
}

impl LocalAwsBuilder {
    pub(super) fn new() -> Self {
        let clock = Clock::system();
        Self { accounts: Vec::new(), clock, max_retained: None, port: 0, watcher: None }
    }

    /// Adds an account.
    pub fn account(mut self, account: Account) -> Self {
        self.accounts.push(account);
        self
    }

    /// Sets the clock that sessions, tokens and signatures expire by. Defaults to the system clock.
    ///
    /// Give the client under test the same clock: a signature that is more than 15 minutes off, in
    /// either direction, is refused.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the number of calls and of sessions that are retained. Defaults to 10,000 calls and
    /// 200,000 sessions.
    ///
    /// The oldest are dropped first, and the keys of a dropped session are unknown to the server. A
    /// lower number bounds the memory of a long test; more than 10,000 calls are never retained.
    pub fn max_retained(mut self, newest: usize) -> Self {
        self.max_retained = Some(newest);
        self
    }

    /// Sets the port of the loopback address to listen on. Defaults to 0, which is any free port.
    ///
    /// Tests that run at the same time need different ports; a fixed one is for a server that
    /// programs with a fixed configuration use.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rolecall_testkit::SetupError> {
    /// use rolecall_testkit::{LocalAws, SetupError};
    /// let one = LocalAws::builder().port(0).start().await?;
    /// let port = one.endpoint_url().rsplit(':').next().and_then(|port| port.parse().ok());
    /// let error = LocalAws::builder().port(port.unwrap()).start().await.unwrap_err();
    /// assert!(matches!(error, SetupError::Listen(_)), "the port is in use");
    /// # Ok(())
    /// # }
    /// ```
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets a function that receives each call when its outcome is known, before its response is
    /// sent.
    ///
    /// The server waits for the function: it should pass the call on and not block.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rolecall_testkit::SetupError> {
    /// let (sender, calls) = std::sync::mpsc::channel();
    /// let aws = rolecall_testkit::LocalAws::builder()
    ///     .on_call(move |call| drop(sender.send(call.clone())))
    ///     .start()
    ///     .await?;
    /// assert!(calls.try_recv().is_err(), "no call has arrived");
    /// # drop(aws);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_call(mut self, function: impl Fn(&Call) + Send + Sync + 'static) -> Self {
        self.watcher = Some(Watcher::new(function));
        self
    }

    /// Checks the setup, and starts the server.
    ///
    /// # Errors
    ///
    /// Returns [`SetupError::Invalid`] if an account or anything in it is invalid, and
    /// [`SetupError::Listen`] if no port could be opened on the loopback address.
    pub async fn start(self) -> Result<LocalAws, SetupError> {
        #[cfg(feature = "s3")]
        let s3 = Mutex::new(crate::s3::Store::of(&self.accounts)?);
        #[cfg(feature = "secrets-manager")]
        let secrets = Mutex::new(crate::secrets::Store::of(&self.accounts, self.clock.wall())?);
        #[cfg(feature = "ecr")]
        let ecr = Mutex::new(crate::ecr::Store::of(&self.accounts)?);
        let mut world = World::of(self.accounts)?;
        let record = match self.max_retained {
            Some(newest) => {
                world.max_sessions = newest;
                Record::of_the_newest(newest)
            }
            None => Record::default(),
        };
        let world = Mutex::new(world);
        let (listener, address) = Listening::bind(self.port).await?;
        let shared = Arc::new(Shared {
            url: format!("http://{address}"),
            clock: self.clock,
            world,
            record: Mutex::new(record),
            watcher: self.watcher,
            latency: Mutex::new(Duration::ZERO),
            faults: Mutex::new(Faults::default()),
            in_work: InWork::default(),
            #[cfg(feature = "s3")]
            s3,
            #[cfg(feature = "secrets-manager")]
            secrets,
            #[cfg(feature = "ecr")]
            ecr,
        });
        let routes = axum::Router::new().fallback(serve).with_state(Arc::clone(&shared));
        let listening = Listening::serve(listener, routes);
        Ok(LocalAws { shared, _listening: listening })
    }
}

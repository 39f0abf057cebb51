//! A role chain whose first hop needs an MFA code: only fetches that a caller waits for request
//! one.

use std::ops::Range;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use rolecall::CachedProvider;
use rolecall::cache::{Refresh, State};
use rolecall::observe::{Event, Observer};
use rolecall::params::SessionName;
use rolecall::provider::{AssumeRoleProvider, FetchMode};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const DEVICE: &str = "arn:aws:iam::111122223333:mfa/ann";
/// The time between two calls, in seconds. Some calls are made in the last minute of a session.
const STEP: u64 = 40;

/// A device that counts the codes it was asked for, and whose person is absent at times.
#[derive(Clone, Debug)]
struct CountedDevice {
    device: Arc<MfaDevice>,
    requests: Arc<AtomicUsize>,
    is_absent: Arc<AtomicBool>,
}

#[async_trait::async_trait]
impl ProvideMfaCode for CountedDevice {
    async fn provide_mfa_code(&self, serial: &MfaSerial) -> Result<MfaCode, SessionError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        match self.is_absent.load(Ordering::Relaxed) {
            true => Err(SessionError::new(ErrorKind::TokenUnavailable, "no person is here")),
            false => self.device.provide_mfa_code(serial).await,
        }
    }
}

/// Records the modes of the fetches that started.
#[derive(Clone, Debug, Default)]
struct Modes(Arc<Mutex<Vec<FetchMode>>>);

impl Observer for Modes {
    fn observe(&self, _: &str, event: &Event<'_>) {
        if let Event::FetchStarted { mode, .. } = event {
            self.0.lock().unwrap().push(*mode);
        }
    }
}

/// The cached providers of both hops.
struct Hops {
    world: World,
    device: CountedDevice,
    parent: CachedProvider<AssumeRoleProvider>,
    child: CachedProvider<AssumeRoleProvider>,
    parent_modes: Modes,
}

impl Hops {
    async fn new(parent_refresh: Refresh, child_refresh: Refresh) -> Self {
        let world = World::new().await;
        let chain = world.chain_from_ann();
        let device = CountedDevice {
            device: Arc::new(MfaDevice(Arc::clone(&world.aws))),
            requests: Arc::default(),
            is_absent: Arc::default(),
        };
        let hop = |parent: Arc<dyn ProvideSession>, role| {
            let sts = chain.sts_client().unwrap().clone();
            AssumeRoleProvider::new(parent, role, sts, SessionName::parse("suite").unwrap())
        };
        let cache = |provider, refresh| {
            CachedProvider::builder(provider).clock(world.clock.clock()).refresh(refresh)
        };
        let parent_modes = Modes::default();
        let with_mfa = role("mfa").mfa_serial(DEVICE).unwrap();
        let parent = hop(Arc::new(chain.provider()), with_mfa).with_mfa(device.clone());
        let parent = cache(parent, parent_refresh).observer(parent_modes.clone()).build();
        let child = hop(Arc::new(parent.clone()), role("any")).with_hop_index(2);
        let child = cache(child, child_refresh).build();
        Self { world, device, parent, child, parent_modes }
    }

    /// Returns the number of the parent's fetches for callers and in the background.
    fn count_parent_fetches(&self) -> [usize; 2] {
        let modes = self.parent_modes.0.lock().unwrap();
        [FetchMode::Foreground, FetchMode::Background]
            .map(|mode| modes.iter().filter(|started| **started == mode).count())
    }

    fn code_requests(&self) -> usize {
        self.device.requests.load(Ordering::Relaxed)
    }

    /// Makes a call. Returns its result, and whether it waited.
    async fn call(&self) -> (Result<Session, SessionError>, bool) {
        let mut call = pin!(self.child.provide_session(FetchContext::foreground()));
        match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => (result, false),
            Poll::Pending => {
                (tokio::time::timeout(MINUTE, call).await.expect("the call ends"), true)
            }
        }
    }

    /// Waits until no fetch is running.
    async fn settle(&self) {
        let is_fetching = |state| matches!(state, State::Loading | State::Refreshing);
        let settled = async {
            loop {
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                let states = [self.parent.status().state, self.child.status().state];
                if !states.into_iter().any(is_fetching) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(MINUTE, settled).await.expect("the fetches end");
    }

    /// Makes a call every [`STEP`] seconds for four hours. Returns the number of failed calls.
    async fn check_four_hours(&self, absence: Range<u64>, case: &str) -> usize {
        let mut failed = 0;
        for time in (0..4 * 3600).step_by(STEP as usize) {
            let is_absent = absence.contains(&time);
            self.device.is_absent.store(is_absent, Ordering::Relaxed);
            // The timer refreshes without a caller.
            let before = self.code_requests();
            self.settle().await;
            assert_eq!(self.code_requests(), before, "{case}: before the call at {time} s");

            let now = self.world.clock.clock().wall();
            let is_valid = self.child.status().expires_at.is_some_and(|expiry| expiry > now);
            let (result, waited) = self.call().await;
            let requested = self.code_requests() - before;
            assert!(requested <= usize::from(waited), "{case}: {requested} codes at {time} s");
            assert!(result.is_ok() || is_absent && !is_valid, "{case}: {result:?} at {time} s");
            failed += usize::from(result.is_err());

            // The call may have started a refresh that it did not wait for.
            self.settle().await;
            assert_eq!(self.code_requests() - before, requested, "{case}: after {time} s");
            self.world.clock.advance(Duration::from_secs(STEP));
        }
        failed
    }
}

#[tokio::test]
async fn refresh_of_child_never_requests_mfa_code_of_parent() {
    // The first mode is that of a chain's hop with MFA.
    for parent in [Refresh::Never, Refresh::WhileUsed, Refresh::Always] {
        for child in [Refresh::WhileUsed, Refresh::Always] {
            // The second absence starts when the first session of the parent expires, and ends when
            // every session of the child that was signed by it has expired.
            for absence in [0..0, 3600..7600] {
                let case = format!("{parent:?}, {child:?}, absent {absence:?}");
                let hops = Hops::new(parent, child).await;
                let failed = hops.check_four_hours(absence.clone(), &case).await;
                assert_eq!(failed > 0, !absence.is_empty(), "{case}: {failed} calls failed");
                let [foreground, background] = hops.count_parent_fetches();
                assert_eq!(hops.code_requests(), foreground, "{case}");
                assert!(foreground >= 3 && background > 0, "{case}: {foreground}, {background}");
            }
        }
    }
}

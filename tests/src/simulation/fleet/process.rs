//! A process of a simulated fleet and the callers in it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use rolecall::CachedProvider;
use rolecall::cache::SessionPool;
use rolecall::sts::RateLimit;
use rolecall::time::{Clock, Moment};
use tokio::runtime::Runtime;

use super::{CALL_INTERVAL, Call, FleetTally, World};
use crate::simulation::client::Client;
use crate::simulation::rejection::{RejectionClass, report_rejection};
use crate::simulation::sts::{self, Sts};
use crate::simulation::{new_runtime, poll_once, steps_in, to_usize};

/// Length of the mandatory window of a session of an hour, in which callers may wait.
const MANDATORY_WINDOW: Duration = Duration::from_secs(60);

pub(super) struct Process {
    number: usize,
    runtime: Runtime,
    client: Arc<Client>,
    roles: Vec<Role>,
    completed: Arc<Mutex<Vec<CompletedWait>>>,
    frozen: bool,
    /// When it continued after a freeze, until the calls of that step were made.
    just_thawed: bool,
    thawed_at: Moment,
    _pool: SessionPool<usize>,
}

/// A role and the handle through which it is called.
struct Role {
    handle: CachedProvider,
    /// Number of the role in the fleet.
    index: usize,
    /// Prefix of the access key ids of this role's sessions.
    key_prefix: String,
}

/// A call that had to wait and has completed.
struct CompletedWait {
    /// Number of the role in its process.
    role: usize,
    call: Call,
    began: Moment,
    /// Expiration of the session that was valid when the call began.
    valid_until: Option<Moment>,
    result: Result<Credentials, CredentialsError>,
}

impl Process {
    pub(super) fn new(
        number: usize,
        roles: usize,
        sts: &Arc<Sts>,
        clock: &Clock,
    ) -> io::Result<Self> {
        let client = Arc::new(Client::new(sts, clock, RateLimit::default()));
        let pool = client.create_pool();
        let role = |index| {
            let key_prefix = sts::access_key_prefix(index);
            Role { handle: pool.get(&index), index, key_prefix }
        };
        Ok(Self {
            number,
            runtime: new_runtime()?,
            client,
            roles: (number * roles..(number + 1) * roles).map(role).collect(),
            completed: Arc::default(),
            frozen: false,
            just_thawed: false,
            thawed_at: Moment::ZERO,
            _pool: pool,
        })
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.frozen
    }

    pub(super) fn freeze(&mut self) {
        self.frozen = true;
    }

    pub(super) fn thaw(&mut self, now: Moment) {
        (self.frozen, self.just_thawed, self.thawed_at) = (false, true, now);
    }

    /// Makes the calls of this step, and runs all tasks until none has anything left to do.
    pub(super) fn run_step(&mut self, step: u64, world: &World<'_>, tally: &mut FleetTally) {
        let _guard = self.runtime.enter();
        let first_after_thaw = std::mem::take(&mut self.just_thawed);
        // Requests queued up during a freeze. In half of the processes they are noticed before the
        // tasks that were frozen, and in the other half after them.
        if first_after_thaw && self.number.is_multiple_of(2) {
            self.runtime.block_on(self.client.activity().settle());
        }
        let (first, stride) = match step == 0 || first_after_thaw {
            true => (0, 1),
            false => {
                let interval = steps_in(CALL_INTERVAL);
                (to_usize(step % interval), to_usize(interval))
            }
        };
        let call = Call { phase: world.day.phase(world.time()), first_after_thaw };
        for number in (first..self.roles.len()).step_by(stride) {
            self.call(number, call, world, tally);
        }
        self.runtime.block_on(self.client.activity().settle());
        let waits = {
            let mut completed = self.completed.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *completed)
        };
        for wait in waits {
            self.record_wait(&wait, world, tally);
            self.record_result(wait.role, wait.call, &wait.result, world, tally);
        }
    }

    fn call(&self, number: usize, call: Call, world: &World<'_>, tally: &mut FleetTally) {
        let role = &self.roles[number];
        tally.update(call, |stats| stats.calls += 1);
        if let Some(result) = poll_once(role.handle.provide_credentials()) {
            return self.record_result(number, call, &result, world, tally);
        }
        // The dropped call has started the fetch, which continues without it. A second call, in a
        // task of its own, joins that fetch and measures the wait.
        let (began, valid_until) = (world.clock.now(), world.valid_until(role.index));
        let (handle, client) = (role.handle.clone(), Arc::clone(&self.client));
        let completed = Arc::clone(&self.completed);
        tokio::spawn(async move {
            let result = handle.provide_credentials().await;
            client.activity().record();
            let wait = CompletedWait { role: number, call, began, valid_until, result };
            completed.lock().unwrap_or_else(PoisonError::into_inner).push(wait);
        });
        let rejected = world.day.is_replaced(role.index, world.time());
        if valid_until.is_some_and(|end| end - began > MANDATORY_WINDOW) && !rejected {
            tally.update(call, |stats| stats.waited_needlessly += 1);
        }
    }

    fn record_wait(&self, wait: &CompletedWait, world: &World<'_>, tally: &mut FleetTally) {
        let now = world.clock.now();
        // A frozen caller does not notice that it waits.
        let began = wait.began.max(self.thawed_at);
        // A caller may well wait longer once its session has expired: only the time up to the
        // expiration counts as a wait despite a valid session.
        let with_session = wait.valid_until.map_or(Duration::ZERO, |end| now.min(end) - began);
        tally.update(wait.call, |stats| {
            stats.waited += 1;
            stats.longest_wait = stats.longest_wait.max(now - began);
            let longest = &mut stats.longest_wait_with_valid_session;
            *longest = with_session.max(*longest);
        });
    }

    fn record_result(
        &self,
        number: usize,
        call: Call,
        result: &Result<Credentials, CredentialsError>,
        world: &World<'_>,
        tally: &mut FleetTally,
    ) {
        let role = &self.roles[number];
        let Ok(credentials) = result else {
            let valid = world.valid_until(role.index).is_some();
            tally.update(call, |stats| {
                stats.failed += 1;
                stats.failed_with_valid_session += u64::from(valid);
            });
            return;
        };
        let expired = credentials.expiry() <= Some(world.clock.wall());
        tally.expired_sessions_served += u64::from(expired);
        let key = credentials.access_key_id();
        tally.sessions_of_another_key += u64::from(!key.starts_with(&role.key_prefix));
        if world.day.is_rejected(role.index, world.time()) {
            tally.rejections += 1;
            report_rejection(&role.handle, key, RejectionClass::Unknown);
        }
    }
}

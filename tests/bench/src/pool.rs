//! Pools with many roles: memory and file descriptors per role, the cost of a handle, and the
//! number of STS calls.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use rolecall::params::SessionName;
use rolecall::provider::{AssumeRoleProvider, FetchContext};
use rolecall::sts::{Endpoint, RateLimit, Region, StsClient};
use rolecall::time::Clock;
use rolecall::{CachedProvider, Chain, Environment, ProvideSession, Role, RolePool, Session};
use rolecall_testkit::{Account, IamRole, IamUser, LocalAws};
use tokio::runtime::{Builder, Runtime};

use crate::hit::median;
use crate::peers::{Cache, Outcome, Sdk, capture_components, lazy_cache};
use crate::report::{Goal, print_figure, print_row, print_table, show_progress};
use crate::sts::{HOUR, Sts, keys};

fn create_pool(chain: &Chain, capacity: usize) -> Outcome<RolePool> {
    Ok(RolePool::builder(chain).capacity(u64::try_from(capacity)?).build())
}

/// Creates a pool and returns the handle of one role. The first call fetches its session.
pub(crate) fn single_handle(sts: &Sts) -> Outcome<CachedProvider> {
    Ok(create_pool(&chain_in_process(sts)?, 100)?.role(&tenant_role(0)?))
}

/// Title of the table that the functions of this module fill.
const TABLE: &str = "Many roles";
const ROLES: usize = 10_000;
const MANY_ROLES: usize = 100_000;
const ROUND_ROBIN_ROLES: usize = 1000;
const ROUNDS: usize = 10;

pub(crate) fn measure() -> Outcome {
    print_table(TABLE, &["measured", "cache", "value"]);
    measure_memory()?;
    measure_round_robin()
}

/// Measures memory, on one thread: the allocation counter counts per thread, so that a byte that is
/// freed on another one would look leaked.
fn measure_memory() -> Outcome {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let chain = chain_in_process(&Sts::new(Duration::ZERO, HOUR))?;
    runtime.block_on(chain.provider().ready())?;
    let roles = tenant_roles(ROLES)?;

    show_progress(format_args!("memory: {ROLES} sessions alone, and in a pool"));
    let (sessions, alone) = measure_live_bytes(|| fetch_sessions(&chain, &roles, &runtime))?;
    drop((sessions, roles));
    // The parsed roles are created again inside, since their memory is part of what a role costs.
    let ((pool, roles), pooled) =
        measure_live_bytes(|| create_loaded_pool(&chain, ROLES, &runtime))?;
    let overhead = (pooled - alone) / ROLES as f64;
    print_figure("bytes_per_role", overhead, Goal::AtMost(900.0));
    let session = alone / ROLES as f64;
    print_measured("bytes of a session with a token of 1,000 characters", format!("{session:.0}"));
    print_measured("bytes of a role without its session", format!("{overhead:.0}"));

    // A large step (a prime number) defeats the CPU cache: roles that were created one after the
    // other are adjacent in memory.
    let handle = time_handle(&pool, &roles, 7919);
    print_figure("handle_ns", handle, Goal::AtMost(1000.0));
    print_measured(&format!("ns per handle, for {ROLES} roles in turn"), format!("{handle:.0}"));
    let same = time_handle(&pool, &roles, 0);
    print_measured("ns per handle, for the same role", format!("{same:.0}"));
    drop((pool, roles));

    show_progress(format_args!("memory: {MANY_ROLES} roles"));
    let (all, bytes) = measure_live_bytes(|| create_loaded_pool(&chain, MANY_ROLES, &runtime))?;
    drop(all);
    let megabytes = bytes / 1e6;
    print_figure("megabytes_per_100000_roles", megabytes, Goal::AtMost(500.0));
    print_measured(&format!("MB of {MANY_ROLES} roles with sessions"), format!("{megabytes:.0}"));
    Ok(())
}

/// Returns a session of each role, fetched without a cache.
pub(crate) fn fetch_sessions(
    chain: &Chain,
    roles: &[Role],
    runtime: &Runtime,
) -> Outcome<Vec<Session>> {
    let name = SessionName::parse("bench")?;
    let mut sessions = Vec::with_capacity(roles.len());
    for role in roles {
        let (parent, sts) = (chain.provider(), chain.sts_client()?.clone());
        let provider = AssumeRoleProvider::new(parent, role.clone(), sts, name.clone());
        sessions.push(runtime.block_on(provider.provide_session(FetchContext::foreground()))?);
    }
    Ok(sessions)
}

/// Creates roles and a pool that has a session of each cached. No handle is kept.
pub(crate) fn create_loaded_pool(
    chain: &Chain,
    count: usize,
    runtime: &Runtime,
) -> Outcome<(RolePool, Vec<Role>)> {
    let (pool, roles) = (create_pool(chain, count)?, tenant_roles(count)?);
    for role in &roles {
        runtime.block_on(pool.role(role).ready())?;
    }
    match pool.status().ready {
        holding if holding == roles.len() => Ok((pool, roles)),
        holding => Err(format!("{holding} of {} roles have a session", roles.len()).into()),
    }
}

/// Returns the time to get a handle of a known role and to drop it, in nanoseconds.
fn time_handle(pool: &RolePool, roles: &[Role], step: usize) -> f64 {
    let rounds = (0..200).map(|_| {
        let start = Instant::now();
        for call in 0..ROLES {
            black_box(pool.role(&roles[call * step % ROLES]));
        }
        start.elapsed().as_nanos() as f64 / ROLES as f64
    });
    median(rounds)
}

/// Returns the result of `build` and the number of bytes that it allocated and did not free.
pub(crate) fn measure_live_bytes<T>(build: impl FnOnce() -> Outcome<T>) -> Outcome<(T, f64)> {
    let mut built = Err("`build` was not called".into());
    let bytes = allocation_counter::measure(|| built = build()).bytes_current;
    Ok((built?, bytes as f64))
}

/// Calls one role after the other, several times, on the local AWS: with room for all of them, each
/// role is fetched once, and all share the connections to STS.
fn measure_round_robin() -> Outcome {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        show_progress(format_args!("{ROUND_ROBIN_ROLES} roles in turn"));
        let aws = start_local_aws(ROUND_ROBIN_ROLES).await?;
        let chain = chain_on_local_aws(&aws)?;
        let pool = create_pool(&chain, ROUND_ROBIN_ROLES)?;
        let roles = tenant_roles(ROUND_ROBIN_ROLES)?;
        chain.provider().ready().await?;
        let before = count_descriptors()?;
        for _ in 0..ROUNDS {
            for role in &roles {
                pool.role(role).provide_session(FetchContext::foreground()).await?;
            }
        }
        let calls = aws.count("AssumeRole");
        let all = ROUND_ROBIN_ROLES as f64;
        print_figure("round_robin_1000_roles_sts_calls", calls as f64, Goal::Exactly(all));
        // A connection counts twice, since both of its ends are in this process.
        let more = count_descriptors()?.saturating_sub(before);
        print_figure("descriptors_per_1000_roles", more as f64, Goal::AtMost(8.0));

        let measured =
            format!("STS calls for {ROUND_ROBIN_ROLES} roles, each called {ROUNDS} times");
        print_measured(&measured, calls.to_string());
        let sdk_calls = count_sdk_round_robin_calls().await?;
        print_row(TABLE, &[measured, "aws-smithy-runtime, IdentityCache::lazy".into(), sdk_calls]);
        print_measured("additional file descriptors for these roles", more.to_string());
        Ok(())
    })
}

/// Makes the same calls with the SDK's cache, which is limited to 64 entries by default.
async fn count_sdk_round_robin_calls() -> Outcome<String> {
    let sts = Sts::new(Duration::ZERO, HOUR);
    let (cache, components) = (lazy_cache(), capture_components().await?);
    let client = |_| Sdk::new(cache.clone(), sts.clone(), &components);
    let clients: Vec<Sdk> = (0..ROUND_ROBIN_ROLES).map(client).collect::<Outcome<_>>()?;
    for _ in 0..ROUNDS {
        for client in &clients {
            if !client.call().await {
                return Err("the SDK's cache returned no session".into());
            }
        }
    }
    Ok(sts.calls().to_string())
}

fn print_measured(measured: &str, value: String) {
    print_row(TABLE, &[measured.to_owned(), "rolecall".to_owned(), value]);
}

fn count_descriptors() -> Outcome<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}

const ACCOUNT: &str = "111122223333";

fn tenant_role(number: usize) -> Outcome<Role> {
    Ok(Role::new(format!("arn:aws:iam::{ACCOUNT}:role/tenant-{number}"))?)
}

pub(crate) fn tenant_roles(count: usize) -> Outcome<Vec<Role>> {
    (0..count).map(tenant_role).collect()
}

async fn start_local_aws(roles: usize) -> Outcome<LocalAws> {
    let statement = r#"{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole""#;
    let trust = format!(r#"{statement}, "Principal": {{"AWS": "{ACCOUNT}"}}}}}}"#);
    let user = IamUser::new("bench").policy(format!(r#"{statement}, "Resource": "*"}}}}"#));
    let mut account = Account::new(ACCOUNT).user(user);
    for number in 0..roles {
        account = account.role(IamRole::new(format!("tenant-{number}")).trust(&trust));
    }
    Ok(LocalAws::builder().account(account).start().await?)
}

fn chain_on_local_aws(aws: &LocalAws) -> Outcome<Chain> {
    let endpoint = Endpoint::custom(aws.endpoint_url(), Region::parse("eu-west-1")?)?;
    let keys = aws.user_credentials(ACCOUNT, "bench").ok_or("the local AWS has no user bench")?;
    let sts = StsClient::builder(endpoint).rate_limit(unlimited()).build();
    chain_builder(sts).from_sdk_provider("bench", keys).map_err(Into::into)
}

/// Creates a chain whose STS requests are answered in this process, without a network.
pub(crate) fn chain_in_process(sts: &Sts) -> Outcome<Chain> {
    let endpoint = Endpoint::regional(Region::parse("eu-west-1")?);
    let sts = StsClient::builder(endpoint)
        .http_client(sts.http_client())
        .clock(Clock::system())
        .rate_limit(unlimited())
        .build();
    chain_builder(sts).from_sdk_provider("bench", keys(0, None)).map_err(Into::into)
}

fn chain_builder(sts: StsClient) -> rolecall::ChainBuilder {
    let no_variables: [(&str, &str); 0] = [];
    rolecall::Chain::builder().environment(Environment::fixed(no_variables)).sts_client(sts)
}

/// Returns a rate limit that never delays a call: the limit is not what is measured.
fn unlimited() -> RateLimit {
    let mut rate_limit = RateLimit::default();
    rate_limit.calls_per_second = NonZeroU32::MAX;
    rate_limit
}

//! Many roles: what one takes in memory and in descriptors, what its handle costs, and how often STS is asked.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use rolecall::{
    AssumeRole, Budget, Chain, Clock, Endpoint, Environment, FetchContext, Pooled, Region, Role,
    RolePool, SessionName, SessionSource, StsClient,
};
use rolecall_testkit::{Account, IamRole, IamUser, LocalAws};
use tokio::runtime::{Builder, Runtime};

use crate::hit::median;
use crate::peers::{Cache, Outcome, Sdk, components, lazy};
use crate::report::{Goal, figure, progress, row, table};
use crate::sts::{HOUR, Sts, keys};

fn on(chain: &Chain, capacity: usize) -> Outcome<RolePool> {
    Ok(RolePool::builder(chain).capacity(u64::try_from(capacity)?).build())
}

/// A role's handle whose session is loaded by its first call.
pub(crate) fn of_one(sts: &Sts) -> Outcome<Pooled> {
    Ok(on(&chain_in_process(sts)?, 100)?.role(&tenant(0)?))
}

const ROLES: usize = 10_000;
const MANY_ROLES: usize = 100_000;
const ROLES_IN_TURN: usize = 1000;
const TURNS: usize = 10;

pub(crate) fn measure() -> Outcome {
    let name = "Many roles";
    table(name, &["what", "who", "measured"]);
    memory()?;
    in_turn()
}

/// Memory on one thread, so that each byte is counted where it is taken and given back.
fn memory() -> Outcome {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let chain = chain_in_process(&Sts::new(Duration::ZERO, HOUR))?;
    runtime.block_on(chain.cached().ready())?;
    let roles = tenants(ROLES)?;

    progress(format_args!("memory: {ROLES} sessions alone, and in a pool"));
    let (sessions, alone) = live_bytes(|| {
        let name = SessionName::parse("bench")?;
        let mut sessions = Vec::with_capacity(ROLES);
        for role in &roles {
            let (parent, sts) = (chain.cached(), chain.sts().clone());
            let source = AssumeRole::new(parent, role.clone(), sts, name.clone());
            sessions.push(runtime.block_on(source.session(FetchContext::caller()))?);
        }
        Ok(sessions)
    })?;
    drop((sessions, roles));
    // The roles' own text is of what a role costs.
    let ((pool, roles), pooled) = live_bytes(|| loaded(&chain, ROLES, &runtime))?;
    let beyond = (pooled - alone) / ROLES as f64;
    figure("bytes_per_role", beyond, Goal::AtMost(2048.0));
    let session = alone / ROLES as f64;
    said("bytes of a session with a token of 1,000 characters", format!("{session:.0}"));
    said("bytes of a role beyond its session", format!("{beyond:.0}"));

    // Not in the order in which they lie.
    let handle = time_of_a_handle(&pool, &roles, 7919);
    figure("handle_ns", handle, Goal::AtMost(1000.0));
    said(&format!("ns of a handle, of {ROLES} roles in turn"), format!("{handle:.0}"));
    let same = time_of_a_handle(&pool, &roles, 0);
    said("ns of a handle, of one role again and again", format!("{same:.0}"));
    drop((pool, roles));

    progress(format_args!("memory: {MANY_ROLES} roles"));
    let (all, bytes) = live_bytes(|| loaded(&chain, MANY_ROLES, &runtime))?;
    drop(all);
    let megabytes = bytes / 1e6;
    figure("megabytes_per_100000_roles", megabytes, Goal::AtMost(500.0));
    said(&format!("MB of {MANY_ROLES} roles, sessions and all"), format!("{megabytes:.0}"));
    Ok(())
}

/// So many roles, and a pool that holds a session of each, and no handle.
fn loaded(chain: &Chain, many: usize, runtime: &Runtime) -> Outcome<(RolePool, Vec<Role>)> {
    let (pool, roles) = (on(chain, many)?, tenants(many)?);
    for role in &roles {
        runtime.block_on(pool.role(role).ready())?;
    }
    match pool.status().holding {
        all if all == roles.len() => Ok((pool, roles)),
        some => Err(format!("{some} of {} roles hold a session", roles.len()).into()),
    }
}

/// How long it takes to get a handle of a known role and to drop it, in nanoseconds.
fn time_of_a_handle(pool: &RolePool, roles: &[Role], step: usize) -> f64 {
    let rounds = (0..200).map(|_| {
        let start = Instant::now();
        for turn in 0..ROLES {
            black_box(pool.role(&roles[turn * step % ROLES]));
        }
        start.elapsed().as_nanos() as f64 / ROLES as f64
    });
    median(rounds)
}

/// What `build` makes, and the bytes that live on because of it.
fn live_bytes<T>(build: impl FnOnce() -> Outcome<T>) -> Outcome<(T, f64)> {
    let mut built = Err("not run".into());
    let bytes = allocation_counter::measure(|| built = build()).bytes_current;
    Ok((built?, bytes as f64))
}

/// One role after the other, again and again, on a local STS.
fn in_turn() -> Outcome {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        progress(format_args!("{ROLES_IN_TURN} roles in turn"));
        let aws = local_aws(ROLES_IN_TURN).await?;
        let chain = chain_to(&aws)?;
        let pool = on(&chain, ROLES_IN_TURN)?;
        let roles = tenants(ROLES_IN_TURN)?;
        chain.cached().ready().await?;
        let before = descriptors()?;
        for _ in 0..TURNS {
            for role in &roles {
                pool.role(role).session(FetchContext::caller()).await?;
            }
        }
        let calls = aws.count("AssumeRole");
        let all = ROLES_IN_TURN as f64;
        figure("round_robin_1000_roles_sts_calls", calls as f64, Goal::Exactly(all));
        // One connection has two ends here: the STS is in this process.
        let more = descriptors()?.saturating_sub(before);
        figure("descriptors_per_1000_roles", more as f64, Goal::AtMost(8.0));

        let what = format!("calls of STS for {ROLES_IN_TURN} roles in turn, {TURNS} times");
        said(&what, calls.to_string());
        let theirs = sdk_in_turn().await?;
        row("Many roles", &[what, "aws-smithy-runtime, IdentityCache::lazy".into(), theirs]);
        said("descriptors more than before, of them", more.to_string());
        Ok(())
    })
}

/// The same in the SDK's cache, which holds 64.
async fn sdk_in_turn() -> Outcome<String> {
    let sts = Sts::new(Duration::ZERO, HOUR);
    let (cache, components) = (lazy(), components().await?);
    let client = |_| Sdk::new(cache.clone(), sts.clone(), components.clone());
    let clients: Vec<Sdk> = (0..ROLES_IN_TURN).map(client).collect();
    for _ in 0..TURNS {
        for client in &clients {
            if !client.call().await {
                return Err("the SDK's cache had no session".into());
            }
        }
    }
    Ok(sts.calls().to_string())
}

fn said(what: &str, measured: String) {
    row("Many roles", &[what.to_owned(), "rolecall".to_owned(), measured]);
}

fn descriptors() -> Outcome<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}

const ACCOUNT: &str = "111122223333";

fn tenant(number: usize) -> Outcome<Role> {
    Ok(Role::new(format!("arn:aws:iam::{ACCOUNT}:role/tenant-{number}"))?)
}

fn tenants(many: usize) -> Outcome<Vec<Role>> {
    (0..many).map(tenant).collect()
}

async fn local_aws(roles: usize) -> Outcome<LocalAws> {
    let statement = r#"{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole""#;
    let trust = format!(r#"{statement}, "Principal": {{"AWS": "{ACCOUNT}"}}}}}}"#);
    let user = IamUser::new("bench").policy(format!(r#"{statement}, "Resource": "*"}}}}"#));
    let mut account = Account::new(ACCOUNT).user(user);
    for number in 0..roles {
        account = account.role(IamRole::new(format!("tenant-{number}")).trust(&trust));
    }
    Ok(LocalAws::builder().account(account).start().await?)
}

fn chain_to(aws: &LocalAws) -> Outcome<Chain> {
    let endpoint = Endpoint::custom(aws.endpoint_url(), Region::parse("eu-west-1")?)?;
    let keys = aws.user_credentials(ACCOUNT, "bench").ok_or("no such user")?;
    let sts = StsClient::builder(endpoint).budget(unhindered()).build();
    chain_by(sts)?.from_provider("bench", keys).map_err(Into::into)
}

/// A chain whose STS is in this process, without a wire.
fn chain_in_process(sts: &Sts) -> Outcome<Chain> {
    let endpoint = Endpoint::regional(Region::parse("eu-west-1")?);
    let sts = StsClient::builder(endpoint)
        .http_client(sts.http_client())
        .clock(Clock::system())
        .budget(unhindered())
        .build();
    chain_by(sts)?.from_provider("bench", keys(0, None)).map_err(Into::into)
}

fn chain_by(sts: StsClient) -> Outcome<rolecall::Builder> {
    let nothing: [(&str, &str); 0] = [];
    Ok(rolecall::builder().environment(Environment::fixed(nothing)).sts(sts))
}

/// So that roles load as fast as they can: the budget is not what is measured.
fn unhindered() -> Budget {
    let mut budget = Budget::default();
    budget.calls_per_second = NonZeroU32::MAX;
    budget
}

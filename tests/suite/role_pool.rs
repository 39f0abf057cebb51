//! Pools of many roles on one base, on the local AWS.

mod key;

use std::collections::HashSet;
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use rolecall::cache::State;
use rolecall::policy::{PermissionPolicy, S3Access};
use rolecall::provider::FetchContext;
use rolecall::sts::{Endpoint, RateLimit, Region, StsClient};
use rolecall::time::{Clock, ManualClock};
use rolecall::{
    CachedProvider, Chain, Environment, ErrorKind, ProvideSession, Role, RolePool, Session,
};
use rolecall_testkit::{Account, FaultRule, IamRole, IamUser, LocalAws};
use rolecall_tests::SHOP;
use serde_json::json;
use tokio::task::JoinSet;

#[cfg(target_os = "linux")]
use crate::isolated::open_descriptors;
use crate::isolated::run_isolated;

const HUB: &str = "arn:aws:iam::111122223333:role/hub";
const TENANTS: &str = "arn:aws:iam::111122223333:role/tenants";
const BUCKET: &str = "shop-data";
/// The session name of roles that set none.
const NAME: &str = "pool";

/// Starts an account with the role `hub` and a role that sessions of `hub` may assume.
async fn local_aws(clock: Clock) -> LocalAws {
    let policy_allowing = |actions: &str| {
        json!({ "Statement": { "Effect": "Allow", "Action": actions, "Resource": "*" } })
            .to_string()
    };
    let trust_policy = |principal: &str| {
        json!({ "Statement": {
            "Effect": "Allow",
            "Principal": { "AWS": principal },
            "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
        } })
        .to_string()
    };
    let shop = Account::new(SHOP)
        .user(IamUser::new("ann").policy(policy_allowing("*")))
        .role(IamRole::new("hub").trust(trust_policy(SHOP)).policy(policy_allowing("sts:*")))
        .role(IamRole::new("tenants").trust(trust_policy(HUB)).policy(policy_allowing("s3:*")))
        .bucket(BUCKET);
    LocalAws::builder().clock(clock).account(shop).start().await.unwrap()
}

/// Returns the chain from the user `ann` to `hub`, with a rate limit that delays no test.
fn hub(aws: &LocalAws, clock: Clock) -> Chain {
    let mut rate_limit = RateLimit::default();
    rate_limit.calls_per_second = 100_000.try_into().unwrap();
    let endpoint =
        Endpoint::custom(aws.endpoint_url(), Region::parse("eu-west-1").unwrap()).unwrap();
    let sts = StsClient::builder(endpoint).clock(clock).rate_limit(rate_limit).build();
    rolecall::Chain::builder()
        .environment(Environment::fixed([("AWS_ROLE_SESSION_NAME", NAME)]))
        .sts_client(sts)
        .from_sdk_provider("ann", aws.user_credentials(SHOP, "ann").unwrap())
        .unwrap()
        .assume_role(Role::new(HUB).unwrap())
}

fn role() -> Role {
    Role::new(TENANTS).unwrap()
}

/// Returns the role with a tenant's session name, by which a session can be told apart.
fn tenant(n: usize) -> Role {
    role().session_name(format!("tenant-{n}")).unwrap()
}

async fn fetch(handle: &CachedProvider) -> Session {
    handle.provide_session(FetchContext::foreground()).await.unwrap()
}

fn session_name(session: &Session) -> &str {
    session.role().unwrap().session_name().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_callers_share_one_call_per_role() {
    let aws = local_aws(Clock::system()).await;
    let pool = hub(&aws, Clock::system()).pool();
    let mut callers = JoinSet::new();
    for n in 0..500 {
        let (pool, tenant) = (pool.clone(), n % 50);
        callers.spawn(async move {
            let session = fetch(&pool.role(&self::tenant(tenant))).await;
            assert_eq!(session_name(&session), format!("tenant-{tenant}"));
        });
    }
    callers.join_all().await;
    assert_eq!(aws.count("AssumeRole"), 51);
    let status = pool.status();
    assert_eq!((status.entries(), status.ready, status.failing), (50, 50, 0));
    assert_eq!(pool.chain().provider().status().state, State::Fresh);
}

#[tokio::test]
async fn parameter_order_does_not_create_entries() {
    let aws = local_aws(Clock::system()).await;
    let pool = hub(&aws, Clock::system()).pool();
    let (a, b) = ("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess", "arn:aws:iam::aws:policy/A");
    let first = role().tag("Tenant", "1").unwrap().tag("Team", "tea").unwrap();
    let second = role().tag("Team", "tea").unwrap().tag("Tenant", "1").unwrap();
    let session = fetch(&pool.role(&first)).await;
    assert_eq!(fetch(&pool.role(&second)).await.access_key_id(), session.access_key_id());
    // The default session name, set explicitly.
    let named = second.session_name(NAME).unwrap();
    assert_eq!(fetch(&pool.role(&named)).await.access_key_id(), session.access_key_id());
    assert_eq!(pool.status_of(&named).unwrap().state, State::Fresh);
    assert_eq!(aws.count("AssumeRole"), 2);
    let arns =
        |first: &str, second: &str| role().policy_arn(first).unwrap().policy_arn(second).unwrap();
    let handles = [pool.role(&arns(a, b)), pool.role(&arns(b, a))];
    assert_eq!(pool.status().entries(), 2);
    drop(handles);
}

#[tokio::test]
async fn different_parameters_create_separate_sessions() {
    let aws = local_aws(Clock::system()).await;
    let pool = hub(&aws, Clock::system()).pool();
    let all = r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    let roles = [
        role(),
        role().external_id("one").unwrap(),
        role().external_id("two").unwrap(),
        role().tag("Tenant", "1").unwrap(),
        role().tag("Tenant", "2").unwrap(),
        role().tag("Tenant", "1").unwrap().transitive_tag_key("Tenant").unwrap(),
        role().source_identity("ann").unwrap(),
        role().duration(Duration::from_secs(900)).unwrap(),
        role().session_name("another").unwrap(),
        role().policy(all).unwrap(),
        // Equivalent, but another text, which STS receives.
        role().policy(all.replace(",\"", ", \"")).unwrap(),
    ];
    let mut keys = HashSet::new();
    for role in &roles {
        keys.insert(fetch(&pool.role(role)).await.access_key_id().to_owned());
    }
    assert_eq!(keys.len(), roles.len());
    assert_eq!(aws.count("AssumeRole"), roles.len() + 1);
    // The same roles again are cache hits.
    for role in &roles {
        assert!(keys.contains(fetch(&pool.role(role)).await.access_key_id()));
    }
    assert_eq!(aws.count("AssumeRole"), roles.len() + 1);
}

#[tokio::test]
async fn narrowed_session_is_limited_to_tenant_prefix() {
    let aws = local_aws(Clock::system()).await;
    let pool = hub(&aws, Clock::system()).pool();
    let data = |tenant: &str| {
        let access = S3Access::under(BUCKET, [format!("tenants/{tenant}/")]).unwrap();
        PermissionPolicy::builder().s3(access.list().read().write()).build().unwrap()
    };
    let s3 = |provider: CachedProvider| {
        let url = aws.endpoint_url().to_owned();
        async move {
            let config = rolecall::sdk_config(provider)
                .region(aws_config::Region::new("eu-west-1"))
                .endpoint_url(url);
            aws_sdk_s3::Client::new(&config.load().await)
        }
    };
    for (tenant, another) in [("4711", "4712"), ("4712", "4711")] {
        let provider = pool.narrowed(&role(), &data(tenant)).unwrap();
        let s3 = s3(provider.clone()).await;
        let put = |tenant: &str| {
            let body = ByteStream::from_static(b"tea");
            let put = s3.put_object().bucket(BUCKET).key(format!("tenants/{tenant}/order"));
            Box::pin(put.body(body).send())
        };
        put(tenant).await.unwrap();
        let listed = s3.list_objects_v2().bucket(BUCKET).prefix(format!("tenants/{tenant}/"));
        assert_eq!(Box::pin(listed.send()).await.unwrap().key_count(), Some(1));
        let outside = put(another).await.unwrap_err();
        assert_eq!(outside.code(), Some("AccessDenied"));
        for prefix in [format!("tenants/{another}/"), "tenants/".into(), String::new()] {
            let listed = s3.list_objects_v2().bucket(BUCKET).prefix(&prefix);
            let outside = Box::pin(listed.send()).await.unwrap_err();
            assert_eq!(outside.code(), Some("AccessDenied"), "{prefix:?}");
        }
        // The same role and policy share one session.
        let again = pool.narrowed(&role(), &data(tenant)).unwrap();
        assert_eq!(fetch(&again).await.access_key_id(), fetch(&provider).await.access_key_id());
    }
    assert_eq!(aws.count("AssumeRole"), 3);
    // The role itself has access to all of it, so that the policy was what denied.
    let unrestricted = s3(pool.role(&role())).await;
    let listed = unrestricted.list_objects_v2().bucket(BUCKET).prefix("tenants/");
    assert_eq!(Box::pin(listed.send()).await.unwrap().key_count(), Some(2));
}

#[tokio::test]
async fn narrowed_rejects_second_and_oversized_policies() {
    let aws = local_aws(Clock::system()).await;
    let pool = hub(&aws, Clock::system()).pool();
    let with_policy = role().policy(r#"{"Statement":[]}"#).unwrap();
    let limited_to = |prefixes: usize| {
        let prefixes = (0..prefixes).map(|n| format!("tenants/{n:04}/"));
        let access = S3Access::under(BUCKET, prefixes).unwrap();
        PermissionPolicy::builder().s3(access.read()).build().unwrap()
    };
    let error = pool.narrowed(&with_policy, &limited_to(1)).unwrap_err();
    assert!(error.to_string().contains("the role already has an inline policy"), "{error}");
    let error = pool.narrowed(&role(), &limited_to(200)).unwrap_err();
    assert!(error.to_string().contains("2048"), "{error}");
    assert_eq!(pool.status().entries(), 0);
}

#[tokio::test]
async fn warm_reports_progress_and_failures() {
    let aws = local_aws(Clock::system()).await;
    let pool = hub(&aws, Clock::system()).pool();
    let missing = Role::new("arn:aws:iam::111122223333:role/none").unwrap();
    let roles = (0..100).map(tenant).chain([missing.clone()]);
    let mut progress = Vec::new();
    let report = pool.warm(roles, |so_far| progress.push(so_far.done())).await;
    assert_eq!(progress, (1..=101).collect::<Vec<_>>());
    assert_eq!((report.ready, report.failed.len()), (100, 1));
    let (failed, error) = &report.failed[0];
    assert_eq!((failed, error.kind()), (&missing, ErrorKind::Denied));
    assert!(error.to_string().starts_with("hop 2 of 2 (arn:aws:iam::111122223333:role/none): "));
    let status = pool.status();
    assert_eq!((status.entries(), status.ready, status.failing), (101, 100, 1));
    assert!(!status.is_healthy());
    let calls = aws.count("AssumeRole");
    for n in 0..100 {
        assert_eq!(session_name(&fetch(&pool.role(&tenant(n))).await), format!("tenant-{n}"));
    }
    assert_eq!(aws.count("AssumeRole"), calls, "all sessions are cached");
    let fresh = pool.statuses().into_iter().filter(|(_, status)| status.state == State::Fresh);
    assert_eq!(fresh.map(|(role, _)| role).collect::<HashSet<_>>(), (0..100).map(tenant).collect());
}

#[tokio::test]
async fn removed_role_closes_existing_handles() {
    let aws = local_aws(Clock::system()).await;
    let pool = hub(&aws, Clock::system()).pool();
    let (old, second) = (pool.role(&tenant(1)), pool.role(&tenant(2)));
    let before = fetch(&old).await;
    fetch(&second).await;
    assert!(pool.remove(&tenant(1)) && !pool.remove(&tenant(1)) && !pool.remove(&tenant(3)));
    let error = old.provide_session(FetchContext::foreground()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Removed);
    assert_eq!(
        error.to_string(),
        format!("the session of {TENANTS} was removed; hint: get a new provider from the pool")
    );
    assert!(pool.status_of(&tenant(1)).is_none());
    let after = fetch(&pool.role(&tenant(1))).await;
    assert_ne!(after.access_key_id(), before.access_key_id());
    assert!(second.provide_credentials().await.is_ok());
    assert_eq!(aws.count("AssumeRole"), 4);
}

/// Waits until no fetch is running.
async fn settle(pool: &RolePool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    let is_fetching = |pool: &RolePool| {
        let status = pool.status();
        [State::Loading, State::Refreshing].iter().any(|state| status.by_state.contains_key(state))
    };
    tokio::task::yield_now().await;
    while is_fetching(pool) {
        assert!(std::time::Instant::now() < deadline, "{:?}", pool.status());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn throttled_sts_keeps_valid_sessions() {
    const ROLES: usize = 20;
    let clock = ManualClock::new();
    let aws = local_aws(clock.clock()).await;
    let pool = hub(&aws, clock.clock()).pool();
    let report = pool.warm((0..ROLES).map(tenant), |_| {}).await;
    assert_eq!(report.ready, ROLES);
    let first: Vec<_> = pool.statuses().into_iter().map(|(_, status)| status.expires_at).collect();
    assert!(first.iter().all(Option::is_some));
    let calls = aws.count("AssumeRole");
    aws.inject(FaultRule::throttled().on("AssumeRole")).unwrap();
    // Up to the last minute of the hour.
    for _ in 0..118 {
        clock.advance(Duration::from_secs(30));
        settle(&pool).await;
        for n in 0..ROLES {
            assert_eq!(session_name(&fetch(&pool.role(&tenant(n))).await), format!("tenant-{n}"));
        }
        settle(&pool).await;
    }
    let attempts = aws.count("AssumeRole") - calls;
    assert!((ROLES..ROLES * 40).contains(&attempts), "{attempts} calls");
    let status = pool.status();
    assert_eq!((status.ready, status.failing), (ROLES, 0), "{status:?}");
    assert!(status.is_healthy() && status.by_state[&State::Stale] > 0, "{status:?}");
    assert_eq!(status.last_error.unwrap().kind(), ErrorKind::Throttled);
    // STS answers again: each role gets its next session in the background.
    aws.clear_faults();
    for _ in 0..20 {
        clock.advance(Duration::from_secs(5));
        settle(&pool).await;
        for n in 0..ROLES {
            fetch(&pool.role(&tenant(n))).await;
        }
    }
    settle(&pool).await;
    assert_eq!(pool.status().by_state[&State::Fresh], ROLES, "{:?}", pool.status());
}

#[tokio::test]
async fn pool_and_chain_report_identical_errors() {
    let aws = local_aws(Clock::system()).await;
    let chain = hub(&aws, Clock::system());
    let pool = chain.pool();
    for (role, part) in [
        (role().duration(Duration::from_secs(3601)).unwrap(), "limited to one hour"),
        (role().mfa_serial("arn:aws:iam::111122223333:mfa/ann").unwrap(), "no provider of codes"),
        (Role::new("arn:aws-cn:iam::111122223333:role/tenants").unwrap(), "partition aws-cn"),
        (role().tag("Tenant", "1").unwrap().external_id("x-1").unwrap(), ""),
    ] {
        let cx = FetchContext::foreground();
        let pooled = pool.role(&role).provide_session(cx.clone()).await.map(drop);
        let chained =
            chain.clone().assume_role(role).provider().provide_session(cx).await.map(drop);
        match pooled {
            Ok(()) => assert!(part.is_empty() && chained.is_ok()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidConfig);
                assert!(!part.is_empty() && error.to_string().contains(part), "{error}");
                assert_eq!(error.to_string(), chained.unwrap_err().to_string());
            }
        }
    }
}

#[test]
fn thousand_roles_cost_one_call_each() {
    let name = "role_pool::thousand_roles_cost_one_call_each";
    run_isolated(name, || tokio::runtime::Runtime::new().unwrap().block_on(fetch_round_robin()));
}

async fn fetch_round_robin() {
    let aws = local_aws(Clock::system()).await;
    let pool = hub(&aws, Clock::system()).pool();
    let roles: Vec<Role> = (0..1000).map(tenant).collect();
    #[cfg(target_os = "linux")]
    let mut after_ten_roles = 0;
    for round in 0..10 {
        for (n, role) in roles.iter().enumerate() {
            assert_eq!(session_name(&fetch(&pool.role(role)).await), format!("tenant-{n}"));
            #[cfg(target_os = "linux")]
            if (round, n) == (0, 9) {
                after_ten_roles = open_descriptors();
            }
        }
        assert_eq!(aws.count("AssumeRole"), 1001, "round {round}");
    }
    #[cfg(target_os = "linux")]
    assert!(after_ten_roles > 0 && open_descriptors() <= after_ten_roles);
}

// Isolated: memory that the pool's map releases may be freed by any thread of the process that
// reads such a map, also by another test's.
#[test]
fn entry_memory_stays_below_two_kilobytes() {
    let name = "role_pool::entry_memory_stays_below_two_kilobytes";
    run_isolated(name, measure_entry_memory);
}

fn measure_entry_memory() {
    const ROLES: usize = 2000;
    // The server runs on threads of its own, which the per-thread allocation counter ignores.
    let servers = tokio::runtime::Runtime::new().unwrap();
    let aws = servers.block_on(local_aws(Clock::system()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pool = runtime.block_on(async {
        let pool = hub(&aws, Clock::system()).pool();
        fetch(&pool.role(&tenant(ROLES))).await;
        pool
    });
    let mut sessions = Vec::with_capacity(ROLES);
    let all = allocation_counter::measure(|| {
        runtime.block_on(async {
            for n in 0..ROLES {
                sessions.push(fetch(&pool.role(&tenant(n))).await);
            }
        });
    });
    let handles: Vec<CachedProvider> = (0..ROLES).map(|n| pool.role(&tenant(n))).collect();
    assert_eq!(pool.status().ready, ROLES + 1);
    drop((runtime, handles, pool));
    let sessions = allocation_counter::measure(|| drop(sessions));
    let (all, sessions) = (all.bytes_current, -sessions.bytes_current);
    let per_role = |bytes: i64| bytes / i64::try_from(ROLES).unwrap();
    assert!(per_role(sessions) > 500, "the counter missed the sessions: {}", per_role(sessions));
    let overhead = per_role(all - sessions);
    assert!(
        (200..2048).contains(&overhead),
        "{overhead} bytes per role, and {} for its session",
        per_role(sessions)
    );
}

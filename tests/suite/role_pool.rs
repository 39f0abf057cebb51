//! Many roles on one base, on the local AWS.

mod key;

use std::collections::HashSet;
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use rolecall::policy::{PermissionPolicy, S3Access};
use rolecall::sts::Budget;
use rolecall::{
    Chain, Clock, Endpoint, Environment, ErrorKind, FetchContext, ManualClock, Provider, Region,
    Role, RolePool, Session, SessionSource, State, StsClient,
};
use rolecall_testkit::{Account, FaultRule, IamRole, IamUser, LocalAws};
use rolecall_tests::SHOP;
use serde_json::json;
use tokio::task::JoinSet;

use crate::chains::alone;

const HUB: &str = "arn:aws:iam::111122223333:role/hub";
const TENANTS: &str = "arn:aws:iam::111122223333:role/tenants";
const BUCKET: &str = "shop-data";
/// What the sessions are called, unless a role says something else.
const NAME: &str = "pool";

/// An account with a hub, and a role that its sessions assume.
async fn local_aws(clock: Clock) -> LocalAws {
    let may = |actions: &str| {
        json!({ "Statement": { "Effect": "Allow", "Action": actions, "Resource": "*" } })
            .to_string()
    };
    let trusts = |principal: &str| {
        json!({ "Statement": {
            "Effect": "Allow",
            "Principal": { "AWS": principal },
            "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
        } })
        .to_string()
    };
    let shop = Account::new(SHOP)
        .user(IamUser::new("ann").policy(may("*")))
        .role(IamRole::new("hub").trust(trusts(SHOP)).policy(may("sts:*")))
        .role(IamRole::new("tenants").trust(trusts(HUB)).policy(may("s3:*")))
        .bucket(BUCKET);
    LocalAws::builder().clock(clock).account(shop).start().await.unwrap()
}

/// From the user `ann` to the hub, with a budget that holds up no test.
fn hub(aws: &LocalAws, clock: Clock) -> Chain {
    let mut budget = Budget::default();
    budget.calls_per_second = 100_000.try_into().unwrap();
    let endpoint =
        Endpoint::custom(aws.endpoint_url(), Region::parse("eu-west-1").unwrap()).unwrap();
    let sts = StsClient::builder(endpoint).clock(clock).budget(budget).build();
    rolecall::builder()
        .environment(Environment::fixed([("AWS_ROLE_SESSION_NAME", NAME)]))
        .sts(sts)
        .from_provider("ann", aws.user_credentials(SHOP, "ann").unwrap())
        .unwrap()
        .assume(Role::new(HUB).unwrap())
}

fn role() -> Role {
    Role::new(TENANTS).unwrap()
}

/// The role as a tenant has it. STS's answer says whose session it is.
fn tenant(n: usize) -> Role {
    role().session_name(format!("tenant-{n}")).unwrap()
}

async fn ask(handle: &Provider) -> Session {
    handle.session(FetchContext::caller()).await.unwrap()
}

fn whose(session: &Session) -> &str {
    session.role().unwrap().session_name().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_one_call_for_each_role_and_one_for_the_hub_however_many_ask() {
    let aws = local_aws(Clock::system()).await;
    let pool = hub(&aws, Clock::system()).pool();
    let mut callers = JoinSet::new();
    for n in 0..500 {
        let (pool, tenant) = (pool.clone(), n % 50);
        callers.spawn(async move {
            let session = ask(&pool.role(&self::tenant(tenant))).await;
            assert_eq!(whose(&session), format!("tenant-{tenant}"));
        });
    }
    callers.join_all().await;
    assert_eq!(aws.count("AssumeRole"), 51);
    let status = pool.status();
    assert_eq!((status.slots(), status.holding, status.failing), (50, 50, 0));
    assert_eq!(pool.chain().cached().status().state, State::Fresh);
}

#[tokio::test]
async fn the_same_role_said_in_another_order_is_the_same_slot() {
    let aws = local_aws(Clock::system()).await;
    let pool = hub(&aws, Clock::system()).pool();
    let (a, b) = ("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess", "arn:aws:iam::aws:policy/A");
    let one = role().tag("Tenant", "1").unwrap().tag("Team", "tea").unwrap();
    let other = role().tag("Team", "tea").unwrap().tag("Tenant", "1").unwrap();
    let session = ask(&pool.role(&one)).await;
    assert_eq!(ask(&pool.role(&other)).await.access_key_id(), session.access_key_id());
    // The name that all have, said or left out.
    let named = other.session_name(NAME).unwrap();
    assert_eq!(ask(&pool.role(&named)).await.access_key_id(), session.access_key_id());
    assert_eq!(pool.status_of(&named).unwrap().state, State::Fresh);
    assert_eq!(aws.count("AssumeRole"), 2);
    let arns = |one: &str, other: &str| role().policy_arn(one).unwrap().policy_arn(other).unwrap();
    let handles = [pool.role(&arns(a, b)), pool.role(&arns(b, a))];
    assert_eq!(pool.status().slots(), 2);
    drop(handles);
}

#[tokio::test]
async fn what_differs_in_anything_has_a_session_of_its_own() {
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
        // It means the same, and STS is asked for another.
        role().policy(all.replace(':', ": ")).unwrap(),
    ];
    let mut keys = HashSet::new();
    for role in &roles {
        keys.insert(ask(&pool.role(role)).await.access_key_id().to_owned());
    }
    assert_eq!(keys.len(), roles.len());
    assert_eq!(aws.count("AssumeRole"), roles.len() + 1);
    // And the same ones again.
    for role in &roles {
        assert!(keys.contains(ask(&pool.role(role)).await.access_key_id()));
    }
    assert_eq!(aws.count("AssumeRole"), roles.len() + 1);
}

#[tokio::test]
async fn a_vended_session_reaches_its_tenants_prefix_and_no_other() {
    let aws = local_aws(Clock::system()).await;
    let pool = hub(&aws, Clock::system()).pool();
    let data = |tenant: &str| {
        let access = S3Access::under(BUCKET, [format!("tenants/{tenant}/")]).unwrap();
        let policy = PermissionPolicy::builder().s3(access.list().read().write());
        rolecall::session_policy(&policy.build().unwrap()).unwrap()
    };
    let s3 = |provider: Provider| {
        let url = aws.endpoint_url().to_owned();
        async move {
            let config = rolecall::sdk_config(provider)
                .region(aws_config::Region::new("eu-west-1"))
                .endpoint_url(url);
            aws_sdk_s3::Client::new(&config.load().await)
        }
    };
    for (tenant, another) in [("4711", "4712"), ("4712", "4711")] {
        let provider = pool.narrowed(&role(), data(tenant)).unwrap();
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
        // Asked for again, it is the same session.
        let again = pool.narrowed(&role(), data(tenant)).unwrap();
        assert_eq!(ask(&again).await.access_key_id(), ask(&provider).await.access_key_id());
    }
    assert_eq!(aws.count("AssumeRole"), 3);
    // Without a policy, the role may do all of it: it was the policy that denied.
    let whole = s3(pool.role(&role())).await;
    let listed = whole.list_objects_v2().bucket(BUCKET).prefix("tenants/");
    assert_eq!(Box::pin(listed.send()).await.unwrap().key_count(), Some(2));
}

#[tokio::test]
async fn a_policy_takes_no_other_policys_place() {
    let aws = local_aws(Clock::system()).await;
    let pool = hub(&aws, Clock::system()).pool();
    let narrow = role().policy(r#"{"Statement":[]}"#).unwrap();
    let error = pool.narrowed(&narrow, r#"{"Statement": []}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "session policy \"{\\\"Statement\\\":[]}\": the role has it already; a session has one inline policy, and \
         another in its place could allow more"
    );
    assert!(pool.narrowed(&role(), "[]").unwrap_err().to_string().contains("no JSON object"));
    assert_eq!(pool.status().slots(), 0);
}

#[tokio::test]
async fn warming_says_how_far_it_is_and_which_roles_have_no_session() {
    let aws = local_aws(Clock::system()).await;
    let pool = hub(&aws, Clock::system()).pool();
    let none = Role::new("arn:aws:iam::111122223333:role/none").unwrap();
    let roles = (0..100).map(tenant).chain([none.clone()]);
    let mut heard = Vec::new();
    let warmed = pool.warm(roles, |so_far| heard.push(so_far.done())).await;
    assert_eq!(heard, (1..=101).collect::<Vec<_>>());
    assert_eq!((warmed.ready, warmed.failed.len()), (100, 1));
    let (failed, error) = &warmed.failed[0];
    assert_eq!((failed, error.kind()), (&none, ErrorKind::Denied));
    assert!(error.to_string().starts_with("hop 2 of 2, arn:aws:iam::111122223333:role/none: "));
    let status = pool.status();
    assert_eq!((status.slots(), status.holding, status.failing), (101, 100, 1));
    assert!(!status.is_healthy());
    let calls = aws.count("AssumeRole");
    for n in 0..100 {
        assert_eq!(whose(&ask(&pool.role(&tenant(n))).await), format!("tenant-{n}"));
    }
    assert_eq!(aws.count("AssumeRole"), calls, "they are there");
    let fresh = pool.statuses().into_iter().filter(|(_, status)| status.state == State::Fresh);
    assert_eq!(fresh.map(|(role, _)| role).collect::<HashSet<_>>(), (0..100).map(tenant).collect());
}

#[tokio::test]
async fn a_role_that_is_removed_is_closed_for_its_handles_and_starts_anew_for_others() {
    let aws = local_aws(Clock::system()).await;
    let pool = hub(&aws, Clock::system()).pool();
    let (old, other) = (pool.role(&tenant(1)), pool.role(&tenant(2)));
    let before = ask(&old).await;
    ask(&other).await;
    assert!(pool.remove(&tenant(1)) && !pool.remove(&tenant(1)) && !pool.remove(&tenant(3)));
    let error = old.session(FetchContext::caller()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Removed);
    assert_eq!(
        error.to_string(),
        format!("the session of {TENANTS} was removed; look at: ask the pool for another handle")
    );
    assert!(pool.status_of(&tenant(1)).is_none());
    let after = ask(&pool.role(&tenant(1))).await;
    assert_ne!(after.access_key_id(), before.access_key_id());
    assert!(other.provide_credentials().await.is_ok());
    assert_eq!(aws.count("AssumeRole"), 4);
}

/// Until no fetch runs.
async fn settled(pool: &RolePool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    let runs = |pool: &RolePool| {
        let status = pool.status();
        [State::Loading, State::Refreshing].iter().any(|state| status.by_state.contains_key(state))
    };
    tokio::task::yield_now().await;
    while runs(pool) {
        assert!(std::time::Instant::now() < deadline, "{:?}", pool.status());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_throttled_sts_fails_nobody_whose_session_is_good() {
    const ROLES: usize = 20;
    let hands = ManualClock::new();
    let aws = local_aws(hands.clock()).await;
    let pool = hub(&aws, hands.clock()).pool();
    let warmed = pool.warm((0..ROLES).map(tenant), |_| {}).await;
    assert_eq!(warmed.ready, ROLES);
    let first: Vec<_> = pool.statuses().into_iter().map(|(_, status)| status.ends_at).collect();
    assert!(first.iter().all(Option::is_some));
    let calls = aws.count("AssumeRole");
    aws.inject(FaultRule::throttled().on("AssumeRole")).unwrap();
    // To the last minute of the hour.
    for _ in 0..118 {
        hands.advance(Duration::from_secs(30));
        settled(&pool).await;
        for n in 0..ROLES {
            assert_eq!(whose(&ask(&pool.role(&tenant(n))).await), format!("tenant-{n}"));
        }
        settled(&pool).await;
    }
    let tried = aws.count("AssumeRole") - calls;
    assert!((ROLES..ROLES * 40).contains(&tried), "{tried} calls");
    let status = pool.status();
    assert_eq!((status.holding, status.failing), (ROLES, 0), "{status:?}");
    assert!(status.is_healthy() && status.by_state[&State::Stale] > 0, "{status:?}");
    assert_eq!(status.last_error.unwrap().kind(), ErrorKind::Throttled);
    // It answers again: each has its next session, and nobody waited for it.
    aws.clear_faults();
    for _ in 0..20 {
        hands.advance(Duration::from_secs(5));
        settled(&pool).await;
        for n in 0..ROLES {
            ask(&pool.role(&tenant(n))).await;
        }
    }
    settled(&pool).await;
    assert_eq!(pool.status().by_state[&State::Fresh], ROLES, "{:?}", pool.status());
}

/// What a role of a pool says, and what the same role in a chain says.
#[tokio::test]
async fn what_cannot_work_is_said_as_by_a_chain() {
    let aws = local_aws(Clock::system()).await;
    let chain = hub(&aws, Clock::system());
    let pool = chain.pool();
    for (role, part) in [
        (role().duration(Duration::from_secs(3601)).unwrap(), "one hour at most"),
        (role().mfa_serial("arn:aws:iam::111122223333:mfa/ann").unwrap(), "nothing gives codes"),
        (Role::new("arn:aws-cn:iam::111122223333:role/tenants").unwrap(), "partition aws-cn"),
        (role().tag("Tenant", "1").unwrap().external_id("x-1").unwrap(), ""),
    ] {
        let cx = FetchContext::caller();
        let pooled = pool.role(&role).session(cx).await.map(drop);
        let chained = chain.clone().assume(role).cached().session(cx).await.map(drop);
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
fn a_thousand_roles_round_robin_cost_one_call_each_and_no_descriptor() {
    let name = "role_pool::a_thousand_roles_round_robin_cost_one_call_each_and_no_descriptor";
    alone(name, || tokio::runtime::Runtime::new().unwrap().block_on(round_robin()));
}

async fn round_robin() {
    let aws = local_aws(Clock::system()).await;
    let pool = hub(&aws, Clock::system()).pool();
    let roles: Vec<Role> = (0..1000).map(tenant).collect();
    #[cfg(target_os = "linux")]
    let mut after_ten = 0;
    for round in 0..10 {
        for (n, role) in roles.iter().enumerate() {
            assert_eq!(whose(&ask(&pool.role(role)).await), format!("tenant-{n}"));
            #[cfg(target_os = "linux")]
            if (round, n) == (0, 9) {
                after_ten = crate::chains::descriptors();
            }
        }
        assert_eq!(aws.count("AssumeRole"), 1001, "round {round}");
    }
    #[cfg(target_os = "linux")]
    assert!(after_ten > 0 && crate::chains::descriptors() <= after_ten);
}

/// Alone: memory that the map lets go of may be freed by any thread of the process that reads such a map.
#[test]
fn a_role_takes_two_kilobytes_beside_its_session_at_most() {
    let name = "role_pool::a_role_takes_two_kilobytes_beside_its_session_at_most";
    alone(name, bytes_of_a_role);
}

fn bytes_of_a_role() {
    const ROLES: usize = 2000;
    // The server is on threads of its own: the counter counts by the thread.
    let servers = tokio::runtime::Runtime::new().unwrap();
    let aws = servers.block_on(local_aws(Clock::system()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pool = runtime.block_on(async {
        let pool = hub(&aws, Clock::system()).pool();
        ask(&pool.role(&tenant(ROLES))).await;
        pool
    });
    let mut sessions = Vec::with_capacity(ROLES);
    let all = allocation_counter::measure(|| {
        runtime.block_on(async {
            for n in 0..ROLES {
                sessions.push(ask(&pool.role(&tenant(n))).await);
            }
        });
    });
    let handles: Vec<Provider> = (0..ROLES).map(|n| pool.role(&tenant(n))).collect();
    assert_eq!(pool.status().holding, ROLES + 1);
    drop((runtime, handles, pool));
    let sessions = allocation_counter::measure(|| drop(sessions));
    let (all, sessions) = (all.bytes_current, -sessions.bytes_current);
    let each = |bytes: i64| bytes / i64::try_from(ROLES).unwrap();
    assert!(each(sessions) > 500, "sessions were counted: {}", each(sessions));
    let beside = each(all - sessions);
    assert!((200..2048).contains(&beside), "{beside} bytes a role beside {}", each(sessions));
}

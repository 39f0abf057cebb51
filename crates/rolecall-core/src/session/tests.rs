use super::*;
use crate::ManualClock;

#[test]
fn debug_contains_no_secret() {
    let credentials = Credentials::new(
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        Some("the-session-token".into()),
        None,
        "test",
    );
    let builder = Session::builder(credentials).base("test");
    let shown = format!("{builder:?}");
    let session = builder.build();
    let shown = format!("{shown} {session:?} {session:#?} {:?}", session.credentials());
    assert!(shown.contains("AKIAIOSFODNN7EXAMPLE"));
    assert!(!shown.contains("wJalr") && !shown.contains("the-session-token"), "{shown}");
}

#[test]
fn measured_expiration_ignores_wall_clock() {
    let manual = ManualClock::new();
    let clock = manual.clock();
    let requested_at = clock.now();
    let hour = Duration::from_secs(3600);
    let session =
        Session::builder(Credentials::for_tests()).lifetime(requested_at, hour, &clock).build();
    assert_eq!(session.expires_at(), Some(clock.wall() + hour));
    manual.set_wall(clock.wall() - 10 * hour);
    assert_eq!(session.expiration(&clock), requested_at + hour);
}

#[test]
fn expiration_uses_remaining_wall_time() {
    let manual = ManualClock::new();
    let clock = manual.clock();
    let credentials = |expiry| Credentials::new("a", "b", None, Some(expiry), "test");
    let later = Session::builder(credentials(clock.wall() + Duration::from_secs(60))).build();
    assert_eq!(later.expiration(&clock), clock.now() + Duration::from_secs(60));
    let expired = Session::builder(credentials(clock.wall() - Duration::from_secs(60))).build();
    assert_eq!(expired.expiration(&clock), clock.now());
}

#[test]
fn with_default_base_sets_empty_base_only() {
    let role: RoleArn = "arn:aws:iam::444455556666:role/orders".parse().unwrap();
    let unnamed = Session::builder(Credentials::for_tests()).build();
    let named = unnamed.clone().with_default_base("vault");
    assert_eq!(named.lineage().base(), "vault");
    assert_eq!(unnamed.lineage().to_string(), "unnamed provider", "clones are not changed");
    assert_eq!(named.with_default_base("other").lineage().base(), "vault");
    assert!(unnamed.lineage().hops().is_empty());
    let assumed =
        Session::builder(Credentials::for_tests()).assumed_by(&unnamed, role.clone()).build();
    assert_eq!(assumed.lineage().hops(), [role]);
    let assumed = assumed.with_default_base("vault");
    let lineage = "vault -> arn:aws:iam::444455556666:role/orders";
    assert_eq!(assumed.lineage().to_string(), lineage);
}

#[test]
fn builder_sets_every_property() {
    let clock = ManualClock::new().clock();
    let role = AssumedRole::new(
        "arn:aws:sts::111122223333:assumed-role/orders/checkout",
        "AROAEXAMPLE:checkout",
    );
    let role_arn: RoleArn = "arn:aws:iam::111122223333:role/shop/orders".parse().unwrap();
    let token = VerifiedToken { subject: Some("subject".into()), ..VerifiedToken::default() };
    let tags = SessionTags::try_from([("Tenant", "4711")]).unwrap();
    let session = Session::builder(Credentials::for_tests())
        .role(role.clone())
        .role_arn(role_arn.clone())
        .account("111122223333".parse().unwrap())
        .lifetime(clock.now(), Duration::from_secs(900), &clock)
        .packed_policy_size(Some(42))
        .source_identity(Some("ann".parse().unwrap()))
        .tags(tags.clone())
        .web_identity(token.clone())
        .build();
    assert_eq!((session.role(), session.role_arn()), (Some(&role), Some(&role_arn)));
    assert_eq!(session.account().map(AccountId::as_str), Some("111122223333"));
    assert_eq!(session.lifetime(), Some(Duration::from_secs(900)));
    assert_eq!(session.requested_at(), Some(clock.now()));
    assert_eq!(session.packed_policy_size(), Some(42));
    assert_eq!(session.source_identity().map(SourceIdentity::as_str), Some("ann"));
    assert_eq!((session.tags(), session.web_identity()), (&tags, Some(&token)));
    let unknown = Session::builder(Credentials::for_tests()).build();
    assert_eq!((unknown.lifetime(), unknown.requested_at()), (None, None));
    assert_eq!((unknown.packed_policy_size(), unknown.web_identity()), (None, None));
    assert_eq!(unknown.expiration(&clock), Moment::MAX);
}

#[test]
fn lifetime_too_long_for_wall_clock_has_no_expiry() {
    let clock = ManualClock::new().clock();
    let session = Session::builder(Credentials::for_tests())
        .lifetime(clock.now() + Duration::MAX, Duration::MAX, &clock)
        .build();
    assert!(session.expires_at().is_none_or(|at| at > clock.wall()));
    assert_eq!(session.expiration(&clock), Moment::MAX);
}

#[test]
fn assumed_role_reads_parts_of_arn() {
    let arn = "arn:aws:sts::111122223333:assumed-role/orders/checkout";
    let role = AssumedRole::new(arn, "AROAEXAMPLE:checkout");
    assert_eq!((role.arn(), role.id()), (arn, "AROAEXAMPLE:checkout"));
    assert_eq!(role.account().unwrap().as_str(), "111122223333");
    assert_eq!((role.role_name(), role.session_name()), (Some("orders"), Some("checkout")));
    let other = AssumedRole::new("arn:minio:sts:::", "");
    assert_eq!((other.account(), other.role_name(), other.session_name()), (None, None, None));
}

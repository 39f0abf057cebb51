//! Fault injection: rules that make calls to STS fail.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, header};
use hyper::body::{Frame, SizeHint};

use crate::server::SetupError;
use crate::wire::{self, Fault};

/// The point at which [`FaultRule::cut`] closes a connection.
///
/// # Examples
///
/// ```
/// use rolecall_testkit::{Cut, FaultRule};
///
/// let rule = FaultRule::cut(Cut::BeforeResponse);
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// After the request was received, without processing it: no session is issued.
    BeforeProcessing,
    /// After the request was processed, without a response.
    BeforeResponse,
    /// After half of the response.
    WithinResponse,
    /// After the whole response.
    AfterResponse,
}

/// A fault to inject into STS, and the calls that it applies to. Defaults to all calls.
///
/// Pass it to [`LocalAws::inject`](crate::LocalAws::inject). If several rules apply to a call, the
/// one that was injected first takes effect. Of [`nth`](Self::nth), [`first`](Self::first) and
/// [`with_probability`](Self::with_probability), a rule has only the one that was set last.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rolecall_testkit::SetupError> {
/// use std::time::Duration;
/// use rolecall_testkit::{Cut, FaultRule, LocalAws};
///
/// let aws = LocalAws::builder().start().await?;
/// aws.inject(FaultRule::throttled().on("AssumeRole").nth(2))?;
/// aws.inject(FaultRule::unavailable(503).with_probability(0.2, 4711))?;
/// aws.inject(FaultRule::cut(Cut::BeforeProcessing).lasting(Duration::from_secs(600)))?;
/// aws.clear_faults();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct FaultRule {
    effect: Effect,
    operation: Option<String>,
    when: When,
    lasting: Option<Duration>,
    until: Option<SystemTime>,
    seen: u64,
}

#[derive(Clone, Debug)]
enum When {
    Always,
    Nth(u64),
    First(u64),
    Chance { probability: f64, dice: fastrand::Rng },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Refused { status: u16, code: String, message: String },
    Unavailable(u16),
    Delayed(Duration),
    Hung,
    Cut(Cut),
    Garbage,
    Truncated,
    DateOffset { seconds: i64 },
    NoDate,
    Expired,
    WithoutOptionalFields,
    FractionalSeconds,
}

impl FaultRule {
    fn of(effect: Effect) -> Self {
        let when = When::Always;
        Self { effect, operation: None, when, lasting: None, until: None, seen: 0 }
    }

    /// Creates a fault that responds with an STS error, such as `(403, "RegionDisabledException",
    /// "...")`.
    pub fn error(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(Effect::Refused { status, code: code.into(), message: message.into() })
    }

    /// Creates a fault that responds with `Throttling: Rate exceeded` and, as STS does, status 400.
    pub fn throttled() -> Self {
        Self::error(400, "Throttling", "Rate exceeded")
    }

    /// Creates a fault that responds as a load balancer does: with this status and an HTML page.
    pub fn unavailable(status: u16) -> Self {
        Self::of(Effect::Unavailable(status))
    }

    /// Creates a fault that delays the processing of the request, and with it the response.
    pub fn delayed(by: Duration) -> Self {
        Self::of(Effect::Delayed(by))
    }

    /// Creates a fault that never responds, and does not process the request.
    pub fn hung() -> Self {
        Self::of(Effect::Hung)
    }

    /// Creates a fault that closes the connection.
    pub fn cut(cut: Cut) -> Self {
        Self::of(Effect::Cut(cut))
    }

    /// Creates a fault that processes the request, and responds with status 200 and bytes that are
    /// not XML.
    pub fn garbage() -> Self {
        Self::of(Effect::Garbage)
    }

    /// Creates a fault that processes the request, and responds with the first half of the XML
    /// under a matching `Content-Length`.
    pub fn truncated() -> Self {
        Self::of(Effect::Truncated)
    }

    /// Creates a fault that moves the `Date` header of the response by this number of seconds, and
    /// changes nothing else.
    pub fn date_offset(seconds: i64) -> Self {
        Self::of(Effect::DateOffset { seconds })
    }

    /// Creates a fault that omits the `Date` header of the response.
    pub fn without_date() -> Self {
        Self::of(Effect::NoDate)
    }

    /// Creates a fault that responds with a session whose `Expiration` is in the past.
    pub fn expired_session() -> Self {
        Self::of(Effect::Expired)
    }

    /// Creates a fault that omits all optional fields: the response has credentials only.
    pub fn without_optional_fields() -> Self {
        Self::of(Effect::WithoutOptionalFields)
    }

    /// Creates a fault that writes the session's `Expiration` with fractions of a second.
    pub fn fractional_seconds() -> Self {
        Self::of(Effect::FractionalSeconds)
    }

    /// Limits the rule to one operation of STS, such as `AssumeRole`. Defaults to all.
    ///
    /// [`inject`](crate::LocalAws::inject) refuses a rule on an operation of another service.
    pub fn on(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// Limits the rule to the nth call, counted from 1.
    ///
    /// Only calls that the rule could apply to are counted: see [`on`](Self::on).
    pub fn nth(mut self, call: u64) -> Self {
        self.when = When::Nth(call);
        self
    }

    /// Limits the rule to the first `calls` calls.
    pub fn first(mut self, calls: u64) -> Self {
        self.when = When::First(calls);
        self
    }

    /// Applies the rule to each call with a probability from 0.0 to 1.0.
    ///
    /// The same seed selects the same calls.
    pub fn with_probability(mut self, probability: f64, seed: u64) -> Self {
        self.when = When::Chance { probability, dice: fastrand::Rng::with_seed(seed) };
        self
    }

    /// Limits the rule to this time after it was injected, by the server's clock. Defaults to no
    /// limit.
    pub fn lasting(mut self, time: Duration) -> Self {
        self.lasting = Some(time);
        self
    }

    /// Checks that the rule can apply to a call.
    pub(crate) fn check(&self, operations: &[&str]) -> Result<(), SetupError> {
        let fault = match (&self.operation, &self.when) {
            (Some(operation), _) if !operations.contains(&operation.as_str()) => {
                let known = operations.join(", ");
                format!("the local STS has no operation {operation:?}, only {known}")
            }
            (_, When::Nth(0) | When::First(0)) => "calls are counted from 1, not from 0".to_owned(),
            (_, When::Chance { probability, .. }) if !(0.0..=1.0).contains(probability) => {
                format!("probability {probability} is not between 0.0 and 1.0")
            }
            _ => return Ok(()),
        };
        Err(SetupError::Invalid(format!("fault rule never applies: {fault}")))
    }

    fn applies(&mut self, operation: &str, now: SystemTime) -> bool {
        let other = self.operation.as_deref().is_some_and(|only| only != operation);
        if other || self.until.is_some_and(|end| now >= end) {
            return false;
        }
        self.seen += 1;
        match &mut self.when {
            When::Always => true,
            When::Nth(call) => self.seen == *call,
            When::First(calls) => self.seen <= *calls,
            When::Chance { probability, dice } => dice.f64() < *probability,
        }
    }
}

/// The injected rules, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<FaultRule>);

impl Faults {
    pub(crate) fn add(&mut self, mut rule: FaultRule, now: SystemTime) {
        rule.until = rule.lasting.map(|time| now + time);
        self.0.push(rule);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn next_effect(&mut self, operation: &str, now: SystemTime) -> Option<Effect> {
        let rule = self.0.iter_mut().find_map(|rule| {
            let applies = rule.applies(operation, now);
            applies.then(|| rule.effect.clone())
        });
        self.0.retain(|rule| rule.until.is_none_or(|end| now < end));
        rule
    }
}

/// How a response is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// It is not: the connection is closed.
    Not,
    /// With an offset to its `Date`.
    DateOffset { seconds: i64 },
    /// Without a `Date`.
    NoDate,
}

impl Effect {
    /// Returns the error code in the record.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Refused { code, .. } => code.clone(),
            Self::Unavailable(status) => format!("fault: status {status}"),
            Self::Delayed(_) => "fault: delayed".into(),
            Self::Hung => "fault: hung".into(),
            Self::Cut(cut) => format!("fault: cut {cut:?}"),
            Self::Garbage => "fault: garbage".into(),
            Self::Truncated => "fault: truncated".into(),
            Self::DateOffset { .. } | Self::NoDate => "fault: Date".into(),
            Self::Expired => "fault: expired session".into(),
            Self::WithoutOptionalFields => "fault: fields missing".into(),
            Self::FractionalSeconds => "fault: fractional seconds".into(),
        }
    }

    /// Returns the response to a request that is not processed, and `None` if it is processed.
    pub(crate) async fn replace_response(&self, request_id: &str) -> Option<Response<Body>> {
        match self {
            Self::Refused { status, code, message } => {
                let fault = Fault::new(*status, code.clone(), message.clone());
                Some(wire::failure(&fault, request_id))
            }
            Self::Unavailable(status) => {
                let page = format!("<html><body><h1>{status}</h1></body></html>");
                Some(wire::respond(*status, "text/html", page))
            }
            Self::Hung => std::future::pending().await,
            Self::Delayed(by) => {
                tokio::time::sleep(*by).await;
                None
            }
            Self::Cut(Cut::BeforeProcessing) => Some(not_sent()),
            _ => None,
        }
    }

    /// Alters the response to a request that was processed.
    pub(crate) async fn alter(self, mut answer: Response<Body>) -> Response<Body> {
        match self {
            Self::Cut(Cut::BeforeResponse) => return not_sent(),
            Self::Cut(Cut::AfterResponse) => {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(header::CONNECTION, close);
                return answer;
            }
            Self::DateOffset { seconds } => {
                answer.extensions_mut().insert(Leaves::DateOffset { seconds });
                return answer;
            }
            Self::NoDate => {
                answer.extensions_mut().insert(Leaves::NoDate);
                return answer;
            }
            _ => {}
        }
        let (head, body) = answer.into_parts();
        let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else { return not_sent() };
        let text = String::from_utf8_lossy(&body).into_owned();
        let half = body.slice(..body.len() / 2);
        let body = match self {
            Self::Cut(_) => Body::new(CutOff { begins: Some(half), announced: body.len() }),
            Self::Garbage => Body::from(&b"\x00\xff\xfe<<<>>> not XML at all &&& \x80"[..]),
            Self::Truncated => Body::from(half),
            Self::Expired => Body::from(with_end(&text, |_| "2001-02-03T04:05:06Z".to_owned())),
            Self::FractionalSeconds => {
                Body::from(with_end(&text, |end| end.replace('Z', ".123456Z")))
            }
            Self::WithoutOptionalFields => Body::from(without_optional_fields(text)),
            _ => Body::from(body),
        };
        Response::from_parts(head, body)
    }
}

fn not_sent() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Leaves::Not);
    response
}

/// Returns the content of an element and its offset.
fn inside<'a>(xml: &'a str, element: &str) -> Option<(usize, &'a str)> {
    let start = xml.find(&format!("<{element}>"))? + element.len() + 2;
    let end = xml[start..].find(&format!("</{element}>"))?;
    Some((start, &xml[start..start + end]))
}

fn with_end(xml: &str, other: impl FnOnce(&str) -> String) -> String {
    match inside(xml, "Expiration") {
        Some((at, end)) => format!("{}{}{}", &xml[..at], other(end), &xml[at + end.len()..]),
        None => xml.to_owned(),
    }
}

/// The fields that a response need not have. (STS API Reference.)
const OPTIONAL_FIELDS: [&str; 6] = [
    "AssumedRoleUser",
    "PackedPolicySize",
    "SourceIdentity",
    "SubjectFromWebIdentityToken",
    "Audience",
    "Provider",
];

fn without_optional_fields(mut xml: String) -> String {
    for field in OPTIONAL_FIELDS {
        if let Some((at, inside)) = inside(&xml, field) {
            let (start, end) = (at - field.len() - 2, at + inside.len() + field.len() + 3);
            xml.replace_range(start..end, "");
        }
    }
    xml
}

/// A body that ends before the length that it announced.
struct CutOff {
    begins: Option<Bytes>,
    announced: usize,
}

impl hyper::body::Body for CutOff {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(match self.begins.take() {
            Some(bytes) => Ok(Frame::data(bytes)),
            None => Err(std::io::ErrorKind::ConnectionAborted.into()),
        }))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.announced).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn affected(rule: FaultRule, calls: &[&str]) -> Vec<bool> {
        let mut faults = Faults::default();
        faults.add(rule, NOW);
        calls.iter().map(|call| faults.next_effect(call, NOW).is_some()).collect()
    }

    #[test]
    fn rule_limits_select_affected_calls() {
        let rule = || FaultRule::throttled();
        assert_eq!(affected(rule(), &["A", "B"]), [true, true]);
        assert_eq!(affected(rule().on("B"), &["A", "B", "B"]), [false, true, true]);
        assert_eq!(
            affected(rule().on("B").nth(2), &["B", "A", "B", "B"]),
            [false, false, true, false]
        );
        assert_eq!(affected(rule().first(2), &["A", "B", "A"]), [true, true, false]);
    }

    #[test]
    fn same_seed_selects_same_calls() {
        let calls = ["A"; 1000];
        let rule = || FaultRule::hung().with_probability(0.25, 7);
        let one = affected(rule(), &calls);
        assert_eq!(one, affected(rule(), &calls));
        let count = one.iter().filter(|hit| **hit).count();
        assert!((200..300).contains(&count), "{count}");
    }

    #[test]
    fn rule_that_never_applies_is_refused() {
        let told = |rule: FaultRule| rule.check(&["A", "B"]).unwrap_err().to_string();
        let refused = "fault rule never applies: ";
        let operation = told(FaultRule::hung().on("C"));
        assert_eq!(operation, format!("{refused}the local STS has no operation \"C\", only A, B"));
        assert_eq!(
            told(FaultRule::hung().nth(0)),
            format!("{refused}calls are counted from 1, not from 0")
        );
        for probability in [-0.1, 1.1, f64::NAN] {
            let text = told(FaultRule::hung().with_probability(probability, 1));
            assert!(text.contains("is not between 0.0 and 1.0"), "{text}");
        }
        assert!(FaultRule::hung().on("B").with_probability(1.0, 1).check(&["A", "B"]).is_ok());
    }

    #[test]
    fn rule_expires_by_server_clock() {
        let second = Duration::from_secs(1);
        let mut faults = Faults::default();
        faults.add(FaultRule::unavailable(503).lasting(10 * second), NOW);
        assert!(faults.next_effect("A", NOW + 9 * second).is_some());
        assert!(faults.next_effect("A", NOW + 10 * second).is_none());
        assert!(faults.0.is_empty());
    }

    #[test]
    fn first_matching_rule_takes_effect() {
        let mut faults = Faults::default();
        faults.add(FaultRule::hung().nth(2), NOW);
        faults.add(FaultRule::garbage(), NOW);
        let effects = [1, 2, 3].map(|_| faults.next_effect("A", NOW).unwrap());
        assert_eq!(effects, [Effect::Garbage, Effect::Hung, Effect::Garbage]);
    }

    #[test]
    fn xml_fields_are_altered_in_place() {
        let xml = "<a><AssumedRoleUser><Arn>x</Arn></AssumedRoleUser><Expiration>2026-01-01T00:00:00Z</Expiration></a>";
        let other = with_end(xml, |end| end.replace('Z', ".5Z"));
        assert!(other.contains("<Expiration>2026-01-01T00:00:00.5Z</Expiration></a>"), "{other}");
        let bare = without_optional_fields(xml.to_owned());
        assert_eq!(bare, "<a><Expiration>2026-01-01T00:00:00Z</Expiration></a>");
    }
}

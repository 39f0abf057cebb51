//! What can go wrong on the way to STS and back, by rule.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, header};
use hyper::body::{Frame, SizeHint};

use crate::server::SetupError;
use crate::wire::{self, Fault};

/// Where a connection is cut.
///
/// ```
/// use rolecall_testkit::{Cut, FaultRule};
/// let rule = FaultRule::cut(Cut::BeforeAnswer);
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The request came, and nothing was done: no session was granted.
    BeforeWork,
    /// It was done, and nothing of the answer came.
    BeforeAnswer,
    /// Half of the answer came.
    WithinAnswer,
    /// The whole answer came; the connection ends with it.
    AfterAnswer,
}

/// A fault of the local STS, and which calls it befalls: all of them, unless it says otherwise. Given to
/// [`LocalAws::inject`](crate::LocalAws::inject). Of several rules, the first that applies counts.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rolecall_testkit::SetupError> {
/// use std::time::Duration;
/// use rolecall_testkit::{Cut, FaultRule, LocalAws};
///
/// let aws = LocalAws::builder().start().await?;
/// aws.inject(FaultRule::throttled().on("AssumeRole").nth(2))?;
/// aws.inject(FaultRule::unavailable(503).with_probability(0.2, 4711))?;
/// aws.inject(FaultRule::cut(Cut::BeforeWork).lasting(Duration::from_secs(600)))?;
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
    DateOff { seconds: i64 },
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

    /// Answered with this error of STS's, as `(403, "RegionDisabledException", "...")`.
    pub fn refused(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(Effect::Refused { status, code: code.into(), message: message.into() })
    }

    /// `Throttling: Rate exceeded`, with status 400 as STS has it.
    pub fn throttled() -> Self {
        Self::refused(400, "Throttling", "Rate exceeded")
    }

    /// An answer of a load balancer's: this status, and a page that is none of STS's.
    pub fn unavailable(status: u16) -> Self {
        Self::of(Effect::Unavailable(status))
    }

    /// Answered rightly, this much later.
    pub fn delayed(by: Duration) -> Self {
        Self::of(Effect::Delayed(by))
    }

    /// Never answered; nothing is done.
    pub fn hung() -> Self {
        Self::of(Effect::Hung)
    }

    /// The connection is cut.
    pub fn cut(cut: Cut) -> Self {
        Self::of(Effect::Cut(cut))
    }

    /// Done, and answered with status 200 and bytes that are no XML.
    pub fn garbage() -> Self {
        Self::of(Effect::Garbage)
    }

    /// Done, and answered with the first half of the XML, as if that were all.
    pub fn truncated() -> Self {
        Self::of(Effect::Truncated)
    }

    /// The answer's `Date` is off by so many seconds; nothing else is.
    pub fn date_off(seconds: i64) -> Self {
        Self::of(Effect::DateOff { seconds })
    }

    /// The answer has no `Date`.
    pub fn without_date() -> Self {
        Self::of(Effect::NoDate)
    }

    /// The session in the answer ended an hour ago.
    pub fn expired_session() -> Self {
        Self::of(Effect::Expired)
    }

    /// The answer has credentials, and no more.
    pub fn without_optional_fields() -> Self {
        Self::of(Effect::WithoutOptionalFields)
    }

    /// The session's end is told with fractions of a second.
    pub fn fractional_seconds() -> Self {
        Self::of(Effect::FractionalSeconds)
    }

    /// Befalls this operation alone.
    pub fn on(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// Befalls one call alone: the nth of those that come, counted from 1.
    pub fn nth(mut self, call: u64) -> Self {
        self.when = When::Nth(call);
        self
    }

    /// Befalls the first so many calls.
    pub fn first(mut self, calls: u64) -> Self {
        self.when = When::First(calls);
        self
    }

    /// Befalls a call with this probability (0.0 to 1.0); the same seed, the same calls.
    pub fn with_probability(mut self, probability: f64, seed: u64) -> Self {
        self.when = When::Chance { probability, dice: fastrand::Rng::with_seed(seed) };
        self
    }

    /// Ends after this time by the server's clock.
    pub fn lasting(mut self, time: Duration) -> Self {
        self.lasting = Some(time);
        self
    }

    /// Whether it can befall a call.
    pub(crate) fn check(&self, operations: &[&str]) -> Result<(), SetupError> {
        let fault = match (&self.operation, &self.when) {
            (Some(operation), _) if !operations.contains(&operation.as_str()) => {
                let known = operations.join(", ");
                format!("the local STS has no operation {operation:?}: it has {known}")
            }
            (_, When::Nth(0) | When::First(0)) => "calls are counted from 1".to_owned(),
            (_, When::Chance { probability, .. }) if !(0.0..=1.0).contains(probability) => {
                format!("a probability is between 0.0 and 1.0, and not {probability}")
            }
            _ => return Ok(()),
        };
        Err(SetupError::World(format!("a fault that can befall nothing: {fault}")))
    }

    fn befalls(&mut self, operation: &str, now: SystemTime) -> bool {
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

/// The rules that are in force.
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

    pub(crate) fn befall(&mut self, operation: &str, now: SystemTime) -> Option<Effect> {
        let rule = self.0.iter_mut().find_map(|rule| {
            let befalls = rule.befalls(operation, now);
            befalls.then(|| rule.effect.clone())
        });
        self.0.retain(|rule| rule.until.is_none_or(|end| now < end));
        rule
    }
}

/// How a response leaves the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// Not at all: the connection ends.
    Not,
    /// With a `Date` that is off.
    DateOff { seconds: i64 },
    /// Without one.
    NoDate,
}

impl Effect {
    /// What the record says of it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Refused { code, .. } => code.clone(),
            Self::Unavailable(status) => format!("fault: status {status}"),
            Self::Delayed(_) => "fault: delayed".into(),
            Self::Hung => "fault: hung".into(),
            Self::Cut(cut) => format!("fault: cut {cut:?}"),
            Self::Garbage => "fault: garbage".into(),
            Self::Truncated => "fault: truncated".into(),
            Self::DateOff { .. } | Self::NoDate => "fault: Date".into(),
            Self::Expired => "fault: expired session".into(),
            Self::WithoutOptionalFields => "fault: fields missing".into(),
            Self::FractionalSeconds => "fault: fractional seconds".into(),
        }
    }

    /// What happens instead of the work; `None` if it is done.
    pub(crate) async fn instead(&self, request_id: &str) -> Option<Response<Body>> {
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
            Self::Cut(Cut::BeforeWork) => Some(not_sent()),
            _ => None,
        }
    }

    /// What it makes of the answer.
    pub(crate) async fn upon(self, mut answer: Response<Body>) -> Response<Body> {
        match self {
            Self::Cut(Cut::BeforeAnswer) => return not_sent(),
            Self::Cut(Cut::AfterAnswer) => {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(header::CONNECTION, close);
                return answer;
            }
            Self::DateOff { seconds } => {
                answer.extensions_mut().insert(Leaves::DateOff { seconds });
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

/// The inside of an element, and where it is.
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

/// STS API Reference: these are not required in an answer.
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

/// A body that ends sooner than it said.
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

    fn befallen(rule: FaultRule, calls: &[&str]) -> Vec<bool> {
        let mut faults = Faults::default();
        faults.add(rule, NOW);
        calls.iter().map(|call| faults.befall(call, NOW).is_some()).collect()
    }

    #[test]
    fn a_rule_says_which_calls_it_befalls() {
        let rule = || FaultRule::throttled();
        assert_eq!(befallen(rule(), &["A", "B"]), [true, true]);
        assert_eq!(befallen(rule().on("B"), &["A", "B", "B"]), [false, true, true]);
        assert_eq!(
            befallen(rule().on("B").nth(2), &["B", "A", "B", "B"]),
            [false, false, true, false]
        );
        assert_eq!(befallen(rule().first(2), &["A", "B", "A"]), [true, true, false]);
    }

    #[test]
    fn with_a_seed_chance_is_the_same_each_time() {
        let calls = ["A"; 1000];
        let rule = || FaultRule::hung().with_probability(0.25, 7);
        let one = befallen(rule(), &calls);
        assert_eq!(one, befallen(rule(), &calls));
        let count = one.iter().filter(|hit| **hit).count();
        assert!((200..300).contains(&count), "{count}");
    }

    #[test]
    fn what_can_befall_nothing_is_refused() {
        let told = |rule: FaultRule| rule.check(&["A", "B"]).unwrap_err().to_string();
        let refused = "a fault that can befall nothing: ";
        let operation = told(FaultRule::hung().on("C"));
        assert_eq!(
            operation,
            format!("{refused}the local STS has no operation \"C\": it has A, B")
        );
        assert_eq!(told(FaultRule::hung().nth(0)), format!("{refused}calls are counted from 1"));
        for probability in [-0.1, 1.1, f64::NAN] {
            let text = told(FaultRule::hung().with_probability(probability, 1));
            assert!(text.contains("a probability is between 0.0 and 1.0"), "{text}");
        }
        assert!(FaultRule::hung().on("B").with_probability(1.0, 1).check(&["A", "B"]).is_ok());
    }

    #[test]
    fn an_outage_ends() {
        let second = Duration::from_secs(1);
        let mut faults = Faults::default();
        faults.add(FaultRule::unavailable(503).lasting(10 * second), NOW);
        assert!(faults.befall("A", NOW + 9 * second).is_some());
        assert!(faults.befall("A", NOW + 10 * second).is_none());
        assert!(faults.0.is_empty());
    }

    #[test]
    fn the_first_rule_that_applies_counts() {
        let mut faults = Faults::default();
        faults.add(FaultRule::hung().nth(2), NOW);
        faults.add(FaultRule::garbage(), NOW);
        let effects = [1, 2, 3].map(|_| faults.befall("A", NOW).unwrap());
        assert_eq!(effects, [Effect::Garbage, Effect::Hung, Effect::Garbage]);
    }

    #[test]
    fn xml_is_changed_where_it_should_be() {
        let xml = "<a><AssumedRoleUser><Arn>x</Arn></AssumedRoleUser><Expiration>2026-01-01T00:00:00Z</Expiration></a>";
        let other = with_end(xml, |end| end.replace('Z', ".5Z"));
        assert!(other.contains("<Expiration>2026-01-01T00:00:00.5Z</Expiration></a>"), "{other}");
        let bare = without_optional_fields(xml.to_owned());
        assert_eq!(bare, "<a><Expiration>2026-01-01T00:00:00Z</Expiration></a>");
    }
}

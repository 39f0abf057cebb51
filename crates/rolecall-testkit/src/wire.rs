//! STS's query protocol, forms in and XML out; and what the services' protocols share.

use std::borrow::Cow;
use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use percent_encoding::percent_decode_str;

/// The fields of a form, each taken out once: what is left was not understood.
#[derive(Debug)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let decode = |part: &str| {
            let spaced = part.replace('+', " ");
            percent_decode_str(&spaced).decode_utf8().ok().map(|text| text.into_owned())
        };
        text.split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Some((decode(name)?, decode(value)?))
            })
            .collect::<Option<Vec<_>>>()
            .map(Self)
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(field, _)| field == name)?;
        Some(self.0.swap_remove(index).1)
    }

    /// Returns the decoded names of all fields.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(field, _)| field.as_str())
    }

    /// Returns the value of a field, and leaves it in the form.
    #[cfg(feature = "s3")]
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Returns the name of a field that is given more than once.
    #[cfg(feature = "s3")]
    pub(crate) fn repeated(&self) -> Option<&str> {
        let mut names: Vec<&str> = self.names().collect();
        names.sort_unstable();
        names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }

    /// A field that was not taken.
    pub(crate) fn left_over(&self) -> Option<&str> {
        self.0.first().map(|(field, _)| field.as_str())
    }
}

/// An error as a service answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
    /// Why, for the record alone.
    pub(crate) reason: Option<String>,
}

impl Fault {
    pub(crate) fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self { status, code: code.into(), message: message.into(), reason: None }
    }

    pub(crate) fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

/// STS's name space.
const XMLNS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

pub(crate) fn success(operation: &str, result: &str, request_id: &str) -> Response<Body> {
    let xml = format!(
        "<{operation}Response xmlns=\"{XMLNS}\"><{operation}Result>{result}</{operation}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    );
    respond(200, "text/xml", xml)
}

pub(crate) fn failure(fault: &Fault, request_id: &str) -> Response<Body> {
    let side = if fault.status < 500 { "Sender" } else { "Receiver" };
    let xml = format!(
        "<ErrorResponse xmlns=\"{XMLNS}\"><Error><Type>{side}</Type><Code>{}</Code><Message>{}</Message></Error>\
         <RequestId>{request_id}</RequestId></ErrorResponse>",
        fault.code,
        escape(&fault.message),
    );
    respond(fault.status, "text/xml", xml)
}

/// A response with this body.
pub(crate) fn respond(
    status: u16,
    content_type: &'static str,
    body: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// What every response carries: the time by the server's own clock, which may be a turned one, and
/// the request's id.
pub(crate) fn stamp(response: &mut Response<Body>, request_id: &str, now: Option<SystemTime>) {
    let date = now.and_then(|now| DateTime::from(now).fmt(Format::HttpDate).ok());
    for (name, value) in [
        (header::DATE, date.as_deref()),
        (HeaderName::from_static("x-amzn-requestid"), Some(request_id)),
        (HeaderName::from_static("x-amz-request-id"), Some(request_id)),
    ] {
        if let Some(Ok(value)) = value.map(str::parse) {
            response.headers_mut().insert(name, value);
        }
    }
}

pub(crate) fn timestamp(time: SystemTime) -> String {
    let whole = DateTime::from_secs(DateTime::from(time).secs());
    whole.fmt(Format::DateTime).unwrap_or_default()
}

pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

pub(crate) fn random(alphabet: &[u8], length: usize) -> String {
    (0..length).map(|_| char::from(alphabet[fastrand::usize(..alphabet.len())])).collect()
}

/// The characters of AWS's ids.
pub(crate) const ID: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// The characters of AWS's secrets.
pub(crate) const BASE64: &[u8] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(crate) fn request_id() -> String {
    let hex = |length| random(b"0123456789abcdef", length);
    format!("{}-{}-{}-{}-{}", hex(8), hex(4), hex(4), hex(4), hex(12))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_is_decoded_and_untaken_fields_remain() {
        let mut form = Form::parse(b"Action=A&Name=a+b%2Fc&Empty=").unwrap();
        assert_eq!(form.take("Name").as_deref(), Some("a b/c"));
        assert_eq!(form.take("Name"), None);
        assert_eq!(form.take("Action").as_deref(), Some("A"));
        assert_eq!(form.left_over(), Some("Empty"));
        assert!(Form::parse(&[0xff]).is_none());
        assert!(Form::parse(b"a=%ff").is_none());
    }

    #[cfg(feature = "s3")]
    #[test]
    fn repeated_field_is_found_by_decoded_name() {
        let form = |text: &str| Form::parse(text.as_bytes()).unwrap();
        assert_eq!(form("list-type=2&prefix=a%2Fb+c").get("prefix"), Some("a/b c"));
        assert_eq!(form("list-type=2").get("prefix"), None);
        assert_eq!(form("prefix").get("prefix"), Some(""));
        assert_eq!(form("prefix=a&list-type=2").repeated(), None);
        assert_eq!(form("prefix=a&list-type=2&prefi%78=b").repeated(), Some("prefix"));
    }

    #[test]
    fn xml_text_is_escaped() {
        assert_eq!(escape("<a href='x'>&\"\n"), "&lt;a href=&apos;x&apos;&gt;&amp;&quot; ");
    }
}

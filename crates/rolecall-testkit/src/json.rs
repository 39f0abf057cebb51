//! AWS's JSON protocol: an operation in the `X-Amz-Target` header, an object in, an object out.

use std::time::SystemTime;

use aws_smithy_types::DateTime;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Response};
use rolecall_policy::Context;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::iam;
use crate::server::{Answer, Shared};
use crate::sigv4::{Claim, Dialect, Refusal, Signed, Verified};
use crate::wire::{Fault, respond};
use crate::world::Key;

/// The longest request: a layer's part of 20 MiB in base64, and room.
const MAX_REQUEST_BYTES: usize = 32 * 1024 * 1024;

/// A service that speaks it.
pub(crate) struct Service {
    /// As in a signature's scope and in ARNs.
    pub(crate) name: &'static str,
    /// What stands before the dot in `X-Amz-Target`.
    pub(crate) target: &'static str,
    pub(crate) operations: &'static [Operation],
}

/// An operation, by its name.
pub(crate) type Operation = (&'static str, fn(&Call<'_>) -> Result<Value, Fault>);

/// A call of a known caller, whose signature holds.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) service: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) key: &'a Key,
    pub(crate) region: &'a str,
    pub(crate) now: SystemTime,
    input: &'a [u8],
}

impl Call<'_> {
    /// The caller's account.
    pub(crate) fn account(&self) -> &str {
        self.key.owner.account()
    }

    /// The request, of which each member must be known.
    pub(crate) fn input<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        let input = if self.input.is_empty() { b"{}" } else { self.input };
        serde_json::from_slice(input)
            .map_err(|error| Fault::new(400, "SerializationException", error.to_string()))
    }

    /// Whether the caller may do this to a resource of `account`.
    pub(crate) fn authorize(&self, resource: &str, account: &str) -> Result<(), Fault> {
        let action = format!("{}:{}", self.service, self.operation);
        let context: Context = iam::context_of(self.key);
        iam::authorize(self.key, &action, resource, account, &context)
            .map_err(|message| Fault::new(400, "AccessDeniedException", message))
    }
}

pub(crate) async fn serve(
    shared: &Shared,
    service: &'static Service,
    claim: Result<Claim, Refusal>,
    request: Request,
) -> Answer {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_REQUEST_BYTES).await else {
        return failed(Fault::new(413, "RequestEntityTooLarge", "the request is too long"));
    };
    let Some(&(operation, run)) = operation(service, &head.headers) else {
        let message = "the local AWS does not know this X-Amz-Target";
        return failed(Fault::new(400, "UnknownOperationException", message));
    };
    // Every operation is at this one place: a path or a query would be signed, and then ignored.
    if head.method != "POST" || head.uri.path() != "/" || head.uri.query().is_some() {
        let message = "the operations of the JSON protocol are at POST / alone";
        return failed(Fault::new(404, "UnknownOperationException", message)).of(operation);
    }
    let now = shared.clock.wall();
    let signed = Signed::of(&head, &body);
    let verified = claim.and_then(|claim| claim.verify(&signed, &shared.world(), now));
    let Verified { key, region } = match verified {
        Ok(verified) => verified,
        Err(refusal) => return failed(refusal.fault(Dialect::Json)).of(operation),
    };
    let service = service.name;
    let call = Call { shared, service, operation, key: &key, region: &region, now, input: &body };
    let answer = match run(&call) {
        Ok(output) => Answer::done(object(200, &output)),
        Err(fault) => failed(fault),
    };
    answer.of(operation).by(Some(key.owner.caller.arn().to_owned()))
}

fn operation(service: &Service, headers: &HeaderMap) -> Option<&'static Operation> {
    let target = headers.get("x-amz-target")?.to_str().ok()?;
    let name = target.strip_prefix(service.target)?.strip_prefix('.')?;
    service.operations.iter().find(|(known, _)| *known == name)
}

fn failed(fault: Fault) -> Answer {
    let body = json!({ "__type": fault.code, "message": fault.message });
    let mut response = object(fault.status, &body);
    if let Ok(code) = HeaderValue::from_str(&fault.code) {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    Answer::failed(response, fault)
}

fn object(status: u16, body: &Value) -> Response<Body> {
    respond(status, "application/x-amz-json-1.1", body.to_string())
}

/// A time as the protocol has it: seconds since 1970.
pub(crate) fn timestamp(time: SystemTime) -> f64 {
    DateTime::from(time).as_secs_f64()
}

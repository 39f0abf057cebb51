//! Requests that the service sends to itself, as a demonstration.

use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rolecall_examples::ExampleError;
use serde_json::Value;

use crate::service::Service;
use crate::tenant::TenantId;

/// Sends the requests and prints the responses. Returns an error if one is not as expected.
pub(crate) async fn run(url: &str, service: &Service) -> Result<(), ExampleError> {
    let text = |body: &Value| body.to_string();
    let objects = |body: &Value| body["objects"].to_string();
    expect_status(201, send("PUT", url, "/tenants/4711/objects/tea.txt", text).await?)?;
    expect_status(200, send("GET", url, "/tenants/4711/objects", objects).await?)?;
    expect_status(200, send("GET", url, "/tenants/4712/objects", objects).await?)?;
    expect_status(400, send("GET", url, "/tenants/4712%2F..%2F4711/objects", text).await?)?;

    // A handler with a defect: it uses the session of one tenant and the prefix of another.
    let (tenant, other): (TenantId, TenantId) = ("4712".parse()?, "4711".parse()?);
    let denied = match service.list(service.session(&tenant)?, &other).await {
        Ok(_) => {
            return Err(ExampleError::new(
                "a session of one tenant has access to the data of another",
            ));
        }
        Err(error) if error.is_denied() => error.code().unwrap_or_default().to_owned(),
        Err(error) => return Err(error),
    };
    println!("tenant 4712's session, {}: {denied}", other.prefix());

    let health = |body: &Value| format!("up: {}, {} sessions", body["up"], body["ready"]);
    expect_status(200, send("GET", url, "/health", health).await?)
}

/// Sends a request, prints what `describe` makes of the response body, and returns the status.
async fn send(
    method: &str,
    url: &str,
    path: &str,
    describe: impl Fn(&Value) -> String,
) -> Result<u16, ExampleError> {
    let failed =
        |error: &dyn std::error::Error| ExampleError::new(format!("{method} {path}: {error}"));
    let request = axum::http::Request::builder().method(method).uri(format!("{url}{path}"));
    let request =
        request.body(Full::<axum::body::Bytes>::from("tea")).map_err(|error| failed(&error))?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.map_err(|error| failed(&error))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), 1024 * 1024).collect().await;
    let body =
        body.map_err(|error| ExampleError::new(format!("{method} {path}: {error}")))?.to_bytes();
    let body = serde_json::from_slice(&body).map_err(|error| failed(&error))?;
    println!("{method} {path} -> {} {}", status.as_u16(), describe(&body));
    Ok(status.as_u16())
}

fn expect_status(expected: u16, status: u16) -> Result<(), ExampleError> {
    if status == expected {
        return Ok(());
    }
    Err(ExampleError::new(format!("the status is {status}, expected {expected}")))
}

//! The pages of the endpoint itself: `/`, `/healthz` and `/metrics`. None contains a secret.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::StatusCode;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY};
use serde::Serialize;

use super::response::{self, HttpResponse, Refusal};
use super::role::ServedRole;
use super::routes::Routes;
use super::service::Endpoint;
use crate::error::report;
use crate::time::{distance, timestamp};

#[derive(Serialize)]
struct Health {
    status: &'static str,
    roles: usize,
    failing: usize,
}

/// Returns 200 if no role has a problem, and 503 otherwise.
pub(super) fn health(endpoint: &Endpoint) -> HttpResponse {
    let (roles, failing) = count(&endpoint.routes());
    let (code, status) = match failing {
        0 => (StatusCode::OK, "ok"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "failing"),
    };
    response::json(code, &Health { status, roles, failing })
}

/// Returns the number of roles, and of those that have a problem.
fn count(routes: &Routes) -> (usize, usize) {
    let failing = routes.iter().filter(|role| !role.is_healthy());
    (routes.iter().count(), failing.count())
}

/// Returns the metrics in the text format of Prometheus.
pub(super) fn metrics(endpoint: &Endpoint) -> HttpResponse {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    response::with_type(StatusCode::OK, kind, metrics_text(endpoint))
}

fn metrics_text(endpoint: &Endpoint) -> String {
    let routes = endpoint.routes();
    let roles: Vec<(String, &ServedRole)> = routes
        .iter()
        .map(|role| {
            let (path, arn) = (escape_label(role.path().as_str()), escape_label(role.role()));
            (format!("path=\"{path}\",role=\"{arn}\""), &**role)
        })
        .collect();
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, samples: Vec<(String, String)>| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP rolecall_{name} {help}\n# TYPE rolecall_{name} {kind}");
        for (labels, value) in samples {
            let _ = match labels.as_str() {
                "" => writeln!(text, "rolecall_{name} {value}"),
                _ => writeln!(text, "rolecall_{name}{{{labels}}} {value}"),
            };
        }
    };
    let each = |value: &dyn Fn(&ServedRole) -> Option<String>| -> Vec<(String, String)> {
        roles.iter().filter_map(|(labels, role)| Some((labels.clone(), value(role)?))).collect()
    };
    let results = |value: &dyn Fn(&ServedRole) -> (u64, u64)| -> Vec<(String, String)> {
        let both = roles.iter().flat_map(|(labels, role)| {
            let (ok, failed) = value(role);
            [("success", ok), ("failure", failed)]
                .map(|(result, count)| (format!("{labels},result=\"{result}\""), count.to_string()))
        });
        both.collect()
    };

    let states = roles.iter().map(|(labels, role)| {
        (format!("{labels},state=\"{}\"", role.status().state.name()), "1".to_owned())
    });
    family("session_state", "gauge", "The state of the cached session.", states.collect());
    family(
        "session_healthy",
        "gauge",
        "1 if the role has no problem, else 0.",
        each(&|role| Some(u8::from(role.is_healthy()).to_string())),
    );
    family(
        "session_expiration_timestamp_seconds",
        "gauge",
        "When the cached session expires.",
        each(&|role| {
            let time = role.status().expires_at?.duration_since(UNIX_EPOCH).ok()?;
            Some(time.as_secs().to_string())
        }),
    );
    family(
        "session_consecutive_failures",
        "gauge",
        "Failed fetches since the last successful one.",
        each(&|role| Some(role.status().consecutive_failures.to_string())),
    );
    let help = "Fetches of sessions from STS.";
    family("session_fetches_total", "counter", help, results(&ServedRole::fetches));
    let help = "Requests of clients for a session.";
    family("session_requests_total", "counter", help, results(&ServedRole::requests));

    let refusals = Refusal::ALL
        .map(|it| (format!("reason=\"{}\"", it.code()), endpoint.refusals(it).to_string()));
    family("refused_requests_total", "counter", "Requests that were refused.", refusals.into());
    let connections = endpoint.connections();
    for (name, kind, help, value) in [
        ("connections", "gauge", "Open connections.", connections.count() as u64),
        (
            "evicted_connections_total",
            "counter",
            "Idle connections that were closed to make room.",
            connections.evicted(),
        ),
        (
            "refused_connections_total",
            "counter",
            "Connections that were refused, since all others were busy.",
            connections.refused(),
        ),
    ] {
        family(name, kind, help, vec![(String::new(), value.to_string())]);
    }
    text
}

/// Escapes a label's value.
fn escape_label(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

/// Returns the status page. It has no script, and no browser runs one on it.
pub(super) fn status(endpoint: &Endpoint) -> HttpResponse {
    let page = status_text(endpoint, SystemTime::now());
    let mut response = response::with_type(StatusCode::OK, "text/html; charset=utf-8", page);
    let headers = response.headers_mut();
    for (name, value) in [
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
        ),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

const STYLE: &str = "
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .4rem 1rem .4rem 0; text-align: left; vertical-align: top; }
tbody { border-top: 1px solid #8888; }
small { display: block; font-weight: normal; opacity: .8; }
th[scope=row], small, .error { overflow-wrap: anywhere; }
.error { padding-top: 0; }
.failing { color: light-dark(#b00020, #ff8a80); }
";

fn status_text(endpoint: &Endpoint, now: SystemTime) -> String {
    let routes = endpoint.routes();
    let summary = match count(&routes) {
        (1, 0) => "1 role".to_owned(),
        (roles, 0) => format!("{roles} roles"),
        (roles, failing) => format!("{failing} of {roles} roles failing"),
    };
    // The title is what a tab in the background shows.
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"refresh\" content=\"10\">\n<title>rolecall: {summary}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>rolecall</h1>\n\
         <table>\n<thead><tr><th scope=\"col\">Role</th><th scope=\"col\">State</th>\
         <th scope=\"col\">Expires</th><th scope=\"col\">Failures</th></tr></thead>\n"
    );
    for role in routes.iter() {
        push_role(&mut page, role, now);
    }
    let (connections, time) = (endpoint.connections().count(), timestamp(now));
    page.push_str(&format!(
        "</table>\n<p>{summary}. Open connections: {connections}. Updated {time}.</p>\n</main>\n\
         </body>\n</html>\n"
    ));
    page
}

/// Adds the rows of one role.
fn push_role(page: &mut String, role: &ServedRole, now: SystemTime) {
    let status = role.status();
    let class = if role.is_healthy() { "healthy" } else { "failing" };
    let (path, arn) = (escape_html(role.path().as_str()), escape_html(role.role()));
    let expires = match status.expires_at {
        Some(time) => format!("{}<small>{}</small>", distance(time, now), timestamp(time)),
        None => "no session".to_owned(),
    };
    let (state, failures) = (status.state.name(), status.consecutive_failures);
    page.push_str(&format!(
        "<tbody class=\"{class}\">\n<tr><th scope=\"row\">{path}<small>{arn}</small></th>\
         <td>{state}</td><td>{expires}</td><td>{failures}</td></tr>\n"
    ));
    // Below the row, since it is as long as a paragraph.
    if let Some(error) = &status.last_error {
        let report = escape_html(&report(error));
        page.push_str(&format!("<tr><td class=\"error\" colspan=\"4\">{report}</td></tr>\n"));
    }
    page.push_str("</tbody>\n");
}

/// Escapes text for an element or a quoted attribute.
fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_servers_is_escaped() {
        let text = "<img src=x onerror='alert(1)'> & \"x\"";
        let escaped = "&lt;img src=x onerror=&#39;alert(1)&#39;&gt; &amp; &quot;x&quot;";
        assert_eq!(escape_html(text), escaped);
        assert_eq!(escape_label("a\"b\\c\nd"), r#"a\"b\\c\nd"#);
    }
}

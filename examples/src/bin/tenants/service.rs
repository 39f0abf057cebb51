//! The routes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_s3::config::{Builder, IdentityCache, SharedIdentityCache};
use aws_sdk_s3::primitives::ByteStream;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use rolecall::{Provider, Role, RolePool, Status};
use rolecall_examples::{About, Plain};
use serde_json::{Value, json};

use crate::tenant::{ObjectName, TenantId};

/// What all requests share: one pool, one client of S3.
#[derive(Clone)]
pub(crate) struct Service(Arc<Inner>);

struct Inner {
    pool: RolePool,
    role: Role,
    bucket: String,
    s3: aws_sdk_s3::Client,
    no_cache: SharedIdentityCache,
}

impl Service {
    pub(crate) async fn new(pool: RolePool, role: Role, bucket: String) -> Result<Self, Plain> {
        // A bucket's name that is none is said before anybody asks.
        "4711".parse::<TenantId>()?.policy(&bucket)?;
        // Its own credentials are never used: each request brings its tenant's.
        let config = rolecall::sdk_config(pool.chain().cached()).load().await;
        let (s3, no_cache) = (aws_sdk_s3::Client::new(&config), IdentityCache::no_cache());
        Ok(Self(Arc::new(Inner { pool, role, bucket, s3, no_cache })))
    }

    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/tenants/{id}/objects", get(list))
            .route("/tenants/{id}/objects/{name}", put(store))
            .route("/health", get(health))
            .with_state(self.clone())
    }

    /// A tenant's session.
    pub(crate) fn session(&self, tenant: &TenantId) -> Result<Provider, Plain> {
        tenant.session(&self.0.pool, &self.0.role, &self.0.bucket)
    }

    /// One client for all tenants: what differs is who signs. If S3 does not know the session any more, the call is tried
    /// again with the next.
    fn signed_by(&self, session: Provider) -> Builder {
        let signed = rolecall::retry_rejected!(Builder::new(), &session);
        signed.credentials_provider(session).identity_cache(self.0.no_cache.clone())
    }

    /// The names of the objects under a tenant's prefix, and whether there are more: a page.
    pub(crate) async fn list(
        &self,
        session: Provider,
        tenant: &TenantId,
    ) -> Result<(Vec<String>, bool), Plain> {
        let prefix = tenant.prefix();
        let page = self.0.s3.list_objects_v2().bucket(&self.0.bucket).prefix(&prefix).customize();
        let page = Box::pin(page.config_override(self.signed_by(session)).send()).await;
        let page = page.about(format!("prefix {prefix:?}"))?;
        let keys = page.contents().iter().filter_map(|object| object.key());
        let names = keys.filter_map(|key| key.strip_prefix(&prefix)).map(str::to_owned);
        Ok((names.collect(), page.is_truncated().unwrap_or(false)))
    }
}

async fn list(State(service): State<Service>, Path(id): Path<String>) -> Response {
    answer(
        async {
            let tenant: TenantId = id.parse()?;
            let (objects, more) = service.list(service.session(&tenant)?, &tenant).await?;
            let body = json!({ "tenant": tenant.to_string(), "objects": objects, "more": more });
            Ok((StatusCode::OK, body))
        }
        .await,
    )
}

async fn store(
    State(service): State<Service>,
    Path((id, name)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    answer(
        async {
            let (tenant, name): (TenantId, ObjectName) = (id.parse()?, name.parse()?);
            let signed = service.signed_by(service.session(&tenant)?);
            let key = format!("{}{name}", tenant.prefix());
            let put = service.0.s3.put_object().bucket(&service.0.bucket).key(&key);
            let put = put.body(ByteStream::from(body)).customize().config_override(signed);
            Box::pin(put.send()).await.about(format!("object {key:?}"))?;
            Ok((StatusCode::CREATED, json!({ "object": name.to_string() })))
        }
        .await,
    )
}

/// For those who run it, and not for tenants: it says who they are, and what is wrong.
async fn health(State(service): State<Service>) -> Response {
    let pool = &service.0.pool;
    let (base, all) = (pool.chain().cached().status(), pool.status());
    // A tenant whose session cannot be had is that tenant's trouble, and no reason to take the service from the others.
    let up = base.is_healthy() && (all.failing == 0 || all.holding > 0);
    let mut roles = Vec::new();
    for (role, status) in pool.statuses() {
        let name = role.own_session_name().map(ToString::to_string);
        roles.push(
            json!({ "session": name, "role": role.arn().as_str(), "status": shown(&status) }),
        );
    }
    roles.sort_by_key(|role| role["session"].as_str().map(str::to_owned));
    let states: BTreeMap<&str, usize> =
        all.by_state.iter().map(|(state, slots)| (state.name(), *slots)).collect();
    let body = json!({
        "up": up,
        "base": shown(&base),
        "slots": all.slots(),
        "holding": all.holding,
        "failing": all.failing,
        "states": states,
        "roles": roles,
    });
    let code = if up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer(Ok((code, body)))
}

fn shown(status: &Status) -> Value {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    json!({
        "state": status.state.name(),
        "ends_at": status.ends_at.map(seconds),
        "failures_in_a_row": status.failures_in_a_row,
        "last_error": status.last_error.as_ref().map(|error| error.report()),
    })
}

fn answer(result: Result<(StatusCode, Value), Plain>) -> Response {
    let (code, body) = result.unwrap_or_else(|error| {
        let code = match error.exit_code() {
            2 => StatusCode::BAD_REQUEST,
            _ if error.is_denied() => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_GATEWAY,
        };
        // What was asked for wrongly is the asker's to know; all else names roles, accounts and buckets.
        let said = match code {
            StatusCode::BAD_REQUEST => error.to_string(),
            StatusCode::FORBIDDEN => "not allowed".to_owned(),
            _ => "the data cannot be reached".to_owned(),
        };
        if code != StatusCode::BAD_REQUEST {
            eprintln!("{error}");
        }
        (code, json!({ "error": said }))
    });
    (code, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

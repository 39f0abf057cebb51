//! The routes, and how they call S3 with the session of a tenant.
//!
//! One SDK client serves all tenants. A client per tenant, or per request, would open connections
//! of its own: a TLS handshake for each request. Instead, each call overrides the credentials of
//! the shared client; see [`Service::tenant_config`].

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
use rolecall::cache::Status;
use rolecall::{CachedProvider, Role, RolePool};
use rolecall_examples::{Context, ExampleError};
use serde_json::{Value, json};

use crate::tenant::{ObjectName, TenantId};

/// State that all requests share: one pool and one S3 client.
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
    pub(crate) async fn new(
        pool: RolePool,
        role: Role,
        bucket: String,
    ) -> Result<Self, ExampleError> {
        // Building a policy validates the name of the bucket. Otherwise the first request would.
        "4711".parse::<TenantId>()?.policy(&bucket)?;
        // The client needs a provider, but every call overrides it with that of a tenant.
        let config = rolecall::sdk_config(pool.chain().provider()).load().await;
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

    /// Returns the provider of the tenant's session.
    pub(crate) fn session(&self, tenant: &TenantId) -> Result<CachedProvider, ExampleError> {
        tenant.session(&self.0.pool, &self.0.role, &self.0.bucket)
    }

    /// Returns the override that makes a call of the shared client use the tenant's session.
    ///
    /// The client, and with it its connection pool, stays the same. Three settings belong together:
    ///
    /// - the credentials provider of the tenant;
    /// - no identity cache: the pool caches the sessions already, and the client's cache would add
    ///   an entry for each override;
    /// - `retry_invalid_session!`, which replaces a session that S3 rejects and retries the call.
    fn tenant_config(&self, session: CachedProvider) -> Builder {
        let config = rolecall::sdk::retry_invalid_session!(Builder::new(), &session);
        config.credentials_provider(session).identity_cache(self.0.no_cache.clone())
    }

    /// Returns the first page of the names under a tenant's prefix, and `true` if there are more.
    pub(crate) async fn list(
        &self,
        session: CachedProvider,
        tenant: &TenantId,
    ) -> Result<(Vec<String>, bool), ExampleError> {
        let prefix = tenant.prefix();
        let page = self.0.s3.list_objects_v2().bucket(&self.0.bucket).prefix(&prefix).customize();
        let page = Box::pin(page.config_override(self.tenant_config(session)).send()).await;
        let page = page.context(format!("prefix {prefix:?}"))?;
        let keys = page.contents().iter().filter_map(|object| object.key());
        let names = keys.filter_map(|key| key.strip_prefix(&prefix)).map(str::to_owned);
        Ok((names.collect(), page.is_truncated().unwrap_or(false)))
    }
}

async fn list(State(service): State<Service>, Path(id): Path<String>) -> Response {
    respond(
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
    respond(
        async {
            let (tenant, name): (TenantId, ObjectName) = (id.parse()?, name.parse()?);
            let config = service.tenant_config(service.session(&tenant)?);
            let key = format!("{}{name}", tenant.prefix());
            let put = service.0.s3.put_object().bucket(&service.0.bucket).key(&key);
            let put = put.body(ByteStream::from(body)).customize().config_override(config);
            Box::pin(put.send()).await.context(format!("object {key:?}"))?;
            Ok((StatusCode::CREATED, json!({ "object": name.to_string() })))
        }
        .await,
    )
}

/// Shows the state of the sessions to operators. It names tenants and errors, so it must not be
/// exposed to tenants.
async fn health(State(service): State<Service>) -> Response {
    let pool = &service.0.pool;
    let (base, all) = (pool.chain().provider().status(), pool.status());
    // A tenant whose session cannot be fetched must not take the service from the others: the pool
    // is ready while some tenant is served.
    let up = base.is_healthy() && all.is_ready();
    let mut roles = Vec::new();
    for (role, status) in pool.statuses() {
        let name = role.get_session_name().map(ToString::to_string);
        roles.push(json!({
            "session": name, "role": role.arn().as_str(), "status": describe(&status),
        }));
    }
    roles.sort_by_key(|role| role["session"].as_str().map(str::to_owned));
    let states: BTreeMap<&str, usize> =
        all.by_state.iter().map(|(state, entries)| (state.name(), *entries)).collect();
    let body = json!({
        "up": up,
        "base": describe(&base),
        "entries": all.entries(),
        "ready": all.ready,
        "failing": all.failing,
        "states": states,
        "roles": roles,
    });
    let code = if up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    respond(Ok((code, body)))
}

fn describe(status: &Status) -> Value {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    json!({
        "state": status.state.name(),
        "expires_at": status.expires_at.map(seconds),
        "consecutive_failures": status.consecutive_failures,
        "last_error": status.last_error.as_ref().map(|error| error.report()),
    })
}

fn respond(result: Result<(StatusCode, Value), ExampleError>) -> Response {
    let (code, body) = result.unwrap_or_else(|error| {
        let code = match error.exit_code() {
            2 => StatusCode::BAD_REQUEST,
            _ if error.is_denied() => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_GATEWAY,
        };
        // An invalid request is the tenant's to correct. Other errors name roles, accounts and
        // buckets, and go to the log only.
        let message = match code {
            StatusCode::BAD_REQUEST => error.to_string(),
            StatusCode::FORBIDDEN => "access denied".to_owned(),
            _ => "the data is not available".to_owned(),
        };
        if code != StatusCode::BAD_REQUEST {
            eprintln!("{error}");
        }
        (code, json!({ "error": message }))
    });
    (code, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

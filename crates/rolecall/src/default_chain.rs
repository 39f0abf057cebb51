//! The SDKs' default order of identities, beside the two that are rolecall's own: profiles, containers, instances.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::Region;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::ProvideCredentials;
use rolecall_core::{
    Environment, ErrorKind, FetchContext, FetchError, ProviderSource, RoleArn, Session,
    SessionName, SessionSource,
};
use rolecall_sts::Endpoint;
use rolecall_web_identity::WebIdentityConfig;

use crate::profile::Profile;

/// A source, and why it was chosen.
type Chosen<T> = Option<(T, String)>;

/// What a profile says who this process is by.
pub(crate) enum FromProfile {
    WebIdentity(WebIdentityConfig),
    Source(Arc<dyn SessionSource>),
}

/// Who the profile says that this process is, and why it was asked; `None` if it says nothing of it.
pub(crate) fn from_profile(
    environment: &Environment,
    endpoint: impl FnOnce() -> Result<Endpoint, FetchError>,
) -> Result<Chosen<FromProfile>, FetchError> {
    let Some(profile) = Profile::read(environment)?.filter(Profile::has_credentials) else {
        return Ok(None);
    };
    let name = &profile.name;
    let why = match profile.asked_for {
        true => format!("the profile {name:?}, which AWS_PROFILE names"),
        false => format!("the profile {name:?} holds credentials"),
    };
    let from = match web_identity(environment, &profile)? {
        Some(config) => FromProfile::WebIdentity(config),
        None => {
            let provider = ProfileFileCredentialsProvider::builder()
                .configure(&provider_config(&endpoint()?))
                .profile_files(profile.files.clone())
                .profile_name(name.as_str())
                .build();
            FromProfile::Source(configured(provider, &format!("profile {name:?}")))
        }
    };
    Ok(Some((from, why)))
}

fn web_identity(
    environment: &Environment,
    profile: &Profile,
) -> Result<Option<WebIdentityConfig>, FetchError> {
    let of_profile = |key: &str| format!("{key} of the profile {:?}", profile.name);
    let Some(file) = profile.get("web_identity_token_file") else { return Ok(None) };
    let Some(role) = profile.get("role_arn") else {
        let message =
            format!("{} is set and role_arn is not", of_profile("web_identity_token_file"));
        return Err(FetchError::new(ErrorKind::InvalidConfig, message)
            .with_hint("set role_arn too, or remove web_identity_token_file"));
    };
    let role = RoleArn::parse(role)
        .map_err(|error| FetchError::from(error).with_hint(of_profile("role_arn")))?;
    let session_name = match profile.get("role_session_name") {
        Some(name) => SessionName::parse(name)
            .map_err(|error| FetchError::from(error).with_hint(of_profile("role_session_name")))?,
        None => SessionName::from_environment(environment)?,
    };
    Ok(Some(WebIdentityConfig::new(role, PathBuf::from(file), session_name)))
}

const CONTAINER_VARIABLES: [&str; 2] =
    ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
const METADATA_DISABLED: &str = "AWS_EC2_METADATA_DISABLED";

/// What stands last in the order: a container's endpoint (ECS, EKS Pod Identity), else the instance's.
pub(crate) fn from_surroundings(
    environment: &Environment,
    endpoint: impl FnOnce() -> Result<Endpoint, FetchError>,
) -> Result<Chosen<Arc<dyn SessionSource>>, FetchError> {
    for variable in CONTAINER_VARIABLES {
        if environment.var(variable)?.is_some() {
            let provider = EcsCredentialsProvider::builder();
            let provider = provider.configure(&provider_config(&endpoint()?)).build();
            let source = configured(provider, "container credentials");
            return Ok(Some((source, format!("container credentials ({variable} is set)"))));
        }
    }
    if environment.var(METADATA_DISABLED)?.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let provider = ImdsCredentialsProvider::builder();
    let provider = provider.configure(&provider_config(&endpoint()?)).build();
    let source = ProviderSource::new(provider).named("EC2 instance metadata");
    let why = "EC2 instance metadata (nothing else is configured)";
    Ok(Some((Arc::new(source), why.to_owned())))
}

fn provider_config(endpoint: &Endpoint) -> ProviderConfig {
    let region = Region::new(endpoint.region().as_str().to_owned());
    ProviderConfig::without_region().with_region(Some(region))
}

fn configured(provider: impl ProvideCredentials + 'static, name: &str) -> Arc<dyn SessionSource> {
    Arc::new(Configured(ProviderSource::new(provider).named(name)))
}

/// One that is configured: if it has nothing, no other identity may take its place.
#[derive(Debug)]
struct Configured<S>(S);

#[async_trait]
impl<S: SessionSource> SessionSource for Configured<S> {
    async fn session(&self, cx: FetchContext) -> Result<Session, FetchError> {
        self.0.session(cx).await.map_err(FetchError::of_configured)
    }

    fn reject(&self, rejected: &Session) {
        self.0.reject(rejected);
    }

    fn limit(&self) -> Duration {
        self.0.limit()
    }

    fn label(&self) -> &str {
        self.0.label()
    }
}

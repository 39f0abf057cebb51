//! The providers of the SDKs' default order that aws-config implements: profiles, containers and
//! instances.

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
    Environment, ErrorKind, ErrorLocation, FetchContext, ProvideSession, RoleArn, SdkProvider,
    Session, SessionError, SessionName,
};
use rolecall_sts::Endpoint;
use rolecall_web_identity::WebIdentityConfig;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use crate::base::BaseProvider;
use crate::instance_metadata::StaticStability;
use crate::metadata_http;
use crate::profile::{Profile, ProfileLookup, SelectedBy, UnreadableFiles};

/// A provider, and why it was selected.
type Selected<T> = Option<(T, String)>;

/// The identity that a profile configures.
pub(crate) enum FromProfile {
    WebIdentity(WebIdentityConfig),
    Provider(Arc<dyn ProvideSession>),
}

/// Selects the identity of the profile. Returns `None` if there is no profile, or if it configures
/// none, and the errors of [`ProfileLookup::with_identity`].
///
/// `session_name` returns the name of a web identity's sessions if the profile sets none.
pub(crate) fn from_profile(
    environment: &Environment,
    lookup: &ProfileLookup,
    session_name: impl Fn() -> Result<SessionName, SessionError>,
    endpoint: impl FnOnce() -> Result<Endpoint, SessionError>,
) -> Result<Selected<FromProfile>, SessionError> {
    let Some(profile) = lookup.with_identity()? else { return Ok(None) };
    let name = &profile.name;
    let reason = match profile.selected_by {
        SelectedBy::Code => format!("the profile {name:?}, set in code"),
        SelectedBy::Variable => format!("the profile {name:?}, which AWS_PROFILE names"),
        SelectedBy::Default => format!("the profile {name:?} has credentials"),
    };
    let from = match web_identity(profile, session_name)? {
        Some(config) => FromProfile::WebIdentity(config),
        None => {
            let provider = ProfileFileCredentialsProvider::builder()
                .configure(
                    &provider_config(Some(&endpoint()?))
                        .with_http_client(metadata_http::routing_client(environment)?),
                )
                .profile_files(profile.files.clone())
                .profile_name(name.as_str())
                .build();
            let name = format!("profile {name:?}");
            let provider = configured(provider, &name);
            FromProfile::Provider(match profile.uses_credential_process() {
                true => Arc::new(CredentialProcess { provider, name }),
                false => provider,
            })
        }
    };
    Ok(Some((from, reason)))
}

fn web_identity(
    profile: &Profile,
    default_name: impl Fn() -> Result<SessionName, SessionError>,
) -> Result<Option<WebIdentityConfig>, SessionError> {
    let key_of_profile = |key: &str| format!("{key} of the profile {:?}", profile.name);
    let Some(file) = profile.get("web_identity_token_file") else { return Ok(None) };
    let Some(role) = profile.get("role_arn") else {
        let message =
            format!("{} is set, but role_arn is not", key_of_profile("web_identity_token_file"));
        return Err(SessionError::new(ErrorKind::InvalidConfig, message)
            .with_hint("set role_arn too, or remove web_identity_token_file"));
    };
    let role = RoleArn::parse(role).map_err(|error| {
        SessionError::from(error).with_hint(format!("correct {}", key_of_profile("role_arn")))
    })?;
    let session_name = match profile.get("role_session_name") {
        Some(name) => SessionName::parse(name).map_err(|error| {
            let key = key_of_profile("role_session_name");
            SessionError::from(error).with_hint(format!("correct {key}"))
        })?,
        None => default_name()?,
    };
    let mut config = WebIdentityConfig::new(role, PathBuf::from(file), session_name);
    config.token_file_setting = Some(key_of_profile("web_identity_token_file"));
    Ok(Some(config))
}

const CONTAINER_VARIABLES: [&str; 2] =
    ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
const METADATA_DISABLED: &str = "AWS_EC2_METADATA_DISABLED";

/// Selects the last identities of the default order: the container's endpoint (ECS, EKS Pod
/// Identity), then the instance's metadata.
pub(crate) fn from_metadata(
    environment: &Environment,
    unreadable: &UnreadableFiles,
    endpoint: impl FnOnce() -> Result<Option<Endpoint>, SessionError>,
) -> Result<Selected<Arc<dyn ProvideSession>>, SessionError> {
    for variable in CONTAINER_VARIABLES {
        if environment.var(variable)?.is_some() {
            let provider = EcsCredentialsProvider::builder()
                .configure(&metadata_config(endpoint()?.as_ref()))
                .build();
            let provider = configured(provider, "container credentials");
            return Ok(Some((provider, format!("container credentials ({variable} is set)"))));
        }
    }
    if environment.var(METADATA_DISABLED)?.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let provider = ImdsCredentialsProvider::builder()
        .configure(&metadata_config(endpoint()?.as_ref()))
        .build();
    let provider = StaticStability::new(provider);
    let provider = SdkProvider::new(provider).with_name("EC2 instance metadata");
    let reason = format!("EC2 instance metadata (no other identity is configured{unreadable})");
    Ok(Some((Arc::new(provider), reason)))
}

/// Returns the configuration of a metadata provider, which never uses a proxy: the request carries
/// the pod's bearer token, and a proxy could not reach the machine's own metadata service anyway.
fn metadata_config(endpoint: Option<&Endpoint>) -> ProviderConfig {
    provider_config(endpoint).with_http_client(metadata_http::direct_client())
}

/// Passes the endpoint settings on to a provider of aws-config. A provider that got the Region
/// alone would send a profile's calls to the non-FIPS endpoint.
fn provider_config(endpoint: Option<&Endpoint>) -> ProviderConfig {
    let Some(endpoint) = endpoint else { return ProviderConfig::without_region() };
    ProviderConfig::without_region()
        .with_region(Some(Region::new(endpoint.region().as_str().to_owned())))
        .with_use_fips(Some(endpoint.uses_fips()))
        .with_use_dual_stack(Some(endpoint.uses_dual_stack()))
}

fn configured(provider: impl ProvideCredentials + 'static, name: &str) -> Arc<dyn ProvideSession> {
    Arc::new(BaseProvider::configured(SdkProvider::new(provider).with_name(name)))
}

/// A profile provider that runs a `credential_process`.
///
/// aws-config puts the standard error of the process into its error text, and the process may print
/// secrets there. Its errors are replaced as a whole: to cut the text at a marker would leak again
/// with the next change of its format.
#[derive(Debug)]
struct CredentialProcess {
    provider: Arc<dyn ProvideSession>,
    name: String,
}

#[async_trait]
impl ProvideSession for CredentialProcess {
    async fn provide_session(&self, context: FetchContext) -> Result<Session, SessionError> {
        // aws-config also logs the failure as a warning, with the standard error in it.
        let silent = NoSubscriber::default();
        self.provider.provide_session(context).with_subscriber(silent).await.map_err(|error| {
            let message = "the credential_process, or a role on top of it, failed";
            SessionError::new(error.kind(), message)
                .with_hint(
                    "run the command yourself to see its output, which is not shown here since it \
                     may contain secrets",
                )
                .at(ErrorLocation::Base(self.name.clone()))
        })
    }

    fn timeout(&self) -> Duration {
        self.provider.timeout()
    }

    fn name(&self) -> &str {
        &self.name
    }
}

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// Creates the HTTP client that aws-config creates by default, to be shared: rustls, the system's
/// certificates, and the proxy of the process's environment.
pub(crate) fn default_http_client() -> SharedHttpClient {
    rolecall_sts::http_client(ProxyConfig::from_env())
}

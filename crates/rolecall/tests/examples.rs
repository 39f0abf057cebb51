//! Runs the examples that need no AWS account.

#[allow(dead_code, reason = "`main` is used by the example itself")]
#[path = "../examples/custom_provider.rs"]
mod custom_provider;

#[cfg(feature = "metrics")]
#[allow(dead_code, reason = "`main` is used by the example itself")]
#[path = "../examples/metrics.rs"]
mod metrics_example;

#[cfg(feature = "test-util")]
#[allow(dead_code, reason = "`main` is used by the example itself")]
#[path = "../examples/testing.rs"]
mod testing;

#[tokio::test]
async fn custom_provider_example_succeeds() -> Result<(), Box<dyn std::error::Error>> {
    custom_provider::run().await
}

#[cfg(feature = "metrics")]
#[test]
fn metrics_example_succeeds() -> Result<(), Box<dyn std::error::Error>> {
    metrics_example::run()
}

#[cfg(feature = "test-util")]
#[tokio::test]
async fn testing_example_succeeds() -> Result<(), Box<dyn std::error::Error>> {
    testing::run().await
}

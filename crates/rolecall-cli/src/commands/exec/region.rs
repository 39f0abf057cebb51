//! The Region of the program.

use std::env;

use rolecall::Chain;

/// Returns the variables of the Region that the environment lacks. The Region may be a setting of
/// the profile that this command used, which the program does not use.
pub(super) fn missing_variables(chain: &Chain) -> Vec<(&'static str, String)> {
    let Ok(sts) = chain.sts_client() else { return Vec::new() };
    let region = sts.endpoint().region().to_string();
    let is_missing = |name: &&str| env::var_os(name).is_none_or(|value| value.is_empty());
    // boto3 reads the second name, and other SDKs the first.
    let names = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().filter(is_missing);
    names.map(|name| (name, region.clone())).collect()
}

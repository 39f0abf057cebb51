//! Plug-ins for the AWS SDK.

pub mod builder_check;
pub(crate) mod identity_cache;
pub(crate) mod retry;

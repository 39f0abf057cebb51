//! Suites that cross rolecall's crates, on the local AWS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod aws_clients;
mod botocore;
mod cache_faults;
mod chain_scale;
mod config_errors;
mod config_files;
mod default_chain;
mod end_to_end;
mod hit_path;
mod invalid_session;
mod isolated;
mod lazy_cache;
mod observability;
mod parameter_limits;
mod partitions;
mod permission_policies;
mod python_driver;
mod role_chain;
mod role_parameters;
mod role_pool;
mod s3_express;
mod sdk_comparison;
mod sdk_integration;
mod secrets_in_logs;
mod shared_http;
mod simulated_day;
mod sts_errors;
mod tour_policy;
mod trust_policies;
mod web_identity_tokens;
mod wire_format;

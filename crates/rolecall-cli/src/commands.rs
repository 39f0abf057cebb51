//! The subcommands, one module each.

pub(crate) mod assume;
pub(crate) mod whoami;

//! The cargo subcommands that the chores use, in pinned versions.

use std::path::PathBuf;

use xshell::cmd;

use crate::workspace::{Outcome, Workspace, add_hint};

pub(crate) const CARGO_DENY: &str = "cargo-deny@0.20.2";
pub(crate) const CARGO_FUZZ: &str = "cargo-fuzz@0.13.2";
pub(crate) const CARGO_HACK: &str = "cargo-hack@0.6.46";
pub(crate) const CARGO_MUTANTS: &str = "cargo-mutants@27.1.0";

/// Installs a tool under `target/tools` and returns its path. Does nothing, and needs no network,
/// if this version is installed already.
pub(crate) fn install(workspace: &Workspace, tool: &str) -> Outcome<PathBuf> {
    let root = workspace.target().join("tools");
    let install = cmd!(workspace.shell, "cargo install --quiet --locked --root {root} {tool}");
    install.run().map_err(add_hint("check that crates.io is reachable"))?;
    Ok(root.join("bin").join(tool.split('@').next().unwrap_or(tool)))
}

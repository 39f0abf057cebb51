//! `cargo xtask deny`: licences, banned crates, fences between crates, and sources.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::metadata::Workspace;
use crate::run::{Failure, Outcome, attempt, cargo, stream};

/// The one version that the configuration is written for.
const VERSION: &str = "0.20.2";

/// The rules for the whole workspace, where cargo-deny looks for them.
pub(crate) const HOUSE_RULES: &str = "deny.toml";

/// The rules for rolecall-policy's own tree, seen from the workspace's root.
pub(crate) const POLICY_RULES: &str = "xtask/deny/rolecall-policy.toml";

/// Whether Cargo.lock must be as it is: it changes only where a manifest was changed on purpose.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lock {
    Kept,
    Free,
}

/// Checks the whole workspace by `deny.toml`, then rolecall-policy's tree by its own, stricter rules.
pub(crate) fn run() -> Outcome {
    let workspace = Workspace::load()?;
    let tool = tool(&workspace)?;
    let mut house = house(&tool, &workspace.root, Lock::Kept);
    stream(house.args(["bans", "licenses", "sources"]))?;
    stream(policy(&tool, &workspace.root, Lock::Kept, &workspace)?.arg("bans"))
}

/// `cargo-deny check` of the workspace at `root`, by its `deny.toml`; the caller adds what to check.
pub(crate) fn house(tool: &Path, root: &Path, lock: Lock) -> Command {
    let mut command = start(tool, root, lock);
    // A wrapper that is not used today is an arrow that nobody has needed yet.
    command.args(["check", "--allow", "unused-wrapper"]);
    command
}

/// `cargo-deny check` of rolecall-policy's tree in the workspace at `root`; the caller adds what to check.
pub(crate) fn policy(
    tool: &Path,
    root: &Path,
    lock: Lock,
    workspace: &Workspace,
) -> Outcome<Command> {
    let manifest = workspace.relative(&workspace.package("rolecall-policy")?.manifest);
    let mut command = start(tool, root, lock);
    command.arg("--manifest-path").arg(manifest).args(["--config", POLICY_RULES, "check"]);
    Ok(command)
}

fn start(tool: &Path, root: &Path, lock: Lock) -> Command {
    let mut command = Command::new(tool);
    command.current_dir(root);
    if let Lock::Kept = lock {
        command.arg("--locked");
    }
    command
}

/// The pinned cargo-deny under `target/tools`, installed on first use.
pub(crate) fn tool(workspace: &Workspace) -> Outcome<PathBuf> {
    let root = workspace.target.join("tools");
    let binary = root.join("bin").join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    if installed(&binary)? {
        return Ok(binary);
    }
    println!("cargo-deny {VERSION} is built once, into {}: some minutes", root.display());
    let mut install = cargo()?;
    install.args(["install", "--locked", "--force", "--root"]).arg(&root);
    install.arg(format!("cargo-deny@{VERSION}"));
    stream(&mut install).map_err(|failure| {
        Failure::new(format!("{failure}; it needs the network (crates.io) and a C compiler"))
    })?;
    if installed(&binary)? {
        return Ok(binary);
    }
    Err(Failure::new(format!(
        "{} is not cargo-deny {VERSION} after its installation: remove {} and try again",
        binary.display(),
        root.display()
    )))
}

fn installed(binary: &Path) -> Outcome<bool> {
    if !binary.is_file() {
        return Ok(false);
    }
    let answer = attempt(Command::new(binary).arg("--version"))?;
    Ok(answer.status.success() && is_pinned(&String::from_utf8_lossy(&answer.stdout)))
}

fn is_pinned(answer: &str) -> bool {
    answer.split_whitespace().nth(1) == Some(VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pinned_version_will_do() {
        assert!(is_pinned(&format!("cargo-deny {VERSION}\n")));
        assert!(!is_pinned("cargo-deny 0.19.0"));
        assert!(!is_pinned(&format!("cargo-deny {VERSION}0")));
        assert!(!is_pinned(""));
    }
}

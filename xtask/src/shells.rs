//! The shells that the tests run.

use rustix::process::geteuid;
use xshell::cmd;

use crate::workspace::{Outcome, Workspace, add_hint};

/// Programs, and packages of Debian.
const SHELLS: [&str; 4] = ["bash", "dash", "fish", "zsh"];

/// Checks that the tests will find the shells. Installs the missing ones if this is possible: as
/// root, on Debian and its descendants.
///
/// # Errors
///
/// Returns an error if a shell is missing and cannot be installed.
pub(crate) fn prepare(workspace: &Workspace) -> Outcome {
    let shell = &workspace.shell;
    // dash has no option that prints its version.
    let is_missing = |program: &&str| cmd!(shell, "{program} -c true").quiet().run().is_err();
    let missing: Vec<&str> = SHELLS.into_iter().filter(is_missing).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(", ");
    let has_apt = cmd!(shell, "apt-get --version").quiet().ignore_stdout().run().is_ok();
    if !geteuid().is_root() || !has_apt {
        return Err(format!(
            "{names}: no such shell; hint: install it (Debian, Ubuntu: sudo apt-get install {0}; \
             macOS: brew install {0}), or leave out the tests that need it: cargo xtask test \
             --without shells",
            missing.join(" ")
        )
        .into());
    }
    let options = ["--yes", "--quiet", "--no-install-recommends"];
    let install = || {
        let missing = &missing;
        let apt = cmd!(shell, "apt-get install {options...} {missing...}");
        apt.env("DEBIAN_FRONTEND", "noninteractive").ignore_stdout().run()
    };
    // A fresh container has no list of packages, and an old list names files that are gone.
    if install().is_err() {
        cmd!(shell, "apt-get update --quiet").ignore_stdout().run()?;
        install().map_err(add_hint("check that the package servers of apt are reachable"))?;
    }
    Ok(())
}

//! `cargo xtask fences`: a fence that nobody ever ran into may not stand. Each is run into, in a copy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::deny::{self, HOUSE_RULES, Lock, POLICY_RULES};
use crate::metadata::Workspace;
use crate::run::{Failure, Outcome, attempt};

/// What holds a fence.
#[derive(Clone, Copy, Debug)]
enum Means {
    /// `wrappers` in deny.toml: the package is not one of those that may.
    Wrappers,
    /// `wildcards` in deny.toml: what has no version is for development alone.
    NoVersion,
    /// rolecall-policy's own rules: they forbid this crate, which the dependency is or brings.
    Policy(&'static str),
}

/// A dependency that must be refused.
struct Fence {
    package: &'static str,
    dependency: &'static str,
    means: Means,
}

const FENCES: &[Fence] = &[
    fence("rolecall-cache", "rolecall-sts", Means::Wrappers),
    fence("rolecall-cache", "aws-sdk-sts", Means::Wrappers),
    fence("rolecall-assume-role", "rolecall-cache", Means::Wrappers),
    fence("rolecall-assume-role", "rolecall-web-identity", Means::Wrappers),
    fence("rolecall-core", "rolecall-policy", Means::Wrappers),
    fence("rolecall-examples", "rolecall-core", Means::Wrappers),
    fence("rolecall-sts", "rolecall-testkit", Means::NoVersion),
    fence("rolecall-policy", "tokio", Means::Policy("tokio")),
    fence("rolecall-policy", "async-trait", Means::Policy("async-trait")),
    fence("rolecall-policy", "aws-credential-types", Means::Policy("aws-smithy-types")),
];

const fn fence(package: &'static str, dependency: &'static str, means: Means) -> Fence {
    Fence { package, dependency, means }
}

impl Fence {
    fn rules(&self) -> &'static str {
        match self.means {
            Means::Wrappers | Means::NoVersion => HOUSE_RULES,
            Means::Policy(_) => POLICY_RULES,
        }
    }

    /// What cargo-deny says when it is this fence that it ran into.
    fn refusal(&self) -> Vec<String> {
        let banned = |name| format!("error[banned]: crate '{name} = ");
        match self.means {
            Means::Wrappers => {
                vec![format!("direct parent '{} = ", self.package), banned(self.dependency)]
            }
            Means::NoVersion => vec!["error[wildcard]: ".to_owned(), self.package.to_owned()],
            Means::Policy(name) => vec![banned(name)],
        }
    }
}

/// Checks that the copy passes as it is, and fails, naming the fence, with each forbidden dependency.
pub(crate) fn run() -> Outcome {
    let workspace = Workspace::load()?;
    let tool = deny::tool(&workspace)?;
    let copy = copy(&workspace)?;

    for rules in [HOUSE_RULES, POLICY_RULES] {
        let answer = bans(&tool, &copy, &workspace, rules)?;
        if !answer.status.success() {
            return Err(Failure::new(format!(
                "the tree as it is does not pass, so nothing is proved; see `cargo xtask deny`:\n{}",
                said(&answer)
            )));
        }
    }
    println!("the tree as it is passes");

    for fence in FENCES {
        let manifest = workspace.relative(&workspace.package(fence.package)?.manifest).to_owned();
        let before = read(&workspace.root.join(&manifest))?;
        let after = with_dependency(&before, fence.dependency).ok_or_else(|| {
            Failure::new(format!("{} has no [dependencies] to add to", manifest.display()))
        })?;
        write(&copy.join(&manifest), &after)?;
        let answer = bans(&tool, &copy, &workspace, fence.rules())?;
        write(&copy.join(&manifest), &before)?;
        judge(fence, answer.status.success(), &said(&answer))?;
        println!("{} -> {}: refused", fence.package, fence.dependency);
    }
    Ok(())
}

fn judge(fence: &Fence, passed: bool, said: &str) -> Outcome {
    let Fence { package, dependency, .. } = fence;
    let rules = fence.rules();
    if passed {
        return Err(Failure::new(format!(
            "a fence is down: {package} may depend on {dependency}; put it up again in {rules}"
        )));
    }
    match fence.refusal().iter().find(|text| !said.contains(*text)) {
        None => Ok(()),
        Some(text) => Err(Failure::new(format!(
            "{package} -> {dependency} was refused, but not by the fence in {rules}: \
             `{text}` is not in\n{said}"
        ))),
    }
}

fn bans(tool: &Path, copy: &Path, workspace: &Workspace, rules: &str) -> Outcome<Output> {
    let mut command = if rules == POLICY_RULES {
        deny::policy(tool, copy, Lock::Free, workspace)?
    } else {
        deny::house(tool, copy, Lock::Free)
    };
    attempt(command.arg("bans"))
}

fn said(answer: &Output) -> String {
    String::from_utf8_lossy(&answer.stderr).into_owned()
}

/// A copy of the manifests under target, where every source file is empty: enough for `cargo metadata`.
fn copy(workspace: &Workspace) -> Outcome<PathBuf> {
    let copy = workspace.target.join("fences");
    // What was a root file once may be another now.
    if copy.exists() {
        fs::remove_dir_all(&copy).map_err(|error| {
            Failure::new(format!("{} cannot be removed: {error}", copy.display()))
        })?;
    }
    for name in ["Cargo.toml", "Cargo.lock", HOUSE_RULES, POLICY_RULES] {
        write(&copy.join(name), &read(&workspace.root.join(name))?)?;
    }
    for package in &workspace.packages {
        write(&copy.join(workspace.relative(&package.manifest)), &read(&package.manifest)?)?;
        for target in &package.targets {
            write(&copy.join(workspace.relative(&target.file)), "")?;
        }
    }
    Ok(copy)
}

/// The manifest with one more dependency, which the workspace knows.
fn with_dependency(manifest: &str, dependency: &str) -> Option<String> {
    const SECTION: &str = "[dependencies]\n";
    let (before, after) = manifest.split_once(SECTION)?;
    Some(format!("{before}{SECTION}{dependency}.workspace = true\n{after}"))
}

fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("{} cannot be read: {error}", path.display())))
}

fn write(path: &Path, text: &str) -> Outcome {
    path.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| Failure::new(format!("{} cannot be written: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FENCE: Fence = fence("cache", "sts", Means::Wrappers);
    const REFUSED: &str = "warning: direct parent 'cache = 0.1.0' of banned crate\n\
                           error[banned]: crate 'sts = 0.1.0' is explicitly banned";

    #[test]
    fn a_dependency_is_added_to_the_dependencies() {
        let manifest = "[package]\nname = \"a\"\n\n[dependencies]\nb = \"1\"\n";
        assert_eq!(
            with_dependency(manifest, "c").as_deref(),
            Some("[package]\nname = \"a\"\n\n[dependencies]\nc.workspace = true\nb = \"1\"\n")
        );
        assert_eq!(with_dependency("[package]\n", "c"), None);
    }

    #[test]
    fn a_fence_stands_only_if_it_is_what_refused() {
        assert!(judge(&FENCE, false, REFUSED).is_ok());
        let down = judge(&FENCE, true, "").unwrap_err().to_string();
        assert!(down.contains("cache may depend on sts"), "{down}");
        for other in ["error: no network", &REFUSED.replace("'cache ", "'another ")] {
            let failure = judge(&FENCE, false, other).unwrap_err().to_string();
            assert!(failure.contains("not by the fence in deny.toml"), "{failure}");
        }
    }
}

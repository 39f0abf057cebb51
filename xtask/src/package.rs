//! `cargo xtask package`: each published crate, built from what its package holds.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::metadata::{Package, Workspace};
use crate::run::{Failure, Outcome, cargo, stream};

/// Packages every published crate and builds each from its package alone, against the others' packages.
///
/// Uncommitted changes are packaged as they are: nothing is uploaded here, and `cargo publish` looks for itself.
pub(crate) fn run() -> Outcome {
    let workspace = Workspace::load()?;
    // Builds of packages share their dependencies in a target directory of their own.
    let target = workspace.target.join("packages");
    forget_last_run(&target, &workspace.packages)?;

    let mut package = cargo()?;
    package.args(["package", "--workspace", "--locked", "--allow-dirty"]);
    for name in unpublished(&workspace.packages) {
        package.args(["--exclude", name]);
    }
    package.arg("--target-dir").arg(&target);
    package.env("CARGO_PROFILE_DEV_DEBUG", "0");
    stream(&mut package)?;

    let count = workspace.packages.len() - unpublished(&workspace.packages).count();
    let place = target.join("package");
    println!("{count} packages, each built from itself, are in {}", place.display());
    Ok(())
}

fn unpublished(packages: &[Package]) -> impl Iterator<Item = &str> {
    packages.iter().filter(|package| !package.publishable).map(|package| package.name.as_str())
}

/// Removes what cargo keeps of our packages: it takes a package of one version for unchangeable, and would check
/// today's packages against yesterday's.
fn forget_last_run(target: &Path, packages: &[Package]) -> Outcome {
    // What it built of them.
    for path in entries(&target.join("debug").join(".fingerprint"))? {
        if is_build_of(&name(&path), packages) {
            remove(&path)?;
        }
    }
    // What it unpacked of them, from a registry that is a directory: those have no host, so the name of their
    // sources begins with the dash before the hash. Those of crates.io stay.
    let Some(home) = cargo_home() else { return Ok(()) };
    for registry in entries(&home.join("registry").join("src"))? {
        if name(&registry).starts_with('-') {
            for package in packages {
                remove(&registry.join(format!("{}-{}", package.name, package.version)))?;
            }
        }
    }
    Ok(())
}

fn cargo_home() -> Option<PathBuf> {
    let set = std::env::var_os("CARGO_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    set.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
}

/// What is in a directory; nothing if there is none.
fn entries(directory: &Path) -> Outcome<Vec<PathBuf>> {
    let listed = fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<_, _>>());
    unless_missing(listed, directory)
}

fn remove(directory: &Path) -> Outcome {
    unless_missing(fs::remove_dir_all(directory), directory)
}

fn unless_missing<T: Default>(result: std::io::Result<T>, path: &Path) -> Outcome<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(T::default()),
        other => other.map_err(|error| {
            Failure::new(format!(
                "what the last run left in {} cannot be removed: {error}; remove it by hand",
                path.display()
            ))
        }),
    }
}

fn name(path: &Path) -> String {
    path.file_name().map(OsStr::to_string_lossy).unwrap_or_default().into_owned()
}

/// Whether a fingerprint's name, `<package>-<hash>`, is that of one of ours.
fn is_build_of(fingerprint: &str, packages: &[Package]) -> bool {
    fingerprint
        .rsplit_once('-')
        .is_some_and(|(name, _)| packages.iter().any(|package| package.name == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, publishable: bool) -> Package {
        Package {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            manifest: "Cargo.toml".into(),
            publishable,
            description: None,
            license: None,
            readme: None,
            features: Vec::new(),
            targets: Vec::new(),
        }
    }

    #[test]
    fn only_what_is_not_published_is_left_out() {
        let packages = [package("rolecall", true), package("xtask", false)];
        assert_eq!(unpublished(&packages).collect::<Vec<_>>(), ["xtask"]);
    }

    #[test]
    fn builds_of_our_packages_are_told_from_others() {
        let packages = [package("rolecall", true), package("rolecall-sts", true)];
        for (fingerprint, ours) in [
            ("rolecall-0123456789abcdef", true),
            ("rolecall-sts-0123456789abcdef", true),
            ("rolecall-other-0123456789abcdef", false),
            ("tokio-0123456789abcdef", false),
            ("rolecall", false),
        ] {
            assert_eq!(is_build_of(fingerprint, &packages), ours, "{fingerprint}");
        }
    }
}

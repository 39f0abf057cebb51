//! `cargo xtask tidy`: what people forget.

mod kinds;
mod lines;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::metadata::{Package, Workspace};
use crate::run::{Failure, Outcome};

/// Where the kinds of error are, and where a person finds what to do about each.
const KINDS: &str = "crates/rolecall-core/src/error.rs";
const REMEDIES: &str = "TROUBLESHOOTING.md";

/// Something that somebody forgot.
#[derive(Debug, PartialEq)]
struct Fault {
    place: String,
    what: String,
}

impl Fault {
    fn new(place: impl fmt::Display, what: impl Into<String>) -> Self {
        Self { place: place.to_string(), what: what.into() }
    }
}

/// Checks packages, files and the troubleshooting entries; says all that is wrong, not the first thing only.
pub(crate) fn run() -> Outcome {
    let workspace = Workspace::load()?;
    let mut faults = Vec::new();

    let published = workspace.packages.iter().filter(|package| package.publishable);
    for package in published.clone() {
        faults.extend(undescribed(package, &workspace)?);
    }

    let mut files = Vec::new();
    walk(&workspace.root, &mut files)?;
    files.sort();
    for file in &files {
        // What is not text has no lines to look at.
        if let Ok(text) = String::from_utf8(bytes(file)?) {
            faults.extend(lines::faults(&slashed(workspace.relative(file)), &text));
        }
    }

    faults.extend(unexplained(&workspace.root)?);
    report(&faults, published.count(), files.len())
}

fn report(faults: &[Fault], packages: usize, files: usize) -> Outcome {
    if faults.is_empty() {
        println!("{packages} published packages and {files} files are tidy");
        return Ok(());
    }
    for fault in faults {
        println!("{}: {}", fault.place, fault.what);
    }
    Err(Failure::new(format!("{} things to put right, listed above", faults.len())))
}

/// What a published package lacks for those who find it on crates.io or docs.rs.
fn undescribed(package: &Package, workspace: &Workspace) -> Outcome<Vec<Fault>> {
    let mut faults = Vec::new();
    let manifest = slashed(workspace.relative(&package.manifest));
    if package.description.is_none() {
        faults.push(Fault::new(&manifest, "has no description: say in one line what it is for"));
    }
    if package.license.is_none() {
        faults.push(Fault::new(&manifest, "has no licence: add `license.workspace = true`"));
    }
    match &package.readme {
        None => faults.push(Fault::new(&manifest, "has no readme: write README.md beside it")),
        Some(readme) if !readme.is_file() || bytes(readme)?.trim_ascii().is_empty() => {
            let place = slashed(workspace.relative(readme));
            faults.push(Fault::new(place, "is missing or empty: the manifest names it as readme"));
        }
        Some(_) => {}
    }
    for target in package.targets.iter().filter(|target| target.shipped) {
        let text = String::from_utf8_lossy(&bytes(&target.file)?).into_owned();
        if !has_crate_docs(&text) {
            let place = slashed(workspace.relative(&target.file));
            faults.push(Fault::new(place, "has no `//!`: say what the crate is for"));
        }
    }
    Ok(faults)
}

/// Whether the root file of a crate says what the crate is for. Formatted code has `//!` of modules indented.
fn has_crate_docs(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("//!") || line.starts_with("#![doc = "))
}

/// Kinds of error without an entry that says what to do, once there is a file of such entries.
fn unexplained(root: &Path) -> Outcome<Vec<Fault>> {
    let remedies = root.join(REMEDIES);
    if !remedies.is_file() {
        return Ok(Vec::new());
    }
    let source = String::from_utf8_lossy(&bytes(&root.join(KINDS))?).into_owned();
    let kinds = kinds::variants(&source).ok_or_else(|| {
        Failure::new(format!(
            "{KINDS} has no `pub enum ErrorKind`: tell xtask/src/tidy.rs where it went"
        ))
    })?;
    let entries = String::from_utf8_lossy(&bytes(&remedies)?).into_owned();
    let missing = kinds::without_heading(&kinds, &entries);
    Ok(missing
        .into_iter()
        .map(|kind| {
            Fault::new(
                REMEDIES,
                format!("no heading has `{kind}`: say what it means, why, and what to do"),
            )
        })
        .collect())
}

/// All files that people write: not what cargo built, nor hidden ones but cargo's and CI's.
fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> Outcome {
    let unread = |error| Failure::new(format!("{} cannot be listed: {error}", directory.display()));
    // Cargo marks its target directories, wherever they are.
    if directory.join("CACHEDIR.TAG").exists() {
        return Ok(());
    }
    for entry in fs::read_dir(directory).map_err(unread)? {
        let entry = entry.map_err(unread)?;
        let kind = entry.file_type().map_err(unread)?;
        let name = entry.file_name();
        if kind.is_dir() && is_ours(&name.to_string_lossy()) {
            walk(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn is_ours(directory: &str) -> bool {
    [".cargo", ".ci"].contains(&directory) || !(directory.starts_with('.') || directory == "target")
}

fn bytes(path: &Path) -> Outcome<Vec<u8>> {
    fs::read(path)
        .map_err(|error| Failure::new(format!("{} cannot be read: {error}", path.display())))
}

/// The path as one writes it, on every system.
fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crate_docs_are_those_of_the_crate() {
        assert!(has_crate_docs("#![no_std]\n//! What it is for.\n"));
        assert!(has_crate_docs("#![doc = include_str!(\"../README.md\")]\n"));
        assert!(!has_crate_docs("/// An item.\nmod a {\n    //! A module.\n}\n"));
    }

    #[test]
    fn hidden_and_built_directories_are_not_ours() {
        for (directory, ours) in
            [("crates", true), (".ci", true), (".git", false), (".idea", false), ("target", false)]
        {
            assert_eq!(is_ours(directory), ours, "{directory}");
        }
    }

    #[test]
    fn faults_are_counted_and_none_is_a_pass() {
        assert!(report(&[], 1, 1).is_ok());
        let failure = report(&[Fault::new("a", "b"), Fault::new("a", "c")], 1, 1).unwrap_err();
        assert!(failure.to_string().starts_with("2 things"), "{failure}");
    }
}

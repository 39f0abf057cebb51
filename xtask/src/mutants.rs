//! `cargo xtask mutants`: a check that nobody would miss may not be there. Each is taken out, in a copy, and a named
//! test must fail.

use std::fs;
use std::path::{Path, PathBuf};

use crate::metadata::Workspace;
use crate::run::{Failure, Outcome, attempt, cargo};

/// One rule, the code that holds it, what to put there instead, and the test that must notice.
struct Mutant {
    rule: &'static str,
    package: &'static str,
    file: &'static str,
    code: &'static str,
    instead: &'static str,
    noticed_by: &'static str,
}

mod list;

/// Runs every mutant whose rule contains `only`.
pub(crate) fn run(only: Option<&str>) -> Outcome {
    let workspace = Workspace::load()?;
    let copy = Copy::of(&workspace)?;
    let chosen = |mutant: &&Mutant| only.is_none_or(|only| mutant.rule.contains(only));
    let mut missed = Vec::new();
    let mut ran = 0;
    for mutant in list::all().filter(chosen) {
        ran += 1;
        match copy.try_mutant(mutant)? {
            true => println!("noticed: {} ({})", mutant.rule, mutant.noticed_by),
            false => {
                println!("MISSED: {} ({})", mutant.rule, mutant.noticed_by);
                missed.push(mutant.rule);
            }
        }
    }
    println!("{} passed, {} failed", ran - missed.len(), missed.len());
    if missed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("no test notices when these are broken: {}", missed.join("; "))))
}

/// The workspace's sources under target/mutants, with a target directory of their own.
struct Copy {
    sources: PathBuf,
    target: PathBuf,
}

impl Copy {
    fn of(workspace: &Workspace) -> Outcome<Self> {
        let place = workspace.target.join("mutants");
        let copy = Self { sources: place.join("sources"), target: place.join("target") };
        for name in ["Cargo.toml", "Cargo.lock", "README.md", "clippy.toml"] {
            copy_file(&workspace.root.join(name), &copy.sources.join(name))?;
        }
        for name in ["crates", "docs", "examples", "tests", "xtask"] {
            copy_folder(&workspace.root.join(name), &copy.sources.join(name))?;
        }
        Ok(copy)
    }

    /// Whether the test fails that should.
    fn try_mutant(&self, mutant: &Mutant) -> Outcome<bool> {
        let path = self.sources.join(mutant.file);
        let whole = source(&self.sources, mutant)?;
        write(&path, &whole.replace(mutant.code, mutant.instead))?;
        let mut test = cargo()?;
        test.current_dir(&self.sources)
            .env("CARGO_TARGET_DIR", &self.target)
            .args(["test", "--locked", "--tests", "--all-features", "--package", mutant.package])
            .arg(mutant.noticed_by);
        let answer = attempt(&mut test);
        write(&path, &whole)?;
        let answer = answer?;
        let said = String::from_utf8_lossy(&answer.stdout).into_owned();
        if !said.contains("running ") {
            let why = String::from_utf8_lossy(&answer.stderr).into_owned();
            return Err(Failure::new(format!(
                "the mutant {:?} does not build:\n{why}",
                mutant.rule
            )));
        }
        if !said.lines().any(|line| line.contains(mutant.noticed_by)) {
            return Err(Failure::new(format!(
                "{} has no test {}; bring xtask/src/mutants/list.rs up to date",
                mutant.package, mutant.noticed_by
            )));
        }
        Ok(failed(&said, mutant.noticed_by))
    }
}

/// The file that holds the rule.
fn source(root: &Path, mutant: &Mutant) -> Outcome<String> {
    let whole = read(&root.join(mutant.file))?;
    match whole.matches(mutant.code).count() {
        1 => Ok(whole),
        _ => Err(Failure::new(format!(
            "{}: the code of the rule {:?} does not stand there once; bring xtask/src/mutants/list.rs up to date",
            mutant.file, mutant.rule
        ))),
    }
}

/// Whether a test runner's output says that this test failed.
fn failed(said: &str, test: &str) -> bool {
    said.lines().any(|line| {
        line.strip_prefix("test ")
            .and_then(|line| line.strip_suffix(" ... FAILED"))
            .is_some_and(|name| name.rsplit("::").next() == Some(test))
    })
}

fn copy_folder(from: &Path, to: &Path) -> Outcome {
    // What has gone from the workspace goes from the copy.
    for entry in if to.is_dir() { list(to)? } else { Vec::new() } {
        let (gone, there) = (entry.path(), from.join(entry.file_name()));
        let removed = match (gone.is_dir(), there.is_dir(), there.exists()) {
            (true, false, _) => fs::remove_dir_all(&gone),
            (false, true, _) | (false, _, false) => fs::remove_file(&gone),
            _ => Ok(()),
        };
        removed.map_err(|error| trouble(&gone, "removed", &error))?;
    }
    for entry in list(from)? {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() { copy_folder(&from, &to)? } else { copy_file(&from, &to)? }
    }
    Ok(())
}

fn list(folder: &Path) -> Outcome<Vec<fs::DirEntry>> {
    let listed = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    listed.map_err(|error| trouble(folder, "read", &error))
}

/// Leaves a file alone that is the same: its age tells cargo whether to build anew.
fn copy_file(from: &Path, to: &Path) -> Outcome {
    let text = read(from)?;
    if fs::read_to_string(to).is_ok_and(|old| old == text) {
        return Ok(());
    }
    write(to, &text)
}

fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path).map_err(|error| trouble(path, "read", &error))
}

fn write(path: &Path, text: &str) -> Outcome {
    path.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| trouble(path, "written", &error))
}

fn trouble(path: &Path, what: &str, error: &std::io::Error) -> Failure {
    Failure::new(format!("{} cannot be {what}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_each_rule_stands_where_the_list_says() {
        let root = Workspace::load().unwrap().root;
        let stale: Vec<String> = list::all()
            .filter_map(|mutant| source(&root, mutant).err())
            .map(|failure| failure.to_string())
            .collect();
        assert!(stale.is_empty(), "{}", stale.join("\n"));
    }

    #[test]
    fn only_the_failure_of_that_test_counts() {
        let said = "running 2 tests\ntest a::first ... FAILED\ntest a::second ... ok\n";
        assert!(failed(said, "first"));
        assert!(!failed(said, "second"));
        assert!(!failed(said, "irst"));
    }

    #[test]
    fn a_copy_has_what_the_folder_has_and_nothing_that_has_gone() {
        let place = std::env::temp_dir().join(format!("rolecall-mutants-{}", std::process::id()));
        let (from, to) = (place.join("from"), place.join("to"));
        for (path, text) in [("a/b", "1"), ("c", "2"), ("d/e", "3")] {
            write(&from.join(path), text).unwrap();
        }
        copy_folder(&from, &to).unwrap();
        fs::remove_dir_all(from.join("d")).unwrap();
        fs::remove_file(from.join("c")).unwrap();
        write(&from.join("d"), "4").unwrap();
        copy_folder(&from, &to).unwrap();
        let copied = (read(&to.join("a/b")).unwrap(), read(&to.join("d")).unwrap());
        let there = to.join("c").exists();
        fs::remove_dir_all(&place).unwrap();
        assert_eq!((copied, there), (("1".into(), "4".into()), false));
    }

    #[test]
    fn every_mutant_changes_something() {
        for mutant in list::all() {
            assert_ne!(mutant.code, mutant.instead, "{}", mutant.rule);
        }
    }
}

//! What `cargo metadata` says about the workspace's own packages.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::{Failure, Outcome, cargo, read};

/// The workspace: where it builds, and what is in it.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// One member of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) manifest: PathBuf,
    pub(crate) publishable: bool,
    pub(crate) description: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) readme: Option<PathBuf>,
    /// Its features, but for `default`.
    pub(crate) features: Vec<String>,
    /// The root file of each target: libraries, programs, tests, examples.
    pub(crate) targets: Vec<Target>,
}

/// A root file, and whether it is that of a library or a program.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) file: PathBuf,
    pub(crate) shipped: bool,
}

impl Workspace {
    pub(crate) fn load() -> Outcome<Self> {
        let mut command = cargo()?;
        command.args(["metadata", "--format-version", "1", "--no-deps", "--locked"]);
        parse(&read(&mut command)?)
    }

    pub(crate) fn package(&self, name: &str) -> Outcome<&Package> {
        self.packages.iter().find(|package| package.name == name).ok_or_else(|| {
            Failure::new(format!("the workspace has no package {name}: was it renamed?"))
        })
    }

    /// A path as one names it in a message: relative to the root.
    pub(crate) fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

fn parse(text: &str) -> Outcome<Workspace> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        Failure::new(format!("cargo metadata printed something that is not JSON: {error}"))
    })?;
    let packages = list(&value, "packages")?;
    Ok(Workspace {
        root: string(&value, "workspace_root")?.into(),
        target: string(&value, "target_directory")?.into(),
        packages: packages.iter().map(package).collect::<Outcome<_>>()?,
    })
}

fn package(value: &Value) -> Outcome<Package> {
    let manifest = PathBuf::from(string(value, "manifest_path")?);
    let readme = optional(value, "readme")
        .map(|readme| manifest.parent().unwrap_or(Path::new("")).join(readme));
    let features = value["features"].as_object().into_iter().flatten();
    let features = features.map(|(name, _)| name.clone()).filter(|name| name != "default");
    Ok(Package {
        name: string(value, "name")?,
        features: features.collect(),
        version: string(value, "version")?,
        publishable: value["publish"].as_array().is_none_or(|registries| !registries.is_empty()),
        description: optional(value, "description"),
        license: optional(value, "license").or_else(|| optional(value, "license_file")),
        readme,
        targets: list(value, "targets")?.iter().map(target).collect::<Outcome<_>>()?,
        manifest,
    })
}

fn target(value: &Value) -> Outcome<Target> {
    let kinds = list(value, "kind")?;
    let unshipped = ["test", "bench", "example", "custom-build"];
    Ok(Target {
        file: string(value, "src_path")?.into(),
        shipped: !kinds.iter().filter_map(Value::as_str).any(|kind| unshipped.contains(&kind)),
    })
}

fn list<'a>(value: &'a Value, key: &str) -> Outcome<&'a Vec<Value>> {
    value[key].as_array().ok_or_else(|| lacks(key))
}

fn string(value: &Value, key: &str) -> Outcome<String> {
    optional(value, key).ok_or_else(|| lacks(key))
}

fn optional(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

fn lacks(key: &str) -> Failure {
    Failure::new(format!(
        "the answer of `cargo metadata` has no `{key}`: this cargo is newer than xtask knows"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{
        "workspace_root": "/w", "target_directory": "/w/target",
        "packages": [
            {"name": "a", "version": "0.1.0", "manifest_path": "/w/a/Cargo.toml", "publish": null, "readme": "README.md",
             "description": " ", "license": "MIT", "license_file": null,
             "features": {"default": ["one"], "one": [], "two": ["dep:x"]},
             "targets": [{"kind": ["lib"], "src_path": "/w/a/src/lib.rs"},
                         {"kind": ["test"], "src_path": "/w/a/tests/it.rs"}]},
            {"name": "b", "version": "0.1.0", "manifest_path": "/w/b/Cargo.toml", "publish": [], "readme": null,
             "description": "B", "license": null, "license_file": null, "targets": []}
        ]}"#;

    #[test]
    fn an_answer_is_understood() {
        let workspace = parse(ANSWER).unwrap();
        let a = workspace.package("a").unwrap();
        assert!(a.publishable);
        assert_eq!(a.description, None, "blank is none");
        assert_eq!(a.features, ["one", "two"]);
        assert_eq!(a.readme.as_deref(), Some(Path::new("/w/a/README.md")));
        assert_eq!(
            a.targets.iter().map(|target| target.shipped).collect::<Vec<_>>(),
            [true, false]
        );
        assert!(!workspace.package("b").unwrap().publishable);
        assert!(workspace.package("c").unwrap_err().to_string().contains("no package c"));
    }

    #[test]
    fn an_answer_that_lacks_something_says_what() {
        let failure = parse(r#"{"packages": []}"#).unwrap_err();
        assert!(failure.to_string().contains("`workspace_root`"), "{failure}");
    }
}

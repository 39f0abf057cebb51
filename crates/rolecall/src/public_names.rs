//! Tests that each public name of the facade has one path.

use std::collections::BTreeMap;

/// Returns the names that `source` exports by `pub use`, with the module that contains each.
///
/// `root` is the module of the file. Only modules in one level of nesting are recognized.
fn exported_names(source: &str, root: &str) -> Vec<(String, String)> {
    let mut module = root.to_owned();
    let mut names = Vec::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(" {")) {
            module = name.to_owned();
        } else if line == "}" {
            module = root.to_owned();
        }
        let Some(mut statement) = line.trim().strip_prefix("pub use ").map(str::to_owned) else {
            continue;
        };
        while !statement.ends_with(';') {
            statement.push_str(lines.next().expect("a complete statement").trim());
        }
        let list = match statement.split_once('{') {
            Some((_, list)) => list.trim_end_matches("};"),
            None => statement.rsplit("::").next().unwrap().trim_end_matches(';'),
        };
        let listed = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.extend(listed.map(|name| (name.to_owned(), module.clone())));
    }
    names
}

#[test]
fn each_public_name_has_one_path() {
    let mut names = exported_names(include_str!("lib.rs"), "root");
    names.extend(exported_names(include_str!("policy.rs"), "policy"));
    let mut modules: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, module) in names {
        modules.entry(name).or_default().push(module);
    }
    assert_eq!(modules["Role"], ["root"], "the parser finds names");
    assert_eq!(modules["IdentityCache"], ["sdk"], "the parser finds modules");
    modules.retain(|_, modules| modules.len() > 1);
    assert_eq!(modules, BTreeMap::new(), "a name with two paths, or of two items");
}

#[cfg(feature = "policy")]
#[test]
fn module_policy_has_every_name_of_its_crate() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../rolecall-policy/src/lib.rs");
    let source = std::fs::read_to_string(source).expect("the source of rolecall-policy");
    let here = exported_names(include_str!("policy.rs"), "policy");
    let names = exported_names(&source, "rolecall-policy");
    assert!(names.len() > 50, "the parser finds names: {names:?}");
    let is_missing = |name: &&String| !here.iter().any(|(other, _)| other == *name);
    let missing: Vec<&String> = names.iter().map(|(name, _)| name).filter(is_missing).collect();
    assert_eq!(missing, [""; 0]);
}

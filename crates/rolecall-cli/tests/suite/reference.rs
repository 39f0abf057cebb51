//! The help of all commands, as one file.

use crate::command::run_alone;

/// `cargo xtask command-docs` writes docs/command.md from the same text.
#[tokio::test]
async fn reference_of_all_commands() {
    let text = run_alone(&["__reference"]).await.ok();
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("reference.md", text);
    });
}

#[tokio::test]
async fn reference_is_hidden_from_help() {
    let text = run_alone(&["--help"]).await.ok();
    assert!(text.contains("whoami") && !text.contains("reference"), "{text}");
}

#[tokio::test]
async fn man_pages_describe_each_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let out = run_alone(&["__reference", "--format", "man", "--out", path]).await.ok();
    assert_eq!(out, "");
    for (page, text) in [
        ("rolecall.1", "rolecall\\-whoami(1)"),
        ("rolecall-assume.1", "external"),
        ("rolecall-policy-trust-eks.1", "service"),
    ] {
        let page = std::fs::read_to_string(folder.path().join(page)).unwrap();
        assert!(page.starts_with(".ie") && page.contains(text), "{page}");
    }
    assert!(!folder.path().join("rolecall-__reference.1").exists());
    let error = run_alone(&["__reference", "--format", "man"]).await.failed(2);
    assert!(error.contains("--out <DIR>"), "{error}");
    let missing = folder.path().join("missing");
    let arguments = ["__reference", "--format", "man", "--out", missing.to_str().unwrap()];
    let error = run_alone(&arguments).await.failed(1);
    assert!(error.starts_with("error: cannot write to "), "{error}");
}

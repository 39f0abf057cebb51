//! `cargo xtask test`: every test of the workspace.

use std::process::Command;

use crate::metadata::Workspace;
use crate::python;
use crate::run::{Failure, Outcome, attempt, cargo, stream};

/// Runs unit, integration and documentation tests; `args` go to `cargo test`.
pub(crate) fn run(args: &[String]) -> Outcome {
    c_compiler()?;
    let python = python::prepare()?;
    let mut test = cargo()?;
    test.env("ROLECALL_PYTHON", python);
    test.args(["test", "--workspace", "--locked"]).args(args);
    stream(&mut test)?;
    model(args)
}

/// The slot's shell under the model checker shuttle: the same code with other locks, so a build of its own.
fn model(args: &[String]) -> Outcome {
    let target = Workspace::load()?.target.join("shuttle");
    let mut test = cargo()?;
    test.env("RUSTFLAGS", "--cfg shuttle").env("CARGO_TARGET_DIR", target);
    test.args(["test", "--package", "rolecall-cache", "--lib", "--locked"]).args(args);
    stream(&mut test)
}

/// aws-lc-sys, the cryptography under rustls, is built from C.
fn c_compiler() -> Outcome {
    if cfg!(windows) {
        return Ok(()); // The build script finds Visual Studio by itself.
    }
    let setting = std::env::var("CC").ok();
    let compiler = compiler(setting.as_deref());
    let works = attempt(Command::new(compiler).arg("--version"))
        .is_ok_and(|answer| answer.status.success());
    if works { Ok(()) } else { Err(no_compiler(compiler)) }
}

/// The program that `CC` names (it may be followed by options), or `cc`.
fn compiler(setting: Option<&str>) -> &str {
    setting.and_then(|setting| setting.split_whitespace().next()).unwrap_or("cc")
}

fn no_compiler(compiler: &str) -> Failure {
    Failure::new(format!(
        "no C compiler: `{compiler} --version` does not work, and aws-lc-sys is built from C; \
         install one (Debian, Ubuntu: apt-get install gcc libc6-dev; Fedora: dnf install gcc; \
         macOS: xcode-select --install), or set CC to the one you have"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_is_the_one_that_cc_names() {
        for (setting, expected) in [
            (None, "cc"),
            (Some(""), "cc"),
            (Some("clang"), "clang"),
            (Some("ccache gcc"), "ccache"),
        ] {
            assert_eq!(compiler(setting), expected, "CC={setting:?}");
        }
    }

    #[test]
    fn a_missing_compiler_is_named_with_the_remedy() {
        let text = no_compiler("clang-99").to_string();
        assert!(text.contains("`clang-99 --version`"), "{text}");
        assert!(text.contains("apt-get install gcc"), "{text}");
    }
}

//! Programs that the tests run and that come as packages of Debian.

use std::env;
use std::ffi::OsString;

use rustix::process::geteuid;
use xshell::{Shell, cmd};

use crate::test::Tool;
use crate::workspace::{Outcome, add_hint};

/// Programs that are needed together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Programs {
    /// The tool that leaves out the tests that need them.
    pub(crate) tool: Tool,
    /// The names of the programs and of their packages.
    names: &'static [&'static str],
    /// Arguments with which each of the programs succeeds at once.
    check: &'static [&'static str],
    /// A variable with the path of another program.
    variable: Option<&'static str>,
}

pub(crate) const ALL: [Programs; 2] = [SHELLS, CHROMIUM];

// dash has no option that prints its version.
const SHELLS: Programs = Programs {
    tool: Tool::Shells,
    names: &["bash", "dash", "fish", "zsh"],
    check: &["-c", "true"],
    variable: None,
};

const CHROMIUM: Programs = Programs {
    tool: Tool::Chromium,
    names: &["chromium"],
    check: &["--version"],
    variable: Some("ROLECALL_CHROMIUM"),
};

/// Checks that the tests will find the programs. Installs the missing ones if this is possible: as
/// root, on Debian and its descendants.
///
/// # Errors
///
/// Returns an error if a program is missing and cannot be installed.
pub(crate) fn prepare(shell: &Shell, programs: &Programs) -> Outcome {
    if let Some((variable, program)) = find_variable(programs) {
        let check = programs.check;
        let run = cmd!(shell, "{program} {check...}").quiet().ignore_stdout().ignore_stderr().run();
        let hint = format!("set {variable} to the path of {}", programs.names.join(", "));
        return Ok(run.map_err(add_hint(&hint))?);
    }
    install(shell, programs, geteuid().is_root())
}

fn find_variable(programs: &Programs) -> Option<(&'static str, OsString)> {
    let variable = programs.variable?;
    Some((variable, env::var_os(variable)?))
}

fn install(shell: &Shell, programs: &Programs, is_root: bool) -> Outcome {
    let missing = find_missing(shell, programs);
    if missing.is_empty() {
        return Ok(());
    }
    let has_apt = cmd!(shell, "apt-get --version").quiet().ignore_stdout().run().is_ok();
    if !is_root || !has_apt {
        return Err(describe_missing(programs, &missing).into());
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
    match find_missing(shell, programs) {
        missing if missing.is_empty() => Ok(()),
        missing => Err(describe_missing(programs, &missing).into()),
    }
}

fn find_missing(shell: &Shell, programs: &Programs) -> Vec<&'static str> {
    let check = programs.check;
    let is_missing = |name: &&str| {
        cmd!(shell, "{name} {check...}").quiet().ignore_stdout().ignore_stderr().run().is_err()
    };
    programs.names.iter().copied().filter(is_missing).collect()
}

fn describe_missing(programs: &Programs, missing: &[&str]) -> String {
    let packages = missing.join(" ");
    let other = programs.variable.map(|it| format!(", set {it} to its path")).unwrap_or_default();
    format!(
        "{}: no such program; hint: install it (Debian, Ubuntu: sudo apt-get install {packages}; \
         macOS: brew install {packages}){other}, or leave out the tests that need it: cargo xtask \
         test --without {}",
        missing.join(", "),
        programs.tool.name()
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    /// An `apt-get` that needs a list of packages. What it installs always succeeds.
    const APT: &str = "#!/bin/sh
folder=${0%/*}
echo \"$@\" >> \"$folder/log\"
case $1 in
  update) : > \"$folder/list\" ;;
  install)
    [ -e \"$folder/list\" ] || exit 100
    for name; do
      case $name in
        -* | install) ;;
        *) /bin/ln -s \"$folder/installed\" \"$folder/$name\" ;;
      esac
    done ;;
esac
";

    /// A folder that is the whole `PATH`.
    struct Machine {
        folder: PathBuf,
        shell: Shell,
    }

    impl Machine {
        fn new(name: &str, programs: &[(&str, &str)]) -> Self {
            let folder = env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            let shell = Shell::new().unwrap();
            shell.set_var("PATH", &folder);
            let machine = Self { folder, shell };
            // A process of its own writes the file. In this one, another thread could start a
            // program meanwhile, which inherits the open file, and the kernel runs no open file.
            let script = "printf %s \"$2\" > \"$1\" && chmod 755 \"$1\"";
            for (name, text) in programs {
                let mut sh = Command::new("sh");
                sh.args(["-c", script, "sh"]).arg(machine.folder.join(name)).arg(text);
                assert!(sh.status().unwrap().success(), "{name}");
            }
            machine
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.folder.join(name)).unwrap_or_default()
        }
    }

    impl Drop for Machine {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    const INSTALLED: (&str, &str) = ("installed", "#!/bin/sh\n");

    #[test]
    fn missing_program_is_installed_after_update_of_the_list() {
        let programs = [("apt-get", APT), INSTALLED, ("bash", INSTALLED.1), ("dash", INSTALLED.1)];
        let machine = Machine::new("update", &programs);
        install(&machine.shell, &SHELLS, true).unwrap();
        let expected = "--version\n\
                        install --yes --quiet --no-install-recommends fish zsh\n\
                        update --quiet\n\
                        install --yes --quiet --no-install-recommends fish zsh\n";
        assert_eq!(machine.read("log"), expected);
        install(&machine.shell, &SHELLS, true).unwrap();
        assert_eq!(machine.read("log"), expected, "nothing is missing any more");
    }

    #[test]
    fn package_without_the_program_is_an_error() {
        let machine = Machine::new("empty", &[("apt-get", "#!/bin/sh\n")]);
        let error = install(&machine.shell, &CHROMIUM, true).unwrap_err().to_string();
        assert!(error.starts_with("chromium: no such program; hint: install it"), "{error}");
    }

    #[test]
    fn program_that_cannot_be_installed_is_named_with_its_tool() {
        let apt = ("apt-get", APT);
        for (name, programs, is_root) in [("user", &[apt][..], false), ("no-apt", &[], true)] {
            let machine = Machine::new(name, programs);
            let error = install(&machine.shell, &SHELLS, is_root).unwrap_err().to_string();
            assert!(error.starts_with("bash, dash, fish, zsh: no such program"), "{error}");
            assert!(error.ends_with("cargo xtask test --without shells"), "{error}");
            assert!(!machine.read("log").contains("install"), "{name}");
        }
    }
}

//! The packages of npm that the tests use.

use std::path::PathBuf;

use xshell::cmd;

use crate::workspace::{Outcome, Workspace, add_hint};

/// The folder of the scripts, with the list of the packages that they use.
const SOURCE: &str = "tests/js";
const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// Returns the folder with the packages that the lock file pins, installing them if necessary.
///
/// # Errors
///
/// Returns an error if Node.js or npm is missing, or if a package cannot be installed.
pub(crate) fn prepare(workspace: &Workspace) -> Outcome<PathBuf> {
    let shell = &workspace.shell;
    let version = cmd!(shell, "node --version").quiet().read().map_err(add_hint(
        "install Node.js 20 or newer with npm (Debian, Ubuntu: apt-get install nodejs npm), or \
         leave out the tests that need it: cargo xtask test --without npm",
    ))?;

    // The stamp is written last, so an installation that was interrupted is repeated.
    let folder = workspace.target().join("npm");
    let stamp = folder.join("installed.txt");
    let mut wanted = version;
    for file in FILES {
        wanted.push('\n');
        wanted += &shell.read_file(format!("{SOURCE}/{file}"))?;
    }
    if shell.read_file(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(folder);
    }
    shell.create_dir(&folder)?;
    shell.remove_path(&stamp)?;
    for file in FILES {
        shell.copy_file(format!("{SOURCE}/{file}"), folder.join(file))?;
    }
    // No package may run a program of its own while it is installed.
    let options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"];
    let npm = cmd!(shell, "npm ci --prefix {folder} {options...}").ignore_stdout();
    npm.run().map_err(add_hint("check that npm's registry is reachable"))?;
    shell.write_file(stamp, wanted)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_package_is_pinned_and_named_without_its_host() {
        let list = include_str!("../../tests/js/package.json");
        let list: serde_json::Value = serde_json::from_str(list).unwrap();
        for (name, version) in list["dependencies"].as_object().unwrap() {
            let version = version.as_str().unwrap();
            assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{name}: {version}");
        }
        // With `resolved`, every machine would have to reach the registry that wrote the file.
        let lock = include_str!("../../tests/js/package-lock.json");
        assert!(!lock.contains("\"resolved\""));
    }
}

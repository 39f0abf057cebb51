//! Checks by other tools: cargo-deny, cargo-hack, cargo-mutants and cargo itself, which packages.

use xshell::cmd;

use crate::workspace::{Outcome, Workspace};
use crate::{debian, npm, python, test, tools};

/// Checks licenses, banned crates and sources as configured in `deny.toml`.
pub(crate) fn deny(workspace: &Workspace) -> Outcome {
    let tool = tools::install(workspace, tools::CARGO_DENY)?;
    // A wrapper in deny.toml permits a dependency; it does not require it.
    let args = ["--allow", "unused-wrapper", "bans", "licenses", "sources"];
    Ok(cmd!(workspace.shell, "{tool} --locked check {args...}").run()?)
}

/// Lints every published package by itself, without features and with each of them alone.
pub(crate) fn features(workspace: &Workspace) -> Outcome {
    let tool = tools::install(workspace, tools::CARGO_HACK)?;
    // Without `--no-dev-deps`, which edits the manifests: clippy builds no tests here, so the
    // features of dev-dependencies are off.
    let args = select_published(workspace).chain(["--locked", "--each-feature"]);
    Ok(cmd!(workspace.shell, "{tool} hack clippy {args...} -- -D warnings").run()?)
}

/// Runs cargo-mutants as configured in `.cargo/mutants.toml`.
pub(crate) fn mutants(workspace: &Workspace, since: Option<&str>, packages: &[String]) -> Outcome {
    let shell = &workspace.shell;
    let tool = tools::install(workspace, tools::CARGO_MUTANTS)?;
    let python = python::prepare(workspace, python::TESTS)?;
    let linters = python::prepare(workspace, python::LINTERS)?;
    let npm = npm::prepare(workspace)?;
    test::check_terraform(workspace)?;
    for programs in debian::ALL {
        debian::prepare(shell, &programs)?;
    }
    let output = workspace.target().join("mutants");
    shell.create_dir(&output)?;
    let mut filter = Vec::new();
    if let Some(since) = since {
        let diff = output.join("in.diff");
        shell.write_file(&diff, cmd!(shell, "git diff {since}").output()?.stdout)?;
        filter.extend(["--in-diff".into(), diff.into_os_string()]);
    }
    for package in packages {
        filter.extend(["--package".into(), package.into()]);
    }
    let mutants = cmd!(shell, "{tool} mutants --output {output} {filter...}");
    let paths = [("ROLECALL_PYTHON", python), ("ROLECALL_LINTERS", linters), ("ROLECALL_NPM", npm)];
    Ok(mutants.envs(paths).run()?)
}

/// Packages the published crates as they are in the working directory, and builds what the packages
/// contain against each other.
pub(crate) fn package(workspace: &Workspace) -> Outcome {
    let shell = &workspace.shell;
    let target = workspace.target();
    // Cargo's own verification unpacks the packages into CARGO_HOME, once per version, so the next
    // run would build the sources of this one. Here, they become members of a new workspace.
    let args = select_published(workspace).chain(["--no-verify", "--locked", "--allow-dirty"]);
    let args: Vec<&str> = args.collect();
    // A dry run keeps no packages. Those of an earlier run must not pass for those of this one.
    let packages = target.join("package");
    shell.remove_path(&packages)?;
    let publish = [&["publish", "--dry-run"], &*args].concat();
    let package = [&["package"], &*args].concat();
    for args in [publish, package] {
        cmd!(shell, "cargo {args...}").run()?;
    }
    let sources = target.join("package-sources");
    shell.remove_path(&sources)?;
    shell.create_dir(&sources)?;
    let mut manifest =
        String::from("[workspace]\nresolver = \"3\"\nmembers = [\"*\"]\n\n[patch.crates-io]\n");
    for package in workspace.published() {
        let folder = format!("{}-{}", package.name, package.version);
        let archive = packages.join(format!("{folder}.crate"));
        // `-m`: all files of a package have one fixed time, and cargo would see no change.
        cmd!(shell, "tar -xzmf {archive} -C {sources}").quiet().run()?;
        manifest += &format!("{} = {{ path = \"{folder}\" }}\n", package.name);
    }
    shell.write_file(sources.join("Cargo.toml"), manifest)?;
    shell.copy_file("Cargo.lock", sources.join("Cargo.lock"))?;
    // `--offline` instead of `--locked`: the lock file has more packages than this workspace.
    let _in_sources = shell.push_dir(&sources);
    Ok(cmd!(shell, "cargo check --workspace --offline --target-dir {target}").run()?)
}

fn select_published(workspace: &Workspace) -> impl Iterator<Item = &str> {
    workspace.published().flat_map(|package| ["--package", package.name.as_str()])
}

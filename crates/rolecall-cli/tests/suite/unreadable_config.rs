//! Shared configuration files that the user of the command may not read.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rolecall_tests::HUB;

use crate::command::{Finished, Setup, finish};
use crate::doctor::Checks;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unreadable {
    File,
    Folder,
    /// The file does not exist.
    Absent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identity {
    Keys,
    None,
    Profile,
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_config_fails_only_if_it_is_needed() {
    let setup = Setup::start().await;
    for unreadable in [Unreadable::File, Unreadable::Folder, Unreadable::Absent] {
        let file = setup.write(&format!("{unreadable:?}/.aws/config"), "[profile shop]\n");
        let (file, folder) = (Path::new(&file), Path::new(&file).parent().unwrap());
        match unreadable {
            Unreadable::File => set_mode(file, 0),
            Unreadable::Folder => set_mode(folder, 0),
            Unreadable::Absent => std::fs::remove_file(file).unwrap(),
        }
        for is_named in [false, true] {
            for identity in [Identity::Keys, Identity::None, Identity::Profile] {
                let case = format!("{unreadable:?}, named: {is_named}, {identity:?}");
                let run = whoami(&setup, file, is_named, identity).await;
                let path = file.display();
                let expected = match (unreadable, is_named, identity) {
                    (Unreadable::Absent, _, Identity::Keys) | (_, false, Identity::Keys) => {
                        assert!(run.ok().contains("user/ann"), "{case}");
                        continue;
                    }
                    (Unreadable::Absent, _, Identity::None) => {
                        "error: the environment configures no identity\nhint: ".to_owned()
                    }
                    (Unreadable::Absent, _, Identity::Profile) => {
                        "error: AWS_PROFILE names the profile \"shop\", which does not exist\n"
                            .to_owned()
                    }
                    (Unreadable::File, false, Identity::None) => format!(
                        "error: the environment configures no identity, and {path} cannot be \
                         read: permission denied\nhint: set AWS_ROLE_ARN"
                    ),
                    (Unreadable::Folder, false, Identity::None) => format!(
                        "error: the environment configures no identity, and {path} and \
                         {}/credentials cannot be read: permission denied\nhint: set AWS_ROLE_ARN",
                        folder.display()
                    ),
                    (_, _, Identity::Profile) | (_, true, _) => format!(
                        "error: the configuration file {path} cannot be read: permission denied\n\
                         hint: check the file, and the owner and the permissions"
                    ),
                };
                let error = run.failed(1);
                assert!(error.starts_with(&expected), "{case}: {error}");
            }
        }
        // The home of the test can only be removed if its folders can be read.
        set_mode(folder, 0o755);
    }
}

/// The profile that the default one is based on is in a file of another user.
#[tokio::test(flavor = "multi_thread")]
async fn unreadable_credentials_of_source_profile_are_named() {
    let setup = Setup::start().await;
    let role = format!("role_arn = {HUB}\nsource_profile = base\n");
    let file = setup.write(".aws/credentials", "[base]\n");
    set_mode(Path::new(&file), 0);
    for (settings, is_needed) in [(role.as_str(), true), ("region = eu-west-1\n", false)] {
        setup.write(".aws/config", &format!("[default]\n{settings}"));
        let without_identity = setup.with_endpoint(&[("AWS_EC2_METADATA_DISABLED", "true")]);
        let mut command = setup.command_of_other_user(&without_identity);
        command.arg("whoami");
        let error = finish(command, "").await.failed(1);
        let expected = match is_needed {
            true => format!(
                "error: the configuration file {file} cannot be read: permission denied\n\
                 hint: check the file, and the owner and the permissions"
            ),
            false => format!(
                "error: the environment configures no identity, and {file} cannot be read: \
                 permission denied\nhint: set AWS_ROLE_ARN"
            ),
        };
        assert!(error.starts_with(&expected), "{error}");
        let mut command = setup.command_of_other_user(&setup.user());
        command.arg("whoami");
        assert!(finish(command, "").await.ok().contains("user/ann"), "{settings}");
    }
}

async fn whoami(setup: &Setup, file: &Path, is_named: bool, identity: Identity) -> Finished {
    let mut variables = match identity {
        Identity::Keys => setup.user(),
        Identity::None => setup.with_endpoint(&[("AWS_EC2_METADATA_DISABLED", "true")]),
        Identity::Profile => setup.with_endpoint(&[("AWS_PROFILE", "shop")]),
    };
    let (name, path) = match is_named {
        true => ("AWS_CONFIG_FILE", file),
        false => ("HOME", file.parent().and_then(Path::parent).unwrap()),
    };
    variables.push((name.to_owned(), path.to_str().unwrap().to_owned()));
    let mut command = setup.command_of_other_user(&variables);
    command.arg("whoami");
    finish(command, "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn skipped_config_file_is_logged_once() {
    let setup = Setup::start().await;
    let file = setup.write(".aws/config", "[default]\n");
    set_mode(Path::new(&file), 0);
    let mut command = setup.command_of_other_user(&setup.user());
    command.args(["whoami", "-v"]);
    let run = finish(command, "").await;
    assert_eq!(run.code, Some(0), "{}", run.err);
    let warnings: Vec<_> = run.err.lines().filter(|line| line.contains("WARN")).collect();
    let [warning] = warnings.as_slice() else { panic!("{}", run.err) };
    let end = format!("continuing without it path={file} fault=permission denied");
    assert!(warning.ends_with(&end), "{warning}");
}

/// Containers often run as another user than root with the home folder of root.
#[tokio::test(flavor = "multi_thread")]
async fn unreadable_config_file_is_an_error_if_needed() {
    let setup = Setup::start().await;
    let file = setup.write(".aws/config", "[default]\nregion = eu-central-1\n");
    set_mode(Path::new(&file), 0);
    let hint = "check the owner and the permissions of the file and its folders";
    let optional = format!("{hint}; it is needed only if the identity is a profile's");
    for (variable, arguments) in [
        // Nothing names the file or a profile.
        (None, &[][..]),
        (Some(("AWS_CONFIG_FILE", file.as_str())), &[]),
        (Some(("AWS_PROFILE", "default")), &[]),
        (None, &["--base", "profile:default"]),
    ] {
        let is_needed = variable.is_some() || !arguments.is_empty();
        let mut variables = setup.user();
        variables.extend(variable.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let mut command = setup.command_of_other_user(&variables);
        command.args(["doctor", "--output", "json"]).args(arguments);
        let checks = Checks::of(&finish(command, "").await, i32::from(is_needed));
        let (status, hint) = if is_needed { ("error", hint) } else { ("warning", &*optional) };
        checks.assert("config file", status, &format!("cannot read {file}"), hint);
        checks.assert("config file", status, ": permission denied", "");
        let hint = &checks.find("config file")["hint"];
        assert_eq!(hint.as_str().unwrap().contains("needed only"), !is_needed, "{hint}");
        match is_needed {
            true => checks.assert("identity", "error", "cannot be read: permission denied", ""),
            false => checks.assert("identity", "ok", "environment", ""),
        }
    }
    // Nothing exists below a home that is no folder.
    let mut variables = setup.user();
    variables.push(("HOME".to_owned(), "/dev/null".to_owned()));
    let checks = Checks::of(&setup.run(&variables, &["doctor", "--output", "json"]).await, 0);
    checks.assert("config file", "ok", "/dev/null/.aws/config does not exist", "");
}

//! Profiles whose `credential_process` leads back to them: no command runs it.

use std::os::unix::fs::PermissionsExt;

use rolecall_tests::{HUB, ORDERS};

use crate::command::{Finished, Setup, finish};
use crate::credential_process::write_profiles;

type Variables = Vec<(String, String)>;

/// Every command that starts from a profile. `CONFIG` is a file of `serve`.
const COMMANDS: [&[&str]; 12] = [
    &["whoami"],
    &["assume", HUB],
    &["assume", HUB, "--format", "credential-process"],
    &["assume", HUB, "--no-store"],
    &["credential-process", HUB],
    &["exec", HUB, "--", "echo", "started"],
    &["exec", "--refresh", HUB, "--", "echo", "started"],
    &["serve", HUB],
    &["serve", "--config", "CONFIG"],
    &["console", HUB, "--federation-endpoint", "http://127.0.0.1:1/federation"],
    &["doctor"],
    &["doctor", HUB],
];

/// Writes an executable script, which also notes in `started` that it runs. If nothing else ends
/// its calls of itself, it does.
fn script(setup: &Setup, name: &str, command: &str) -> String {
    let log = setup.home.path().join("started");
    let log = log.display();
    let end = format!("[ $(/usr/bin/wc -l <{log}) -lt 5 ] || exit 1");
    let path = setup.write(name, &format!("#!/bin/sh\necho x >>{log}\n{end}\n{command}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

/// Returns how often scripts have started since the last call.
fn starts(setup: &Setup) -> usize {
    let log = setup.home.path().join("started");
    let count = std::fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    let _ = std::fs::remove_file(log);
    count
}

async fn run(setup: &Setup, variables: &Variables, arguments: &[&str]) -> Finished {
    let config = setup.write(
        "roles.json",
        &format!(r#"{{ "roles": [{{ "path": "/hub", "roles": ["{HUB}"] }}] }}"#),
    );
    let arguments: Vec<&str> =
        arguments.iter().map(|it| if *it == "CONFIG" { &config } else { *it }).collect();
    setup.run(variables, &arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_runs_process_that_selects_its_profile() {
    let setup = Setup::start().await;
    // The name of the program is what is recognized.
    let rolecall = script(&setup, "bin/rolecall", "exit 1");
    setup.write(
        ".aws/config",
        &format!(
            "[profile own]\ncredential_process = {rolecall} credential-process {HUB}\n\
             [profile a]\ncredential_process = {rolecall} credential-process --base profile:b {HUB}\n\
             [profile b]\ncredential_process = {rolecall} assume {HUB} --base profile:a\n\
             [profile role]\nrole_arn = {HUB}\nsource_profile = a\n"
        ),
    );
    for (selected, named) in [("own", "own"), ("a", "a"), ("role", "a")] {
        let variables = setup.with_endpoint(&[("AWS_PROFILE", selected)]);
        for arguments in COMMANDS {
            let run = run(&setup, &variables, arguments).await;
            let text = [run.out, run.err].concat();
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let message =
                format!("the credential_process of the profile \"{named}\" leads back to the same");
            assert_eq!(run.code, Some(1), "{arguments:?}: {text}");
            assert!(text.contains(&message), "{arguments:?}: {text}");
            assert!(text.contains("--base profile:NAME"), "{arguments:?}: {text}");
            assert_eq!(starts(&setup), 0, "{arguments:?}");
        }
        assert_eq!(setup.world.aws.count("AssumeRole"), 0);
    }
}

/// The command line is in a script, so that only the processes tell.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn script_that_runs_the_same_command_is_ended() {
    let setup = Setup::start().await;
    let command = format!("exec {} credential-process {HUB}", env!("CARGO_BIN_EXE_rolecall"));
    let script = script(&setup, "script", &command);
    setup.write(".aws/config", &format!("[profile own]\ncredential_process = {script}\n"));
    let variables = setup.with_endpoint(&[("AWS_PROFILE", "own")]);
    // An endpoint with a configuration file serves its other roles.
    for arguments in COMMANDS.into_iter().filter(|it| !it.contains(&"CONFIG")) {
        let run = run(&setup, &variables, arguments).await;
        assert_eq!(run.code, Some(1), "{arguments:?}: {run:?}");
        let text = [run.out, run.err].concat();
        assert!(text.contains("credential_process"), "{arguments:?}: {text}");
        // The first one is that of the command. What it starts does not start a second one, unless
        // the command has --refresh: it runs its program later.
        let starts = starts(&setup);
        assert!((1..=2).contains(&starts), "{arguments:?}: {starts} starts");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn script_that_selects_another_profile_is_used() {
    let setup = Setup::start().await;
    let rolecall = env!("CARGO_BIN_EXE_rolecall");
    let command = format!("exec {rolecall} credential-process --base profile:ann {HUB}");
    let script = script(&setup, "script", &command);
    let config = write_profiles(&setup, &format!("--base profile:ann {HUB}"));
    let profiles = std::fs::read_to_string(config).unwrap();
    let more = format!("{profiles}[profile script]\ncredential_process = {script}\n");
    setup.write(".aws/config", &more);
    // The same command, with another profile in between.
    let variables = setup.with_endpoint(&[("AWS_PROFILE", "script")]);
    let arguments = ["credential-process", "--base", "profile:script", ORDERS];
    for arguments in [&["whoami"][..], &arguments] {
        setup.run(&variables, arguments).await.ok();
        assert_eq!(starts(&setup), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_run_no_process() {
    let setup = Setup::start().await;
    let script = script(&setup, "script", "exit 1");
    setup.write(".aws/config", &format!("[profile own]\ncredential_process = {script}\n"));
    let mut command = setup.command(&setup.with_endpoint(&[("AWS_PROFILE", "own")]));
    command.env("ROLECALL_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", "3");
    command.args(["--", "rolecall", "whoami", "--base", "profile:"]);
    assert_eq!(finish(command, "").await.ok().trim(), "profile:own");
    setup.run(&[], &["completions", "bash"]).await.ok();
    assert_eq!(starts(&setup), 0);
}

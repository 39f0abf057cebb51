//! Programs in other languages that outlast their session: it comes from `rolecall serve` or, by a
//! profile, from `rolecall credential-process`, ends after a few seconds, and is then refused.
//!
//! Each program has a rule of its own for when it asks its source again: boto3 and the AWS CLI when
//! less than 15 minutes of the session remain, and the SDK for JavaScript when less than 5 remain.
//! Terraform asks an endpoint at 5 minutes, and a profile at the end of the session. The sessions
//! of these tests are shorter, so that all but Terraform with a profile ask before each call, and
//! the source decides when the session is replaced.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::clients::{
    STATE, STATE_SESSION, add_identity_script, add_terraform_step, backend_s3, state_setup,
    terraform,
};
use crate::command::{Finished, Setup, finish};
use crate::credential_process::write_profiles;
use crate::endpoint::Served;
use crate::running::Running;
use crate::short_sessions::ShortSessions;

/// Lifetime of a session.
const LIFETIME: Duration = Duration::from_secs(5);
/// Time limit for the use of a second session.
const LIMIT: Duration = Duration::from_secs(90);

/// Where a program finds its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The variables that `rolecall serve` prints
    Endpoint,
    /// A profile that runs `rolecall credential-process`
    Profile,
}

/// When a program stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// It calls AWS all the time: it stops when it has used a second session.
    Continuous,
    /// It calls AWS again when it stops.
    Pausing,
}

/// A local AWS with short sessions, and a role that another program assumes.
struct Refresh {
    setup: Setup,
    aws: ShortSessions,
    source: Source,
    served: Option<Served>,
}

impl Refresh {
    async fn start(source: Source) -> Self {
        let setup = state_setup().await;
        let aws = ShortSessions::start(setup.world.aws.endpoint_url(), LIFETIME).await;
        let mut command = setup.command(&setup.user());
        command.args(["serve", STATE]).env("AWS_ENDPOINT_URL", aws.url());
        let served = match source {
            Source::Endpoint => Some(Served::start(command)),
            Source::Profile => {
                write_profiles(&setup, &format!("--base profile:ann {STATE}"));
                None
            }
        };
        Self { setup, aws, source, served }
    }

    /// Returns a program with the variables of its source.
    fn program(&self, program: &str) -> Command {
        let mut command = rolecall_tests::clean(Command::new(program));
        command.env("HOME", self.setup.home.path()).env("PATH", std::env::var_os("PATH").unwrap());
        match &self.served {
            Some(served) => command.envs(served.environment(0)),
            None => command.envs([
                ("AWS_PROFILE", "deploy"),
                ("AWS_REGION", "eu-west-1"),
                // boto3 does not read AWS_REGION.
                ("AWS_DEFAULT_REGION", "eu-west-1"),
                ("AWS_ROLE_SESSION_NAME", "suite"),
            ]),
        };
        command.env("AWS_ENDPOINT_URL", self.aws.url());
        command
    }

    /// The file whose existence stops programs.
    fn stop_file(&self) -> PathBuf {
        self.setup.home.path().join("stop")
    }

    /// Runs a program until its first session is refused, and then calls `stop`. Returns the output
    /// of the program, which must have used several sessions, and each of them only in time.
    async fn run(&self, command: Command, pace: Pace, stop: impl AsyncFnOnce()) -> Finished {
        let before = self.aws.requests().len();
        let requests = || self.aws.requests().split_off(before);
        let mut running = Running::start(command, self.setup.home.path());
        let started = Instant::now();
        loop {
            let keys = requests();
            let is_over = keys.first().is_some_and(|key| self.aws.is_over(key));
            if is_over && (pace == Pace::Pausing || keys.first() != keys.last()) {
                break;
            }
            let has_ended = running.has_ended();
            let in_time = !has_ended && started.elapsed() < LIMIT;
            assert!(in_time, "{:?}: {keys:?}: {:?}", self.source, running.output());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        stop().await;
        let finished = running.finish().await;
        let context = format!("{:?}: {finished:?}", self.source);
        assert_eq!(finished.code, Some(0), "{context}");
        assert_eq!(self.aws.refused(), Vec::<String>::new(), "{context}");
        let keys = requests();
        assert_ne!(keys.first(), keys.last(), "{context}");
        if let Some(served) = &self.served {
            let labels = format!("{{path=\"/role\",role=\"{STATE}\",result=\"failure\"}}");
            assert_eq!(served.metric(&format!("rolecall_session_requests_total{labels}")), 0);
        }
        finished
    }

    async fn create_stop_file(&self) {
        std::fs::write(self.stop_file(), "").unwrap();
    }
}

/// Runs a test with each source, both at the same time: they wait more than they work.
async fn with_each_source(test: impl AsyncFn(Refresh)) {
    let run = async |source| test(Refresh::start(source).await).await;
    tokio::join!(run(Source::Endpoint), run(Source::Profile));
}

fn python() -> String {
    std::env::var("ROLECALL_PYTHON")
        .expect("ROLECALL_PYTHON is not set; hint: run the tests with `cargo xtask test`")
}

/// Checks what a program printed that calls GetCallerIdentity again and again.
#[track_caller]
fn assert_identities(finished: Finished) {
    let printed = finished.ok();
    assert!(printed.lines().count() > 1, "{printed}");
    assert!(printed.lines().all(|line| line == STATE_SESSION), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_client_continues_across_a_refresh() {
    if rolecall_tests::is_left_out("python") {
        return;
    }
    let script = "import boto3, os, sys, time\n\
                  client = boto3.client('sts')\n\
                  while not os.path.exists(sys.argv[1]):\n\
                  \x20   print(client.get_caller_identity()['Arn'])\n\
                  \x20   time.sleep(0.1)\n";
    with_each_source(async |refresh| {
        let mut command = refresh.program(&python());
        command.args(["-c", script]).arg(refresh.stop_file());
        let stop = async || refresh.create_stop_file().await;
        assert_identities(refresh.run(command, Pace::Continuous, stop).await);
    })
    .await;
}

/// One command of the AWS CLI that makes many calls, one every five seconds.
#[tokio::test(flavor = "multi_thread")]
async fn aws_cli_continues_across_a_refresh() {
    if rolecall_tests::is_left_out("python") {
        return;
    }
    with_each_source(async |refresh| {
        let call = |operation: &[&str]| {
            let mut command = refresh.program(&python());
            command.args(["-m", "awscli", "s3api"]).args(operation);
            command.args(["--bucket", "shop-state", "--key", "ready"]);
            command
        };
        let stop = async || {
            finish(call(&["put-object", "--output", "json"]), "").await.json();
        };
        let waiter = call(&["wait", "object-exists"]);
        assert_eq!(refresh.run(waiter, Pace::Continuous, stop).await.ok(), "");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sdk_for_javascript_continues_across_a_refresh() {
    if rolecall_tests::is_left_out("npm") {
        return;
    }
    with_each_source(async |refresh| {
        let mut command = refresh.program("node");
        let stop_file = refresh.stop_file();
        add_identity_script(&mut command, &["until", stop_file.to_str().unwrap()]);
        let stop = async || refresh.create_stop_file().await;
        assert_identities(refresh.run(command, Pace::Continuous, stop).await);
    })
    .await;
}

/// The process that reads the state with one session writes it with another one.
#[tokio::test(flavor = "multi_thread")]
async fn terraform_apply_continues_across_a_refresh() {
    const WAIT: &str = r#"
resource "terraform_data" "wait" {
  provisioner "local-exec" {
    command = "for i in $(seq 900); do [ ! -e ../stop ] || exit 0; sleep 0.1; done; exit 1"
  }
}
"#;
    if rolecall_tests::is_left_out("terraform") {
        return;
    }
    with_each_source(async |refresh| {
        let text = backend_s3(refresh.aws.url(), None) + WAIT;
        refresh.setup.write("infrastructure/main.tf", &text);
        let step = |arguments: &[&str]| {
            let mut command = refresh.program(&terraform());
            let folder = refresh.setup.home.path().join("infrastructure");
            add_terraform_step(&mut command, &folder, arguments);
            command
        };
        let run = finish(step(&["init"]), "").await;
        assert_eq!(run.code, Some(0), "{run:?}");
        let stop = async || refresh.create_stop_file().await;
        let apply = step(&["apply", "-auto-approve"]);
        let run = refresh.run(apply, Pace::Pausing, stop).await;
        assert!(run.out.contains("Apply complete! Resources: 1 added"), "{run:?}");
    })
    .await;
}

//! The store in front of an STS that does not respond.

use std::time::{Duration, Instant};

use rolecall_tests::HUB;
use tokio::task::JoinSet;

use crate::command::{Finished, Setup, finish};
use crate::short_sessions::ShortSessions;

const COMMAND: &str = "credential-process";
const PROCESSES: usize = 3;

/// Lets STS record calls and not answer them.
fn freeze(setup: &Setup) {
    setup.world.aws.set_latency(Duration::from_secs(600));
}

fn calls(setup: &Setup) -> usize {
    setup.world.aws.count("AssumeRole")
}

/// Runs processes at the same time.
async fn run_together(setup: &Setup, variables: &[(String, String)]) -> Vec<Finished> {
    let mut processes = JoinSet::new();
    for _ in 0..PROCESSES {
        let mut command = setup.command(variables);
        command.args([COMMAND, HUB]);
        processes.spawn(finish(command, ""));
    }
    processes.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn failure_is_shared_by_processes_that_waited() {
    let setup = Setup::start().await;
    let user = setup.user();
    freeze(&setup);
    let alone = setup.run(&user, &[COMMAND, HUB, "--no-store"]).await.failed(1);
    let of_one = calls(&setup);
    for run in run_together(&setup, &user).await {
        assert_eq!(run.failed(1), alone);
    }
    assert!(of_one > 0);
    assert_eq!(calls(&setup), 2 * of_one, "one process asked for all");
    setup.world.aws.set_latency(Duration::ZERO);
    assert!(setup.run(&user, &[COMMAND, HUB]).await.ok().contains("SessionToken"));
}

#[tokio::test(flavor = "multi_thread")]
async fn valid_session_is_not_kept_waiting() {
    let setup = Setup::start().await;
    let aws = ShortSessions::start(setup.world.aws.endpoint_url(), Duration::from_secs(30)).await;
    let mut user = setup.user();
    user.push(("AWS_ENDPOINT_URL".to_owned(), aws.url().to_owned()));
    let session = setup.run(&user, &[COMMAND, HUB]).await.ok();
    freeze(&setup);
    let begun = Instant::now();
    setup.run(&user, &[COMMAND, HUB, "--no-store"]).await.failed(1);
    let timeout = begun.elapsed();
    // The session is replaced in the last third of its lifetime.
    loop {
        let run = setup.run(&user, &[COMMAND, HUB]).await;
        assert_eq!((run.code, &run.out), (Some(0), &session), "{}", run.err);
        if run.err.contains("is not replaced: ") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (before, begun) = (calls(&setup), Instant::now());
    for run in run_together(&setup, &user).await {
        assert_eq!((run.code, &run.out), (Some(0), &session), "{}", run.err);
        assert!(run.err.contains("is not replaced: "), "{}", run.err);
    }
    assert!(begun.elapsed() < timeout, "{:?}", begun.elapsed());
    let calls = calls(&setup) - before;
    assert!((1..PROCESSES).contains(&calls), "they share the failure: {calls} calls");
}

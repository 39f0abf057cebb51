//! Runtimes that end, stand still, or are not there.

use super::*;

#[test]
fn when_a_runtime_shuts_down_amid_a_fetch_a_caller_on_another_takes_over() {
    let script = Script::new();
    script.block();
    let cached = script.cached();
    let doomed = std::thread::spawn({
        let (script, cached) = (script.clone(), cached.clone());
        move || {
            let doomed = runtime();
            doomed.block_on(async {
                assert!(at_once(&cached).is_none());
                until(|| script.fetches() == 1).await;
            });
            doomed
        }
    });
    let doomed = doomed.join().unwrap();
    runtime().block_on(async {
        let mut caller = pin!(ask(&cached));
        assert!(poll(&mut caller).is_none());
        assert_eq!(script.fetches(), 1, "it waits for the fetch on the other runtime");
        doomed.shutdown_background();
        assert!(poll(&mut caller).is_none());
        until(|| script.fetches() == 2).await;
        script.unblock();
        assert_eq!(number(&patiently(caller).await.unwrap()), 2);
    });
}

#[test]
fn when_a_runtime_stands_still_a_caller_on_another_takes_over_and_the_late_session_is_discarded() {
    let script = Script::new();
    script.block();
    let cached = script.cached();
    let frozen = runtime();
    frozen.block_on(async {
        assert!(at_once(&cached).is_none());
        until(|| script.fetches() == 1).await;
    });
    std::thread::scope(|scope| {
        let elsewhere = scope.spawn(|| {
            runtime().block_on(async {
                let mut caller = pin!(ask(&cached));
                for (seconds, fetches) in [(0, 1), (15, 1), (1, 2)] {
                    script.advance(seconds);
                    assert!(poll(&mut caller).is_none());
                    settle().await;
                    assert_eq!(script.fetches(), fetches, "{seconds}");
                }
                script.unblock();
                assert_eq!(number(&patiently(caller).await.unwrap()), 2);
            });
        });
        elsewhere.join().unwrap();
    });
    frozen.block_on(async {
        settle().await;
        assert_eq!((held_at_once(&cached), script.fetches()), (2, 2));
    });
}

#[test]
fn outside_a_runtime_no_session_is_an_error() {
    let error = at_once(&Script::new().cached()).expect("no wait").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.hint().unwrap().contains("Tokio"), "{error}");
}

#[test]
fn outside_a_runtime_a_held_session_is_handed_out_until_its_end() {
    let script = Script::new();
    let cached = script.cached();
    runtime().block_on(get(&cached));
    for _ in ["before the windows", "the refresh window", "the hard window"] {
        assert_eq!(held_at_once(&cached), 1);
        script.advance(INTO_THE_HARD_WINDOW / 2);
    }
    assert!(at_once(&cached).expect("no wait").is_err());
    assert_eq!(script.fetches(), 1);
}

#[test]
fn on_a_runtime_that_is_gone_a_call_is_an_error() {
    let (done, answer) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let cached = Script::new().cached();
        let gone = runtime();
        let handle = gone.handle().clone();
        drop(gone);
        let _guard = handle.enter();
        done.send(at_once(&cached)).unwrap();
    });
    let answer = answer.recv_timeout(Duration::from_secs(10)).expect("it hangs");
    assert!(answer.expect("no wait").is_err());
}

#[test]
fn outside_a_runtime_nobody_waits_for_the_fetch_of_another() {
    let script = Script::new();
    let cached = Cached::new(script.clone());
    script.block();
    let frozen = runtime();
    frozen.block_on(async {
        assert!(at_once(&cached).is_none());
        until(|| script.fetches() == 1).await;
    });
    assert!(at_once(&cached).expect("no wait").is_err());
}

#[test]
fn the_timer_goes_on_on_the_runtime_of_the_next_fetch() {
    let script = Script::new();
    let cached = script.cached();
    runtime().block_on(get(&cached));
    script.advance(HOUR);
    runtime().block_on(async {
        assert_eq!(get(&cached).await, 2);
        settle().await;
        script.advance(INTO_THE_WINDOW);
        until(|| script.fetches() == 3).await;
    });
}

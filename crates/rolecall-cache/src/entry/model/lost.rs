//! Fetches whose task disappears without a result, and runtimes that shut down.

use super::*;

/// Aborts the task of the running fetch, as a runtime does that shuts down. Returns `true` if a
/// fetch was running.
fn lose(entry: &ModelEntry) -> bool {
    let task = entry.lock().task.take();
    if let Some(task) = &task {
        task.abort();
    }
    task.is_some()
}

#[test]
fn lost_fetch_is_taken_over() {
    check(Responses::Sessions, |world| {
        let callers = tasks(&world.entry, 2);
        let losing = lose_fetches(&world.entry, 1);
        join(losing);
        block_on(async {
            for caller in callers {
                caller.await.unwrap().unwrap();
            }
        });
        assert!(world.origin.fetches.load(Ordering::SeqCst) <= 2);
    });
}

/// The fetch that takes over is lost as well. Callers receive a session or an error, and the next
/// one fetches.
#[test]
fn fetch_lost_twice_is_a_remembered_error() {
    static ERRORS: AtomicUsize = AtomicUsize::new(0);
    check(Responses::Sessions, |world| {
        let callers = tasks(&world.entry, 2);
        let losing = lose_fetches(&world.entry, 2);
        let errors = block_on(async {
            let mut errors = 0;
            for caller in callers {
                match caller.await.unwrap() {
                    Ok(session) => assert!(["AKIA1", "AKIA2"].contains(&session.access_key_id())),
                    Err(error) => {
                        assert!(
                            error.message().contains("shut down before it completed"),
                            "{error}"
                        );
                        errors += 1;
                    }
                }
            }
            errors
        });
        join(losing);
        assert!(world.origin.fetches.load(Ordering::SeqCst) <= 2);
        ERRORS.fetch_add(errors, Ordering::SeqCst);
        // The error is remembered until then.
        world.manual.advance(Duration::from_secs(2));
        key(&world.entry);
        assert!(world.origin.fetches.load(Ordering::SeqCst) <= 3);
    });
    assert!(ERRORS.load(Ordering::SeqCst) > 0, "no interleaving lost two fetches");
}

/// Aborts up to this many fetches, in a thread of its own.
fn lose_fetches(entry: &ModelEntry, losses: usize) -> Vec<shuttle::thread::JoinHandle<()>> {
    callers(entry, 1, move |entry| {
        let mut lost = 0;
        for _ in 0..6 * losses {
            lost += usize::from(lose(entry));
            if lost == losses {
                return;
            }
            shuttle::thread::yield_now();
        }
    })
}

/// Runtimes shut down while callers spawn fetches: each drops the task at once, within the spawn.
#[test]
fn runtime_shutdown_during_spawn_blocks_no_caller() {
    static ERRORS: AtomicUsize = AtomicUsize::new(0);
    check(Responses::Sessions, |world| {
        let callers = tasks(&world.entry, 2);
        let shutdown = {
            let entry = Arc::clone(&world.entry);
            shuttle::thread::spawn(move || {
                Runtime::shut_down(true);
                lose(&entry);
                shuttle::thread::yield_now();
                Runtime::shut_down(false);
            })
        };
        shutdown.join().unwrap();
        block_on(async {
            for caller in callers {
                if let Err(error) = caller.await.unwrap() {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                    ERRORS.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        // Neither the entry nor the timer depends on the runtime that is gone.
        world.manual.advance(Duration::from_secs(2));
        key(&world.entry);
        assert_eq!(world.entry.shared.timer.in_flight(), 0);
    });
    assert!(ERRORS.load(Ordering::SeqCst) > 0, "no interleaving shut down during a spawn");
}

/// The same for background fetches, which must not count as in flight forever.
#[test]
fn runtime_shutdown_during_refresh_frees_its_place() {
    check_fairly(Responses::Sessions, |world| {
        let World { entry, origin, manual } = world;
        block_on(async { request(&entry).await.unwrap() });
        manual.advance(IN_ADVISORY_WINDOW);
        let shutdown = {
            let entry = Arc::clone(&entry);
            shuttle::thread::spawn(move || {
                Runtime::shut_down(true);
                lose(&entry);
                shuttle::thread::yield_now();
                Runtime::shut_down(false);
            })
        };
        for _ in 0..3 {
            immediate(&entry);
            shuttle::thread::yield_now();
        }
        shutdown.join().unwrap();
        // Past the back-off, if the fetch was lost twice.
        manual.advance(Duration::from_secs(2));
        block_on(async {
            // Ends if the timer continues, and if no lost fetch counts as in flight.
            while immediate(&entry).access_key_id() == "AKIA1"
                || entry.is_loading()
                || entry.shared.timer.in_flight() > 0
            {
                yield_now().await;
            }
        });
        assert!(origin.fetches.load(Ordering::SeqCst) <= 4);
    });
}

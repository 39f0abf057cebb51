//! Fetches whose task is gone without a result.

use super::*;

/// The runtime of the fetch that runs shuts down. Whether one ran.
fn lose(slot: &Slot) -> bool {
    let task = slot.lock().task.take();
    if let Some(task) = &task {
        task.abort();
    }
    task.is_some()
}

#[test]
fn a_fetch_whose_task_is_gone_is_taken_over() {
    check(Answers::Sessions, |world| {
        let callers = tasks(&world.slot, 2);
        let doomed = doom(&world.slot, 1);
        answers(doomed);
        block_on(async {
            for caller in callers {
                caller.await.unwrap().unwrap();
            }
        });
        assert!(world.counted.fetches.load(Ordering::SeqCst) <= 2);
    });
}

/// One that takes over is lost as well: whoever waits is told so, or has a session, and the next
/// finds the slot in order.
#[test]
fn a_fetch_that_is_lost_twice_is_an_error_for_a_moment_and_nobody_waits_for_ever() {
    static TOLD: AtomicUsize = AtomicUsize::new(0);
    check(Answers::Sessions, |world| {
        let callers = tasks(&world.slot, 2);
        let doomed = doom(&world.slot, 2);
        let told = block_on(async {
            let mut told = 0;
            for caller in callers {
                match caller.await.unwrap() {
                    Ok(session) => assert!(["AKIA1", "AKIA2"].contains(&session.access_key_id())),
                    Err(error) => {
                        assert!(
                            error.message().contains("shut down before it completed"),
                            "{error}"
                        );
                        told += 1;
                    }
                }
            }
            told
        });
        answers(doomed);
        assert!(world.counted.fetches.load(Ordering::SeqCst) <= 2);
        TOLD.fetch_add(told, Ordering::SeqCst);
        // The error is remembered for a moment.
        world.hands.advance(Duration::from_secs(2));
        key(&world.slot);
        assert!(world.counted.fetches.load(Ordering::SeqCst) <= 3);
    });
    assert!(TOLD.load(Ordering::SeqCst) > 0, "in no interleaving were two lost");
}

/// Loses so many fetches, if they run while it looks.
fn doom(slot: &Slot, losses: usize) -> Vec<shuttle::thread::JoinHandle<()>> {
    callers(slot, 1, move |slot| {
        let mut lost = 0;
        for _ in 0..6 * losses {
            lost += usize::from(lose(slot));
            if lost == losses {
                return;
            }
            shuttle::thread::yield_now();
        }
    })
}

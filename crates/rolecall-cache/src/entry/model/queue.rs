//! The limit of background fetches, which is two in these models, and the queue.

use super::*;
use crate::timer::MAX_IN_FLIGHT;

struct Fleet {
    entries: Vec<ModelEntry>,
    origins: Vec<Arc<CountingOrigin>>,
    timer: Arc<Timer>,
    manual: ManualClock,
}

/// Creates entries of one timer, all of which have a session.
fn fleet(responses: &[Responses]) -> Fleet {
    fastrand::seed(4711);
    let manual = ManualClock::at(std::time::UNIX_EPOCH + 400_000 * HOUR);
    let timer = Timer::new(manual.clock());
    let shared = Shared::new(Arc::clone(&timer), Refresh::WhileUsed, Observed::default());
    let origins: Vec<_> = responses.iter().map(|responses| origin(&manual, *responses)).collect();
    let entry = |origin: &Arc<CountingOrigin>| Entry::new(Arc::clone(origin), Arc::clone(&shared));
    let entries: Vec<_> = origins.iter().map(entry).collect();
    for entry in &entries {
        key(entry);
    }
    Fleet { entries, origins, timer, manual }
}

/// Waits until each of these origins was called again, and nothing is in flight or queued.
async fn wait_until_refreshed(origins: &[Arc<CountingOrigin>], timer: &Timer) {
    for origin in origins {
        while origin.fetches.load(Ordering::SeqCst) < 2 {
            assert!(timer.in_flight() <= MAX_IN_FLIGHT);
            yield_now().await;
        }
    }
    while timer.in_flight() > 0 || timer.queued() > 0 {
        assert!(timer.in_flight() <= MAX_IN_FLIGHT);
        yield_now().await;
    }
}

/// Drops the entries and the timer, and waits until their tasks are gone.
fn finish(entries: Vec<ModelEntry>, origins: &[Arc<CountingOrigin>], timer: Arc<Timer>) {
    // Each entry has one position at most. One that was dropped while it was called leaves late.
    block_on(async {
        while timer.armed() + timer.queued() > entries.len() {
            yield_now().await;
        }
    });
    let weak = Arc::downgrade(&timer);
    drop((entries, timer));
    block_on(async {
        while weak.strong_count() > 0 || origins.iter().any(|origin| Arc::strong_count(origin) > 1)
        {
            yield_now().await;
        }
    });
}

fn running(origins: &[Arc<CountingOrigin>]) -> usize {
    origins.iter().map(|origin| origin.running.load(Ordering::SeqCst)).sum()
}

fn check_queue(model: impl Fn() + Copy + Send + Sync + 'static) {
    shuttle::check_random(model, INTERLEAVINGS);
}

#[test]
fn every_queued_entry_is_refreshed() {
    check_queue(|| {
        let Fleet { entries, origins, timer, manual } = fleet(&[Responses::Sessions; 5]);
        let clock = shuttle::thread::spawn(move || manual.advance(IN_ADVISORY_WINDOW));
        let watcher = {
            let origins = origins.clone();
            shuttle::thread::spawn(move || {
                for _ in 0..5 {
                    assert!(running(&origins) <= MAX_IN_FLIGHT, "more fetches than permits");
                    shuttle::thread::yield_now();
                }
            })
        };
        block_on(wait_until_refreshed(&origins, &timer));
        clock.join().unwrap();
        watcher.join().unwrap();
        for entry in &entries {
            assert_eq!(immediate(entry).access_key_id(), "AKIA2");
        }
        finish(entries, &origins, timer);
    });
}

#[test]
fn failing_fetches_free_their_permits() {
    check_queue(|| {
        use Responses::{FailAfterFirst, Sessions};
        let responses = [FailAfterFirst, Sessions, FailAfterFirst, Sessions];
        let Fleet { entries, origins, timer, manual } = fleet(&responses);
        manual.advance(IN_ADVISORY_WINDOW);
        block_on(wait_until_refreshed(&origins, &timer));
        finish(entries, &origins, timer);
    });
}

#[test]
fn entries_removed_or_dropped_in_the_queue_stop_no_other() {
    check_queue(|| {
        let Fleet { mut entries, mut origins, timer, manual } = fleet(&[Responses::Sessions; 5]);
        let clock = shuttle::thread::spawn(move || manual.advance(IN_ADVISORY_WINDOW));
        let (dropped, removed) = (entries.remove(4), entries.remove(3));
        origins.truncate(3);
        let leaving = shuttle::thread::spawn(move || {
            shuttle::thread::yield_now();
            drop(dropped);
            removed.remove();
            removed
        });
        block_on(wait_until_refreshed(&origins, &timer));
        clock.join().unwrap();
        let removed = leaving.join().unwrap();
        assert!(removed.hit(Session::clone).is_none());
        block_on(async {
            while timer.in_flight() > 0 || timer.queued() > 0 {
                yield_now().await;
            }
        });
        drop(removed);
        finish(entries, &origins, timer);
    });
}

#[test]
fn callers_of_queued_entries_do_not_wait() {
    check_queue(|| {
        let Fleet { entries, origins, timer, manual } = fleet(&[Responses::Sessions; 4]);
        manual.advance(IN_ADVISORY_WINDOW);
        let callers: Vec<_> = entries
            .iter()
            .map(|entry| {
                let entry = Arc::clone(entry);
                shuttle::thread::spawn(move || immediate(&entry))
            })
            .collect();
        join(callers);
        block_on(wait_until_refreshed(&origins, &timer));
        for origin in &origins {
            assert_eq!(origin.fetches.load(Ordering::SeqCst), 2);
        }
        finish(entries, &origins, timer);
    });
}

/// Foreground fetches take entries out of the queue while the timer takes them from there.
#[test]
fn foreground_fetches_race_the_queue() {
    check_queue(|| {
        let Fleet { entries, origins, timer, manual } = fleet(&[Responses::Sessions; 4]);
        let clock = shuttle::thread::spawn(move || manual.advance(IN_MANDATORY_WINDOW));
        let callers: Vec<_> = entries
            .iter()
            .map(|entry| {
                let entry = Arc::clone(entry);
                shuttle::thread::spawn(move || (key(&entry), key(&entry)))
            })
            .collect();
        join(callers);
        clock.join().unwrap();
        block_on(wait_until_refreshed(&origins, &timer));
        for (entry, origin) in entries.iter().zip(&origins) {
            assert_eq!(immediate(entry).access_key_id(), "AKIA2");
            assert_eq!(origin.fetches.load(Ordering::SeqCst), 2);
        }
        finish(entries, &origins, timer);
    });
}

/// Callers start fetches while others wait for the two permits: each is refreshed, and the permits
/// that entries from the queue do not use reach the next one.
#[test]
fn callers_and_queue_share_the_permits() {
    check_queue(|| {
        use Responses::{FailAfterFirst, Sessions};
        let responses = [Sessions, FailAfterFirst, Sessions, Sessions, FailAfterFirst];
        let Fleet { mut entries, mut origins, timer, manual } = fleet(&responses);
        let clock = shuttle::thread::spawn(move || manual.advance(IN_ADVISORY_WINDOW));
        let callers = entries
            .iter()
            .map(|entry| {
                let entry = Arc::clone(entry);
                shuttle::thread::spawn(move || {
                    for _ in 0..2 {
                        immediate(&entry);
                        shuttle::thread::yield_now();
                    }
                })
            })
            .collect();
        join(callers);
        clock.join().unwrap();
        // The last of them leaves whether or not it is queued.
        entries[4].remove();
        (entries.truncate(4), origins.truncate(4));
        block_on(wait_until_refreshed(&origins, &timer));
        finish(entries, &origins, timer);
    });
}

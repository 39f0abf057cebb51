//! The tasks of a pool: their number, their ends, and the runtimes that they move to.

use super::*;

#[tokio::test]
async fn one_task_refreshes_all_entries() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let script = ScriptedProvider::new();
    let pool = pool(&script).build();
    for key in 0..300 {
        request(&pool.get(&key)).await.unwrap();
    }
    assert_eq!((script.fetches(), tasks()), (300, 1));
    script.advance(IN_ADVISORY_WINDOW);
    for _ in 0..20 {
        settle().await;
    }
    assert_eq!((script.fetches(), tasks()), (600, 1));
    let provider = pool.get(&5);
    drop(pool);
    settle().await;
    request(&provider).await.unwrap();
    assert_eq!((script.fetches(), tasks()), (600, 1), "a provider works without its pool");
    drop(provider);
    settle().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn dropping_pool_cancels_abandoned_fetch() {
    let script = ScriptedProvider::new();
    let pool = pool(&script).build();
    script.block();
    let provider = pool.get(&1);
    let caller = tokio::spawn(async move { request(&provider).await.map(drop) });
    settle().await;
    caller.abort();
    settle().await;
    let tasks = || Handle::current().metrics().num_alive_tasks();
    assert_eq!((script.fetches(), tasks()), (1, 2), "it continues: the pool retains the entry");
    drop(pool);
    settle().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn dropping_pool_and_providers_ends_all_tasks() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let script = ScriptedProvider::new();
    let pool = pool(&script).build();
    for key in 0..50 {
        request(&pool.get(&key)).await.unwrap();
    }
    script.block();
    script.advance(IN_ADVISORY_WINDOW);
    settle().await;
    assert_eq!((script.fetches(), tasks()), (100, 51), "a fetch for each entry, and the timer");
    let provider = pool.get(&7);
    drop(pool);
    settle().await;
    assert_eq!(tasks(), 2, "the fetch of the entry that has a provider, and the timer");
    drop(provider);
    settle().await;
    assert_eq!(tasks(), 0);
}

#[test]
fn pool_refreshes_all_entries_on_next_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let script = ScriptedProvider::new();
    let pool = pool(&script).build();
    runtime().block_on(async {
        for key in 0..100 {
            request(&pool.get(&key)).await.unwrap();
        }
    });
    runtime().block_on(async {
        settle().await;
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0, "nothing was due");
        script.advance(IN_ADVISORY_WINDOW);
        // One call starts a refresh, and the timer calls all other entries.
        request(&pool.get(&5)).await.unwrap();
        for _ in 0..10 {
            settle().await;
        }
        assert_eq!(script.fetches(), 200);
    });
    runtime().block_on(async {
        for key in 0..100 {
            request(&pool.get(&key)).await.unwrap();
        }
    });
    assert_eq!(script.fetches(), 200);
}

#[test]
fn runtime_shutdown_costs_one_more_fetch_per_key() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let script = ScriptedProvider::new();
    let pool = pool(&script).build();
    script.block();
    let ending = runtime();
    ending.block_on(async {
        for key in 0..40 {
            let provider = pool.get(&key);
            tokio::spawn(async move { request(&provider).await.map(drop) });
        }
        settle().await;
    });
    assert_eq!(script.fetches(), 40);
    drop(ending);
    script.unblock();
    runtime().block_on(async {
        for key in 0..40 {
            request(&pool.get(&key)).await.unwrap();
        }
    });
    assert_eq!(script.fetches(), 80);
}

#[test]
fn removal_reaches_callers_of_stopped_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let script = ScriptedProvider::new();
    let pool = pool(&script).build();
    script.block();
    let stopped = runtime();
    stopped.block_on(async {
        let provider = pool.get(&1);
        tokio::spawn(async move { request(&provider).await.map(drop) });
        settle().await;
    });
    assert_eq!(script.fetches(), 1);
    runtime().block_on(async {
        let provider = pool.get(&1);
        let caller = tokio::spawn(async move { request(&provider).await.map(drop) });
        settle().await;
        assert!(pool.remove(&1) && !caller.is_finished());
        settle().await;
        assert!(caller.is_finished());
        assert_eq!(caller.await.unwrap().unwrap_err().kind(), ErrorKind::Removed);
    });
}

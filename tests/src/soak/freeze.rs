//! A client whose runtime is not driven for seconds: its tasks and timers stand still.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rolecall::cache::SessionPool;
use rolecall::time::Moment;
use tokio::runtime::Builder;

use super::invariants::InvariantMonitor;
use super::{Connection, callers, create_pool};

/// Number of tenants of a client that is frozen.
const TENANTS: usize = 10;
/// Number of its calling tasks.
const TASKS: u64 = 4;

/// Creates the monitor of a client that is frozen.
pub(super) fn new_monitor(connection: &Connection) -> Arc<InvariantMonitor> {
    Arc::new(InvariantMonitor::new(TENANTS, connection.clock.clone()))
}

/// Starts the calling tasks of a client that is frozen on the current runtime.
pub(super) fn spawn_callers(
    pool: &SessionPool<usize>,
    monitor: &Arc<InvariantMonitor>,
    stop: &Arc<AtomicBool>,
    seed: u64,
) {
    for task in 0..TASKS {
        let (pool, monitor, stop) = (pool.clone(), Arc::clone(monitor), Arc::clone(stop));
        tokio::spawn(callers::run(pool, monitor, stop, seed.wrapping_add(task)));
    }
}

/// Calls every tenant after a freeze that ended at `thawed_at`.
pub(super) async fn call_after_freeze(
    pool: SessionPool<usize>,
    monitor: Arc<InvariantMonitor>,
    thawed_at: Moment,
) {
    for tenant in 0..TENANTS {
        let result = callers::get_session(&pool, &monitor, tenant).await;
        monitor.check_first_call_after_freeze(tenant, thawed_at, result.as_ref());
    }
}

/// Runs a client until `stop` is set, and freezes it again and again: seconds in which it is driven
/// alternate with seconds in which it is not. A session lasts 15 seconds of real time.
///
/// Returns the number of tasks that are left in the end.
pub(super) fn run(
    connection: &Connection,
    monitor: &Arc<InvariantMonitor>,
    stop: &AtomicBool,
    seed: u64,
) -> Result<usize, Box<dyn Error + Send + Sync>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let _guard = runtime.enter();
    let mut rng = fastrand::Rng::with_seed(seed);
    let pool = create_pool(connection, monitor)?;
    let callers_stop = Arc::default();
    spawn_callers(&pool, monitor, &callers_stop, seed);
    while !stop.load(Ordering::Relaxed) {
        let driven = Duration::from_millis(rng.u64(500..3000));
        runtime.block_on(tokio::time::sleep(driven));
        // At 60 seconds of the session clock for each second, every fetch is overdue afterwards.
        std::thread::sleep(Duration::from_millis(rng.u64(2000..9000)));
        let thawed_at = monitor.clock().now();
        runtime.block_on(call_after_freeze(pool.clone(), Arc::clone(monitor), thawed_at));
    }
    callers_stop.store(true, Ordering::Relaxed);
    drop(pool);
    let deadline = std::time::Instant::now() + super::SHUTDOWN_TIMEOUT;
    loop {
        let tasks = runtime.metrics().num_alive_tasks();
        if tasks == 0 || std::time::Instant::now() > deadline {
            return Ok(tasks);
        }
        runtime.block_on(tokio::time::sleep(Duration::from_millis(10)));
    }
}

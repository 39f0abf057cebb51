//! Benchmarks of rolecall's cache against its peers and against the floor, the least that any
//! cache with the SDK's interface must do.
//!
//! Everything runs in one process and one run, and goals are ratios: absolute times differ between
//! machines, and between two runs on the same machine. Each line of output is JSON:
//! `{"name", "value", "goal", "ok"}` for a figure with a goal, and `{"table", ..}` for the
//! comparison with the peers. `cargo xtask bench` writes a page from these lines.
//!
//! - [`hit`]: the cost of a cache hit, on one thread and on two;
//! - [`pool`]: memory, file descriptors and STS calls of many roles;
//! - [`load`]: 10,000 tasks during a refresh, at the first load, and with a timeout.

mod hit;
mod load;
mod peers;
mod pool;
mod report;
mod sts;

use peers::Outcome;

fn main() -> Outcome {
    hit::measure()?;
    pool::measure()?;
    load::measure()
}

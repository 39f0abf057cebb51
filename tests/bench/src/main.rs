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
//! - [`load`]: 10,000 tasks during a refresh, at the first load, and with a timeout;
//! - [`rate_limit`]: the CPU time of a refresh of 100,000 entries that are due at once;
//! - [`growth`]: memory, handles and refreshes of 10,000 to 1,000,000 entries.
//!
//! Arguments are the names of the parts to run. Without arguments, all parts run.

mod due;
mod growth;
mod hit;
mod load;
mod peers;
mod pool;
mod rate_limit;
mod report;
mod sts;

use peers::Outcome;

type Part = (&'static str, fn() -> Outcome);

const PARTS: [Part; 5] = [
    ("hit", hit::measure),
    ("pool", pool::measure),
    ("load", load::measure),
    ("rate_limit", rate_limit::measure),
    ("growth", growth::measure),
];

fn main() -> Outcome {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_part = |name: &&String| PARTS.iter().any(|(part, _)| part == name);
    if let Some(unknown) = wanted.iter().find(|name| !is_part(name)) {
        return Err(format!("`{unknown}` is not a part of the benchmark").into());
    }
    for (name, measure) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            measure()?;
        }
    }
    Ok(())
}

//! rolecall's cache beside its peers, and beside the floor under all of them, in one process and one run. Each line that is
//! printed is JSON: `{"name", "value", "goal", "ok"}` for what must be reached, `{"table", ..}` for what stands beside it.
//! `cargo xtask bench` makes a page of it.

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

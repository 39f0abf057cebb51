//! Prints the figures that need no timing, or lines for `rolecall policy simulate`.
//!
//! Without arguments, the allocations of an evaluation are counted. `lines N` writes N simulations.

use std::error::Error;
use std::io::{BufWriter, Write, stdout};

use rolecall_bench_policy::{policies, request, simulation};
use rolecall_policy::{Policies, evaluate};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut output = BufWriter::new(stdout().lock());
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => {
            let allocations = count_allocations()?;
            let ok = allocations == 0;
            let name = "policy_evaluate_allocations";
            writeln!(
                output,
                r#"{{"name": "{name}", "value": {allocations}, "goal": "= 0", "ok": {ok}}}"#
            )?;
        }
        ["lines", count] => {
            for index in 0..count.parse()? {
                writeln!(output, "{}", simulation(index))?;
            }
        }
        _ => return Err("usage: rolecall-bench-policy [lines N]".into()),
    }
    Ok(output.flush()?)
}

/// Counts the allocations of an allowed request.
fn count_allocations() -> Result<u64, Box<dyn Error>> {
    let (policies, request) = (policies()?, request()?);
    let policies = Policies::new().identity(&policies);
    let mut allowed = true;
    let counted = allocation_counter::measure(|| {
        for _ in 0..1000 {
            allowed &= evaluate(&request, &policies).is_allowed();
        }
    });
    if !allowed {
        return Err("the policy of the benchmark does not allow its request".into());
    }
    Ok(counted.count_total)
}

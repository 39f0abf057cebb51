//! Tests of programs that a machine may lack.

use std::io::Write as _;

/// Returns `true` if `cargo xtask test --without TOOL` leaves out the current test, which must then
/// return.
///
/// Writes the name of the test to standard output, where xtask counts it: no test is left out
/// silently. The test harness captures `println!` but not this.
pub(crate) fn is_left_out(tool: &str) -> bool {
    let without = std::env::var("ROLECALL_WITHOUT").unwrap_or_default();
    if !without.split(',').any(|name| name == tool) {
        return false;
    }
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a test");
    // A closed standard output only loses the message.
    let _ = writeln!(std::io::stdout(), "left out: {name}: needs {tool}");
    true
}

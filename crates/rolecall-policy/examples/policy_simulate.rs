//! Evaluates IAM requests: one JSON object per line in, one per line out.
//!
//! ```console
//! $ cargo run -q -p rolecall-policy --example policy_simulate -- --explain < requests.jsonl
//! {"id":"read-orders","decision":"Allowed","explanation":{..}}
//! ```
//!
//! The members of a line are those of `rolecall_policy::Simulation`. A line that cannot be read is
//! answered with `{"id": .., "error": ..}`, and the others are still evaluated.

use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::process::ExitCode;

use rolecall_policy::{Explanation, Outcome, Simulation, SimulationId};

#[derive(serde::Serialize)]
struct Answer {
    id: Option<SimulationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explanation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

fn main() -> ExitCode {
    let mut explain = false;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--explain" => explain = true,
            other => {
                let usage = "usage: policy_simulate [--explain] < requests.jsonl";
                let _ = writeln!(io::stderr(), "unknown argument {other:?}\n{usage}");
                return ExitCode::from(2);
            }
        }
    }
    let output = BufWriter::new(io::stdout().lock());
    match run(BufReader::new(io::stdin().lock()), output, explain) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the output has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "cannot read or write a line: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut input: impl BufRead, mut output: impl Write, explain: bool) -> io::Result<()> {
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        if !line.trim_ascii().is_empty() {
            serde_json::to_writer(&mut output, &answer(&line, explain))?;
            output.write_all(b"\n")?;
        }
        line.clear();
    }
    output.flush()
}

fn answer(line: &[u8], explain: bool) -> Answer {
    match Simulation::from_slice(line) {
        Ok(simulation) => {
            let decision = simulation.evaluate();
            Answer {
                id: simulation.id().cloned(),
                decision: Some(decision.outcome()),
                explanation: explain.then(|| decision.explain()),
                error: None,
            }
        }
        Err(error) => {
            let (id, error) = (Simulation::find_id(line), Some(error.to_string()));
            Answer { id, decision: None, explanation: None, error }
        }
    }
}

//! The time of `rolecall whoami` to the first byte of its request, compared with the AWS CLI.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use xshell::cmd;

use super::{Pairs, quartiles, write_figure, write_times};
use crate::python;
use crate::workspace::{Outcome, Workspace};

/// Pairs of runs. Each gives one ratio, so that a slow phase of the machine affects both of its
/// runs and not the median.
const PAIRS: usize = 41;
/// The largest ratio that meets the goal.
const MOST: f64 = 0.1;

const TABLE: &str = "The first byte of a request for the caller's identity";

/// An answer that both programs accept.
const ANSWER: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
     <GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/ann</Arn>\
     <UserId>AIDACKCEVSQ6C2EXAMPLE</UserId><Account>111122223333</Account>\
     </GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>\
     </GetCallerIdentityResponse>";

/// Returns the lines of the figure `whoami_first_byte_ratio_to_aws_cli` and its table.
pub(super) fn measure(workspace: &Workspace, rolecall: &Path) -> Outcome<String> {
    let shell = &workspace.shell;
    let aws = python::prepare(workspace, python::TESTS)?.with_file_name("aws");
    // As `aws-cli/1.45.1 Python/3.12.1 ..`.
    let version = cmd!(shell, "{aws} --version").read()?;
    let version = version.split_whitespace().next().unwrap_or("aws-cli").replace('/', " ");

    let home = workspace.target().join("bench-home");
    shell.remove_path(&home)?;
    shell.create_dir(&home)?;
    let setup = Setup { sts: Sts::start()?, home };
    let whoami = || setup.time(rolecall, &["whoami"]);
    let get_caller_identity = || setup.time(&aws, &["sts", "get-caller-identity"]);
    let pairs = Pairs::measure(PAIRS, whoami, get_caller_identity)?;
    let heads = ["program", "ms from its start (median)", "quartiles", "pairs"];
    let [_, median, _] = quartiles(pairs.ratios);
    Ok([
        write_figure("whoami_first_byte_ratio_to_aws_cli", median, MOST),
        json!({"table": TABLE, "heads": heads}).to_string(),
        write_times(TABLE, "`rolecall whoami`", pairs.ours),
        write_times(TABLE, &format!("`aws sts get-caller-identity`, {version}"), pairs.theirs),
    ]
    .join("\n"))
}

/// What the programs run with: a server, and a home directory without a configuration.
struct Setup {
    sts: Sts,
    home: PathBuf,
}

impl Setup {
    /// Runs a program, and returns the time from its start to the first byte of its request.
    fn time(&self, program: &Path, arguments: &[&str]) -> Outcome<Duration> {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().env("HOME", &self.home).envs([
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL_STS", self.sts.url.as_str()),
        ]);
        let start = Instant::now();
        let output = command.output()?;
        let (out, error) = (output.stdout, String::from_utf8_lossy(&output.stderr));
        if !output.status.success() || !String::from_utf8_lossy(&out).contains("user/ann") {
            return Err(format!("{} failed: {error}", program.display()).into());
        }
        // One more request would be a retry, whose time is another.
        match self.sts.requests.try_iter().collect::<Vec<_>>()[..] {
            [first] => Ok(first.duration_since(start)),
            ref all => Err(format!("{} sent {} requests", program.display(), all.len()).into()),
        }
    }
}

/// A server that answers every request, and reports when its first byte arrived.
struct Sts {
    url: String,
    requests: Receiver<Instant>,
}

impl Sts {
    fn start() -> Outcome<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let url = format!("http://{}", listener.local_addr()?);
        let (sender, requests) = channel();
        // The thread ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that closes its connection without a request is found by its count.
                let _ = answer(&stream, &sender);
            }
        });
        Ok(Self { url, requests })
    }
}

/// Reads a request and answers it.
fn answer(stream: &TcpStream, sender: &Sender<Instant>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    if reader.fill_buf()?.is_empty() {
        return Ok(());
    }
    // The receiver is there as long as a program runs.
    let _ = sender.send(Instant::now());
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        line.clear();
    }
    io::copy(&mut reader.take(length), &mut io::sink())?;
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{ANSWER}",
        ANSWER.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(sts: &Sts, parts: &[&str]) -> String {
        let mut stream = TcpStream::connect(sts.url.trim_start_matches("http://")).unwrap();
        for part in parts {
            stream.write_all(part.as_bytes()).unwrap();
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn first_byte_of_each_request_is_reported() {
        let sts = Sts::start().unwrap();
        let start = Instant::now();
        let parts = ["POST / HTTP/1.1\r\nContent-Length: 4\r\n", "\r\n", "a=", "bc"];
        let answer = send(&sts, &parts);
        assert!(answer.ends_with("</GetCallerIdentityResponse>"), "{answer}");
        assert!(sts.requests.try_recv().unwrap() >= start);
        assert!(sts.requests.try_recv().is_err(), "one request");
    }
}

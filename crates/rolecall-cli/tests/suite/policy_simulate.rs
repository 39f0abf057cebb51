//! `rolecall policy simulate`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::{Value, json};

use crate::command::finish_without_reader;
use crate::folder::Folder;

fn line(id: &str, action: &str) -> String {
    json!({
        "id": id,
        "request": {
            "action": action,
            "resource": "arn:aws:s3:::shop/orders/1",
            "principal": "arn:aws:iam::111122223333:user/ann",
        },
        "identity_policies": [{"Statement": {
            "Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::shop/*",
        }}],
    })
    .to_string()
        + "\n"
}

fn answers(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn requests_are_answered_in_order() {
    let input = line("read", "s3:GetObject") + "\n" + &line("write", "s3:PutObject");
    let folder = Folder::new().with("requests.jsonl", &input);
    let answered = [
        json!({"id": "read", "decision": "Allowed"}),
        json!({"id": "write", "decision": "ImplicitlyDenied"}),
    ];
    let text = folder.run(&["policy", "simulate", "requests.jsonl"]).await.ok();
    assert_eq!(answers(&text), answered);
    let text = folder.pipe(&["policy", "simulate", "--output", "json"], &input).await.ok();
    assert_eq!(answers(&text), answered);
}

/// `policy simulate --explain --output table | less` is for a person.
#[tokio::test]
async fn explicit_table_is_text_in_a_pipe() {
    let input = line("read", "s3:GetObject") + &line("write", "s3:PutObject");
    for arguments in [
        &["policy", "simulate", "--output", "table"][..],
        &["--output=table", "policy", "simulate"],
    ] {
        let text = Folder::new().pipe(arguments, &input).await.ok();
        assert_eq!(text, "Allowed read\nImplicitlyDenied write\n");
    }
}

/// A pattern such as `s3:Get*` allows an action that is misspelled, too.
#[tokio::test]
async fn unknown_action_has_a_note() {
    let input = line("a", "s3:GetObjekt") + &line("b", "s3:getobject") + &line("c", "example:Get");
    let note = "\"s3:GetObjekt\" is not an action of Amazon S3; hint: write s3:GetObject";
    let text = Folder::new().pipe(&["policy", "simulate"], &input).await.ok();
    let expected = [
        json!({"id": "a", "decision": "Allowed", "note": note}),
        json!({"id": "b", "decision": "Allowed"}),
        json!({"id": "c", "decision": "ImplicitlyDenied"}),
    ];
    assert_eq!(answers(&text), expected);
    let text = Folder::new().pipe(&["policy", "simulate", "--output", "table"], &input).await.ok();
    let expected = format!("Allowed a\n  note: {note}\nAllowed b\nImplicitlyDenied c\n");
    assert_eq!(text, expected);
}

/// The members of the answers are the same for every line, so that a program need not know whether
/// its requests have ids.
#[tokio::test]
async fn line_without_id_is_answered_with_null() {
    let with = line("1", "s3:GetObject");
    let input = [
        with.replace("\"id\":\"1\",", ""),
        with.replace("\"id\":\"1\"", "\"id\":null"),
        with.replace("\"id\":\"1\"", "\"id\":1"),
        with.clone(),
    ];
    let text = Folder::new().pipe(&["policy", "simulate"], &input.concat()).await.ok();
    let ids: Vec<&str> = text
        .lines()
        .map(|line| line.strip_prefix("{\"id\":").unwrap().split(',').next().unwrap())
        .collect();
    assert_eq!(ids, ["null", "null", "1", "\"1\""]);
    let run = Folder::new().pipe(&["policy", "simulate"], "{\"request\": 1}\n").await;
    assert_eq!(run.code, Some(1));
    assert!(
        run.out.starts_with("{\"id\":null,\"error\":\"request at line 1 column 13: "),
        "{}",
        run.out
    );
}

#[tokio::test]
async fn control_characters_of_an_id_are_escaped() {
    let id = "a\u{7f}\u{9b}31m\u{85}\u{1b}[31m\u{e4}";
    let text = Folder::new().pipe(&["policy", "simulate"], &line(id, "s3:GetObject")).await.ok();
    assert_eq!(answers(&text)[0]["id"], id);
    assert!(text.contains(r"a\u007f\u009b31m\u0085\u001b[31m"), "{text}");
}

#[tokio::test]
async fn explanation_names_what_does_not_match() {
    let arguments = ["policy", "simulate", "--explain", "-"];
    let text = Folder::new().pipe(&arguments, &line("write", "s3:PutObject")).await.ok();
    let answer = &answers(&text)[0];
    let statement = &answer["explanation"]["statements"][0];
    assert_eq!(statement["mismatch"]["element"], "Action");
    assert_eq!(statement["mismatch"]["expected"], json!(["s3:Get*"]));
    assert_eq!(answer["explanation"]["outcome"], answer["decision"]);
}

#[tokio::test]
async fn bad_lines_are_answered_and_exit_with_1() {
    let input = format!("{{\n{{\"id\": \"b\", \"request\": 1}}\n{}", line("read", "s3:GetObject"));
    let run = Folder::new().pipe(&["policy", "simulate"], &input).await;
    assert_eq!((run.code, run.err.as_str()), (Some(1), ""));
    let answers = answers(&run.out);
    assert_eq!(answers[0]["id"], Value::Null);
    assert!(answers[0]["error"].as_str().unwrap().contains("not valid JSON"), "{answers:?}");
    assert_eq!(answers[1]["id"], "b");
    let error = "request at line 1 column 24: expected an object, found a number";
    assert_eq!(answers[1]["error"], error);
    assert_eq!(answers[2], json!({"id": "read", "decision": "Allowed"}));
    let error = Folder::new().run(&["policy", "simulate", "absent"]).await.failed(1);
    assert!(error.starts_with("error: cannot read absent: "), "{error}");
}

/// `head` closes its input, too. The exit code says whether all lines are good, which is not known
/// before the last one.
#[test]
fn closed_output_ends_the_command() {
    for (input, code) in [(line("read", "s3:GetObject"), 141), ("{\n".to_owned(), 1)] {
        let folder = Folder::new().with("requests.jsonl", &input.repeat(10_000));
        let command = folder.command(&["policy", "simulate", "requests.jsonl"]);
        let run = finish_without_reader(command);
        assert_eq!((run.code, run.err.as_str()), (Some(code), ""));
    }
}

/// A command that runs, and a thread that reads its answers.
struct Exchange {
    child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Exchange {
    fn start() -> Self {
        let mut command = Folder::new().command(&["policy", "simulate", "--explain"]);
        // The folder of the helper is gone when the command runs.
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, answers) = mpsc::channel();
        // It ends with the command, or with the test.
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { input: child.stdin.take(), child, answers }
    }

    /// Writes as many requests, and returns the last answer.
    fn ask(&mut self, count: usize, line: &str) -> String {
        let mut input = self.input.take().unwrap();
        let mut last = String::new();
        std::thread::scope(|scope| {
            let input = &mut input;
            scope.spawn(move || {
                for _ in 0..count {
                    // The command may have ended, so that no answer arrives.
                    let _ = input.write_all(line.as_bytes());
                }
            });
            for _ in 0..count {
                last = self.answers.recv_timeout(Duration::from_secs(60)).unwrap();
            }
        });
        self.input = Some(input);
        last
    }

    /// Closes standard input, and returns `true` if the command succeeds.
    fn finish(mut self) -> bool {
        drop(self.input.take());
        self.child.wait().unwrap().success()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // It has ended unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program can write a request, and wait for its answer before it writes the next one.
#[test]
fn request_is_answered_before_the_next_is_written() {
    let mut exchange = Exchange::start();
    for id in ["1", "2"] {
        let answer = exchange.ask(1, &line(id, "s3:GetObject"));
        assert_eq!(answers(&answer)[0]["id"], id);
    }
    assert!(exchange.finish());
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_input() {
    let mut exchange = Exchange::start();
    let status = format!("/proc/{}/status", exchange.child.id());
    let peak = || {
        let text = std::fs::read_to_string(&status).unwrap();
        let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    exchange.ask(500, &line("a", "s3:PutObject"));
    let before = peak();
    // The input has 6 MB, the output 11 MB.
    exchange.ask(20_000, &line("a", "s3:PutObject"));
    assert!(peak() < before + 2_000, "{before} kB, then {} kB", peak());
    assert!(exchange.finish());
}

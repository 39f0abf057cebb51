#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::process::Command;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Values of which half the characters have a meaning to a shell.
fn values(count: usize) -> impl Strategy<Value = Vec<String>> {
    let special: Vec<char> =
        "'\"\\$`!;|&<>(){}[]*?~#=%^ \t\r\n\u{1}\u{7f}\u{88}‘’‚‛“”é😀".chars().collect();
    let character = prop_oneof![
        prop::sample::select(special),
        any::<char>().prop_filter("no environment can hold it", |c| *c != '\0'),
    ];
    vec(vec(character, 0..30).prop_map(String::from_iter), count)
}

fn assign(syntax: Syntax, value: &str) -> String {
    assignments(syntax, &[(SESSION_TOKEN, value.to_owned())]).unwrap()
}

/// Runs a script that assigns and prints each value, and returns what it printed.
fn print_all(program: &[&str], syntax: Syntax, values: &[String]) -> Vec<String> {
    // fish creates folders in its home.
    let [home, folder] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let script = home.path().join("script");
    let print = format!("printf '%s\\0' \"${SESSION_TOKEN}\"");
    let lines = values.iter().map(|value| format!("{}\n{print}\n", assign(syntax, value)));
    std::fs::write(&script, lines.collect::<String>()).unwrap();
    let mut command = rolecall_tests::clean(Command::new(program[0]));
    command.args(&program[1..]).arg(&script).current_dir(&folder).env("HOME", home.path());
    command.env("LC_ALL", "C.UTF-8").env("PATH", std::env::var_os("PATH").unwrap());
    let output = command.output().unwrap();
    let files = std::fs::read_dir(&folder).unwrap().count();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!((text(&output.stderr).as_str(), files), ("", 0), "{program:?}");
    let printed = text(&output.stdout);
    printed.split_terminator('\0').map(str::to_owned).collect()
}

#[cfg(unix)]
#[test]
fn posix_assignment_of_any_value_is_evaluated_to_it() {
    proptest!(ProptestConfig::with_cases(16), |(values in values(200))| {
        prop_assert_eq!(print_all(&["sh"], Syntax::Posix, &values), values);
    });
}

#[cfg(unix)]
#[test]
fn assignment_of_any_value_is_evaluated_to_it_by_other_shells() {
    if rolecall_tests::is_left_out("shells") {
        return;
    }
    for (program, syntax) in [
        (&["bash"][..], Syntax::Posix),
        (&["dash"], Syntax::Posix),
        (&["zsh", "-f"], Syntax::Posix),
        (&["zsh", "-f", "-o", "rcquotes"], Syntax::Posix),
        (&["fish", "--no-config"], Syntax::Fish),
    ] {
        proptest!(ProptestConfig::with_cases(4), |(values in values(200))| {
            let printed = print_all(program, syntax, &values);
            for (printed, value) in printed.iter().zip(&values) {
                prop_assert_eq!(printed, value, "{:?}", program);
            }
            prop_assert_eq!(printed.len(), values.len());
        });
    }
}

/// Evaluates an assignment as the PowerShell language specification says, section 2.3.5.2: in a
/// verbatim string, any of the single quote characters ends the string, and two of them are one.
/// Between strings, `+` concatenates, and `[char]N` is a UTF-16 code unit.
/// (learn.microsoft.com/powershell/scripting/lang-spec/chapter-02, and about_Quoting_Rules.)
fn evaluate_powershell(line: &str) -> Option<String> {
    let is_quote = |c: &char| "'\u{2018}\u{2019}\u{201a}\u{201b}".contains(*c);
    let mut rest = line.strip_prefix("$Env:AWS_SESSION_TOKEN = ")?;
    let mut units: Vec<u16> = Vec::new();
    loop {
        if let Some(code) = rest.strip_prefix("[char]") {
            let end = code.find(|c: char| !c.is_ascii_digit()).unwrap_or(code.len());
            units.push(code[..end].parse().ok()?);
            rest = &code[end..];
        } else {
            let mut chars = rest.chars().peekable();
            chars.next().filter(is_quote)?;
            loop {
                let c = chars.next()?;
                if is_quote(&c) && chars.next_if(is_quote).is_none() {
                    break;
                }
                units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
            }
            rest = &rest[rest.len() - chars.map(char::len_utf8).sum::<usize>()..];
        }
        match rest.strip_prefix('+') {
            Some(more) => rest = more,
            None => break,
        }
    }
    rest.is_empty().then(|| String::from_utf16(&units).ok())?
}

#[test]
fn powershell_assignment_of_any_value_is_evaluated_to_it() {
    proptest!(|(values in values(20))| {
        for value in values {
            let line = assign(Syntax::Powershell, &value);
            prop_assert_eq!(evaluate_powershell(&line), Some(value), "{}", line);
        }
    });
}

/// `Invoke-Expression` receives the lines one by one, in the code page of the console.
#[test]
fn powershell_assignment_is_one_line_of_ascii() {
    let line = assign(Syntax::Powershell, "it's\nRemove-Item x\r\u{2019}; $(x) `n \u{1f600}");
    let expected = "$Env:AWS_SESSION_TOKEN = 'it''s'+[char]10+'Remove-Item x'+[char]13+''\
                    +[char]8217+'; $(x) `n '+[char]55357+''+[char]56832+''";
    assert_eq!(line, expected);
    assert_eq!(assign(Syntax::Powershell, "IQoJ/+="), "$Env:AWS_SESSION_TOKEN = 'IQoJ/+='");
}

/// Nushell's `from json` reads JSON. `from nuon` does not: it knows `\u{X}` alone.
/// (nushell.sh/book/loading_data.html, nushell.sh/book/working_with_strings.html.)
#[test]
fn nushell_record_of_any_value_is_one_line_of_json() {
    proptest!(|(values in values(20))| {
        for value in values {
            let text = assign(Syntax::Nushell, &value);
            let record: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&record, &serde_json::json!({ "AWS_SESSION_TOKEN": value }));
            prop_assert!(!text.contains('\n'));
        }
    });
}

#[test]
fn dotenv_accepts_only_values_without_quotes() {
    let plain = "AZaz09/+=-_.:,@%";
    assert_eq!(assign(Syntax::Dotenv, plain), format!("AWS_SESSION_TOKEN={plain}"));
    for c in "'\"\\$`!;|&<>(){}[]*?~#^ \t\r\n‘é".chars() {
        let variables = [(SESSION_TOKEN, format!("a{c}"))];
        let error = assignments(Syntax::Dotenv, &variables).unwrap_err();
        assert!(format!("{error:?}").contains("have no common form in env files"), "{c:?}");
    }
}

#[test]
fn nul_is_refused_by_every_syntax() {
    use Syntax::{Dotenv, Fish, Nushell, Posix, Powershell};
    for syntax in [Posix, Fish, Powershell, Nushell, Dotenv] {
        let variables = [(SESSION_TOKEN, "a\0b".to_owned())];
        assert!(assignments(syntax, &variables).is_err(), "{syntax:?}");
    }
}

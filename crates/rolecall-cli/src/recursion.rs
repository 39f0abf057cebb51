//! Profiles whose `credential_process` would start this command again, without an end.
//!
//! Every command that starts from a profile checks it here, before the SDK runs the process. A
//! command line is read where it stands in the configuration files. What a script starts is known
//! only when it has started it: on Linux, a command is refused if an ancestor of its process is
//! another one that selects the same profile.

use std::collections::BTreeSet;

use rolecall::Environment;

use crate::config_files::{setting, texts};
use crate::error::Failure;
use crate::identity::Base;

/// Refuses a profile whose `credential_process` leads back to it.
pub(crate) fn check(base: &Base) -> Result<(), Failure> {
    match follow(base, &Environment::process()) {
        End::Circle(name) => Err(refused(&name)),
        End::Process(name) if ancestors::select(base) => Err(refused(&name)),
        End::Process(_) | End::Other => Ok(()),
    }
}

fn refused(name: &str) -> Failure {
    let message =
        format!("the credential_process of the profile {name:?} leads back to the same profile");
    Failure::operation(message)
        .with_hint("add --base env, or --base profile:NAME with another profile, to the process")
}

/// Where the settings of profiles lead.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Back to this profile.
    Circle(String),
    /// To the process of this profile, which is not known to run this program.
    Process(String),
    /// To no process.
    Other,
}

/// Follows the profiles that the arguments and each process select.
fn follow(base: &Base, environment: &Environment) -> End {
    let Some(mut name) = selected(base, environment) else { return End::Other };
    let texts: Vec<String> = texts(environment).collect();
    let get = |name: &str, key| texts.iter().find_map(|text| setting(text, name, key));
    let mut seen = BTreeSet::new();
    let mut runs_process = None;
    while seen.insert(name.clone()) {
        name = match (get(&name, "credential_process"), get(&name, "source_profile")) {
            (Some(process), _) => {
                let base = base_of_process(&process);
                runs_process = Some(name.clone());
                match base.and_then(|base| selected(&base, environment)) {
                    Some(next) => next,
                    None => return End::Process(name),
                }
            }
            // A profile that names itself has the keys of the source as well.
            (None, Some(source)) if source != name => source,
            (None, _) => return runs_process.map_or(End::Other, End::Process),
        };
    }
    // Profiles that are the source of each other are an error of the SDK, which runs no process.
    if runs_process.is_some() { End::Circle(name) } else { End::Other }
}

/// Returns the name of the profile that `--base` selects in an environment with these variables.
fn selected(base: &Base, environment: &Environment) -> Option<String> {
    // The SDK refuses a variable that is not Unicode, and runs no process.
    let variable = |name| environment.var(name).ok().flatten();
    match base {
        Base::Env | Base::WebIdentity => None,
        Base::Profile(name) => Some(name.clone()),
        Base::Auto if variable("AWS_ACCESS_KEY_ID").is_some() => None,
        Base::Auto => Some(variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned())),
    }
}

/// Returns the base of a command line that runs this program. Returns `None` for other programs,
/// and for command lines that change the environment or contain more than one command.
fn base_of_process(process: &str) -> Option<Base> {
    let mut words = process.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
    let program = words.next()?.rsplit(['/', '\\']).next()?;
    if program.strip_suffix(".exe").unwrap_or(program) != "rolecall" {
        return None;
    }
    base_of_arguments(words)
}

/// Returns the base that these arguments select. Returns `None` if they select no profile.
fn base_of_arguments<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Base> {
    let mut base = Base::Auto;
    while let Some(word) = words.next() {
        let value = match word.split_once('=') {
            Some(("--base", value)) => Some(value),
            Some(("--token-file", _)) => return None,
            _ if word == "--base" => words.next(),
            _ if word == "--token-file" => return None,
            // What follows is another command.
            _ if word == "--" => break,
            _ => None,
        };
        if let Some(value) = value {
            base = value.parse().ok()?;
        }
    }
    Some(base)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod ancestors {
    use std::fs;

    use rustix::process::{Pid, getpid};

    use super::base_of_arguments;
    use crate::identity::Base;

    /// More than any process has.
    const LIMIT: usize = 1_000;
    /// The variables that select a profile.
    const SELECTING: [&str; 5] = [
        "AWS_ACCESS_KEY_ID",
        "AWS_CONFIG_FILE",
        "AWS_PROFILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "HOME",
    ];

    /// Returns `true` if an ancestor of this process runs the same program, and selects the same
    /// profile. It waits for this process, which would wait for the next one.
    pub(super) fn select(base: &Base) -> bool {
        let own = getpid();
        let (program, variables) = (program(own), variables(own));
        if program.is_none() || variables.is_none() {
            return false;
        }
        let mut id = own;
        for _ in 0..LIMIT {
            let Some(parent) = parent(id) else { return false };
            id = parent;
            let selects = |arguments: Vec<String>| {
                let words = arguments.iter().map(String::as_str);
                // With this option, the command runs a program after it has the session.
                let is_waiting = arguments.iter().all(|it| it != "--refresh");
                is_waiting && base_of_arguments(words).as_ref() == Some(base)
            };
            if self::program(id) == program
                && self::variables(id) == variables
                && arguments(id).is_some_and(selects)
            {
                return true;
            }
        }
        false
    }

    fn path(id: Pid, name: &str) -> String {
        format!("/proc/{}/{name}", id.as_raw_nonzero())
    }

    fn parent(id: Pid) -> Option<Pid> {
        let status = fs::read_to_string(path(id, "status")).ok()?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
        Pid::from_raw(parent.trim().parse().ok()?)
    }

    /// Returns the file of the program. Returns `None` for processes of other users.
    fn program(id: Pid) -> Option<std::path::PathBuf> {
        fs::read_link(path(id, "exe")).ok()
    }

    /// Returns the arguments, without the name of the program.
    fn arguments(id: Pid) -> Option<Vec<String>> {
        let line = String::from_utf8(fs::read(path(id, "cmdline")).ok()?).ok()?;
        Some(line.split_terminator('\0').skip(1).map(str::to_owned).collect())
    }

    /// Returns the variables that select a profile, in the order of their names.
    fn variables(id: Pid) -> Option<Vec<Vec<u8>>> {
        let is_selecting = |assignment: &&[u8]| {
            let name = assignment.split(|byte| *byte == b'=').next().unwrap_or_default();
            SELECTING.iter().any(|selecting| selecting.as_bytes() == name)
        };
        let all = fs::read(path(id, "environ")).ok()?;
        let assignments = all.split(|byte| *byte == 0).filter(is_selecting);
        let mut selecting: Vec<Vec<u8>> = assignments.map(<[u8]>::to_vec).collect();
        selecting.sort();
        Some(selecting)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod ancestors {
    use crate::identity::Base;

    /// Returns `false`: this system does not tell what other processes run.
    pub(super) fn select(_base: &Base) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_of_a_process_is_that_of_its_options() {
        let profile = |name: &str| Some(Base::Profile(name.to_owned()));
        for (process, expected) in [
            ("rolecall credential-process arn", Some(Base::Auto)),
            ("rolecall assume arn --format credential-process", Some(Base::Auto)),
            ("\"/usr/bin/rolecall\" credential-process --base profile:a arn", profile("a")),
            ("rolecall credential-process --base=profile:b arn", profile("b")),
            ("rolecall credential-process --base 'profile:c' arn", profile("c")),
            (r"C:\bin\rolecall.exe credential-process --base env arn", Some(Base::Env)),
            ("rolecall exec arn -- program --base env", Some(Base::Auto)),
            ("rolecall credential-process --token-file /token arn", None),
            ("rolecall credential-process --token-file=/token arn", None),
            ("rolecall credential-process --base other arn", None),
            ("AWS_PROFILE=b rolecall credential-process arn", None),
            ("/opt/rolecall/other credential-process arn", None),
            ("", None),
        ] {
            assert_eq!(base_of_process(process), expected, "{process}");
        }
    }

    #[test]
    fn profiles_are_followed_to_their_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let text = "
            [profile a]
            credential_process = rolecall credential-process arn
            [profile b]
            role_arn = arn:aws:iam::111122223333:role/hub
            source_profile = a
            [profile c]
            credential_process = rolecall credential-process --base profile:d arn
            [profile d]
            credential_process = rolecall assume --format credential-process --base profile:c arn
            [profile e]
            credential_process = rolecall credential-process --base profile:keys arn
            [profile keys]
            aws_access_key_id = x
            [profile script]
            credential_process = /opt/script
            [profile self]
            source_profile = self
            [profile f]
            source_profile = g
            [profile g]
            source_profile = f
        ";
        std::fs::write(&path, text).unwrap();
        let config = ("AWS_CONFIG_FILE", path.to_str().unwrap());
        let circle = |name: &str| End::Circle(name.to_owned());
        let process = |name: &str| End::Process(name.to_owned());
        let by_name = |name: &str| Base::Profile(name.to_owned());
        for (base, profile, expected) in [
            (Base::Auto, "a", circle("a")),
            (by_name("a"), "a", circle("a")),
            // The process of `a` selects the profile of the variable.
            (by_name("a"), "keys", process("a")),
            (Base::Env, "a", End::Other),
            (Base::WebIdentity, "a", End::Other),
            (Base::Auto, "b", circle("b")),
            (by_name("b"), "a", circle("a")),
            (Base::Auto, "c", circle("c")),
            (Base::Auto, "d", circle("d")),
            (Base::Auto, "e", process("e")),
            (Base::Auto, "keys", End::Other),
            (Base::Auto, "script", process("script")),
            (Base::Auto, "self", End::Other),
            (Base::Auto, "f", End::Other),
            (Base::Auto, "missing", End::Other),
        ] {
            let environment = Environment::fixed([config, ("AWS_PROFILE", profile)]);
            assert_eq!(follow(&base, &environment), expected, "{base} {profile}");
        }
        let with_keys = [config, ("AWS_PROFILE", "a"), ("AWS_ACCESS_KEY_ID", "x")];
        assert_eq!(follow(&Base::Auto, &Environment::fixed(with_keys)), End::Other);
    }
}

//! The shared configuration files, as far as the command reads them itself.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use rolecall::Environment;
use rolecall::params::RoleArn;
use rolecall::provider::FileError;

/// Size limit of a file in bytes, which is that of rolecall itself.
const MAX_FILE: usize = 1024 * 1024;

/// The files: the variable that names each, and its default below the home folder.
const FILES: [(&str, &str); 2] =
    [("AWS_CONFIG_FILE", ".aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")];

/// Returns the value of a variable that is set and not empty.
pub(crate) fn variable<'a>(variables: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    let (_, value) = variables.iter().find(|(other, _)| other == name)?;
    Some(value.as_os_str()).filter(|value| !value.is_empty())
}

/// Returns the paths of the files, as rolecall and the SDKs find them.
pub(crate) fn paths(variables: &[(OsString, OsString)]) -> Vec<PathBuf> {
    let home = match variable(variables, "HOME") {
        None if cfg!(windows) => variable(variables, "USERPROFILE"),
        home => home,
    };
    let home = home.map(Path::new);
    let path = |(name, default): &(&str, &str)| {
        let Some(named) = variable(variables, name).map(Path::new) else {
            return Some(home?.join(default));
        };
        Some(match (named.strip_prefix("~"), home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => named.to_owned(),
        })
    };
    FILES.iter().filter_map(path).collect()
}

/// Reads a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    Environment::process().read_file_now(path, MAX_FILE)
}

/// Returns the names of the profiles and the ARNs of their roles, for the completion of command
/// lines. What cannot be read or has no plain name is left out.
pub(crate) fn profiles_and_roles(
    variables: &[(OsString, OsString)],
) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut profiles, mut roles) = (BTreeSet::new(), BTreeSet::new());
    for text in paths(variables).iter().filter_map(|path| read(path).ok()) {
        for line in String::from_utf8_lossy(&text).lines().map(str::trim) {
            if let Some((section, _)) = line.strip_prefix('[').and_then(|line| line.split_once(']'))
            {
                profiles.extend(plain_profile_name(section.trim()).map(str::to_owned));
            } else if let Some((name, value)) = line.split_once('=')
                && name.trim().eq_ignore_ascii_case("role_arn")
                && let Ok(role) = value.trim().parse::<RoleArn>()
            {
                roles.insert(role.to_string());
            }
        }
    }
    (profiles, roles)
}

/// Returns the name of the profile that a section describes, unless a shell would have to quote it.
fn plain_profile_name(section: &str) -> Option<&str> {
    let name = match section.split_once(char::is_whitespace) {
        Some(("profile", name)) => name.trim(),
        // Sections of other kinds, such as `sso-session NAME`.
        Some(_) => return None,
        None => section,
    };
    let is_plain = |c: char| c.is_alphanumeric() || "-_.@+/".contains(c);
    (!name.is_empty() && name.chars().all(is_plain)).then_some(name)
}

/// Returns a setting of a profile.
pub(crate) fn setting(text: &str, profile: &str, key: &str) -> Option<String> {
    let mut is_profile = false;
    text.lines().find_map(|line| {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            let name = section.0.trim();
            is_profile = name.strip_prefix("profile").map_or(name, str::trim_start) == profile;
            return None;
        }
        let (name, value) = line.split_once('=').filter(|_| is_profile)?;
        name.trim().eq_ignore_ascii_case(key).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(all: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        all.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn paths_are_those_of_variables_or_home() {
        let of = |all: &[(&str, &str)]| {
            let paths = paths(&variables(all)).into_iter();
            paths.map(|path| path.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let home = ("HOME", "/home/ann");
        assert_eq!(of(&[home]), ["/home/ann/.aws/config", "/home/ann/.aws/credentials"]);
        let named = [home, ("AWS_CONFIG_FILE", "~/a"), ("AWS_SHARED_CREDENTIALS_FILE", "/b")];
        assert_eq!(of(&named), ["/home/ann/a", "/b"]);
        assert_eq!(of(&[("AWS_CONFIG_FILE", "/a"), ("HOME", "")]), ["/a"]);
    }

    #[test]
    fn profiles_and_roles_of_both_files_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let role = "arn:aws:iam::111122223333:role/deploy";
        let config = format!(
            "[default]\n[profile  b]\nROLE_ARN= {role}\n[sso-session c]\n[profile \"d e\"]\n\
             role_arn = none\n[profile f]\nrole_arn = {role}\n[\n[]\n"
        );
        std::fs::write(path("config"), config).unwrap();
        std::fs::write(path("credentials"), "[b]\n[a]\nrole_arn\n").unwrap();
        let variables = variables(&[
            ("AWS_CONFIG_FILE", &path("config")),
            ("AWS_SHARED_CREDENTIALS_FILE", &path("credentials")),
        ]);
        let (profiles, roles) = profiles_and_roles(&variables);
        assert_eq!(Vec::from_iter(profiles), ["a", "b", "default", "f"]);
        assert_eq!(Vec::from_iter(roles), [role]);
        assert_eq!(profiles_and_roles(&[]), Default::default());
    }
}

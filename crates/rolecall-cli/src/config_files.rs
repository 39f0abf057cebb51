//! The shared configuration files, as far as the command reads them itself.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use rolecall::Environment;
use rolecall::config_files::config_files;
use rolecall::params::RoleArn;

/// Returns the text of each file that can be read.
///
/// A path or file that is faulty is an error of the session, which says more about it.
pub(crate) fn texts(environment: &Environment) -> impl Iterator<Item = String> {
    let files = config_files(environment).unwrap_or_default().into_iter();
    let contents = files.filter_map(|file| file.read(environment).ok());
    contents.map(|contents| String::from_utf8_lossy(&contents).into_owned())
}

/// What was in the files at one time. Two values are equal if a chain reads the same from both.
///
/// It consists of hashes, since the contents are access keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents(Vec<Result<Vec<u8>, String>>);

impl Contents {
    /// Reads the files.
    pub(crate) fn read(environment: &Environment) -> Self {
        let files = config_files(environment).unwrap_or_default().into_iter();
        let hash = |contents: Vec<u8>| digest(&SHA256, &contents).as_ref().to_vec();
        let contents = files.map(|file| {
            // A file that is missing, for example, is a change as well.
            file.read(environment).map(hash).map_err(|error| error.fault.to_string())
        });
        Self(contents.collect())
    }
}

/// Returns the names of the profiles and the ARNs of their roles, for the completion of command
/// lines. What cannot be read or has no plain name is left out.
pub(crate) fn profiles_and_roles(
    environment: &Environment,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut profiles, mut roles) = (BTreeSet::new(), BTreeSet::new());
    for text in texts(environment) {
        for line in text.lines().map(str::trim) {
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

    #[test]
    fn change_of_either_file_changes_the_contents() {
        let read = |config: &str, credentials: Option<&str>| {
            let mut environment = Environment::fixed([("HOME", "/home/ann")])
                .with_file("/home/ann/.aws/config", config);
            if let Some(text) = credentials {
                environment = environment.with_file("/home/ann/.aws/credentials", text);
            }
            Contents::read(&environment)
        };
        let all = [
            read("[default]", None),
            read("[default] ", None),
            read("", None),
            read("", Some("")),
            read("", Some("[default]")),
        ];
        for (index, one) in all.iter().enumerate() {
            for (other_index, other) in all.iter().enumerate() {
                assert_eq!(one == other, index == other_index, "{index} and {other_index}");
            }
        }
        assert_eq!(all[0], read("[default]", None));
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
        let environment = Environment::fixed([
            ("AWS_CONFIG_FILE", path("config")),
            ("AWS_SHARED_CREDENTIALS_FILE", path("credentials")),
        ]);
        let (profiles, roles) = profiles_and_roles(&environment);
        assert_eq!(Vec::from_iter(profiles), ["a", "b", "default", "f"]);
        assert_eq!(Vec::from_iter(roles), [role]);
        assert_eq!(profiles_and_roles(&Environment::fixed([("A", "b")])), Default::default());
    }
}

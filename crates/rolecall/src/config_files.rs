//! The shared configuration files: where they are, and how they are read.

use std::path::{Path, PathBuf};

use rolecall_core::{Environment, FileError, FileFault, SessionError};

/// Size limit of a configuration file in bytes. A larger file is not one, and would be read into
/// memory as a whole.
const MAX_FILE_SIZE: usize = 1024 * 1024;

pub(crate) const CONFIG: &str = "AWS_CONFIG_FILE";
pub(crate) const CREDENTIALS: &str = "AWS_SHARED_CREDENTIALS_FILE";

/// The files: the variable that can name each, and its default path below the home directory.
const FILES: [(&str, &str); 2] = [(CONFIG, ".aws/config"), (CREDENTIALS, ".aws/credentials")];

/// One of the shared configuration files: its path, and the variable that can name another path.
///
/// # Examples
///
/// ```
/// use rolecall::Environment;
/// use rolecall::config_files::config_files;
///
/// let env = Environment::fixed([("HOME", "/home/ann"), ("AWS_CONFIG_FILE", "/etc/aws.config")]);
/// let files = config_files(&env)?;
/// assert_eq!(files[0].path, std::path::Path::new("/etc/aws.config"));
/// assert_eq!(files[1].path, std::path::Path::new("/home/ann/.aws/credentials"));
/// assert!(files[0].is_set && !files[1].is_set);
/// # Ok::<(), rolecall::SessionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigFile {
    /// The path that is read.
    pub path: PathBuf,
    /// The environment variable that sets the path.
    pub variable: &'static str,
    /// `true` if the variable is set.
    pub is_set: bool,
}

impl ConfigFile {
    /// Reads the file, of at most 1 MiB, and blocks the thread meanwhile.
    ///
    /// # Errors
    ///
    /// Returns a [`FileError`] under the conditions of [`Environment::read_file_now`]. A chain
    /// treats a file with some of these faults as an empty one; see
    /// [`counts_as_empty`](Self::counts_as_empty).
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall::Environment;
    /// use rolecall::config_files::config_files;
    ///
    /// let env = Environment::fixed([("HOME", "/home/ann")])
    ///     .with_file("/home/ann/.aws/config", "[default]");
    /// let files = config_files(&env)?;
    /// assert_eq!(files[0].read(&env).unwrap(), b"[default]");
    /// # Ok::<(), rolecall::SessionError>(())
    /// ```
    pub fn read(&self, environment: &Environment) -> Result<Vec<u8>, FileError> {
        environment.read_file_now(&self.path, MAX_FILE_SIZE)
    }

    /// Returns `true` if a chain treats the file as an empty one because of this fault: if it is
    /// missing or not regular, such as `/dev/null`, or if the process lacks the permission to read
    /// the default path.
    ///
    /// Containers often run as another user than root with `HOME=/root`, and have their identity in
    /// variables. A path that a variable sets is meant to be read: a chain then returns an error.
    /// It also does so if `profile_is_named`, in code or by `AWS_PROFILE`, since the profile may be
    /// in that file. A file that counts as empty for lack of the permission still excludes the
    /// identity of the profile `default`, of which it may contain a part.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall::Environment;
    /// use rolecall::config_files::config_files;
    /// use rolecall::provider::FileFault;
    ///
    /// let env = Environment::fixed([("HOME", "/root"), ("AWS_CONFIG_FILE", "/etc/aws.config")]);
    /// let files = config_files(&env)?;
    /// assert!(files[0].counts_as_empty(&FileFault::Missing, true));
    /// assert!(!files[0].counts_as_empty(&FileFault::PermissionDenied, false));
    /// assert!(files[1].counts_as_empty(&FileFault::PermissionDenied, false));
    /// assert!(!files[1].counts_as_empty(&FileFault::PermissionDenied, true));
    /// # Ok::<(), rolecall::SessionError>(())
    /// ```
    pub fn counts_as_empty(&self, fault: &FileFault, profile_is_named: bool) -> bool {
        match fault {
            FileFault::Missing | FileFault::NotRegular => true,
            FileFault::PermissionDenied => !self.is_set && !profile_is_named,
            _ => false,
        }
    }
}

/// Returns the shared configuration files that a chain reads: the config file, then the
/// credentials file. A file without a path, since no home directory is set, is left out.
///
/// As in the SDK, a path that begins with the component `~` is below the home directory: `HOME`, or
/// on Windows, where programs often run without it, `USERPROFILE` or `HOMEDRIVE` with `HOMEPATH`.
/// Variables and `~user` in a path are not replaced. An empty variable counts as unset.
///
/// # Errors
///
/// Returns [`ErrorKind::InvalidConfig`](crate::ErrorKind::InvalidConfig) if a variable is not valid
/// Unicode.
pub fn config_files(environment: &Environment) -> Result<Vec<ConfigFile>, SessionError> {
    let home = home(environment, cfg!(windows))?;
    let mut files = Vec::new();
    for (variable, default) in FILES {
        let named = environment.var(variable)?;
        let is_set = named.is_some();
        let path = match named {
            Some(named) => Some(expand(Path::new(&named), home.as_deref())),
            None => home.as_ref().map(|home| home.join(default)),
        };
        files.extend(path.map(|path| ConfigFile { path, variable, is_set }));
    }
    Ok(files)
}

fn home(environment: &Environment, is_windows: bool) -> Result<Option<PathBuf>, SessionError> {
    let mut home = environment.var("HOME")?;
    if is_windows && home.is_none() {
        home = environment.var("USERPROFILE")?;
    }
    if is_windows && home.is_none() {
        let drive = environment.var("HOMEDRIVE")?.zip(environment.var("HOMEPATH")?);
        home = drive.map(|(drive, path)| drive + &path);
    }
    Ok(home.map(PathBuf::from))
}

fn expand(named: &Path, home: Option<&Path>) -> PathBuf {
    match (named.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => named.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(variables: &[(&str, &str)]) -> Environment {
        Environment::fixed(variables.iter().copied())
    }

    #[test]
    fn paths_are_those_of_variables_or_home() {
        let of = |variables: &[(&str, &str)]| {
            let files = config_files(&env(variables)).unwrap().into_iter();
            files.map(|file| file.path.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let ann = ("HOME", "/home/ann");
        assert_eq!(of(&[ann]), ["/home/ann/.aws/config", "/home/ann/.aws/credentials"]);
        for (named, path) in [
            ("/etc/aws", "/etc/aws"),
            ("aws", "aws"),
            ("~/aws", "/home/ann/aws"),
            ("~//aws", "/home/ann/aws"),
            ("~bob/aws", "~bob/aws"),
            ("/~/aws", "/~/aws"),
            ("$HOME/aws", "$HOME/aws"),
        ] {
            let both = [(CONFIG, named), (CREDENTIALS, named)];
            assert_eq!(of(&[ann, both[0], both[1]]), [path, path]);
        }
        assert_eq!(of(&[(CONFIG, "~/aws")]), ["~/aws"]);
        assert_eq!(of(&[(CONFIG, "/etc/aws"), ("HOME", "")]), ["/etc/aws"]);
        assert_eq!(of(&[(CONFIG, ""), ann])[0], "/home/ann/.aws/config");
        assert_eq!(of(&[]), [""; 0]);
    }

    #[test]
    fn home_on_windows_has_three_sources() {
        let all = [
            ("HOME", "/c/ann"),
            ("USERPROFILE", r"C:\Users\ann"),
            ("HOMEDRIVE", "C:"),
            ("HOMEPATH", r"\ann"),
        ];
        let expected = [Some("/c/ann"), Some(r"C:\Users\ann"), Some(r"C:\ann"), None];
        for (first, expected) in expected.into_iter().enumerate() {
            let home = home(&env(&all[first..]), true).unwrap();
            assert_eq!(home.as_deref(), expected.map(Path::new));
        }
        assert_eq!(home(&env(&all[1..]), false).unwrap(), None);
    }
}

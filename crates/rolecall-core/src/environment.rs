//! Access to environment variables, files, and the names of the machine and the program.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::{ErrorKind, SessionError};

/// The environment of a program: its variables, its files, and the names of the machine and the
/// program.
///
/// [`Environment::process`] is the environment of the running process. [`Environment::fixed`] has
/// the given variables only. Use it in tests, because setting a variable of the running process is
/// `unsafe` in edition 2024. Both read the files of the machine, and those added by [`with_file`].
///
/// The `Debug` output contains the names of variables and files and no values, since values may be
/// secrets.
///
/// # Examples
///
/// ```
/// use rolecall_core::Environment;
///
/// let environment = Environment::fixed([("AWS_REGION", "eu-west-1"), ("AWS_PROFILE", "")]);
/// assert_eq!(environment.var("AWS_REGION")?.as_deref(), Some("eu-west-1"));
/// assert_eq!(environment.var("AWS_PROFILE")?, None, "an empty variable counts as unset");
/// # Ok::<(), rolecall_core::SessionError>(())
/// ```
///
/// [`with_file`]: Environment::with_file
#[derive(Clone)]
pub struct Environment(Arc<Kind>);

#[derive(Clone)]
enum Kind {
    Process,
    Fixed(Fixed),
}

#[derive(Clone, Default)]
struct Fixed {
    // Of two variables or files with the same name, the last counts.
    variables: Vec<(OsString, OsString)>,
    files: Vec<(PathBuf, Result<Vec<u8>, FileFault>)>,
}

impl Fixed {
    fn variable(&self, name: &OsStr) -> Option<&OsString> {
        self.variables.iter().rfind(|(other, _)| other == name).map(|(_, value)| value)
    }

    fn file(&self, path: &Path) -> Option<&Result<Vec<u8>, FileFault>> {
        self.files.iter().rfind(|(other, _)| other == path).map(|(_, contents)| contents)
    }
}

impl Environment {
    /// Returns the environment of the running process.
    pub fn process() -> Self {
        Self(Arc::new(Kind::Process))
    }

    /// Creates an environment with these variables and no others.
    pub fn fixed<K: Into<OsString>, V: Into<OsString>>(
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let variables = variables.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        Self(Arc::new(Kind::Fixed(Fixed { variables, files: Vec::new() })))
    }

    /// Adds a file that need not exist on the machine.
    ///
    /// If this is [`Environment::process`], the result contains the variables that are set at the
    /// time of the call, and no later changes.
    #[must_use]
    pub fn with_file(self, path: impl Into<PathBuf>, contents: impl Into<Vec<u8>>) -> Self {
        self.with(path.into(), Ok(contents.into()))
    }

    /// Adds a file that cannot be read, for tests: permissions do not apply to the user root.
    ///
    /// Of [`Environment::process`], the result contains the variables as described at
    /// [`with_file`](Self::with_file).
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_core::{Environment, FileFault};
    /// let environment = Environment::fixed([("HOME", "/home/ann")])
    ///     .with_file_fault("/home/ann/.aws/config", FileFault::PermissionDenied);
    /// let error = environment.read_file_now("/home/ann/.aws/config".as_ref(), 100).unwrap_err();
    /// assert_eq!(error.to_string(), "cannot read /home/ann/.aws/config: permission denied");
    /// ```
    #[must_use]
    pub fn with_file_fault(self, path: impl Into<PathBuf>, fault: FileFault) -> Self {
        self.with(path.into(), Err(fault))
    }

    fn with(self, path: PathBuf, contents: Result<Vec<u8>, FileFault>) -> Self {
        let mut fixed = match Arc::unwrap_or_clone(self.0) {
            Kind::Process => Fixed { variables: std::env::vars_os().collect(), ..Fixed::default() },
            Kind::Fixed(fixed) => fixed,
        };
        fixed.files.push((path, contents));
        Self(Arc::new(Kind::Fixed(fixed)))
    }

    /// Returns the value of a variable, or `None` if it is unset or empty.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if the value is not valid Unicode.
    pub fn var(&self, name: &str) -> Result<Option<String>, SessionError> {
        let value = match &*self.0 {
            Kind::Process => std::env::var_os(name),
            Kind::Fixed(fixed) => fixed.variable(OsStr::new(name)).cloned(),
        };
        // An empty variable counts as unset, since container definitions and CI systems set a
        // variable to nothing where they mean to leave it out.
        match value.map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(value)) if value.is_empty() => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(_)) => Err(SessionError::new(
                ErrorKind::InvalidConfig,
                format!("the environment variable {name} is not valid Unicode"),
            )
            .with_hint(format!("set {name} to valid UTF-8 text, or unset it"))),
        }
    }

    /// Returns the values of two variables that must be set together, or `None` if neither is set.
    ///
    /// `note` is appended to the hint of the error in parentheses, unless it is empty. It tells,
    /// for example, what usually sets the variables.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::InvalidConfig`] if only one of them is set, or if a value is not valid
    /// Unicode.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_core::Environment;
    /// let environment = Environment::fixed([("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")]);
    /// let error = environment.pair("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "").unwrap_err();
    /// assert_eq!(error.message(), "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not");
    /// ```
    pub fn pair(
        &self,
        one: &str,
        other: &str,
        note: &str,
    ) -> Result<Option<(String, String)>, SessionError> {
        let (set, missing) = match (self.var(one)?, self.var(other)?) {
            (None, None) => return Ok(None),
            (Some(one), Some(other)) => return Ok(Some((one, other))),
            (Some(_), None) => (one, other),
            (None, Some(_)) => (other, one),
        };
        let note = match note {
            "" => String::new(),
            note => format!(" ({note})"),
        };
        let message = format!("{set} is set and {missing} is not");
        Err(SessionError::new(ErrorKind::InvalidConfig, message)
            .with_hint(format!("set {missing} too{note}, or unset {set}")))
    }

    /// Reads a regular file of at most `limit` bytes without blocking the calling thread.
    ///
    /// The file is read by [`tokio::task::spawn_blocking`]. Outside of a Tokio runtime, the calling
    /// thread reads the file and blocks.
    ///
    /// # Errors
    ///
    /// Returns a [`FileError`] if the file cannot be read, is not a regular file, or is larger than
    /// `limit`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future discards the contents. A read that has started completes in the
    /// background.
    pub async fn read_file(&self, path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
        let fail = |fault| FileError { path: path.to_owned(), fault };
        if let Some(contents) = self.read_added_file(path, limit) {
            return contents.map_err(fail);
        }
        let owned = path.to_owned();
        let read = match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime
                .spawn_blocking(move || read_regular_file(&owned, limit))
                .await
                // The read does not panic, so only a runtime that shuts down loses the task.
                .unwrap_or_else(|_| Err(FileFault::Unreadable("the runtime shut down".into()))),
            Err(_) => read_regular_file(&owned, limit),
        };
        read.map_err(fail)
    }

    /// Reads a regular file of at most `limit` bytes, blocking the calling thread.
    ///
    /// Use this for configuration that is read once, when a program starts, and
    /// [`read_file`](Self::read_file) in async code.
    ///
    /// # Errors
    ///
    /// Returns a [`FileError`] under the conditions of [`read_file`](Self::read_file).
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_core::{Environment, FileFault};
    /// let error = Environment::process().read_file_now("/no/such/file".as_ref(), 100).unwrap_err();
    /// assert_eq!(error.fault, FileFault::Missing);
    /// ```
    pub fn read_file_now(&self, path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
        let read = match self.read_added_file(path, limit) {
            Some(contents) => contents,
            None => read_regular_file(path, limit),
        };
        read.map_err(|fault| FileError { path: path.to_owned(), fault })
    }

    /// Returns the contents of a file that was added by [`with_file`](Self::with_file).
    fn read_added_file(&self, path: &Path, limit: usize) -> Option<Result<Vec<u8>, FileFault>> {
        let Kind::Fixed(fixed) = &*self.0 else { return None };
        Some(match fixed.file(path)? {
            Ok(contents) if contents.len() > limit => Err(FileFault::TooLarge { limit }),
            contents => contents.clone(),
        })
    }

    /// Returns the time of a file's last modification, or `None` if it is not known.
    ///
    /// The time is that of the wall clock. Use it in error messages only.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use rolecall_core::Environment;
    /// assert_eq!(Environment::process().modified("/no/such/file".as_ref()).await, None);
    /// # }
    /// ```
    pub async fn modified(&self, path: &Path) -> Option<SystemTime> {
        if let Kind::Fixed(fixed) = &*self.0
            && fixed.file(path).is_some()
        {
            return None;
        }
        let owned = path.to_owned();
        let read = move || std::fs::metadata(owned).and_then(|metadata| metadata.modified()).ok();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.spawn_blocking(read).await.ok().flatten(),
            Err(_) => read(),
        }
    }

    /// Returns the name of the machine: the variable `HOSTNAME`, or the system's host name if the
    /// variable is not set.
    ///
    /// In a Kubernetes pod, this is the name of the pod. A [fixed](Self::fixed) environment has
    /// only the variable.
    pub fn host_name(&self) -> Option<String> {
        // A name that is not Unicode is skipped. The host name is part of a default and must not
        // make a fetch fail.
        if let Ok(Some(name)) = self.var("HOSTNAME") {
            return Some(name);
        }
        match &*self.0 {
            Kind::Process => system_host_name(),
            Kind::Fixed(_) => None,
        }
    }

    /// Returns the file name of the running program, without its extension. A
    /// [fixed](Self::fixed) environment has none.
    pub fn application_name(&self) -> Option<String> {
        match &*self.0 {
            Kind::Process => {
                let path = std::env::current_exe().ok()?;
                Some(path.file_stem()?.to_string_lossy().into_owned())
            }
            Kind::Fixed(_) => None,
        }
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self::process()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn names<N, V>(named: &[(N, V)]) -> Vec<&N> {
            named.iter().map(|(name, _)| name).collect()
        }
        match &*self.0 {
            Kind::Process => f.write_str("Environment(process)"),
            Kind::Fixed(fixed) => f
                .debug_struct("Environment")
                .field("variables", &names(&fixed.variables))
                .field("files", &names(&fixed.files))
                .finish(),
        }
    }
}

fn read_regular_file(path: &Path, limit: usize) -> Result<Vec<u8>, FileFault> {
    let file = open_nonblocking(path).map_err(|error| FileFault::from_io(&error))?;
    // The metadata of the open file, not of the path: another process may replace the file between
    // the two calls, for example by a pipe that would block the read.
    let metadata = file.metadata().map_err(|error| FileFault::from_io(&error))?;
    if metadata.is_dir() {
        return Err(FileFault::Directory);
    }
    if !metadata.is_file() {
        return Err(FileFault::NotRegular);
    }
    // One byte more than the limit tells a file of exactly that size from a larger one.
    let read_limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    // The buffer has its full size before the read. Growing it would leave copies of the contents,
    // which may be a secret, in freed memory.
    let size = usize::try_from(metadata.len()).unwrap_or(limit).min(limit);
    let mut contents = Vec::with_capacity(size + 1);
    file.take(read_limit).read_to_end(&mut contents).map_err(|error| FileFault::from_io(&error))?;
    if contents.len() > limit {
        return Err(FileFault::TooLarge { limit });
    }
    Ok(contents)
}

/// Opens a file without blocking. Opening a named pipe would otherwise block until another process
/// opens it for writing.
#[cfg(unix)]
fn open_nonblocking(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn open_nonblocking(path: &Path) -> std::io::Result<std::fs::File> {
    // Windows reports a directory as "access denied", which would send the reader of the error to
    // the permissions.
    if std::fs::metadata(path)?.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    std::fs::File::open(path)
}

#[cfg(unix)]
fn system_host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    (!name.is_empty()).then_some(name)
}

#[cfg(not(unix))]
fn system_host_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

/// An error returned when a file cannot be read.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use rolecall_core::{Environment, FileFault};
///
/// let error = Environment::process().read_file("/no/such/file".as_ref(), 100).await.unwrap_err();
/// assert_eq!(error.fault, FileFault::Missing);
/// assert_eq!(error.to_string(), "cannot read /no/such/file: it does not exist");
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileError {
    /// Path of the file.
    pub path: PathBuf,
    /// Reason for the failure.
    pub fault: FileFault,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {}: {}", self.path.display(), self.fault)
    }
}

impl std::error::Error for FileError {}

/// The reason why a file cannot be read.
///
/// # Examples
///
/// ```
/// use rolecall_core::FileFault;
/// assert_eq!(FileFault::Missing.to_string(), "it does not exist");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileFault {
    /// The file does not exist.
    Missing,
    /// The process lacks the permission to read the file.
    PermissionDenied,
    /// The path names a directory.
    Directory,
    /// The path names a pipe, a device or a socket.
    NotRegular,
    /// The file is larger than the limit of the caller.
    #[non_exhaustive]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Another error of the operating system, with its message.
    Unreadable(String),
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "it does not exist",
            Self::PermissionDenied => "permission denied",
            Self::Directory => "it is a directory",
            Self::NotRegular => "it is not a regular file",
            Self::TooLarge { limit } => return write!(f, "it is larger than {limit} bytes"),
            Self::Unreadable(message) => message,
        })
    }
}

impl std::error::Error for FileFault {}

impl FileFault {
    fn from_io(error: &std::io::Error) -> Self {
        match error.kind() {
            // With HOME=/dev/null, for example, no file exists below the home directory.
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Self::Missing,
            std::io::ErrorKind::PermissionDenied => Self::PermissionDenied,
            _ => Self::Unreadable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;

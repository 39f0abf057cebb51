//! Variables, files and names of the process's surroundings.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::{ErrorKind, FetchError};

/// The only way in which rolecall reads variables, files, and the names of the machine and the program.
///
/// [`Environment::process`] is the real one. [`Environment::fixed`] is for tests: setting variables of a running process
/// is unsafe in edition 2024, so tests do not. Its files are the machine's, unless given by [`with_file`].
/// Its `Debug` shows names only, since values may be secrets.
///
/// ```
/// use rolecall_core::Environment;
///
/// let env = Environment::fixed([("AWS_REGION", "eu-west-1"), ("AWS_PROFILE", "")]);
/// assert_eq!(env.var("AWS_REGION").unwrap().as_deref(), Some("eu-west-1"));
/// assert_eq!(env.var("AWS_PROFILE").unwrap(), None, "empty is unset");
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
    variables: BTreeMap<OsString, OsString>,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Environment {
    /// This process's environment.
    pub fn process() -> Self {
        Self(Arc::new(Kind::Process))
    }

    /// These variables and no others.
    pub fn fixed<K: Into<OsString>, V: Into<OsString>>(
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let variables = variables.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        Self(Arc::new(Kind::Fixed(Fixed { variables, files: BTreeMap::new() })))
    }

    /// The same, with a file that need not exist on the machine. On [`Environment::process`], the variables of this
    /// moment are taken over.
    #[must_use]
    pub fn with_file(self, path: impl Into<PathBuf>, contents: impl Into<Vec<u8>>) -> Self {
        let mut fixed = match Arc::unwrap_or_clone(self.0) {
            Kind::Process => Fixed { variables: std::env::vars_os().collect(), ..Fixed::default() },
            Kind::Fixed(fixed) => fixed,
        };
        fixed.files.insert(path.into(), contents.into());
        Self(Arc::new(Kind::Fixed(fixed)))
    }

    /// A variable's value; `None` when it is unset or empty. Not Unicode: [`ErrorKind::InvalidConfig`].
    pub fn var(&self, name: &str) -> Result<Option<String>, FetchError> {
        let value = match &*self.0 {
            Kind::Process => std::env::var_os(name),
            Kind::Fixed(fixed) => fixed.variables.get(std::ffi::OsStr::new(name)).cloned(),
        };
        match value.map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(value)) if value.is_empty() => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(_)) => Err(FetchError::new(
                ErrorKind::InvalidConfig,
                format!("the environment variable {name} is not valid Unicode"),
            )
            .with_hint(format!("set {name} anew, as plain text"))),
        }
    }

    /// Two variables that go together. One without the other is [`ErrorKind::InvalidConfig`]; `who_sets_them`, if it is
    /// not empty, helps to find out why.
    ///
    /// ```
    /// use rolecall_core::Environment;
    /// let env = Environment::fixed([("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")]);
    /// let error = env.pair("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "").unwrap_err();
    /// assert_eq!(error.message(), "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not");
    /// ```
    pub fn pair(
        &self,
        one: &str,
        other: &str,
        who_sets_them: &str,
    ) -> Result<Option<(String, String)>, FetchError> {
        let (set, missing) = match (self.var(one)?, self.var(other)?) {
            (None, None) => return Ok(None),
            (Some(one), Some(other)) => return Ok(Some((one, other))),
            (Some(_), None) => (one, other),
            (None, Some(_)) => (other, one),
        };
        let note = match who_sets_them {
            "" => String::new(),
            who => format!(" ({who})"),
        };
        let message = format!("{set} is set and {missing} is not");
        Err(FetchError::new(ErrorKind::InvalidConfig, message)
            .with_hint(format!("set {missing} too{note}, or unset {set}")))
    }

    /// Reads a regular file of at most `limit` bytes, off the async threads.
    ///
    /// Called outside a Tokio runtime it reads in place.
    pub async fn read_file(&self, path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
        let fail = |fault| FileError { path: path.to_owned(), fault };
        if let Some(given) = self.given(path, limit) {
            return given.map_err(fail);
        }
        let owned = path.to_owned();
        let read = match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime
                .spawn_blocking(move || read_regular_file(&owned, limit))
                .await
                .unwrap_or_else(|_| Err(FileFault::Unreadable("the runtime shut down".into()))),
            Err(_) => read_regular_file(&owned, limit),
        };
        read.map_err(fail)
    }

    /// [`read_file`](Self::read_file) in place, for configuration that is read once, when a program starts.
    ///
    /// ```
    /// use rolecall_core::{Environment, FileFault};
    /// let error = Environment::process().read_file_now("/no/such/file".as_ref(), 100).unwrap_err();
    /// assert_eq!(error.fault, FileFault::Missing);
    /// ```
    pub fn read_file_now(&self, path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
        let read = match self.given(path, limit) {
            Some(given) => given,
            None => read_regular_file(path, limit),
        };
        read.map_err(|fault| FileError { path: path.to_owned(), fault })
    }

    /// A file that is not the machine's.
    fn given(&self, path: &Path, limit: usize) -> Option<Result<Vec<u8>, FileFault>> {
        let Kind::Fixed(fixed) = &*self.0 else { return None };
        let contents = fixed.files.get(path)?;
        Some(match contents.len() > limit {
            true => Err(FileFault::TooLarge { limit }),
            false => Ok(contents.clone()),
        })
    }

    /// When a file was last written, by the wall clock; `None` where that cannot be known. For error messages.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use rolecall_core::Environment;
    /// assert_eq!(Environment::process().modified("/no/such/file".as_ref()).await, None);
    /// # }
    /// ```
    pub async fn modified(&self, path: &Path) -> Option<SystemTime> {
        if let Kind::Fixed(fixed) = &*self.0
            && fixed.files.contains_key(path)
        {
            return None;
        }
        let owned = path.to_owned();
        let look = move || std::fs::metadata(owned).and_then(|metadata| metadata.modified()).ok();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.spawn_blocking(look).await.ok().flatten(),
            Err(_) => look(),
        }
    }

    /// The machine's name: `HOSTNAME` (in a pod, the pod's name), else what the system says.
    pub fn host_name(&self) -> Option<String> {
        if let Ok(Some(name)) = self.var("HOSTNAME") {
            return Some(name);
        }
        match &*self.0 {
            Kind::Process => system_host_name(),
            Kind::Fixed(_) => None,
        }
    }

    /// The running program's file name, without its ending.
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
        match &*self.0 {
            Kind::Process => f.write_str("Environment(process)"),
            Kind::Fixed(fixed) => f
                .debug_struct("Environment")
                .field("variables", &fixed.variables.keys().collect::<Vec<_>>())
                .field("files", &fixed.files.keys().collect::<Vec<_>>())
                .finish(),
        }
    }
}

fn read_regular_file(path: &Path, limit: usize) -> Result<Vec<u8>, FileFault> {
    let file = open(path).map_err(|error| FileFault::of(&error))?;
    // Of the file that is open: whoever replaces it meanwhile changes nothing.
    let metadata = file.metadata().map_err(|error| FileFault::of(&error))?;
    if metadata.is_dir() {
        return Err(FileFault::Directory);
    }
    if !metadata.is_file() {
        return Err(FileFault::NotRegular);
    }
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    // Not grown while it is read: what holds a secret is not left behind in freed memory.
    let size = usize::try_from(metadata.len()).unwrap_or(limit).min(limit);
    let mut contents = Vec::with_capacity(size + 1);
    file.take(most).read_to_end(&mut contents).map_err(|error| FileFault::of(&error))?;
    if contents.len() > limit {
        return Err(FileFault::TooLarge { limit });
    }
    Ok(contents)
}

/// Opens without waiting: a pipe would, until somebody writes.
#[cfg(unix)]
fn open(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    let without_waiting = rustix::fs::OFlags::NONBLOCK.bits();
    let flags = i32::try_from(without_waiting).unwrap_or(0);
    std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> std::io::Result<std::fs::File> {
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

/// A file that could not be read.
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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {}: {fault}", path.display())]
#[non_exhaustive]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: FileFault,
}

/// What is wrong with a file.
///
/// ```
/// use rolecall_core::FileFault;
/// assert_eq!(FileFault::TooLarge { limit: 20 }.to_string(), "it is larger than 20 bytes");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileFault {
    /// There is no such file.
    #[error("it does not exist")]
    Missing,
    /// This user may not read it.
    #[error("this process may not read it (permission denied)")]
    PermissionDenied,
    /// It is a directory.
    #[error("it is a directory")]
    Directory,
    /// It is a pipe, a device or a socket.
    #[error("it is not a regular file")]
    NotRegular,
    /// It has more bytes than the reader takes.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: usize,
    },
    /// What else the system said.
    #[error("{0}")]
    Unreadable(String),
}

impl FileFault {
    fn of(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Missing,
            std::io::ErrorKind::PermissionDenied => Self::PermissionDenied,
            _ => Self::Unreadable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fault(path: &Path) -> FileFault {
        Environment::process().read_file(path, 10).await.unwrap_err().fault
    }

    #[tokio::test]
    async fn a_file_is_read_up_to_its_limit_and_no_further() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, b"0123456789").unwrap();
        assert_eq!(Environment::process().read_file(&path, 10).await.unwrap(), b"0123456789");
        std::fs::write(&path, b"0123456789a").unwrap();
        assert_eq!(fault(&path).await, FileFault::TooLarge { limit: 10 });
    }

    #[tokio::test]
    async fn what_is_not_a_regular_file_is_named_and_never_opened() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(fault(dir.path()).await, FileFault::Directory);
        assert_eq!(fault(&dir.path().join("none")).await, FileFault::Missing);
        #[cfg(unix)]
        assert_eq!(fault(Path::new("/dev/null")).await, FileFault::NotRegular);
    }

    #[tokio::test]
    async fn a_given_file_hides_the_machines() {
        let env = Environment::fixed([("A", "b")]).with_file("/t", "abc");
        assert_eq!(env.read_file(Path::new("/t"), 3).await.unwrap(), b"abc");
        assert!(env.read_file(Path::new("/t"), 2).await.is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_unicode_is_an_error_that_names_it() {
        use std::os::unix::ffi::OsStringExt;
        let env = Environment::fixed([("AWS_ROLE_ARN", OsString::from_vec(vec![0xff, 0xfe]))]);
        let error = env.var("AWS_ROLE_ARN").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains("AWS_ROLE_ARN"), "{error}");
    }

    #[test]
    fn debug_shows_no_value() {
        let env = Environment::fixed([("AWS_SECRET_ACCESS_KEY", "very-secret")]);
        let shown = format!("{env:?}");
        assert!(
            shown.contains("AWS_SECRET_ACCESS_KEY") && !shown.contains("very-secret"),
            "{shown}"
        );
    }
}

//! The local AWS of `rolecall sandbox`.
//!
//! It runs on a thread of its own: the reader of standard output may pause, and the main thread
//! then waits in a call that writes.

mod config;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use rolecall_testkit::{Call, LocalAws, OidcIssuer, SetupError};
use tempfile::TempDir;

use self::config::{Config, ServiceAccount};
use crate::error::Failure;
use crate::files::path_text;
use crate::signals::StopSignals;
use crate::{private_files, runtime};

/// A world with two accounts, as a configuration.
pub(crate) const SAMPLE: &str = include_str!("sandbox/sample.json");

/// Calls that wait to be printed. Later ones are counted and not shown.
const MAX_WAITING: usize = 1_000;
/// How often the token is replaced. It is valid for an hour.
const RENEWAL: Duration = Duration::from_secs(10 * 60);
/// How long the process waits for the reader of standard output when it is to stop.
const GRACE: Duration = Duration::from_secs(2);

/// What a sandbox is started with.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Text of the configuration.
    pub(crate) config: String,
    /// How messages name the configuration.
    pub(crate) origin: String,
    pub(crate) port: u16,
    pub(crate) region: String,
    /// Whose access keys are in the environment, instead of the web identity.
    pub(crate) user: Option<String>,
}

/// What happens in a sandbox.
#[derive(Debug)]
pub(crate) enum Event {
    /// Clients can use the sandbox with these variables.
    Ready {
        endpoint: String,
        variables: Vec<(&'static str, String)>,
    },
    /// A call, after `missed` ones that are not shown.
    Call {
        call: Call,
        missed: u64,
    },
    /// A signal has stopped the sandbox, or the reader of standard output is gone.
    Stopped,
    Failed(Failure),
}

/// A sandbox, whose folder is removed with this value.
#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) events: Receiver<Event>,
    _folder: TempDir,
}

impl Sandbox {
    pub(crate) fn start(settings: Settings) -> Result<Self, Failure> {
        let folder = private_files::temporary_folder("rolecall-sandbox-")
            .map_err(|error| Failure::operation(format!("cannot create a folder: {error}")))?;
        let path = folder.path().to_owned();
        let (sender, events) = sync_channel(MAX_WAITING);
        let run = move || {
            if let Err(failure) = runtime::block_on(serve(settings, path, &sender)) {
                // There is no receiver if the command has ended meanwhile.
                let _ = sender.send(Event::Failed(failure));
                return;
            }
            let _ = sender.try_send(Event::Stopped);
            // The main thread ends the process before, unless it waits for its reader.
            std::thread::sleep(GRACE);
            std::process::exit(0);
        };
        runtime::start_thread("sandbox", run)?;
        Ok(Self { events, _folder: folder })
    }
}

async fn serve(
    settings: Settings,
    folder: PathBuf,
    events: &SyncSender<Event>,
) -> Result<(), Failure> {
    // Before the sandbox is ready: a client may stop it at once.
    let mut stop = StopSignals::install()?;
    let issuer = OidcIssuer::start().await.map_err(failed)?;
    let config = Config::parse(&settings.config, &issuer)
        .map_err(|error| Failure::operation(format!("{}: {error}", settings.origin)))?;
    let pod = config.service_account.as_ref().filter(|_| settings.user.is_none());
    let token_file = folder.join("token");
    let token_path = pod.map(|_| path_text(&token_file)).transpose()?;
    let mut builder = LocalAws::builder().port(settings.port).on_call(forward(events.clone()));
    for account in config.accounts(&issuer, &settings.region) {
        builder = builder.account(account);
    }
    let aws = builder.start().await.map_err(failed)?;
    let mut variables = vec![
        ("AWS_ENDPOINT_URL", aws.endpoint_url().to_owned()),
        ("AWS_REGION", settings.region.clone()),
        // Some SDKs read only this one.
        ("AWS_DEFAULT_REGION", settings.region.clone()),
    ];
    match pod.zip(token_path) {
        Some((pod, path)) => {
            renew_token(&issuer, pod, &token_file).await?;
            variables.push(("AWS_ROLE_ARN", pod.role.to_string()));
            variables.push(("AWS_WEB_IDENTITY_TOKEN_FILE", path.to_owned()));
        }
        None => variables.extend(access_key(&aws, &config, settings.user.as_deref())?),
    }
    let ready = Event::Ready { endpoint: aws.endpoint_url().to_owned(), variables };
    // The channel is empty or holds calls, which the main thread is about to print.
    let _ = events.send(ready);
    #[cfg(unix)]
    {
        let events = events.clone();
        runtime::start_thread("reader", move || {
            if wait_for_reader_to_leave() {
                // If the channel is full, the main thread is about to write, which fails.
                let _ = events.try_send(Event::Stopped);
            }
        })?;
    }
    loop {
        tokio::select! {
            () = stop.recv() => break,
            () = tokio::time::sleep(RENEWAL) => {
                if let Some(pod) = pod {
                    renew_token(&issuer, pod, &token_file).await?;
                }
            }
        }
    }
    // The main thread removes it, too, unless it waits for its reader.
    let _ = tokio::task::spawn_blocking(move || fs::remove_dir_all(folder)).await;
    Ok(())
}

/// Returns a function that passes calls on without waiting.
fn forward(events: SyncSender<Event>) -> impl Fn(&Call) + Send + Sync + 'static {
    let missed = AtomicU64::new(0);
    move |call| {
        let event = Event::Call { call: call.clone(), missed: missed.swap(0, Ordering::Relaxed) };
        if let Err(TrySendError::Full(Event::Call { missed: before, .. })) = events.try_send(event)
        {
            missed.fetch_add(before + 1, Ordering::Relaxed);
        }
    }
}

/// Returns the variables of a user's access key: the user of this name, or the first one.
fn access_key(
    aws: &LocalAws,
    config: &Config,
    name: Option<&str>,
) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut users = config.users();
    let user = match name {
        Some(name) => users.find(|(_, user)| *user == name),
        None => users.next(),
    };
    let key = user.and_then(|(account, user)| aws.user_credentials(account, user));
    match (key, name) {
        (Some(key), _) => Ok(vec![
            ("AWS_ACCESS_KEY_ID", key.access_key_id().to_owned()),
            ("AWS_SECRET_ACCESS_KEY", key.secret_access_key().to_owned()),
        ]),
        (None, None) => Ok(Vec::new()),
        (None, Some(name)) => {
            let all: Vec<&str> = config.users().map(|(_, user)| user).collect();
            let failure = Failure::operation(format!("the sandbox has no user {name:?}"));
            Err(match all.is_empty() {
                true => failure,
                false => failure.with_hint(format!("its users are {}", all.join(", "))),
            })
        }
    }
}

/// Replaces the token as the kubelet does: a reader finds the old one or the new one.
async fn renew_token(
    issuer: &OidcIssuer,
    pod: &ServiceAccount,
    path: &Path,
) -> Result<(), Failure> {
    let token = issuer.service_account_token(&pod.namespace, &pod.name).sign().map_err(failed)?;
    let path = path.to_owned();
    let write = move || private_files::write(&path, token.as_bytes());
    let written = tokio::task::spawn_blocking(write).await;
    written
        .map_err(io::Error::other)
        .flatten()
        .map_err(|error| Failure::operation(format!("cannot write the token: {error}")))
}

fn failed(error: SetupError) -> Failure {
    let reason = std::error::Error::source(&error).map(|source| format!(": {source}"));
    Failure::operation(format!("cannot start the local AWS: {error}{}", reason.unwrap_or_default()))
}

/// Waits until standard output has no reader, as after `head`. That of a file never ends. Returns
/// `false` if the system cannot tell.
#[cfg(unix)]
fn wait_for_reader_to_leave() -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;

    const LEFT: PollFlags = PollFlags::ERR.union(PollFlags::HUP);
    // Both are reported without a flag that asks for them.
    let stdout = io::stdout();
    let mut stdout = [PollFd::new(&stdout, PollFlags::empty())];
    while let Ok(0) | Err(Errno::INTR | Errno::AGAIN) = poll(&mut stdout, None) {}
    stdout.iter().any(|stdout| stdout.revents().intersects(LEFT))
}

//! `rolecall serve`: sessions for programs in any language.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::cli::{GlobalArgs, OutputFormat};
use crate::endpoint::{self, DEFAULT_ADDRESS, Reader, Routes, ServedRole, Server};
use crate::error::{Failure, report};
use crate::identity::RoleArgs;
use crate::output::{Output, progress};
use crate::shell::{self, Syntax};
#[cfg(unix)]
use crate::signals;
use crate::signals::StopSignals;
use crate::{runtime, stderr};

/// Time limit of a read of the roles, and of the files that they name.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// Serve sessions to programs that use any AWS SDK, as ECS and EKS do for containers
///
/// Listens on the loopback address, and prints the variables that make an AWS SDK use the endpoint.
/// The sessions are refreshed before they expire, so that programs neither end with their session
/// nor wait for STS. Stops on SIGTERM and SIGINT, and removes its files. Without --config, it also
/// stops on SIGHUP, when its terminal is closed, unless `nohup` started it. `/` is a status page,
/// `/healthz` and `/metrics` are for monitoring.
///
/// The SDKs prefer access keys, profiles, web identities and the endpoint of a container's agent.
/// The lines of the formats export, fish and powershell remove the variables of these identities.
/// The formats nushell and dotenv, the table and JSON have no removals: start clients without
/// AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_WEB_IDENTITY_TOKEN_FILE and
/// AWS_CONTAINER_CREDENTIALS_RELATIVE_URI.
///
/// A client needs the token, which is in a file that only this user can read. On Linux, it also has
/// to be a process of this user or of root; other users are refused even with the token. On other
/// systems, the token alone decides.
///
/// --config serves many roles: a JSON file with an object `roles`, a list of objects. `path` is the
/// path of the URL, and `roles` the role chain. Optional are `base`, `region`, `token_file`,
/// `external_ids`, `session_name`, `duration`, `tags`, `transitive`, `source_identity`, `policy`
/// and `policy_arns`, as the options of `assume`. Roles with the same base, Region, token file and
/// session name share the session of that base.
///
/// With --config, SIGHUP reads the file, the policies and the configuration files of AWS again. A
/// role keeps its session if nothing changed in its entry, its policy and the configuration files.
/// Tokens, the results of a `credential_process` and the caches of SSO are not compared: they are
/// read when a session is refreshed. Environment variables stay as they were at the start. Pipes
/// cannot be read again, and are refused.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rolecall serve arn:aws:iam::111122223333:role/deploy
  rolecall serve arn:aws:iam::111122223333:role/deploy --format export > aws.env &
  . ./aws.env      # once the file is written; `eval` would wait for the end of the endpoint
  rolecall serve arn:aws:iam::111122223333:role/deploy --format dotenv > endpoint.env
  rolecall serve --config roles.json --listen 127.0.0.1:9911 --directory ~/.rolecall/endpoint

A file for --config:
  { \"roles\": [
    { \"path\": \"/deploy\", \"roles\": [\"arn:aws:iam::111122223333:role/deploy\"] },
    { \"path\": \"/orders\", \"roles\": [\"arn:aws:iam::111122223333:role/hub\",
                                   \"arn:aws:iam::444455556666:role/orders\"],
      \"external_ids\": [\"shop-4711\"], \"duration\": \"1h\" } ] }")]
#[command(mut_arg("roles", |roles| roles.required(false).required_unless_present("config")))]
pub(crate) struct Serve {
    #[command(flatten)]
    roles: RoleArgs,
    /// File with the roles and their paths, instead of ROLE_ARN
    #[arg(long, value_name = "FILE", help_heading = "Endpoint")]
    #[arg(conflicts_with_all = [
        "roles", "base", "region", "token_file", "external_id", "session_name", "duration", "tag",
        "transitive", "source_identity", "policy", "policy_arn", "mfa_serial", "mfa_code",
    ])]
    config: Option<PathBuf>,
    /// Loopback address and port to listen on; port 0 selects a free one
    #[arg(long, value_name = "ADDRESS", default_value_t = DEFAULT_ADDRESS)]
    #[arg(value_parser = loopback, help_heading = "Endpoint")]
    listen: SocketAddr,
    /// Folder of the token file and the empty configuration files of this endpoint; defaults to a
    /// temporary one
    #[arg(long, value_name = "FOLDER", help_heading = "Endpoint")]
    directory: Option<PathBuf>,
    /// Print the variables in this format; for one role only
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Result")]
    #[arg(conflicts_with = "config")]
    format: Option<Syntax>,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) => Err("the address is not a loopback address".to_owned()),
        Err(_) => Err("expected an address and a port, such as 127.0.0.1:9911".to_owned()),
    }
}

impl Serve {
    pub(crate) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        runtime::block_on(self.serve(output))
    }

    async fn serve(self, output: &mut Output) -> Result<ExitCode, Failure> {
        // The variables are printed below, when the roles are assumed.
        endpoint::check_folder(self.directory.as_deref())?;
        stderr::detach()?;
        // Before anything is there that a signal would have to remove.
        let mut signals = Signals::install(self.config.is_some())?;
        let reader = Arc::new(Reader::new(READ_LIMIT));
        let routes = loop {
            let begin = async {
                let routes = self.read_routes(&reader, Arc::default()).await?;
                self.prepare(&routes, output).await?;
                // On a terminal, the variables stand below the warnings. A failed task is a fault
                // of the runtime, and these are written all the same.
                let _ = tokio::task::spawn_blocking(stderr::flush).await;
                Ok::<_, Failure>(routes)
            };
            tokio::select! {
                routes = begin => break routes?,
                signal = signals.next() => match signal {
                    Signal::Reload => {}
                    Signal::Stop => return Ok(ExitCode::SUCCESS),
                },
            }
        };
        let server = Server::start(self.listen, self.directory.as_deref(), routes).await?;
        let served = tokio::select! {
            () = self.wait(&mut signals, &server, &reader, output) => Ok(()),
            // The endpoint is of no use if clients cannot know of it.
            Err(failure) = self.print(&server, *output.global()) => Err(failure),
        };
        let stopped = server.stop().await;
        served.and(stopped).map(|()| ExitCode::SUCCESS)
    }

    /// Reads the roles of the file or of the arguments, and the files that they name.
    fn read_routes(
        &self,
        reader: &Arc<Reader>,
        old: Arc<Routes>,
    ) -> impl Future<Output = Result<Routes, Failure>> + Send + use<> {
        let (reader, roles, config) = (Arc::clone(reader), self.roles.clone(), self.config.clone());
        let read = move || match config {
            Some(file) => Routes::configured(endpoint::read_config(&file)?, &old),
            None => Ok(Routes::single(ServedRole::of_arguments(&roles)?)),
        };
        async move { reader.run(read).await }
    }

    /// Fetches the first sessions. A role of the arguments that cannot be assumed is an error, and
    /// one of several in a file a warning: the others are served.
    async fn prepare(&self, routes: &Routes, output: &Output) -> Result<(), Failure> {
        let fetch = async { begin_fetches(routes).join_all().await };
        let failed = progress::show(output, "assuming the roles", fetch).await;
        let mut failed: Vec<Failed> = failed.into_iter().flatten().collect();
        failed.sort_by(|a, b| a.role.path().cmp(b.role.path()));
        for failed in failed {
            if self.config.is_none() {
                return Err(failed.error.into());
            }
            failed.warn(output);
        }
        Ok(())
    }

    /// Waits for the signal to stop, and replaces the roles whenever there is one to reload.
    async fn wait(
        &self,
        signals: &mut Signals,
        server: &Server,
        reader: &Arc<Reader>,
        output: &Output,
    ) {
        // Without a file there is nothing to reload, and every signal stops.
        let Some(file) = &self.config else {
            signals.next().await;
            return;
        };
        let (mut reads, mut fetches) = (JoinSet::new(), JoinSet::new());
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Reload => {
                        // A read that is running may have seen the files of before.
                        reads = JoinSet::new();
                        reads.spawn(self.read_routes(reader, server.routes()));
                    }
                    Signal::Stop => return,
                },
                Some(Ok(read)) = reads.join_next() => match read {
                    Ok(routes) => {
                        let count = match routes.iter().count() {
                            1 => "1 role".to_owned(),
                            count => format!("{count} roles"),
                        };
                        fetches = begin_fetches(&routes);
                        server.replace_routes(routes);
                        output.note(&format!("serving {count} of {}", file.display()));
                    }
                    Err(failure) => {
                        output.warning(&format!("keeping the roles of before: {failure}"));
                    }
                },
                Some(fetched) = fetches.join_next() => {
                    if let Ok(Some(failed)) = fetched {
                        failed.warn(output);
                    }
                }
            }
        }
    }

    /// Prints what clients have to be told, on a thread: what reads it may pause, and must delay
    /// neither other clients nor a signal.
    async fn print(&self, server: &Server, global: GlobalArgs) -> Result<(), Failure> {
        let routes = server.routes();
        let (format, settings) = (self.format, Settings::new(server, &routes)?);
        let print = move || {
            let mut output = Output::new(&global);
            match (format, settings.roles.first()) {
                (Some(syntax), Some(role)) => {
                    output.require(&[OutputFormat::Table])?;
                    let variables: Vec<_> = role.environment.clone().into_iter().collect();
                    shell::print(&mut output, syntax, &variables)?;
                }
                _ => output.record(&settings, &settings.rows())?,
            }
            output.finish()
        };
        let printed = tokio::task::spawn_blocking(print).await;
        printed
            .map_err(|error| Failure::operation(format!("cannot print the variables: {error}")))?
    }
}

/// A role whose session could not be fetched.
struct Failed {
    role: Arc<ServedRole>,
    error: rolecall::SessionError,
}

impl Failed {
    fn warn(&self, output: &Output) {
        output.warning(&format!("{}: {}", self.role.path(), report(&self.error)));
    }
}

/// Fetches the sessions of all roles at once, so that the first clients do not wait for them. Each
/// task returns what failed.
fn begin_fetches(routes: &Routes) -> JoinSet<Option<Failed>> {
    let fetch = |role: Arc<ServedRole>| async move {
        let result = role.prepare().await;
        result.err().map(|error| Failed { role, error })
    };
    routes.iter().map(Arc::clone).map(fetch).collect()
}

/// What clients have to be told.
#[derive(Debug, Serialize)]
struct Settings {
    /// The status page.
    url: String,
    token_file: PathBuf,
    roles: Vec<RoleSettings>,
}

#[derive(Debug, Serialize)]
struct RoleSettings {
    path: String,
    role: String,
    environment: BTreeMap<&'static str, String>,
}

impl Settings {
    fn new(server: &Server, routes: &Routes) -> Result<Self, Failure> {
        let settings = |role: &Arc<ServedRole>| {
            let environment = server.printed_variables(role)?.into_iter().collect();
            let (path, role) = (role.path().to_string(), role.role().to_owned());
            Ok(RoleSettings { path, role, environment })
        };
        let roles = routes.iter().map(settings).collect::<Result<_, Failure>>()?;
        Ok(Self { url: server.url(), token_file: server.token_file(), roles })
    }

    fn rows(&self) -> Vec<(&str, String)> {
        let mut rows = vec![("Status page", format!("{}/", self.url))];
        for role in &self.roles {
            if let [_, _, ..] = self.roles.as_slice() {
                rows.push(("", String::new()));
            }
            rows.push(("Role", role.role.clone()));
            rows.extend(role.environment.iter().map(|(name, value)| (*name, value.clone())));
        }
        rows
    }
}

/// What a signal asks for.
enum Signal {
    Stop,
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has SIGHUP"))]
    Reload,
}

/// The signals that end the endpoint or reload its file.
struct Signals {
    stop: StopSignals,
    #[cfg(unix)]
    reload: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    /// `reloads` is `true` if SIGHUP reads a file again. It stops the endpoint otherwise.
    #[cfg(unix)]
    fn install(reloads: bool) -> Result<Self, Failure> {
        use tokio::signal::unix::SignalKind;

        Ok(match reloads {
            true => Self {
                stop: StopSignals::install_without_hangup()?,
                reload: Some(signals::listen(SignalKind::hangup())?),
            },
            false => Self { stop: StopSignals::install()?, reload: None },
        })
    }

    #[cfg(not(unix))]
    fn install(_reloads: bool) -> Result<Self, Failure> {
        Ok(Self { stop: StopSignals::install()? })
    }

    #[cfg(unix)]
    async fn next(&mut self) -> Signal {
        tokio::select! {
            () = self.stop.recv() => Signal::Stop,
            () = signals::recv(&mut self.reload) => Signal::Reload,
        }
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> Signal {
        self.stop.recv().await;
        Signal::Stop
    }
}

//! `rolecall console`: a link that signs in to the AWS Management Console with a role's session.

mod browser;
mod destination;
mod federation;
mod page;

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Args;
use rolecall::params::SessionDuration;
use rolecall::provider::FetchMode;
use rolecall::sts::CallerPrincipal;
use rolecall::{Chain, Environment, Session};
use serde::Serialize;

use self::federation::{Federation, FederationUrl, Link};
use crate::error::Failure;
use crate::identity::RoleArgs;
use crate::output::{Output, progress};
use crate::signals::StopSignals;
use crate::time::{duration, timestamp};
use crate::{runtime, stderr};

/// The time for which AWS accepts a sign-in link.
const LINK_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Sign in to the AWS Management Console with a role's session
///
/// Prints a link, which is a secret: anyone can sign in with it for 15 minutes. The console session
/// lasts 12 hours, or as long as --duration says. A role that another role assumes has
/// sessions of at most one hour, and so has the console.
#[derive(Debug, Args)]
#[command(mut_arg("duration", |arg| arg.help(
    "Duration of the console session, up to 12h; defaults to the longest"
)))]
#[command(after_help = "Examples:
  rolecall console arn:aws:iam::111122223333:role/admin --open
  rolecall console arn:aws:iam::111122223333:role/admin --destination s3 --duration 1h
  rolecall console arn:aws:iam::111122223333:role/hub arn:aws:iam::444455556666:role/orders --open")]
pub(crate) struct Console {
    #[command(flatten)]
    roles: RoleArgs,
    /// Page to open: an https:// URL, or the name of a service such as s3
    #[arg(long, value_name = "URL|SERVICE", help_heading = "Console")]
    destination: Option<String>,
    /// URL of your sign-in page, which the console shows when the session ends
    #[arg(long, value_name = "URL", help_heading = "Console")]
    issuer: Option<String>,
    /// Open the link in a browser instead of printing it
    ///
    /// The command of BROWSER, or else xdg-open or open, gets the path of a page in a private
    /// folder, which is removed after some seconds. The folder is in TMPDIR, or else in /tmp. Set
    /// TMPDIR to a folder in your home directory if the browser is sandboxed and cannot read it.
    #[arg(long, help_heading = "Console")]
    open: bool,
    /// URL of the federation endpoint; required for an STS endpoint that is not one of AWS
    #[arg(long, value_name = "URL", help_heading = "Console")]
    federation_endpoint: Option<FederationUrl>,
    /// Time until the page of --open is removed
    #[arg(long, value_name = "SECONDS", hide = true, default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=300))]
    page_lifetime: u64,
}

/// The result, as JSON.
#[derive(Debug, Serialize)]
struct Opened<'a> {
    role: Option<&'a str>,
    /// `None` if a browser opened the link.
    url: Option<&'a str>,
    link_expires_at: String,
    /// `None` if the console session ends with the role's session, and its end is not known.
    session_expires_at: Option<String>,
}

impl Console {
    pub(crate) fn run(mut self, output: &mut Output) -> Result<ExitCode, Failure> {
        self.roles.check()?;
        // The duration of the console session does not depend on that of the role's session, which
        // the role's MaxSessionDuration limits.
        let duration = self.roles.duration.take();
        let environment = Environment::process();
        let (base, first) = self.roles.base_chain()?;
        let sts = base.sts_client()?.endpoint().clone();
        let region = sts.region();
        let federation = Federation::new(region, self.federation_endpoint.as_ref(), &environment)?;
        let destination = destination::url(self.destination.as_deref(), region)?;
        let issuer = self.issuer.as_deref().map(destination::issuer).transpose()?;
        if self.federation_endpoint.is_none() {
            federation::require_aws(&sts)?;
        }
        let commands = if self.open { browser::commands(&environment)? } else { Vec::new() };
        runtime::block_on(async {
            let parent = self.parent(base, first)?;
            let is_chained = match self.roles.roles.len().saturating_sub(first) {
                0 => false,
                1 => is_role(output, &parent).await?,
                // The limit is stated before the first call.
                _ => true,
            };
            if is_chained {
                check_chained(output, duration)?;
            }
            let session =
                self.session(output, parent, first, duration.filter(|_| is_chained)).await?;
            let duration = match is_chained {
                true => ConsoleDuration::OfSession,
                false => duration.map_or(ConsoleDuration::Longest, ConsoleDuration::Set),
            };
            let (token, ends) = sign_in(output, &federation, &session, duration).await?;
            let link = Link { token: &token, destination: &destination, issuer };
            let url = federation.login_url(&link);
            let now = SystemTime::now();
            let opened = Opened {
                role: session.role_arn().map(|arn| arn.as_str()),
                url: (!self.open).then_some(url.as_str()),
                link_expires_at: timestamp(now + LINK_LIFETIME),
                session_expires_at: ends.map(timestamp),
            };
            if self.open {
                let lifetime = Duration::from_secs(self.page_lifetime);
                // A terminal that is stopped must not delay the removal of the page.
                stderr::detach()?;
                // Before there is a page, which a signal would leave.
                let mut signals = StopSignals::install()?;
                let page = page::Page::write(&federation.login_form(&link))?;
                let work = browser::open(&commands, &page, lifetime, &mut signals);
                progress::show(output, "opening the browser", work).await?;
                drop(page);
                signals.give_back()?;
            }
            self.print(output, &opened, ends, now)
        })
    }

    fn print(
        &self,
        output: &mut Output,
        opened: &Opened<'_>,
        ends: Option<SystemTime>,
        now: SystemTime,
    ) -> Result<ExitCode, Failure> {
        if output.global().output == crate::cli::OutputFormat::Json {
            output.json(opened)?;
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(url) = opened.url {
            output.line(url)?;
        }
        let session = match ends.and_then(|time| time.duration_since(now).ok()) {
            Some(time) => duration(time + Duration::from_millis(999)),
            None => "as long as the role's session".to_owned(),
        };
        let link = match opened.url {
            Some(_) => format!("the link is a secret and works for {}; ", duration(LINK_LIFETIME)),
            None => String::new(),
        };
        output.note(&format!("{link}the console session lasts {session}"));
        Ok(ExitCode::SUCCESS)
    }

    /// Creates the chain of all roles but the last.
    fn parent(&self, base: Chain, first: usize) -> Result<Chain, Failure> {
        let last = self.roles.roles.len().saturating_sub(1);
        (first..last).try_fold(base, |chain, index| self.roles.add_role(chain, index))
    }

    /// Fetches the session of the last role.
    async fn session(
        &self,
        output: &Output,
        parent: Chain,
        first: usize,
        duration: Option<SessionDuration>,
    ) -> Result<Session, Failure> {
        let mut roles = self.roles.clone();
        roles.duration = duration;
        let count = roles.roles.len();
        let chain = if count > first { roles.add_role(parent, count - 1)? } else { parent };
        let provider = chain.provider();
        let fetch = progress::show(output, "assuming the role", provider.session());
        Ok(fetch.await?)
    }
}

/// The duration of a console session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConsoleDuration {
    /// It ends with the role's session.
    OfSession,
    Longest,
    Set(SessionDuration),
}

/// States the limit of role chaining, and refuses a longer duration.
fn check_chained(output: &Output, duration: Option<SessionDuration>) -> Result<(), Failure> {
    output.note(
        "a role that another role assumes has sessions of at most one hour, and the console \
         session ends with it",
    );
    if duration.is_some_and(|duration| duration > SessionDuration::MAX_IN_ROLE_CHAIN) {
        let message = "the role is assumed by another role, so that the console session lasts at \
                       most one hour";
        return Err(Failure::usage(message).with_hint("use --duration 1h or less"));
    }
    Ok(())
}

/// Exchanges the session for a sign-in token. Returns it with the end of the console session.
async fn sign_in(
    output: &Output,
    federation: &Federation,
    session: &Session,
    duration: ConsoleDuration,
) -> Result<(String, Option<SystemTime>), Failure> {
    let call =
        |duration| progress::show(output, "signing in", federation.signin_token(session, duration));
    let requested = match duration {
        // With a duration, the endpoint refuses the session of a role chain.
        ConsoleDuration::OfSession => None,
        ConsoleDuration::Longest => Some(SessionDuration::MAX),
        ConsoleDuration::Set(duration) => Some(duration),
    };
    match call(requested).await {
        Ok(token) => {
            let ends = requested.map(|duration| SystemTime::now() + duration.as_duration());
            Ok((token, ends.or_else(|| session.expires_at())))
        }
        // The endpoint refuses a duration in cases that only AWS knows of. Without one, the console
        // session ends with that of the role.
        Err(error) if error.is_refused && duration == ConsoleDuration::Longest => {
            let token = call(None).await?;
            output.note(
                "the federation endpoint refused a console session of 12 hours; it ends with the \
                 role's session",
            );
            Ok((token, session.expires_at()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns `true` if the session at the end of the chain is that of a role.
async fn is_role(output: &Output, chain: &Chain) -> Result<bool, Failure> {
    let provider = chain.provider();
    let session = progress::show(output, "fetching credentials", provider.session()).await?;
    if session.role().is_some() || session.role_arn().is_some() {
        return Ok(true);
    }
    if session.credentials().session_token().is_none() {
        return Ok(false);
    }
    // The keys of a role and of a user with MFA look alike. STS knows which they are.
    let sts = chain.sts_client()?;
    let call = sts.caller_identity(&session, FetchMode::Foreground);
    let caller = progress::show(output, "calling STS", call).await?;
    Ok(matches!(caller.principal, CallerPrincipal::AssumedRole { .. }))
}

//! The accounts that a question is about, from their files.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use rolecall::policy::account::{AccountDetails, Accounts};
use rolecall::policy::{Context, PermissionPolicy, PolicyError, PolicyKind, ResourcePolicy};

use crate::error::Failure;
use crate::input::{Input, check_stdin};
use crate::output::Output;
use crate::parameters::Tag;

/// The longest description that the library reads.
const MAX_FILE: u64 = 64 * 1024 * 1024;
const MAX_POLICY_FILE: u64 = 1024 * 1024;

/// The accounts, and what is known of the requests.
#[derive(Debug, Args)]
pub(super) struct AccountArgs {
    /// Output of `aws iam get-account-authorization-details`; repeat for more accounts, and for
    /// more pages of an account
    #[arg(long, value_name = "FILE", required = true)]
    account: Vec<PathBuf>,
    /// Service control policies of a level of the organization; repeat for the levels below
    ///
    /// The first level is the root, and the last one the account itself. Each level must allow a
    /// request. With an account id, the level is above that account alone.
    #[arg(long, value_name = "[ID=]FILE[,FILE]")]
    scp: Vec<Level>,
    /// Resource control policies of a level of the organization, as --scp
    #[arg(long, value_name = "[ID=]FILE[,FILE]")]
    rcp: Vec<Level>,
    /// Condition key that requests are known to carry; repeat for more keys or values
    #[arg(long, value_name = "KEY=VALUE")]
    context: Vec<Tag>,
    /// Account that owns the resource, if its ARN does not name it
    #[arg(long, value_name = "ID")]
    resource_account: Option<String>,
    /// Policy of the resource, such as a bucket policy
    #[arg(long, value_name = "FILE", requires = "resource_account")]
    resource_policy: Option<PathBuf>,
}

/// The files with the policies of one level of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Level {
    /// `None` for a level above all accounts.
    account: Option<String>,
    files: Vec<PathBuf>,
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_id = |id: &str| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit());
        let (account, files) = match text.split_once('=') {
            Some((id, files)) if is_id(id) => (Some(id.to_owned()), files),
            _ => (None, text),
        };
        if files.split(',').any(str::is_empty) {
            return Err("expected a file, or several with commas between them".to_owned());
        }
        Ok(Self { account, files: files.split(',').map(PathBuf::from).collect() })
    }
}

/// A file with an account, or with a page of it.
struct Page {
    input: Input,
    text: String,
    account: Option<String>,
}

impl AccountArgs {
    pub(super) fn accounts(
        &self,
        output: &Output,
        resource: Option<&str>,
    ) -> Result<Accounts, Failure> {
        check_stdin(self.inputs())?;
        let mut accounts = Accounts::new();
        for pages in self.pages(output)? {
            let details = match pages.as_slice() {
                [page] => AccountDetails::parse(&page.text)
                    .map_err(|error| in_file(&page.input, error))?,
                pages => {
                    let texts: Vec<&str> = pages.iter().map(|page| page.text.as_str()).collect();
                    let details = AccountDetails::parse_pages(&texts);
                    details.map_err(|error| in_pages(pages, error))?
                }
            };
            accounts = accounts.with(details).map_err(|error| Failure::operation_of(&error))?;
        }
        accounts = self.with_controls(accounts, output)?;
        let Some((resource, owner)) = resource.zip(self.resource_account.as_ref()) else {
            return Ok(accounts);
        };
        let Some(path) = &self.resource_policy else {
            return Ok(accounts.with_resource(resource, owner));
        };
        let input = Input::from(path.as_path());
        let text = input.read(output, "the policy of the resource", MAX_POLICY_FILE)?;
        let policy = ResourcePolicy::parse(&text).map_err(|error| in_file(&input, error))?;
        Ok(accounts.with_resource_policy(resource, owner, policy))
    }

    /// Returns the files of all options, with the names of the options.
    fn inputs(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        fn files(levels: &[Level]) -> impl Iterator<Item = &PathBuf> {
            levels.iter().flat_map(|level| &level.files)
        }
        let accounts = self.account.iter().map(|path| ("--account", path.as_path()));
        let service = files(&self.scp).map(|path| ("--scp", path.as_path()));
        let resource = files(&self.rcp).map(|path| ("--rcp", path.as_path()));
        let policy = self.resource_policy.iter().map(|path| ("--resource-policy", path.as_path()));
        accounts.chain(service).chain(resource).chain(policy)
    }

    /// Reads the files, and returns those of each account, in their order.
    fn pages(&self, output: &Output) -> Result<Vec<Vec<Page>>, Failure> {
        let mut pages = Vec::new();
        for path in &self.account {
            let input = Input::from(path.as_path());
            let text = input.read(output, "the description of an account", MAX_FILE)?;
            // One file is the whole description of an account, whichever it is.
            let account = match self.account.len() {
                1 => None,
                _ => AccountDetails::account_of_page(&text)
                    .map_err(|error| in_file(&input, error))?,
            };
            pages.push(Page { input, text, account });
        }
        let mut ids: Vec<String> = pages.iter().filter_map(|page| page.account.clone()).collect();
        ids.sort();
        ids.dedup();
        let mut accounts: Vec<Vec<Page>> = Vec::new();
        for mut page in pages {
            match (&page.account, ids.as_slice()) {
                (None, [only]) => page.account = Some(only.clone()),
                (None, [_, _, ..]) => {
                    let message = format!("{} describes none of the accounts", page.input);
                    return Err(Failure::operation(message)
                        .with_hint("put its policies into the Policies of the account's file"));
                }
                _ => {}
            }
            let same = |pages: &&mut Vec<Page>| {
                pages.first().is_some_and(|first| first.account == page.account)
            };
            match accounts.iter_mut().find(same) {
                Some(pages) => pages.push(page),
                None => accounts.push(vec![page]),
            }
        }
        Ok(accounts)
    }

    fn with_controls(&self, mut accounts: Accounts, output: &Output) -> Result<Accounts, Failure> {
        let mut ids: Vec<String> = accounts.ids().map(str::to_owned).collect();
        let named = self.scp.iter().chain(&self.rcp).filter_map(|level| level.account.as_ref());
        for id in named.chain(&self.resource_account) {
            if !ids.contains(id) {
                ids.push(id.clone());
            }
        }
        let what = "the service control policy";
        let parse = |text: &str| PermissionPolicy::parse_as(PolicyKind::ServiceControl, text);
        let levels = read_levels(&self.scp, output, what, parse)?;
        for id in &ids {
            if let Some(levels) = levels_of(id, &levels) {
                accounts = accounts.with_service_control(id, levels);
            }
        }
        let what = "the resource control policy";
        let parse = |text: &str| ResourcePolicy::parse_as(PolicyKind::ResourceControl, text);
        let levels = read_levels(&self.rcp, output, what, parse)?;
        for id in &ids {
            if let Some(levels) = levels_of(id, &levels) {
                accounts = accounts.with_resource_control(id, levels);
            }
        }
        Ok(accounts)
    }

    pub(super) fn context(&self) -> Context {
        let tags = self.context.iter();
        tags.fold(Context::new(), |context, Tag { key, value }| context.with(key, value))
    }
}

fn read_levels<'a, P>(
    levels: &'a [Level],
    output: &Output,
    what: &str,
    parse: impl Fn(&str) -> Result<P, PolicyError>,
) -> Result<Vec<(&'a Level, Vec<P>)>, Failure> {
    let read = |path: &PathBuf| {
        let input = Input::from(path.as_path());
        let text = input.read(output, what, MAX_POLICY_FILE)?;
        parse(&text).map_err(|error| in_file(&input, error))
    };
    let of =
        |level: &'a Level| Ok((level, level.files.iter().map(read).collect::<Result<_, _>>()?));
    levels.iter().map(of).collect()
}

/// Returns the levels above an account. Without any, no such policy limits it.
fn levels_of<P: Clone>(id: &str, levels: &[(&Level, Vec<P>)]) -> Option<Vec<Vec<P>>> {
    let is_above = |level: &Level| level.account.as_ref().is_none_or(|account| account == id);
    let above = levels.iter().filter(|(level, _)| is_above(level));
    let above: Vec<Vec<P>> = above.map(|(_, policies)| policies.clone()).collect();
    (!above.is_empty()).then_some(above)
}

fn in_file(input: &Input, error: PolicyError) -> Failure {
    Failure::operation_of(&format_args!("{input}: {error}"))
}

/// Returns an error with the name of the file instead of the number of the page.
fn in_pages(pages: &[Page], mut error: PolicyError) -> Failure {
    let rest = error.location.strip_prefix("page ").map(str::to_owned);
    let place = rest.as_deref().and_then(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, location) = rest.split_at(end);
        let index = number.parse::<usize>().ok()?.checked_sub(1)?;
        Some((pages.get(index)?, location.trim_start_matches('.')))
    });
    let Some((page, location)) = place else {
        let names: Vec<String> = pages.iter().map(|page| page.input.to_string()).collect();
        return Failure::operation_of(&format_args!("{}: {error}", names.join(", ")));
    };
    error.location = if location.is_empty() { "description" } else { location }.to_owned();
    let failure = in_file(&page.input, error);
    if failure.message().ends_with(" is described twice") {
        return failure.with_hint("files of the same account are pages of one description");
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_may_have_an_account_and_several_files() {
        for (text, account, files) in [
            ("root.json", None, &["root.json"][..]),
            ("a.json,b.json", None, &["a.json", "b.json"]),
            ("111122223333=a.json,b.json", Some("111122223333"), &["a.json", "b.json"]),
            ("1111=a.json", None, &["1111=a.json"]),
            ("a=b", None, &["a=b"]),
            ("111122223333=a=b", Some("111122223333"), &["a=b"]),
        ] {
            let level: Level = text.parse().unwrap();
            assert_eq!(level.account.as_deref(), account, "{text}");
            assert!(
                level.files.iter().map(|file| file.to_str().unwrap()).eq(files.iter().copied())
            );
        }
        for text in ["", ",", "a,", "111122223333=", "111122223333=a,,b"] {
            assert!(text.parse::<Level>().is_err(), "{text}");
        }
    }
}

//! Tests of the queries on described accounts.

mod access;
mod assume;
mod closure;
mod details;
mod permissions;
mod unknown;
mod world;

use super::{AccountDetails, Accounts};

const ACCOUNT: &str = include_str!("account.json");

fn accounts() -> Accounts {
    Accounts::from(AccountDetails::parse(ACCOUNT).unwrap())
}

fn arn(of: &str) -> String {
    format!("arn:aws:iam::111122223333:{of}")
}

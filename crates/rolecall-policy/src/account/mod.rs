//! Queries over the description of an account: which principals can call an action, what a
//! principal can do, and which principals can assume a role.
//!
//! [`AccountDetails`] reads the description, the output of
//! `aws iam get-account-authorization-details`. [`Accounts`] answers the questions, about one
//! account or several.
//!
//! # Unknown condition keys
//!
//! A future request's condition keys are not known, so an answer has three values, [`Verdict`]:
//! allowed, allowed if conditions are met, and not allowed. Known are the keys in the [`Context`]
//! of the question, and those that follow from the principal: `aws:PrincipalArn`,
//! `aws:PrincipalAccount`, `aws:PrincipalType`, `aws:PrincipalIsAWSService`, for users
//! `aws:username`, `aws:userid` and `aws:PrincipalTag/*`, and for roles `aws:PrincipalTag/*`
//! unless their trust policies allow `sts:TagSession`, since a session's tags replace the role's.
//!
//! An answer with conditions lists them. It does not tell whether they contradict each other.
//!
//! # What is not known
//!
//! - The description does not contain the policies of resources. A request across accounts to a
//!   resource whose policy was not given is allowed on the condition that such a policy allows it.
//!   In one account, a policy that was not given counts as none.
//! - Policies of the organization count only if they were given.
//! - The root user of an account and federated users are not among the principals.
//! - A role stands for its sessions without session policies, which can only take permissions away.
//!
//! # Examples
//!
//! ```
//! use rolecall_policy::Context;
//! use rolecall_policy::account::{AccountDetails, Accounts};
//!
//! # let json = include_str!("tests/account.json");
//! let accounts = Accounts::from(AccountDetails::parse(json)?);
//! let report = accounts.who_can("s3:GetObject", "arn:aws:s3:::shop/orders/1", &Context::new())?;
//! for access in &report.access {
//!     println!("{access}");
//! }
//! # Ok::<(), rolecall_policy::PolicyError>(())
//! ```
//!
//! [`Context`]: crate::Context

mod access;
mod accounts;
mod assume;
mod assumers;
mod decode;
mod details;
mod permissions;
mod question;
mod read;
mod reason;
mod subject;
mod summary;
mod table;
mod who_can;

pub use crate::lint::catalog::AccessLevel;
pub use access::{Access, DecidingStatement, Requirement, Verdict};
pub use accounts::Accounts;
pub use assumers::{Assumer, RoleAssumers};
pub use details::{AccountDetails, PolicyName};
pub use permissions::{Grant, Limit, Permissions};
pub use subject::Subject;
pub use summary::{LevelAccess, ServiceAccess};
pub use who_can::AccessReport;

#[cfg(test)]
mod tests;

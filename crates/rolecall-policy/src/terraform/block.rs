//! What the types of blocks have in common.

use hcl::{Attribute, Expression, Structure};

use super::arguments::{self, Checked};
use super::{Block, Configuration, PolicyArn, PolicyText, Reference, json};
use crate::error::PolicyError;
use crate::limits::PolicyKind;

/// A type of block. Sealed: a block of another crate could write an invalid file.
pub trait Sealed: Sized {
    /// The type of the resource or data source.
    const TYPE: &'static str;
    /// Whether it is a data source.
    const IS_DATA: bool = false;

    /// Returns the label as it was passed.
    fn label(&self) -> &str;

    /// Writes the arguments in the order in which the file has them. Locations of errors begin
    /// inside the block.
    fn write(&self, block: &mut BlockWriter<'_>) -> Result<(), PolicyError>;
}

/// The body of one block, while it is written.
#[derive(Debug)]
pub struct BlockWriter<'a> {
    configuration: &'a Configuration,
    body: Vec<Structure>,
}

impl<'a> BlockWriter<'a> {
    pub(super) fn new(configuration: &'a Configuration) -> Self {
        Self { configuration, body: Vec::new() }
    }

    pub(super) fn into_body(self) -> Vec<Structure> {
        self.body
    }

    /// Appends an argument.
    pub(super) fn set(&mut self, argument: &str, value: impl Into<Expression>) {
        self.body.push(Attribute::new(argument, value).into());
    }

    /// Appends a nested block.
    pub(super) fn nest(&mut self, block: hcl::Block) {
        self.body.push(block.into());
    }

    /// Appends an argument, if it has a value, that `check` accepts.
    pub(super) fn set_text(
        &mut self,
        argument: &str,
        value: Option<&str>,
        check: impl Fn(&str) -> Checked,
    ) -> Result<(), PolicyError> {
        let Some(value) = value else { return Ok(()) };
        check(value).map_err(|message| PolicyError::new(argument, message))?;
        self.set(argument, value);
        Ok(())
    }

    /// Appends a policy of a kind.
    pub(super) fn set_policy<P>(
        &mut self,
        argument: &str,
        kind: PolicyKind,
        policy: &PolicyText<P>,
    ) -> Result<(), PolicyError> {
        let value = policy.expression(kind, self).map_err(|error| error.within(argument))?;
        self.set(argument, value);
        Ok(())
    }

    /// Appends the ARN of a policy.
    pub(super) fn set_policy_arn(
        &mut self,
        argument: &str,
        policy: &PolicyArn,
    ) -> Result<(), PolicyError> {
        match policy {
            PolicyArn::Arn(arn) => self.set_text(argument, Some(arn), arguments::check_policy_arn),
            PolicyArn::Policy(policy) => {
                let arn = self.refer(policy, "arn").map_err(|error| error.within(argument))?;
                self.set(argument, arn);
                Ok(())
            }
        }
    }

    /// Appends the tags, if there are any.
    pub(super) fn set_tags<'t>(&mut self, tags: impl IntoIterator<Item = (&'t str, &'t str)>) {
        let tags: Vec<_> = tags.into_iter().map(|(key, value)| (json::key(key), value)).collect();
        if !tags.is_empty() {
            self.set("tags", tags.into_iter().collect::<Expression>());
        }
    }

    /// Returns the expression of another block's attribute.
    pub(super) fn refer<B: Block>(
        &self,
        reference: &Reference<B>,
        attribute: &str,
    ) -> Result<Expression, PolicyError> {
        self.require(&reference.to_string())?;
        Ok(reference.attribute(attribute))
    }

    /// Checks that the configuration has a block.
    pub(super) fn require(&self, address: &str) -> Result<(), PolicyError> {
        if self.configuration.addresses.contains(address) {
            return Ok(());
        }
        let hint = "hint: add it first, to the same configuration";
        let message = format!("the configuration has no block {address}; {hint}");
        Err(PolicyError::new("", message))
    }
}

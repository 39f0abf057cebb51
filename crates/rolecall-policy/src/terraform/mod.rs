//! Writes Terraform configuration for roles, policies and OpenID Connect providers.
//!
//! A [`Configuration`] is a list of blocks. [`Configuration::add`] checks a block and returns a
//! [`Reference`] to it, which other blocks take. The printed file is formatted as `terraform fmt`
//! formats it.
//!
//! ```
//! use rolecall_policy::terraform::{
//!     Configuration, IamPolicy, IamRole, OpenIdConnectProvider, PolicyText, RolePolicyAttachment,
//! };
//! use rolecall_policy::{
//!     OidcProvider, PermissionPolicy, S3Access, TrustPolicy, TrustedServiceAccount,
//! };
//!
//! let cluster = OidcProvider::eks("eu-west-1", "EXAMPLED539D4633E53DE1B716D3041E")?.build()?;
//! let cluster_arn = cluster.arn("aws", "111122223333")?;
//! let checkout = TrustedServiceAccount::new(&cluster_arn, "shop", "checkout")?;
//! let trust = TrustPolicy::builder().service_account(checkout).build()?;
//! let orders = S3Access::under("shop-data", ["orders/"])?.read();
//! let permissions = PermissionPolicy::builder().s3(orders).build()?;
//!
//! let mut configuration = Configuration::new();
//! let cluster = configuration.add(OpenIdConnectProvider::new("cluster", &cluster))?;
//! let trust = PolicyText::from(&trust).link_arn(cluster_arn, &cluster);
//! let role = configuration.add(IamRole::new("checkout", trust).role_name("checkout"))?;
//! let policy = configuration.add(IamPolicy::new("read_orders", &permissions))?;
//! configuration.add(RolePolicyAttachment::new("read_orders", &role, &policy))?;
//!
//! let file = configuration.to_string();
//! assert!(file.contains(r#"resource "aws_iam_role" "checkout" {"#));
//! assert!(file.contains("Federated = aws_iam_openid_connect_provider.cluster.arn\n"));
//! assert!(file.contains("  role       = aws_iam_role.checkout.name\n"));
//! # Ok::<(), rolecall_policy::PolicyError>(())
//! ```
//!
//! A policy is written as `jsonencode({...})`, or as the data source `aws_iam_policy_document` (see
//! [`PolicyDocument`]). It may contain the characters that IAM accepts in a policy, which end at
//! U+00FF: Terraform converts every string to Unicode normalization form C, which changes none of
//! these. A policy variable such as `${aws:username}` is text for Terraform.
//!
//! Errors are of the type [`PolicyError`]: a block is wrong for the same reasons as a policy, and
//! one that is not added is a fault of the program or of its input, whatever the reason. The
//! location is the address of the block and the argument, such as `aws_iam_role.checkout.name`.

mod arguments;
mod arrangement;
mod attachment;
mod block;
mod json;
mod open_id_connect_provider;
mod policy;
mod policy_document;
mod policy_text;
mod print;
mod role;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use hcl::Expression;
use hcl::expr::{Traversal, Variable};

pub use attachment::RolePolicyAttachment;
pub use open_id_connect_provider::OpenIdConnectProvider;
pub use policy::{IamPolicy, PolicyArn};
pub use policy_document::PolicyDocument;
pub use policy_text::PolicyText;
pub use role::IamRole;

use crate::error::PolicyError;
use block::{BlockWriter, Sealed};

/// A Terraform configuration file: blocks, in the order in which they were added.
///
/// [`Display`](fmt::Display) writes the file.
///
/// # Examples
///
/// ```
/// use rolecall_policy::OidcProvider;
/// use rolecall_policy::terraform::{Configuration, IamRole, OpenIdConnectProvider};
///
/// let provider = OidcProvider::builder("https://idp.example.com").client_id("checkout").build()?;
/// let mut configuration = Configuration::new();
/// configuration.add(OpenIdConnectProvider::new("shop", &provider))?;
/// assert_eq!(configuration.to_string(), r#"resource "aws_iam_openid_connect_provider" "shop" {
///   url            = "https://idp.example.com"
///   client_id_list = ["checkout"]
/// }
/// "#);
///
/// let error = configuration.add(IamRole::new("orders", "{}").path("shop")).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "aws_iam_role.orders.path: \"shop\" is not a path; hint: begin and end it with `/`, and \
///      use printable ASCII without spaces",
/// );
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configuration {
    blocks: Vec<hcl::Block>,
    addresses: HashSet<String>,
}

impl Configuration {
    /// Creates a configuration without blocks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks a block, appends it, and returns a reference to it.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`], and leaves the configuration as it is, if
    ///
    /// - the label is not a name that Terraform accepts, or a block of the same type has it,
    /// - a value is one that IAM or Terraform rejects,
    /// - a policy is not JSON, is larger than IAM accepts, or cannot be written in the selected
    ///   form,
    /// - the block refers to a block that is not in this configuration.
    pub fn add<B: Block>(&mut self, block: B) -> Result<Reference<B>, PolicyError> {
        let reference = Reference::new(block.label())?;
        let address = reference.to_string();
        if self.addresses.contains(&address) {
            let message = "is already in the configuration; hint: choose another label";
            return Err(PolicyError::new(&address, message));
        }
        let mut writer = BlockWriter::new(self);
        block.write(&mut writer).map_err(|error| error.within(&address))?;
        let keyword = if B::IS_DATA { "data" } else { "resource" };
        let block = hcl::Block::builder(keyword)
            .add_labels([B::TYPE, reference.label()])
            .add_structures(writer.into_body())
            .build();
        self.blocks.push(block);
        self.addresses.insert(address);
        Ok(reference)
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print::print_file(&self.blocks))
    }
}

/// A block that [`Configuration::add`] accepts.
///
/// The types of this module implement it; no other type can.
///
/// # Examples
///
/// ```
/// use rolecall_policy::PolicyError;
/// use rolecall_policy::terraform::{Block, Configuration, PolicyDocument};
///
/// fn print(block: impl Block) -> Result<String, PolicyError> {
///     let mut configuration = Configuration::new();
///     configuration.add(block)?;
///     Ok(configuration.to_string())
/// }
///
/// let error = print(PolicyDocument::new("trust", "{}")).unwrap_err();
/// assert_eq!(error.location, "data.aws_iam_policy_document.trust.Version");
/// ```
pub trait Block: Sealed {}

impl<B: Sealed> Block for B {}

/// A block with an ARN, which other blocks may refer to.
///
/// # Examples
///
/// See [`PolicyText::link_arn`].
pub trait HasArn: Block {}

impl HasArn for IamPolicy {}
impl HasArn for IamRole {}
impl HasArn for OpenIdConnectProvider {}

/// A reference to a block of a [`Configuration`].
///
/// Other blocks take it, and write it as an expression such as `aws_iam_role.checkout.name`.
/// [`Display`](fmt::Display) writes the address of the block, without an attribute.
///
/// # Examples
///
/// ```
/// use rolecall_policy::terraform::{Configuration, PolicyDocument, Reference};
///
/// let mut configuration = Configuration::new();
/// let trust: Reference<PolicyDocument> = configuration.add(PolicyDocument::new("trust", r#"{
///     "Version": "2012-10-17",
///     "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}
/// }"#))?;
/// assert_eq!(trust.label(), "trust");
/// assert_eq!(trust.to_string(), "data.aws_iam_policy_document.trust");
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
pub struct Reference<B> {
    label: String,
    block: PhantomData<fn() -> B>,
}

impl<B> Reference<B> {
    /// Returns the label of the block.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }
}

impl<B: Block> Reference<B> {
    fn new(label: &str) -> Result<Self, PolicyError> {
        if !arguments::is_name(label) {
            let hint = "hint: use ASCII letters, digits, `_` and `-`, and begin with a letter or \
                        `_`";
            return Err(PolicyError::new(B::TYPE, format!("{label:?} is not a label; {hint}")));
        }
        Ok(Self { label: label.to_owned(), block: PhantomData })
    }

    /// Returns the expression of an attribute of the block.
    fn attribute(&self, name: &str) -> Expression {
        // The parts are names already: `sanitized` changes none of them.
        let root = if B::IS_DATA { "data" } else { B::TYPE };
        let traversal = Traversal::builder(Variable::sanitized(root));
        let traversal = if B::IS_DATA { traversal.attr(B::TYPE) } else { traversal };
        traversal.attr(self.label.as_str()).attr(name).build().into()
    }
}

impl<B: Block> fmt::Display for Reference<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if B::IS_DATA { "data." } else { "" };
        write!(f, "{prefix}{}.{}", B::TYPE, self.label)
    }
}

// Derived, these would require the same of the type of the block.
impl<B> Clone for Reference<B> {
    fn clone(&self) -> Self {
        Self { label: self.label.clone(), block: PhantomData }
    }
}

impl<B: Block> fmt::Debug for Reference<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reference({self})")
    }
}

impl<B> PartialEq for Reference<B> {
    fn eq(&self, other: &Self) -> bool {
        self.label == other.label
    }
}

impl<B> Eq for Reference<B> {}

impl<B> Hash for Reference<B> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.label.hash(state);
    }
}

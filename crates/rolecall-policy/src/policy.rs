//! The kinds of policies, each with the elements that it may have.

use std::sync::Arc;

use crate::error::PolicyError;
use crate::limits::PolicyKind;
use crate::model::Document;
use crate::{read, write};

macro_rules! policy_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $default:ident, [$($kind:ident),+]) => {
        $(#[$doc])*
        ///
        /// Cloning is cheap: clones share the document.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            document: Arc<Document>,
        }

        impl $name {
            #[doc = concat!("Parses ", $what, " from its JSON text.")]
            ///
            /// # Errors
            ///
            /// Returns [`PolicyError`] if `json` is not a policy of this kind, or is larger than
            #[doc = concat!("[`PolicyKind::", stringify!($default), "`] allows.")]
            pub fn parse(json: &str) -> Result<Self, PolicyError> {
                Self::parse_as(PolicyKind::$default, json)
            }

            #[doc = concat!("Parses ", $what, " with the elements and the size limit of a kind.")]
            ///
            /// # Errors
            ///
            /// Returns [`PolicyError`] if `json` is not a policy of this kind, is larger than the
            #[doc = concat!("kind allows, or if `kind` is not a kind of ", $what, ".")]
            pub fn parse_as(kind: PolicyKind, json: &str) -> Result<Self, PolicyError> {
                Self::check_kind(kind)?;
                read::read(kind, json).map(Self::from_document)
            }

            #[doc = concat!("Parses ", $what, " from bytes, which must be UTF-8.")]
            ///
            /// # Errors
            ///
            /// Returns [`PolicyError`] as [`parse_as`](Self::parse_as) does.
            pub fn from_slice(kind: PolicyKind, json: &[u8]) -> Result<Self, PolicyError> {
                Self::check_kind(kind)?;
                read::read_slice(kind, json).map(Self::from_document)
            }

            fn check_kind(kind: PolicyKind) -> Result<(), PolicyError> {
                match kind {
                    $(PolicyKind::$kind)|+ => Ok(()),
                    other => {
                        let message = format!("{} is not {}", other.name(), $what);
                        Err(PolicyError::new("kind", message))
                    }
                }
            }

            pub(crate) fn from_document(document: Document) -> Self {
                Self { document: Arc::new(document) }
            }

            /// Returns the document.
            pub fn document(&self) -> &Document {
                &self.document
            }

            /// Returns the document as JSON, indented.
            pub fn to_json(&self) -> String {
                write::indented(&self.document)
            }

            /// Returns the document as JSON without white space.
            pub fn to_compact_json(&self) -> String {
                write::compact(&self.document)
            }

            /// Returns the condition keys that the policy tests, in the spelling of the document.
            pub fn condition_keys(&self) -> impl Iterator<Item = &str> {
                self.document.condition_keys()
            }
        }

        impl std::str::FromStr for $name {
            type Err = PolicyError;

            fn from_str(json: &str) -> Result<Self, Self::Err> {
                Self::parse(json)
            }
        }

        impl From<$name> for String {
            fn from(policy: $name) -> Self {
                policy.to_json()
            }
        }

        impl From<&$name> for String {
            fn from(policy: &$name) -> Self {
                policy.to_json()
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.document.serialize(serializer)
            }
        }
    };
}

policy_type!(
    /// A trust policy: the callers that may assume a role.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::TrustPolicy;
    /// let error = TrustPolicy::parse(
    ///     r#"{"Statement": {
    ///         "Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*"
    ///     }}"#,
    /// );
    /// assert_eq!(
    ///     error.unwrap_err().to_string(),
    ///     "Statement.Resource at line 2 column 74: a trust policy cannot have a Resource",
    /// );
    /// ```
    TrustPolicy,
    "a trust policy",
    Trust,
    [Trust, TrustRaised]
);

policy_type!(
    /// A permission policy: the actions that a user or the sessions of a role may take.
    ///
    /// Identity policies, session policies, permissions boundaries and service control policies are
    /// of this type.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::{Caller, Outcome, PermissionPolicy, Policies, Request, evaluate};
    /// let policies = [PermissionPolicy::parse(r#"{
    ///     "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*"}
    /// }"#)?];
    /// let ann = Caller::user("111122223333", "arn:aws:iam::111122223333:user/ann");
    /// let request = Request::new(ann, "s3:GetObject", "arn:aws:s3:::shop/a");
    /// let decision = evaluate(&request, &Policies::new().identity(&policies)).outcome();
    /// assert_eq!(decision, Outcome::Allowed);
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    PermissionPolicy,
    "a permission policy",
    Inline,
    [Inline, Managed, AwsManaged, Session, ServiceControl]
);

policy_type!(
    /// A resource policy, such as a bucket policy, or a resource control policy.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::ResourcePolicy;
    /// let policy = ResourcePolicy::parse(r#"{"Version": "2012-10-17", "Statement": {
    ///     "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/checkout"},
    ///     "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*"
    /// }}"#)?;
    /// assert!(policy.to_compact_json().contains("checkout"));
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    ResourcePolicy,
    "a resource policy",
    Resource,
    [Resource, ResourceControl]
);

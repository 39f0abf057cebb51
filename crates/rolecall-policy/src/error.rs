use std::borrow::Cow;
use std::fmt;

/// An error returned when a policy, or a part of it, cannot be parsed or built.
///
/// # Examples
///
/// ```
/// use rolecall_policy::PermissionPolicy;
/// let json = r#"{"Version": "2012-10-17",
///   "Statement": [{"Effect": "allow", "Action": "*", "Resource": "*"}]}"#;
/// let error = PermissionPolicy::parse(json).unwrap_err();
/// assert_eq!(error.location, "Statement[0].Effect");
/// assert_eq!(error.position.map(|at| (at.line, at.column)), Some((2, 28)));
/// assert_eq!(
///     error.to_string(),
///     r#"Statement[0].Effect at line 2 column 28: "allow" is neither "Allow" nor "Deny""#,
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyError {
    /// The location in the document, such as `Statement[0].Action`, or the name of the input of a
    /// builder or constructor, such as `role`, or an argument of a Terraform block, such as
    /// `aws_iam_role.orders.name`. Empty for the document as a whole.
    pub location: String,
    /// The position in the document's text, if the error is about a document.
    pub position: Option<Position>,
    /// The problem at that location, in lower case.
    pub message: String,
}

impl PolicyError {
    pub(crate) fn new(location: &str, message: impl Into<String>) -> Self {
        Self { location: location.to_owned(), position: None, message: message.into() }
    }

    /// Replaces the location, for an error from a constructor whose input is part of a document.
    pub(crate) fn at(self, location: &str) -> Self {
        Self { location: location.to_owned(), ..self }
    }

    /// Puts the location inside another one, for an error from a document that is part of a whole.
    pub(crate) fn within(self, outer: &str) -> Self {
        Self { location: join(outer, &self.location), ..self }
    }
}

/// Returns a location inside another one, such as `Statement[0].Action`.
pub(crate) fn join(outer: &str, inner: &str) -> String {
    let separator =
        if outer.is_empty() || inner.is_empty() || inner.starts_with('[') { "" } else { "." };
    format!("{outer}{separator}{inner}")
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = if self.location.is_empty() { "policy" } else { &self.location };
        f.write_str(location)?;
        if let Some(position) = self.position {
            write!(f, " at {position}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for PolicyError {}

/// A position in the text of a document. Lines and columns count from 1, columns in characters.
///
/// # Examples
///
/// ```
/// use rolecall_policy::TrustPolicy;
/// let error = TrustPolicy::parse("{\n  \"Statement\": 1}").unwrap_err();
/// assert_eq!(error.position.unwrap().to_string(), "line 2 column 16");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} column {}", self.line, self.column)
    }
}

/// Where an element stands in its document's text. It is no part of the element: two policies with
/// the same content are equal however they are laid out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Located(Option<Position>);

impl Located {
    pub(crate) fn at(position: Position) -> Self {
        Self(Some(position))
    }

    pub(crate) fn position(self) -> Option<Position> {
        self.0
    }
}

impl PartialEq for Located {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Located {}

/// The value as a message shows it: quoted, and cut if it is long.
pub(crate) fn excerpt(value: &str) -> String {
    match cut(value) {
        Some(head) => format!("{head:?}..."),
        None => format!("{value:?}"),
    }
}

/// The value as a message shows it without quotes: cut if it is long.
pub(crate) fn shortened(value: &str) -> Cow<'_, str> {
    cut(value).map_or(Cow::Borrowed(value), |head| Cow::Owned(format!("{head}...")))
}

/// The first characters of a value that is too long for a message, or that may be a JWT, which is a
/// secret: all of them begin with the base64 encoding of `{"`.
fn cut(value: &str) -> Option<&str> {
    const LONGEST: usize = 300;
    const TOKEN: &str = "eyJ";
    let longest = if value.trim_start().starts_with(TOKEN) { TOKEN.len() } else { LONGEST };
    value.char_indices().nth(longest).and_then(|(end, _)| value.get(..end))
}

use std::ops::RangeInclusive;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use super::{InvalidParameter, length_fault, limits, shown};

/// Session tags, for policies (`aws:PrincipalTag/<key>`, `aws:RequestTag/<key>`) and CloudTrail.
///
/// All sessions that are assumed from a session inherit its transitive tags and cannot change them.
/// The trust policy of the role must allow `sts:TagSession`.
///
/// A session has at most 50 tags. Keys have 1 to 128 and values 0 to 256 characters: letters,
/// numbers and spaces of all languages, and `_.:/=+-@`. Keys are unique regardless of their case,
/// and do not begin with `aws:`.
///
/// With serde, tags are a structure of `tags`, a map, and `transitive_tag_keys`, a list.
///
/// # Examples
///
/// ```
/// use rolecall_core::SessionTags;
///
/// let tags = SessionTags::new()
///     .tag("Tenant", "4711")?
///     .tag("Cost Centre", "München")?
///     .transitive("Tenant")?;
/// assert_eq!(tags.iter().count(), 2);
///
/// let error = SessionTags::try_from([("Tenant", "1"), ("tenant", "2")]).unwrap_err();
/// assert!(error.to_string().starts_with(
///     "`tenant` is not a valid tag key: it is already present as \"Tenant\""
/// ));
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionTags {
    // Both are sorted by key. The code of sorted maps would be compiled again in every crate that
    // clones or drops tags.
    tags: Vec<(String, String)>,
    transitive: Vec<String>,
}

const KEY_RULE: &str = "1 to 128 letters, numbers, spaces and _ . : / = + - @, without the prefix \
                        aws:, and unique regardless of case";
const VALUE_RULE: &str = "up to 256 letters, numbers, spaces and _ . : / = + - @";

impl SessionTags {
    /// Creates an empty set of tags.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tag.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the key or the value is not valid, if the key is already
    /// present, or if there are 50 tags already.
    pub fn tag(
        self,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, InvalidParameter> {
        self.add_tag(key.into(), value.into())
    }

    fn add_tag(mut self, key: String, value: String) -> Result<Self, InvalidParameter> {
        check_key(&key)?;
        if let Some(fault) = find_fault(&value, &limits::TAG_VALUE_LENGTH) {
            return Err(InvalidParameter::new("tag value", &value, fault, VALUE_RULE));
        }
        if let Some(present) = find_key(self.iter().map(|(key, _)| key), &key) {
            let fault = format!("it is already present as \"{}\"", shown(present));
            return Err(InvalidParameter::new("tag key", &key, fault, KEY_RULE));
        }
        if self.tags.len() == limits::MAX_TAGS {
            let fault = format!("there are {} tags already", limits::MAX_TAGS);
            let rule = format!("at most {} tags", limits::MAX_TAGS);
            return Err(InvalidParameter::new("tag key", &key, fault, rule));
        }
        self.insert(key, value);
        Ok(self)
    }

    /// Marks the tag with this key as transitive: all sessions that are assumed from the session
    /// inherit it.
    ///
    /// The tag is one of these tags, or one that the session inherits.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the key is not valid, if it is already marked, or if there
    /// are 50 transitive keys already.
    pub fn transitive(self, key: impl Into<String>) -> Result<Self, InvalidParameter> {
        self.add_transitive(key.into())
    }

    fn add_transitive(mut self, key: String) -> Result<Self, InvalidParameter> {
        let invalid = |fault: String, rule: &str| {
            Err(InvalidParameter::new("transitive tag key", &key, fault, rule))
        };
        check_key(&key)?;
        if let Some(present) = find_key(self.transitive_keys(), &key) {
            return invalid(format!("it is already present as \"{}\"", shown(present)), KEY_RULE);
        }
        if self.transitive.len() == limits::MAX_TAGS {
            let fault = format!("there are {} transitive tag keys already", limits::MAX_TAGS);
            return invalid(fault, "at most 50 transitive tag keys");
        }
        self.insert_transitive(key);
        Ok(self)
    }

    fn insert(&mut self, key: String, value: String) {
        let at = self.tags.partition_point(|(other, _)| *other < key);
        self.tags.insert(at, (key, value));
    }

    fn insert_transitive(&mut self, key: String) {
        let at = self.transitive.partition_point(|other| *other < key);
        self.transitive.insert(at, key);
    }

    /// Returns the tags of the next session in a role chain: `requested`, and the transitive tags
    /// of this session.
    ///
    /// STS rejects a request for a tag that the session inherits. In that case, this method keeps
    /// the inherited tag.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_core::SessionTags;
    ///
    /// let parent = SessionTags::try_from([("Tenant", "4711"), ("Team", "tea")])?;
    /// let parent = parent.transitive("Tenant")?;
    /// let child = parent.propagate_to(&SessionTags::try_from([("Job", "nightly")])?);
    /// assert_eq!(child.iter().collect::<Vec<_>>(), [("Job", "nightly"), ("Tenant", "4711")]);
    /// # Ok::<(), rolecall_core::InvalidParameter>(())
    /// ```
    #[must_use]
    pub fn propagate_to(&self, requested: &Self) -> Self {
        let mut child = requested.clone();
        for key in &self.transitive {
            // A transitive key without a tag belongs to a tag that is not known here, such as one
            // of a web identity token. The key alone is propagated.
            if let Some((inherited, value)) = self.iter().find(|(tag, _)| is_same_key(tag, key)) {
                child.tags.retain(|(other, _)| !is_same_key(other, inherited));
                child.insert(inherited.to_owned(), value.to_owned());
            }
            child.transitive.retain(|other| !is_same_key(other, key));
            child.insert_transitive(key.clone());
        }
        child
    }

    /// Returns the keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Returns the transitive keys, sorted.
    pub fn transitive_keys(&self) -> impl Iterator<Item = &str> {
        self.transitive.iter().map(String::as_str)
    }

    /// Returns `true` if there are neither tags nor transitive keys.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.transitive.is_empty()
    }

    fn from_pairs<K: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, InvalidParameter> {
        pairs.into_iter().try_fold(Self::new(), |tags, (key, value)| tags.tag(key, value))
    }
}

impl<K: Into<String>, V: Into<String>> TryFrom<Vec<(K, V)>> for SessionTags {
    type Error = InvalidParameter;

    fn try_from(pairs: Vec<(K, V)>) -> Result<Self, Self::Error> {
        Self::from_pairs(pairs)
    }
}

impl<K: Into<String>, V: Into<String>, const N: usize> TryFrom<[(K, V); N]> for SessionTags {
    type Error = InvalidParameter;

    fn try_from(pairs: [(K, V); N]) -> Result<Self, Self::Error> {
        Self::from_pairs(pairs)
    }
}

fn find_key<'a>(mut keys: impl Iterator<Item = &'a str>, key: &str) -> Option<&'a str> {
    keys.find(|other| is_same_key(other, key))
}

/// Compares keys as STS does, regardless of case.
fn is_same_key(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn check_key(key: &str) -> Result<(), InvalidParameter> {
    let is_reserved = key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
    let fault = match find_fault(key, &limits::TAG_KEY_LENGTH) {
        None if is_reserved => "it begins with aws:, which is reserved for AWS".to_owned(),
        None => return Ok(()),
        Some(fault) => fault,
    };
    Err(InvalidParameter::new("tag key", key, fault, KEY_RULE))
}

fn find_fault(text: &str, length: &RangeInclusive<usize>) -> Option<String> {
    let count = text.chars().count();
    if !length.contains(&count) {
        return Some(length_fault(count));
    }
    let wrong = text.chars().find(|c| !is_allowed(*c))?;
    Some(format!("the character {wrong:?} is not allowed"))
}

/// The pattern `[\p{L}\p{Z}\p{N}_.:/=+\-@]` of the STS model.
fn is_allowed(c: char) -> bool {
    use GeneralCategoryGroup::{Letter, Number, Separator};
    limits::TAG_PUNCTUATION.contains(c)
        || matches!(c.general_category_group(), Letter | Number | Separator)
}

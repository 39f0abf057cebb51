use std::collections::{BTreeMap, BTreeSet};

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use super::{InvalidParameter, limits};

/// Session tags: for policies (`aws:PrincipalTag/<key>`, `aws:RequestTag/<key>`) and in CloudTrail. Those whose keys are
/// transitive go on to all sessions that are assumed from this one, which cannot change them.
///
/// At most 50 tags; keys have 1 to 128 and values 0 to 256 characters: letters, numbers and spaces of any language, and
/// `_.:/=+-@`. Keys are unique whatever their case, and none begins with `aws:`. The trust policy must allow
/// `sts:TagSession`.
///
/// ```
/// use rolecall_core::SessionTags;
/// let tags = SessionTags::new().tag("Tenant", "4711")?.tag("Cost Centre", "München")?.transitive("Tenant")?;
/// assert_eq!(tags.iter().count(), 2);
///
/// let error = SessionTags::new().tag("Tenant", "1")?.tag("tenant", "2").unwrap_err();
/// assert!(error.to_string().starts_with("tag key \"tenant\": it is there already, as \"Tenant\""));
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionTags {
    tags: BTreeMap<String, String>,
    transitive: BTreeSet<String>,
}

const KEY_RULE: &str = "a tag key has 1 to 128 letters, numbers, spaces and _ . : / = + - @, does not begin with aws:, \
                        and differs from the others by more than its case";
const VALUE_RULE: &str = "a tag value has up to 256 letters, numbers, spaces and _ . : / = + - @";

impl SessionTags {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one tag more.
    pub fn tag(
        mut self,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, InvalidParameter> {
        let (key, value) = (key.into(), value.into());
        check_key(&key)?;
        if let Some(fault) = fault(&value, &limits::TAG_VALUE_LENGTH) {
            return Err(InvalidParameter::new("tag value", &value, fault, VALUE_RULE));
        }
        if let Some(same) = same(self.tags.keys(), &key) {
            let fault = format!("it is there already, as {same:?}");
            return Err(InvalidParameter::new("tag key", &key, fault, KEY_RULE));
        }
        if self.tags.len() == limits::MOST_TAGS {
            let fault = format!("there are {} tags already", limits::MOST_TAGS);
            let rule = format!("a session has at most {} tags", limits::MOST_TAGS);
            return Err(InvalidParameter::new("tag key", &key, fault, rule));
        }
        self.tags.insert(key, value);
        Ok(self)
    }

    /// Makes a tag go on to the sessions that are assumed from this one: one of these, or one that the session that
    /// signs has.
    pub fn transitive(mut self, key: impl Into<String>) -> Result<Self, InvalidParameter> {
        let key = key.into();
        let invalid = |fault: String, rule: &str| {
            Err(InvalidParameter::new("transitive tag key", &key, fault, rule))
        };
        check_key(&key)?;
        if let Some(same) = same(self.transitive.iter(), &key) {
            return invalid(format!("it is there already, as {same:?}"), KEY_RULE);
        }
        if self.transitive.len() == limits::MOST_TAGS {
            let fault = format!("there are {} already", limits::MOST_TAGS);
            return invalid(fault, "a session has at most 50 transitive tag keys");
        }
        self.transitive.insert(key);
        Ok(self)
    }

    /// What a session has that is assumed from one with these tags and asks for `more`: the transitive ones of these, and
    /// those. Where both have a key, STS refuses the request; here the first stays.
    ///
    /// ```
    /// use rolecall_core::SessionTags;
    /// let parent = SessionTags::new().tag("Tenant", "4711")?.tag("Team", "tea")?.transitive("Tenant")?;
    /// let child = parent.handed_on(&SessionTags::new().tag("Job", "nightly")?);
    /// assert_eq!(child.iter().collect::<Vec<_>>(), [("Job", "nightly"), ("Tenant", "4711")]);
    /// # Ok::<(), rolecall_core::InvalidParameter>(())
    /// ```
    #[must_use]
    pub fn handed_on(&self, more: &Self) -> Self {
        let mut next = more.clone();
        for key in &self.transitive {
            if let Some(held) = same(self.tags.keys(), key) {
                next.tags.retain(|other, _| other.to_lowercase() != held.to_lowercase());
                next.tags.insert(held.clone(), self.tags[held].clone());
            }
            next.transitive.retain(|other| other.to_lowercase() != key.to_lowercase());
            next.transitive.insert(key.clone());
        }
        next
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The transitive keys, sorted.
    pub fn transitive_keys(&self) -> impl Iterator<Item = &str> {
        self.transitive.iter().map(String::as_str)
    }

    /// Whether there are neither tags nor transitive keys.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.transitive.is_empty()
    }
}

fn same<'a>(keys: impl Iterator<Item = &'a String>, key: &str) -> Option<&'a String> {
    let lower = key.to_lowercase();
    let mut keys = keys;
    keys.find(|known| known.to_lowercase() == lower)
}

fn check_key(key: &str) -> Result<(), InvalidParameter> {
    let reserved = key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
    let fault = match fault(key, &limits::TAG_KEY_LENGTH) {
        None if reserved => "it begins with aws:, which is AWS's own".to_owned(),
        None => return Ok(()),
        Some(fault) => fault,
    };
    Err(InvalidParameter::new("tag key", key, fault, KEY_RULE))
}

fn fault(text: &str, length: &std::ops::RangeInclusive<usize>) -> Option<String> {
    let count = text.chars().count();
    if !length.contains(&count) {
        let plural = if count == 1 { "" } else { "s" };
        return Some(format!("it has {count} character{plural}"));
    }
    let wrong = text.chars().find(|c| !is_known(*c))?;
    Some(format!("the character {wrong:?} is not allowed"))
}

/// `[\p{L}\p{Z}\p{N}_.:/=+\-@]`, as STS has it.
fn is_known(c: char) -> bool {
    use GeneralCategoryGroup::{Letter, Number, Separator};
    limits::TAG_PUNCTUATION.contains(c)
        || matches!(c.general_category_group(), Letter | Number | Separator)
}

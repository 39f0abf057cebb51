use std::collections::BTreeMap;

/// The condition keys of one request and their values. Keys are case-insensitive.
///
/// Only the keys in the context are known: none is derived from the rest of the request.
///
/// # Examples
///
/// ```
/// use rolecall_policy::Context;
/// let context = Context::new().with("sts:ExternalId", "shop-4711");
/// assert_eq!(context.get("STS:externalid"), Some(&["shop-4711".to_owned()][..]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    /// Creates a context without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value to a key. A key that has several values is multivalued.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.entry(key.to_lowercase()).or_default().push(value.into());
        self
    }

    /// Sets all values of a key. A key without values counts as absent.
    #[must_use]
    pub fn with_values<V: Into<String>>(
        mut self,
        key: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.0.insert(key.to_lowercase(), values.into_iter().map(Into::into).collect());
        self
    }

    /// Returns the values of a key, or `None` if the request has no value for it.
    pub fn get(&self, key: &str) -> Option<&[String]> {
        self.lookup(&key.to_lowercase())
    }

    /// Returns the values of a key that is in lower case, if there are any. It does not allocate.
    pub(crate) fn lookup(&self, lower_case_key: &str) -> Option<&[String]> {
        self.0.get(lower_case_key).map(Vec::as_slice).filter(|values| !values.is_empty())
    }

    /// Returns `true` for a key that was set, also without values.
    pub(crate) fn has_key(&self, key: &str) -> bool {
        self.0.contains_key(&key.to_lowercase())
    }

    /// Returns the keys, in lower case, and their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(key, values)| (key.as_str(), values.as_slice()))
    }
}

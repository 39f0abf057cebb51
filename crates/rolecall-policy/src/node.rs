//! The values of JSON texts that contain policies, each with its location for errors.

use std::borrow::Cow;

use crate::error::{PolicyError, join};
use crate::json::{Json, JsonError, Member, Members, Value};
use crate::limits::PolicyKind;
use crate::lines::Lines;
use crate::model::Document;
use crate::read::read_value_in;

pub(crate) type Parsed<T> = Result<T, PolicyError>;

/// A JSON text.
pub(crate) struct Source<'t> {
    text: &'t str,
    lines: Lines<'t>,
    /// The location of errors that are about the whole.
    name: Cow<'static, str>,
    /// Where the locations of all values begin.
    root: String,
}

impl<'t> Source<'t> {
    pub(crate) fn new(name: &'static str, text: &'t str) -> Self {
        Self { text, lines: Lines::of(text), name: name.into(), root: String::new() }
    }

    /// Creates one of several texts that belong together. All locations begin with its number.
    pub(crate) fn page(number: usize, text: &'t str) -> Self {
        let name = format!("page {number}");
        Self { text, lines: Lines::of(text), name: name.clone().into(), root: name }
    }

    /// Parses the text, unless it is longer than `max` bytes.
    pub(crate) fn parse(&self, max: usize) -> Parsed<Node<'t, '_>> {
        let length = self.text.len();
        if length > max {
            let message = format!("{length} bytes; the most that is read is {max}");
            return Err(PolicyError::new(&self.name, message));
        }
        match Json::parse(self.text) {
            Ok(json) => Ok(Node { source: self, location: self.root.clone(), json }),
            Err(error) => Err(self.json_error(&self.root, error)),
        }
    }

    fn error(&self, location: &str, offset: usize, message: impl Into<String>) -> PolicyError {
        let location = if location.is_empty() { &*self.name } else { location };
        let position = Some(self.lines.position(offset));
        PolicyError { location: location.to_owned(), position, message: message.into() }
    }

    fn json_error(&self, location: &str, error: JsonError) -> PolicyError {
        self.error(&join(location, &error.location), error.offset, error.message)
    }
}

/// A value, and where it stands.
pub(crate) struct Node<'t, 's> {
    source: &'s Source<'t>,
    pub(crate) location: String,
    pub(crate) json: Json<'t>,
}

impl<'t, 's> Node<'t, 's> {
    pub(crate) fn error(&self, message: impl Into<String>) -> PolicyError {
        self.source.error(&self.location, self.json.offset, message)
    }

    pub(crate) fn object(self) -> Parsed<Object<'t, 's>> {
        let Self { source, location, json } = self;
        match json.into_members() {
            Ok(members) => Ok(Object { source, location, members }),
            Err(error) => Err(source.json_error(&location, error)),
        }
    }

    /// Returns the items of a list.
    pub(crate) fn items(self) -> Parsed<impl ExactSizeIterator<Item = Self>> {
        let Self { source, location, json } = self;
        let items = json.into_items().map_err(|error| source.json_error(&location, error))?;
        Ok(items.into_iter().enumerate().map(move |(index, json)| {
            let location = format!("{location}[{index}]");
            Self { source, location, json }
        }))
    }

    /// Returns the text of a string.
    pub(crate) fn text(self) -> Parsed<String> {
        self.convert(Json::into_text)
    }

    /// Parses the text of a string. The location of the string is added to the fault.
    pub(crate) fn parse_text<T>(self, parse: impl FnOnce(&str) -> Result<T, String>) -> Parsed<T> {
        let (source, location, offset) = (self.source, self.location.clone(), self.json.offset);
        parse(&self.text()?).map_err(|fault| source.error(&location, offset, fault))
    }

    /// Returns the text of a string, or a number or boolean in its JSON spelling.
    pub(crate) fn scalar(self) -> Parsed<String> {
        self.convert(Json::into_scalar)
    }

    fn convert(
        self,
        convert: impl FnOnce(Json<'t>) -> Result<Cow<'t, str>, JsonError>,
    ) -> Parsed<String> {
        let Self { source, location, json } = self;
        let text = convert(json).map_err(|error| source.json_error(&location, error))?;
        Ok(text.into_owned())
    }

    /// Reads the value as a policy document of a kind. Its size is not limited.
    pub(crate) fn document(self, kind: PolicyKind) -> Parsed<Document> {
        let document = read_value_in(kind, &self.source.lines, self.json);
        document.map_err(|error| error.within(&self.location))
    }
}

/// An object, and where it stands. Its members are taken out one by one.
pub(crate) struct Object<'t, 's> {
    source: &'s Source<'t>,
    pub(crate) location: String,
    members: Members<'t>,
}

impl<'t, 's> Object<'t, 's> {
    pub(crate) fn error(&self, message: impl Into<String>) -> PolicyError {
        self.source.error(&self.location, self.members.offset, message)
    }

    /// Returns `true` if the object has a member with this key, which may be `null`.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.members.list.iter().any(|member| member.key == key)
    }

    /// Takes a member out. One that is `null` counts as absent.
    pub(crate) fn take(&mut self, key: &str) -> Option<Node<'t, 's>> {
        let json = self.members.take(key)?.value;
        let location = join(&self.location, key);
        (json.value != Value::Null).then_some(Node { source: self.source, location, json })
    }

    /// Takes a member out that must be there.
    pub(crate) fn require(&mut self, key: &str) -> Parsed<Node<'t, 's>> {
        self.take(key).ok_or_else(|| self.error(format!("{key} is missing")))
    }

    /// Takes a string out that must be there.
    pub(crate) fn text(&mut self, key: &str) -> Parsed<String> {
        self.require(key)?.text()
    }

    /// Takes a string out.
    pub(crate) fn optional_text(&mut self, key: &str) -> Parsed<Option<String>> {
        self.take(key).map(Node::text).transpose()
    }

    /// Returns all members.
    pub(crate) fn into_members(self) -> impl Iterator<Item = (Cow<'t, str>, Node<'t, 's>)> {
        let Self { source, location, members } = self;
        members.list.into_iter().map(move |Member { key, value: json, .. }| {
            let location = join(&location, &key);
            (key, Node { source, location, json })
        })
    }

    /// Refuses the members that were not taken out, except those that are known.
    pub(crate) fn finish(self, known: &[&str]) -> Parsed<()> {
        let mut rest = self.members.list.iter();
        let Some(member) = rest.find(|member| !known.contains(&&*member.key)) else {
            return Ok(());
        };
        let message = format!("unknown member; hint: the members are {}", known.join(", "));
        Err(self.source.error(&join(&self.location, &member.key), member.offset, message))
    }
}

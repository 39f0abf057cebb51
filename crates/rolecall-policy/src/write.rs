//! Writes documents as JSON, in the order and the forms that people write.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::condition::Condition;
use crate::model::{ActionPattern, Document, OneOf, ResourcePattern, Statement};
use crate::principal::Principal;

/// The document, indented.
pub(crate) fn indented(document: &Document) -> String {
    // It holds texts and lists alone, so there is nothing in it that JSON cannot say.
    serde_json::to_string_pretty(document).unwrap_or_default()
}

/// The document without white space.
pub(crate) fn compact(document: &Document) -> String {
    serde_json::to_string(document).unwrap_or_default()
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(version) = self.version {
            map.serialize_entry("Version", version.as_str())?;
        }
        if let Some(id) = &self.id {
            map.serialize_entry("Id", id)?;
        }
        map.serialize_entry("Statement", &self.statements)?;
        map.end()
    }
}

impl Serialize for Statement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(sid) = &self.sid {
            map.serialize_entry("Sid", sid)?;
        }
        map.serialize_entry("Effect", self.effect.as_str())?;
        if let Some(principals) = &self.principals {
            let key = if principals.negated { "NotPrincipal" } else { "Principal" };
            if principals.patterns == [Principal::Anyone] {
                map.serialize_entry(key, "*")?;
            } else {
                map.serialize_entry(key, &Principals(&principals.patterns))?;
            }
        }
        alternatives(&mut map, ["Action", "NotAction"], &self.actions, ActionPattern::as_str)?;
        if let Some(resources) = &self.resources {
            let keys = ["Resource", "NotResource"];
            alternatives(&mut map, keys, resources, ResourcePattern::as_str)?;
        }
        if !self.conditions.is_empty() {
            map.serialize_entry("Condition", &Conditions(&self.conditions))?;
        }
        map.end()
    }
}

fn alternatives<T, M: SerializeMap>(
    map: &mut M,
    [positive, negative]: [&str; 2],
    values: &OneOf<T>,
    text: impl Fn(&T) -> &str,
) -> Result<(), M::Error> {
    let texts: Vec<&str> = values.patterns.iter().map(text).collect();
    map.serialize_entry(if values.negated { negative } else { positive }, &Texts(&texts))
}

/// A single text stands alone, as people write it.
struct Texts<'a>(&'a [&'a str]);

impl Serialize for Texts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [one] => one.serialize(serializer),
            many => many.serialize(serializer),
        }
    }
}

/// Operator, key, values. Conditions of one operator stand together.
struct Conditions<'a>(&'a [Condition]);

impl Serialize for Conditions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (index, condition) in self.0.iter().enumerate() {
            let operator = condition.operator();
            let earlier = self.0.get(..index).unwrap_or_default();
            if earlier.iter().any(|earlier| earlier.operator() == operator) {
                continue;
            }
            let same = self.0.iter().filter(|other| other.operator() == operator);
            map.serialize_entry(&operator.name(), &Keys(same.collect()))?;
        }
        map.end()
    }
}

struct Keys<'a>(Vec<&'a Condition>);

impl Serialize for Keys<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for condition in &self.0 {
            let values: Vec<&str> = condition.values().collect();
            map.serialize_entry(condition.key(), &Texts(&values))?;
        }
        map.end()
    }
}

/// Kind, values. The kinds keep the order in which they first stand, so that what is parsed again
/// equals what was written.
struct Principals<'a>(&'a [Principal]);

impl Serialize for Principals<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (index, principal) in self.0.iter().enumerate() {
            let (kind, _) = principal.kind_and_value();
            let earlier = self.0.get(..index).unwrap_or_default();
            if earlier.iter().any(|earlier| earlier.kind_and_value().0 == kind) {
                continue;
            }
            let values = self.0.iter().filter_map(|principal| {
                let (of, value) = principal.kind_and_value();
                (of == kind).then_some(value)
            });
            map.serialize_entry(kind, &Texts(&values.collect::<Vec<_>>()))?;
        }
        map.end()
    }
}

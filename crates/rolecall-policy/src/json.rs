//! JSON in, in which a repeated key is an error (the last one winning in silence would change what
//! a policy says), and policies as JSON.

use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};

use crate::condition::Condition;
use crate::model::{
    Document, Effect, OneOf, PermissionStatement, Principal, StatementCore, TrustStatement, Version,
};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(crate) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Strict)
    }
}

struct Strict;

impl<'de> Visitor<'de> for Strict {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members: Vec<(String, Json)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some((key, value)) = map.next_entry::<String, Json>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format!("the key {key:?} is repeated")));
            }
            members.push((key, value));
        }
        Ok(Json::Object(members))
    }
}

/// A policy as IAM takes it.
pub(crate) fn written<S>(document: &Document<S>) -> String
where
    Document<S>: Serialize,
{
    // Texts and lists alone: there is nothing in it that JSON cannot say.
    serde_json::to_string_pretty(document).unwrap_or_default()
}

/// Without white space.
pub(crate) fn compact<S>(document: &Document<S>) -> String
where
    Document<S>: Serialize,
{
    serde_json::to_string(document).unwrap_or_default()
}

impl<S: Serialize> Serialize for Document<S> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        let mut map = serializer.serialize_map(None)?;
        let version = match self.version {
            Version::V2008 => "2008-10-17",
            Version::V2012 => "2012-10-17",
        };
        map.serialize_entry("Version", version)?;
        if let Some(id) = &self.id {
            map.serialize_entry("Id", id)?;
        }
        map.serialize_entry("Statement", &self.statements)?;
        map.end()
    }
}

impl Serialize for TrustStatement {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        let mut map = serializer.serialize_map(None)?;
        head(&self.core, &mut map)?;
        if self.principals == [Principal::Anyone] {
            map.serialize_entry("Principal", "*")?;
        } else {
            map.serialize_entry("Principal", &Principals(&self.principals))?;
        }
        tail(&self.core, &mut map)?;
        map.end()
    }
}

impl Serialize for PermissionStatement {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        let mut map = serializer.serialize_map(None)?;
        head(&self.core, &mut map)?;
        one_of("Action", "NotAction", &self.core.actions, &mut map)?;
        one_of("Resource", "NotResource", &self.resources, &mut map)?;
        conditions(&self.core, &mut map)?;
        map.end()
    }
}

fn head<M: SerializeMap>(core: &StatementCore, map: &mut M) -> Result<(), M::Error> {
    if let Some(sid) = &core.sid {
        map.serialize_entry("Sid", sid)?;
    }
    let effect = match core.effect {
        Effect::Allow => "Allow",
        Effect::Deny => "Deny",
    };
    map.serialize_entry("Effect", effect)
}

fn tail<M: SerializeMap>(core: &StatementCore, map: &mut M) -> Result<(), M::Error> {
    one_of("Action", "NotAction", &core.actions, map)?;
    conditions(core, map)
}

fn one_of<M: SerializeMap>(
    positive: &str,
    negative: &str,
    texts: &OneOf,
    map: &mut M,
) -> Result<(), M::Error> {
    let key = if texts.negated { negative } else { positive };
    let texts: Vec<&str> = texts.patterns.iter().map(|pattern| pattern.as_str()).collect();
    map.serialize_entry(key, &Texts(&texts))
}

fn conditions<M: SerializeMap>(core: &StatementCore, map: &mut M) -> Result<(), M::Error> {
    if core.conditions.is_empty() {
        return Ok(());
    }
    map.serialize_entry("Condition", &Conditions(&core.conditions))
}

/// A single text stands alone, as people write it.
struct Texts<'a, T>(&'a [T]);

impl<T: Serialize> Serialize for Texts<'_, T> {
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
            if self.0[..index].iter().any(|earlier| earlier.operator() == operator) {
                continue;
            }
            let same = self.0.iter().filter(|other| other.operator() == operator);
            map.serialize_entry(operator, &Keys(same.collect()))?;
        }
        map.end()
    }
}

struct Keys<'a>(Vec<&'a Condition>);

impl Serialize for Keys<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|c| (c.key(), Texts(c.values()))))
    }
}

struct Principals<'a>(&'a [Principal]);

impl Serialize for Principals<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for kind in ["AWS", "Federated", "Service"] {
            let values = self.0.iter().filter_map(|principal| {
                let (of, value) = principal.kind_and_value();
                (of == kind).then_some(value)
            });
            let values: Vec<&str> = values.collect();
            if !values.is_empty() {
                map.serialize_entry(kind, &Texts(&values))?;
            }
        }
        map.end()
    }
}

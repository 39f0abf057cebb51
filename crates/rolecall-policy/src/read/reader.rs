//! What the readers of all elements share: faults, and values that stand alone or in lists.

use std::borrow::Cow;
use std::cell::RefCell;

use super::Fault;
use super::path::Path;
use crate::error::{Located, PolicyError};
use crate::json::{Json, JsonError, Members, Value};
use crate::limits::PolicyKind;
use crate::lines::Lines;
use crate::model::OneOf;

/// So many faults are collected. This bounds the work on a hostile document, whose faults may have
/// long locations.
const MAX_FAULTS: usize = 100;

/// Why the reading of an element ended.
pub(super) enum Stop {
    At(Fault),
    /// The faults of the element are collected.
    Collected,
}

pub(super) type Parsed<T> = Result<T, Stop>;

pub(super) struct Reader<'a> {
    pub(super) kind: PolicyKind,
    pub(super) lines: &'a Lines<'a>,
    /// `None` stops the reader at the first fault.
    faults: Option<RefCell<Vec<Fault>>>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(kind: PolicyKind, lines: &'t Lines<'t>) -> Self {
        Self { kind, lines, faults: None }
    }

    /// Continues after a fault.
    pub(super) fn collecting(self) -> Self {
        Self { faults: Some(RefCell::default()), ..self }
    }

    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults.map(RefCell::into_inner).unwrap_or_default()
    }

    pub(super) fn fail<T>(
        &self,
        path: &Path<'_>,
        offset: usize,
        code: &'static str,
        message: impl Into<String>,
    ) -> Parsed<T> {
        let mut location = String::new();
        path.write(&mut location);
        let position = Some(self.lines.position(offset));
        let error = PolicyError { location, position, message: message.into() };
        Err(Stop::At(Fault { code, error }))
    }

    /// Collects the fault of a result, so that the reader continues with the next element. Returns
    /// `None` for an element with a fault.
    pub(super) fn collect<T>(&self, result: Parsed<T>) -> Parsed<Option<T>> {
        match (result, &self.faults) {
            (Ok(value), _) => Ok(Some(value)),
            (Err(Stop::At(fault)), Some(faults)) if faults.borrow().len() < MAX_FAULTS => {
                faults.borrow_mut().push(fault);
                Ok(None)
            }
            (Err(Stop::Collected), Some(_)) => Ok(None),
            // Without a list the first fault ends the reading, and with a full one the next fault.
            (Err(stop), _) => Err(stop),
        }
    }

    pub(super) fn located(&self, offset: usize) -> Located {
        Located::at(self.lines.position(offset))
    }

    pub(super) fn members<'a>(
        &self,
        path: &Path<'_>,
        json: Json<'a>,
        code: &'static str,
    ) -> Parsed<Members<'a>> {
        json.into_members().or_else(|error| self.fail_as(path, error, code))
    }

    /// Fails because of a value of an unexpected type.
    pub(super) fn fail_as<T>(
        &self,
        path: &Path<'_>,
        error: JsonError,
        code: &'static str,
    ) -> Parsed<T> {
        self.fail(path, error.offset, code, error.message)
    }

    /// What was not taken has a name that the language does not have at this place.
    pub(super) fn finish(
        &self,
        path: &Path<'_>,
        members: Members<'_>,
        known: &[&str],
    ) -> Parsed<()> {
        let empty = members.list.is_empty();
        // A misspelled `condition` that was ignored would leave its statement without a condition.
        for member in members.list {
            let spelled = known.iter().find(|name| name.eq_ignore_ascii_case(&member.key));
            let hint = match spelled {
                Some(name) => format!("hint: element names are case-sensitive, write {name}"),
                None => format!("hint: known elements are {}", known.join(", ")),
            };
            let path = path.key(&member.key);
            let message = format!("unknown element; {hint}");
            let fault = self.fail::<()>(&path, member.offset, "INVALID_POLICY_ELEMENT", message);
            self.collect(fault)?;
        }
        if empty { Ok(()) } else { Err(Stop::Collected) }
    }

    pub(super) fn text<'a>(&self, path: &Path<'_>, json: Json<'a>) -> Parsed<Cow<'a, str>> {
        json.into_text().or_else(|error| self.fail_as(path, error, "DATA_TYPE_MISMATCH"))
    }

    /// A value alone or a list of at least one. `empty` is the code for a list of none.
    pub(super) fn one_or_many<'a, T>(
        &self,
        path: &Path<'_>,
        json: Json<'a>,
        empty: &'static str,
        read: impl FnMut(&Path<'_>, Json<'a>) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        // An empty list matches nothing, so that a Deny with one would protect nothing.
        if matches!(&json.value, Value::List(items) if items.is_empty()) {
            return self.fail(path, json.offset, empty, "the list is empty");
        }
        self.each(path, json, read)
    }

    /// A value alone or a list.
    pub(super) fn each<'a, T>(
        &self,
        path: &Path<'_>,
        json: Json<'a>,
        read: impl FnMut(&Path<'_>, Json<'a>) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let all: Option<Vec<T>> = self.each_without_fault(path, json, read)?.into_iter().collect();
        all.ok_or(Stop::Collected)
    }

    /// A value alone or a list, with `None` for each value that has a fault.
    pub(super) fn each_without_fault<'a, T>(
        &self,
        path: &Path<'_>,
        json: Json<'a>,
        mut read: impl FnMut(&Path<'_>, Json<'a>) -> Parsed<T>,
    ) -> Parsed<Vec<Option<T>>> {
        match json.value {
            Value::List(items) => items
                .into_iter()
                .enumerate()
                .map(|(index, item)| self.collect(read(&path.index(index), item)))
                .collect(),
            _ => Ok(vec![self.collect(read(path, json))?]),
        }
    }

    /// An element or its negation, but not both.
    pub(super) fn one_of<'a, T>(
        &self,
        path: &Path<'_>,
        members: &mut Members<'a>,
        [positive, negative]: [&str; 2],
        empty: &'static str,
        read: impl FnMut(&Path<'_>, Json<'a>) -> Parsed<T>,
    ) -> Parsed<Option<OneOf<T>>> {
        let (member, negated) = match (members.take(positive), members.take(negative)) {
            (None, None) => return Ok(None),
            (Some(_), Some(other)) => {
                let message = format!("a statement has {positive} or {negative}, not both");
                let code = "UNSUPPORTED_ELEMENT_COMBINATION";
                return self.fail(&path.key(negative), other.offset, code, message);
            }
            (Some(member), None) => (member, false),
            (None, Some(member)) => (member, true),
        };
        let path = path.key(if negated { negative } else { positive });
        let patterns = self.one_or_many(&path, member.value, empty, read)?;
        Ok(Some(OneOf { patterns, negated }))
    }

    /// Refuses an element that this kind of policy does not have.
    pub(super) fn refuse(
        &self,
        path: &Path<'_>,
        members: &mut Members<'_>,
        keys: [&str; 2],
        code: &'static str,
    ) -> Parsed<()> {
        for key in keys {
            if let Some(member) = members.take(key) {
                let message = format!("{} cannot have a {key}", self.kind.name());
                return self.fail(&path.key(key), member.offset, code, message);
            }
        }
        Ok(())
    }
}

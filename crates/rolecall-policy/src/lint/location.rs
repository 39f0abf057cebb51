//! Where a finding is, and the text and position of that place.

use crate::condition::Operator;
use crate::error::Position;
use crate::json::{Json, Value};
use crate::lines::Lines;
use crate::model::{Document, Statement};
use crate::principal::Principal;

/// A place in a document. A statement is the index among the statements of the [`Document`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElementPath {
    Document,
    Version,
    Statement(usize),
    Sid(usize),
    Action(usize, usize),
    Actions(usize),
    Resource(usize, usize),
    Resources(usize),
    Principal(usize, usize),
    Principals(usize),
    Condition(usize, usize),
    /// A value of a condition.
    Value(usize, usize, usize),
}

/// A step from an element into it.
enum Step<'a> {
    Key(&'static str),
    /// The kind of a principal. It does not exist where the principal is the text `*`.
    PrincipalKind(&'static str),
    Operator(Operator),
    ConditionKey(&'a str),
    /// An index, and whether a single value may stand there without a list.
    Index(usize, Alone),
}

#[derive(PartialEq)]
enum Alone {
    Yes,
    No,
}

impl ElementPath {
    /// Returns the steps to the place.
    fn steps<'a>(self, document: &'a Document, indices: &[usize]) -> Vec<Step<'a>> {
        let (statement, element) = match self {
            Self::Document => return Vec::new(),
            Self::Version => return vec![Step::Key("Version")],
            Self::Statement(statement) => (statement, None),
            Self::Sid(statement)
            | Self::Action(statement, _)
            | Self::Actions(statement)
            | Self::Resource(statement, _)
            | Self::Resources(statement)
            | Self::Principal(statement, _)
            | Self::Principals(statement)
            | Self::Condition(statement, _)
            | Self::Value(statement, _, _) => (statement, document.statements.get(statement)),
        };
        let number = indices.get(statement).copied().unwrap_or(statement);
        let mut steps = vec![Step::Key("Statement"), Step::Index(number, Alone::No)];
        if let Some(statement) = element {
            self.steps_in(statement, &mut steps);
        }
        steps
    }

    fn steps_in<'a>(self, statement: &'a Statement, steps: &mut Vec<Step<'a>>) {
        let index = |index: usize, count: usize| {
            Step::Index(index, if count == 1 { Alone::Yes } else { Alone::No })
        };
        let actions = &statement.actions;
        let action = if actions.negated { "NotAction" } else { "Action" };
        let resources = statement.resources.as_ref();
        let resource = match resources {
            Some(resources) if resources.negated => "NotResource",
            _ => "Resource",
        };
        let principals = statement.principals.as_ref();
        let principal = match principals {
            Some(principals) if principals.negated => "NotPrincipal",
            _ => "Principal",
        };
        match self {
            Self::Document | Self::Version | Self::Statement(_) => {}
            Self::Sid(_) => steps.push(Step::Key("Sid")),
            Self::Actions(_) => steps.push(Step::Key(action)),
            Self::Action(_, number) => {
                steps.extend([Step::Key(action), index(number, actions.patterns.len())]);
            }
            Self::Resources(_) => steps.push(Step::Key(resource)),
            Self::Resource(_, number) => {
                let count = resources.map_or(0, |resources| resources.patterns.len());
                steps.extend([Step::Key(resource), index(number, count)]);
            }
            Self::Principals(_) => steps.push(Step::Key(principal)),
            Self::Principal(_, number) => {
                steps.push(Step::Key(principal));
                let principals = principals.map(|it| it.patterns.as_slice()).unwrap_or_default();
                let Some(kind) = principals.get(number).map(|it| it.kind_and_value().0) else {
                    return;
                };
                if principals == [Principal::Anyone] {
                    return;
                }
                let of_kind = |until: usize| {
                    let mut all = principals.iter().take(until);
                    all.by_ref().filter(|it| it.kind_and_value().0 == kind).count()
                };
                let count = of_kind(principals.len());
                steps.extend([Step::PrincipalKind(kind), index(of_kind(number), count)]);
            }
            Self::Condition(_, number) | Self::Value(_, number, _) => {
                let Some(condition) = statement.conditions.get(number) else { return };
                steps.push(Step::Key("Condition"));
                steps.push(Step::Operator(*condition.operator()));
                steps.push(Step::ConditionKey(condition.key()));
                if let Self::Value(_, _, value) = self {
                    steps.push(index(value, condition.values().len()));
                }
            }
        }
    }

    /// Returns the text and the position of the place in a document without its text.
    pub(super) fn in_model(self, document: &Document) -> (String, Option<Position>) {
        let mut text = String::new();
        for step in self.steps(document, &[]) {
            match step {
                Step::Index(_, Alone::Yes) => {}
                step => step.write(&mut text),
            }
        }
        (text, self.position(document))
    }

    /// The position of the place, or of the nearest element around it whose position is known.
    fn position(self, document: &Document) -> Option<Position> {
        let statement = |index: usize| document.statements.get(index);
        match self {
            Self::Document | Self::Version => None,
            Self::Statement(index)
            | Self::Sid(index)
            | Self::Actions(index)
            | Self::Resources(index)
            | Self::Principal(index, _)
            | Self::Principals(index) => statement(index)?.position(),
            Self::Action(index, action) => {
                statement(index)?.actions.patterns.get(action)?.position()
            }
            Self::Resource(index, resource) => {
                statement(index)?.resources.as_ref()?.patterns.get(resource)?.position()
            }
            Self::Condition(index, condition) | Self::Value(index, condition, _) => {
                statement(index)?.conditions.get(condition)?.position()
            }
        }
    }

    /// Returns the text and the position of the place in a document's text.
    pub(super) fn in_text(
        self,
        document: &Document,
        indices: &[usize],
        source: &Source<'_>,
    ) -> (String, Option<Position>) {
        let mut text = String::new();
        let (mut json, mut offset) = (&source.json, source.json.offset);
        for step in self.steps(document, indices) {
            match (&step, &json.value) {
                (Step::Index(index, _), Value::List(items)) => {
                    let Some(item) = items.get(*index) else { break };
                    (json, offset) = (item, item.offset);
                }
                // A single value that stands alone.
                (Step::Index(..), _) => {
                    offset = json.offset;
                    continue;
                }
                (_, Value::Object(members)) => {
                    let Some(member) = members.iter().find(|it| step.names(&it.key)) else { break };
                    json = &member.value;
                    // A condition begins at its key, since the key is what a finding is about.
                    let is_key = matches!(step, Step::ConditionKey(_));
                    offset = if is_key { member.offset } else { json.offset };
                    push_key(&mut text, &member.key);
                    continue;
                }
                _ => break,
            }
            step.write(&mut text);
        }
        (text, Some(source.lines.position(offset)))
    }
}

impl Step<'_> {
    fn names(&self, key: &str) -> bool {
        match self {
            Self::Key(name) | Self::PrincipalKind(name) => *name == key,
            Self::Operator(operator) => Operator::parse(key).is_ok_and(|it| it == *operator),
            Self::ConditionKey(name) => *name == key,
            Self::Index(..) => false,
        }
    }

    fn write(&self, text: &mut String) {
        match self {
            Self::Key(name) | Self::PrincipalKind(name) => push_key(text, name),
            Self::ConditionKey(name) => push_key(text, name),
            Self::Operator(operator) => push_key(text, &operator.name()),
            Self::Index(index, _) => text.push_str(&format!("[{index}]")),
        }
    }
}

fn push_key(text: &mut String, key: &str) {
    if !text.is_empty() {
        text.push('.');
    }
    text.push_str(key);
}

/// The text of a document, parsed.
pub(super) struct Source<'a> {
    pub(super) json: Json<'a>,
    pub(super) lines: Lines<'a>,
}

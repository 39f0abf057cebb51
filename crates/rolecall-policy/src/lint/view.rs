//! A policy as the lints see it, and the report that they write.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::catalog::{self, Action, Glob, ResourceType, Service};
use super::finding::Severity;
use super::location::ElementPath;
use super::options::LintOptions;
use super::registry::Lint;
use crate::condition::Condition;
use crate::limits::PolicyKind;
use crate::model::{ActionPattern, Document, Effect, ResourcePattern, Statement};
use crate::principal::Principal;

/// A policy.
pub(super) struct PolicyView<'a> {
    pub(super) document: &'a Document,
    pub(super) statements: Vec<StatementView<'a>>,
}

impl<'a> PolicyView<'a> {
    pub(super) fn new(document: &'a Document, options: &'a LintOptions) -> Self {
        let mut matched = Matched::default();
        let statements = document.statements.iter().enumerate();
        let statements = statements
            .map(|(index, statement)| {
                let actions = statement.actions.patterns.iter();
                let actions = actions.map(|pattern| matched.view(pattern)).collect();
                let (globs, kinds) = (OnceCell::new(), RefCell::default());
                StatementView { index, statement, document, options, actions, globs, kinds }
            })
            .collect();
        Self { document, statements }
    }

    /// Returns the statements that allow.
    pub(super) fn allows(&self) -> impl Iterator<Item = &StatementView<'a>> {
        self.statements.iter().filter(|statement| statement.is_allow())
    }
}

/// A statement.
pub(super) struct StatementView<'a> {
    pub(super) index: usize,
    pub(super) statement: &'a Statement,
    pub(super) document: &'a Document,
    pub(super) options: &'a LintOptions,
    /// The values of `Action` or `NotAction`.
    pub(super) actions: Vec<ActionView<'a>>,
    /// The values of `Resource` or `NotResource`, and whether one of them may be of a type.
    pub(super) globs: OnceCell<Vec<Glob>>,
    pub(super) kinds: RefCell<Vec<(&'static ResourceType, bool)>>,
}

/// A value of `Action` or `NotAction`, with the actions that it matches.
pub(super) struct ActionView<'a> {
    pub(super) pattern: &'a ActionPattern,
    /// The service of its prefix, if it exists. `*` has none.
    pub(super) service: Option<&'static Service>,
    /// The actions that it matches. Empty for `*`, since each lint treats all actions alike.
    pub(super) matched: Rc<[Action]>,
}

/// The actions that patterns match. Equal patterns share them, which bounds the memory for a
/// document that repeats `ec2:*`.
#[derive(Default)]
struct Matched<'a>(HashMap<(&'a str, &'a str), Rc<[Action]>>);

impl<'a> Matched<'a> {
    fn view(&mut self, pattern: &'a ActionPattern) -> ActionView<'a> {
        let service = pattern.service().and_then(catalog::service);
        let matched = match (service, pattern.service(), pattern.name()) {
            (Some(service), Some(prefix), Some(name)) => {
                let key = (prefix, name.as_str());
                let known =
                    self.0.entry(key).or_insert_with(|| service.matching_actions(name).into());
                Rc::clone(known)
            }
            _ => Rc::default(),
        };
        ActionView { pattern, service, matched }
    }
}

impl ActionView<'_> {
    /// Returns `true` for `*`.
    pub(super) fn is_all(&self) -> bool {
        self.pattern.service().is_none()
    }

    /// Returns `true` if the value contains a wildcard.
    pub(super) fn has_wildcard(&self) -> bool {
        self.pattern.as_str().contains(['*', '?'])
    }
}

impl<'a> StatementView<'a> {
    pub(super) fn is_allow(&self) -> bool {
        self.statement.effect == Effect::Allow
    }

    /// Returns `true` for a statement of a trust policy.
    pub(super) fn is_trust(&self) -> bool {
        matches!(self.options.kind, PolicyKind::Trust | PolicyKind::TrustRaised)
    }

    /// Returns `true` for a statement of a policy that only limits what others allow.
    pub(super) fn is_guardrail(&self) -> bool {
        matches!(self.options.kind, PolicyKind::ServiceControl | PolicyKind::ResourceControl)
    }

    pub(super) fn has_not_action(&self) -> bool {
        self.statement.actions.negated
    }

    /// Returns `true` if `NotAction` contains `*`.
    pub(super) fn excepts_all_actions(&self) -> bool {
        self.has_not_action() && self.actions.iter().any(ActionView::is_all)
    }

    /// Returns `true` if `NotResource` contains `*`.
    pub(super) fn excepts_all_resources(&self) -> bool {
        self.has_not_resource() && self.resources().iter().any(|it| is_star(it.as_str()))
    }

    /// Returns `true` if `NotPrincipal` contains `*`.
    pub(super) fn excepts_everyone(&self) -> bool {
        self.has_not_principal() && self.principals().contains(&Principal::Anyone)
    }

    /// Returns `true` if the statement is about an action, such as `iam:PassRole`.
    pub(super) fn includes(&self, action: &str) -> bool {
        let action = crate::model::Action::parse(action);
        let mut patterns = self.statement.actions.patterns.iter();
        patterns.any(|pattern| pattern.matches_action(&action)) != self.has_not_action()
    }

    /// Returns `true` if the statement is about all actions, but for those that it excepts.
    pub(super) fn has_all_actions(&self) -> bool {
        self.has_not_action() || self.actions.iter().any(ActionView::is_all)
    }

    pub(super) fn has_not_resource(&self) -> bool {
        self.statement.resources.as_ref().is_some_and(|resources| resources.negated)
    }

    /// Returns the values of `Resource` or `NotResource`.
    pub(super) fn resources(&self) -> &'a [ResourcePattern] {
        self.statement.resources.as_ref().map(|it| it.patterns.as_slice()).unwrap_or_default()
    }

    /// Returns `true` if the statement is about all resources.
    pub(super) fn has_all_resources(&self) -> bool {
        !self.has_not_resource() && self.resources().iter().any(|it| is_star(it.as_str()))
    }

    /// Returns the values of `Principal` or `NotPrincipal`.
    pub(super) fn principals(&self) -> &'a [Principal] {
        self.statement.principals.as_ref().map(|it| it.patterns.as_slice()).unwrap_or_default()
    }

    pub(super) fn has_not_principal(&self) -> bool {
        self.statement.principals.as_ref().is_some_and(|principals| principals.negated)
    }

    pub(super) fn conditions(&self) -> impl Iterator<Item = (usize, &'a Condition)> {
        self.statement.conditions.iter().enumerate()
    }

    /// Returns `true` if a condition is on a key, which is in lower case.
    pub(super) fn tests(&self, lower_case_key: &str) -> bool {
        self.statement.conditions.iter().any(|it| it.lower_case_key() == lower_case_key)
    }

    pub(super) fn place(&self) -> ElementPath {
        ElementPath::Statement(self.index)
    }

    pub(super) fn action(&self, action: usize) -> ElementPath {
        ElementPath::Action(self.index, action)
    }

    pub(super) fn resource(&self, resource: usize) -> ElementPath {
        ElementPath::Resource(self.index, resource)
    }

    pub(super) fn principal(&self, principal: usize) -> ElementPath {
        ElementPath::Principal(self.index, principal)
    }

    pub(super) fn condition(&self, condition: usize) -> ElementPath {
        ElementPath::Condition(self.index, condition)
    }

    pub(super) fn value(&self, condition: usize, value: usize) -> ElementPath {
        ElementPath::Value(self.index, condition, value)
    }
}

/// Returns `true` for a text of stars.
pub(super) fn is_star(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b == b'*')
}

/// A finding whose place is not yet a text.
#[derive(Debug)]
pub(super) struct Reported {
    pub(super) lint: &'static Lint,
    pub(super) severity: Severity,
    pub(super) place: ElementPath,
    pub(super) message: String,
    pub(super) fix: String,
}

/// The findings of a policy.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) findings: Vec<Reported>,
}

/// So many findings are reported. This bounds the work on a hostile document.
pub(super) const MAX_FINDINGS: usize = 1_000;

impl Report {
    /// Returns `true` if no more findings are accepted, so that none need be looked for.
    pub(super) fn is_full(&self) -> bool {
        self.findings.len() >= MAX_FINDINGS
    }

    /// Adds a finding with the severity of its lint.
    pub(super) fn add(
        &mut self,
        lint: &'static Lint,
        place: ElementPath,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add_as(lint.severity, lint, place, message, fix);
    }

    pub(super) fn add_as(
        &mut self,
        severity: Severity,
        lint: &'static Lint,
        place: ElementPath,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        if self.is_full() {
            return;
        }
        let (message, fix) = (message.into(), fix.into());
        self.findings.push(Reported { lint, severity, place, message, fix });
    }
}

//! Why a question has its answer: the statements that it rests on, and a sentence about them.

use super::access::{Access, All, DecidingStatement, Requirement, Verdict};
use super::question::Question;
use crate::decision::{PolicyType, Reason};
use crate::explain::Reported;

use crate::caller::Naming;
use crate::explain::nearest;
use crate::knowledge::{Case, Keys, may_be_session};
use crate::model::{Effect, Statement};

/// A statement that matches, and how closely it names the caller.
type Matched = (DecidingStatement, Naming);

impl Question<'_> {
    /// Answers the question.
    pub(super) fn access(&self) -> Access {
        let verdict = self.verdict();
        let (statements, reason) = match verdict {
            Verdict::NotAllowed => self.refusal(),
            Verdict::Allowed => self.permission(Case::Worst),
            Verdict::Conditional => self.permission(Case::Best),
        };
        let assumptions = match verdict {
            Verdict::NotAllowed => Vec::new(),
            _ => self.assumptions.clone(),
        };
        let reason = assumptions.iter().fold(reason, |reason, assumed| {
            format!("{reason}{}assuming that {assumed}", if reason.is_empty() { "" } else { "; " })
        });
        Access {
            subject: self.principal.subject.clone(),
            action: self.target.action.to_owned(),
            resource: self.target.resource.to_owned(),
            verdict,
            reason,
            statements,
            assumptions,
        }
    }

    /// Describes the statements that allow the request in this case, and those that may still deny
    /// it.
    fn permission(&self, case: Case) -> (Vec<DecidingStatement>, String) {
        let (ways, denies) = self.ways(case);
        let of = format!("{} on {}", self.target.action, self.target.resource);
        let (mut statements, mut text) = (Vec::new(), String::new());
        for way in ways {
            let mut separator = "; or ";
            for group in way {
                for statement in group {
                    if text.is_empty() {
                        text = format!("{statement} allows {of}");
                    } else {
                        text.push_str(&format!("{separator}{statement} allows it"));
                    }
                    push_requirements(&mut text, &statement);
                    if !statements.contains(&statement) {
                        statements.push(statement);
                    }
                    separator = " or ";
                }
                separator = "; and ";
            }
        }
        for statement in denies {
            text.push_str(&format!("; but {statement} denies it"));
            push_requirements(&mut text, &statement);
            statements.push(statement);
        }
        if text.is_empty() && self.assumptions.is_empty() {
            text = format!("{} needs no permission", self.target.action);
        }
        (statements, text)
    }

    /// Returns the ways in which statements allow the request, one of which is enough, and the
    /// statements that may still deny it.
    ///
    /// In one account, a policy of the resource that names the caller may suffice, or the caller's
    /// own policies may.
    pub(super) fn ways(&self, case: Case) -> (Vec<Way>, Group) {
        let allows = self.matching(case, Effect::Allow);
        let group = |of: PolicyType, is_close: &dyn Fn(Naming) -> bool| -> Group {
            reduce(allows.iter().filter(|(it, naming)| it.policy_type == of && is_close(*naming)))
        };
        let any = |_| true;
        let trust = self.request.is_decided_by_trust();
        let side = if trust { PolicyType::Trust } else { PolicyType::Resource };
        let same_account = self.request.is_same_account();
        let own = group(PolicyType::Identity, &any);
        let limits = group(PolicyType::Boundary, &any);
        let has_boundary = self.principal.identity.is_some_and(|it| it.boundary.is_some());
        let within_limits = !has_boundary || !limits.is_empty();
        let mut ways: Vec<Way> = Vec::new();
        if same_account {
            ways.push(vec![group(side, &|naming| naming == Naming::Exactly)]);
            // What a statement grants that names the role is limited as the role's permissions are.
            let by_role = group(side, &|naming| naming == Naming::Role);
            if within_limits && !by_role.is_empty() {
                ways.push(vec![by_role, limits.clone()]);
            }
            if within_limits && !own.is_empty() {
                // The caller's own policies suffice for other resources, and never for a role.
                let guard = if trust { group(side, &any) } else { Group::new() };
                ways.push(vec![own, guard, limits]);
            }
        } else {
            ways.push(vec![group(side, &any), own, limits]);
        }
        ways.retain(|way| way.iter().any(|group| !group.is_empty()));
        let of_level = |level: usize| {
            let of_level = |(it, _): &&Matched| {
                it.policy_type == PolicyType::ServiceControl && it.level == Some(level)
            };
            reduce(allows.iter().filter(of_level))
        };
        let levels = self.principal.service_control.map_or(0, <[_]>::len);
        for way in &mut ways {
            way.extend((0..levels).map(of_level));
            way.retain(|group| !group.is_empty());
        }
        // With one way that needs nothing, conditions of the others would seem to matter.
        if let Some(sure) = ways.iter().position(|way| way.iter().all(is_sure)) {
            ways = vec![ways.swap_remove(sure)];
        }
        // Those that match in any case would have denied the request in the best case.
        let denies = match case {
            Case::Best => self.matching(Case::Worst, Effect::Deny),
            Case::Worst => Vec::new(),
        };
        (ways, denies.into_iter().map(|(statement, _)| statement).collect())
    }

    /// Returns the statements with an effect that match, or may match where the case takes unknown
    /// keys so. A statement is there twice if it names the caller's role, and a session of it.
    fn matching(&self, case: Case, effect: Effect) -> Vec<Matched> {
        let mut matching = Vec::new();
        self.decide(case, &mut |reported| {
            let (true, Ok(naming)) = (reported.statement.effect() == effect, reported.result)
            else {
                return;
            };
            let Some(sure) = self.describe(&reported) else { return };
            let Some((session, otherwise)) = self.session_named_by(reported.statement) else {
                return matching.push((sure, naming));
            };
            let mut with_session = sure.clone();
            with_session.requirements.push(session);
            matching.extend(otherwise.map(|otherwise| (sure, otherwise)));
            if effect == Effect::Allow || otherwise.is_none() {
                matching.push((with_session, naming));
            }
        });
        matching
    }

    /// Returns the requirement of a statement that names sessions of the caller's role, and how
    /// closely it names the other sessions. Returns `None` if it names no session, or if it makes
    /// no difference.
    fn session_named_by(&self, statement: &Statement) -> Option<(Requirement, Option<Naming>)> {
        let principals = statement.principals()?;
        let (caller, negated) = (&self.request.caller, principals.is_negated());
        let sessions = principals.patterns().iter().filter(|it| may_be_session(caller, it));
        let arns: Vec<String> = sessions.map(|it| it.kind_and_value().1.to_owned()).collect();
        let patterns = principals.patterns().iter();
        let namings = patterns.filter_map(|it| caller.named_by(it, &self.request.context));
        let closest = namings.max();
        // A Deny with NotPrincipal applies to all callers that have a boundary.
        let has_boundary = self.principal.identity.is_some_and(|it| it.boundary.is_some());
        let is_idle = match negated {
            true => statement.effect() == Effect::Deny && has_boundary,
            false => closest == Some(Naming::Exactly),
        };
        let otherwise = closest.filter(|_| !negated);
        (!arns.is_empty() && !is_idle)
            .then_some((Requirement::Session { arns, negated }, otherwise))
    }

    fn refusal(&self) -> (Vec<DecidingStatement>, String) {
        let of = format!("{} on {}", self.target.action, self.target.resource);
        let (mut results, mut denies) = (Vec::new(), Vec::new());
        let (_, reason) = self.decide(Case::Best, &mut |reported| {
            results.push(reported.describe(&self.request));
            if reported.statement.effect() == Effect::Deny && reported.result.is_ok() {
                denies.extend(self.describe(&reported));
            }
        });
        match reason {
            Reason::DeniedBy(policy_type) => {
                denies.retain(|statement| statement.policy_type == policy_type);
                let text = match denies.first() {
                    Some(statement) => format!("{statement} denies {of}"),
                    None => format!("the {policy_type} denies {of}"),
                };
                denies.truncate(1);
                (denies, text)
            }
            Reason::NotAllowedBy(policy_type) => {
                let mut text = format!("no {policy_type} allows {of}");
                if let Some((result, mismatch)) = nearest(results.iter(), policy_type)
                    && let Some(policy) = self.name_of(policy_type, result.level, result.policy)
                {
                    let statement = DecidingStatement {
                        policy_type,
                        level: result.level,
                        policy,
                        statement: result.statement,
                        sid: result.sid.clone(),
                        effect: result.effect,
                        requirements: Vec::new(),
                    };
                    text.push_str(&format!("; {statement} does not match: {mismatch}"));
                }
                (Vec::new(), text)
            }
            _ => (Vec::new(), format!("no policy allows {of}")),
        }
    }

    /// Returns `None` for a statement of a policy that is an assumption.
    fn describe(&self, reported: &Reported<'_>) -> Option<DecidingStatement> {
        let statement = reported.statement;
        Some(DecidingStatement {
            policy_type: reported.policy_type,
            level: reported.level,
            policy: self.name_of(reported.policy_type, reported.level, reported.policy)?,
            statement: reported.index,
            sid: statement.sid().map(str::to_owned),
            effect: statement.effect(),
            requirements: self.with_keys(|keys| self.requirements(statement, keys)),
        })
    }

    /// Returns what the request must meet for a statement to match, where that is unknown.
    fn requirements(&self, statement: &Statement, keys: Keys<'_>) -> Vec<Requirement> {
        let context = &self.request.context;
        let mut requirements = Vec::new();
        if let Some(resources) = statement.resources() {
            let results = resources
                .patterns()
                .iter()
                .map(|one| (one, keys.pattern(one.pattern(), &self.request.resource, context)));
            let results: Vec<_> = results.collect();
            let open = results.iter().filter(|(_, result)| result.is_none());
            let patterns: Vec<String> = open.map(|(one, _)| one.as_str().to_owned()).collect();
            let is_sure = results.iter().any(|(_, result)| *result == Some(true));
            if !patterns.is_empty() && !is_sure {
                requirements
                    .push(Requirement::Resource { patterns, negated: resources.is_negated() });
            }
        }
        let open = statement.conditions().iter().filter(|it| keys.leave_open(it, context));
        requirements.extend(open.map(Requirement::of));
        requirements
    }
}

/// Statements, one of which is needed.
pub(super) type Group = Vec<DecidingStatement>;
/// Groups, all of which are needed.
pub(super) type Way = Vec<Group>;

/// With a statement that matches in any case, the others are idle.
fn reduce<'m>(alternatives: impl Iterator<Item = &'m Matched> + Clone) -> Group {
    let sure = alternatives.clone().find(|(it, _)| it.requirements.is_empty());
    match sure {
        Some((statement, _)) => vec![statement.clone()],
        None => alternatives.map(|(statement, _)| statement.clone()).collect(),
    }
}

fn is_sure(group: &Group) -> bool {
    group.iter().all(|statement| statement.requirements.is_empty())
}

fn push_requirements(text: &mut String, statement: &DecidingStatement) {
    if !statement.requirements.is_empty() {
        text.push_str(&format!(" if {}", All(&statement.requirements)));
    }
}

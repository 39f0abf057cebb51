//! Which principals can assume a role: a search from the role back to the callers.
//!
//! Each role that is found is asked for the callers that its trust policy names. A caller that was
//! found before is not asked again, so that cycles end, and one whose own policies cannot allow the
//! role is ruled out by its statements about `sts:AssumeRole` alone, before the request is decided.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::access::{Access, Verdict};
use super::accounts::Accounts;
use super::assumers::{Assumer, RoleAssumers};
use super::details::{Identity, Role};
use super::question::{Guard, Question, Target};
use super::subject::Subject;
use crate::arn::Arn;
use crate::context::Context;
use crate::error::PolicyError;
use crate::model::{Action, Effect, Statement};
use crate::principal::Principal;

impl Accounts {
    /// Returns the principals that can assume a role, directly or through other roles.
    ///
    /// `role` is the role's ARN. `context` has the condition keys that every request on the paths
    /// is known to carry. The others are unknown: see the [module](super).
    ///
    /// Services, identity providers, and the accounts and principals of other accounts are those
    /// that the trust policies name. What the policies of accounts without a description allow is
    /// not known: their principals are reported as conditional. Principals that a trust policy
    /// names by a condition alone, such as `aws:PrincipalOrgID`, are reported as
    /// [`Subject::Anyone`].
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if the role is not described.
    pub fn who_can_assume(
        &self,
        role: &str,
        context: &Context,
    ) -> Result<RoleAssumers, PolicyError> {
        let target = self.identity(role)?;
        let index = self.index_of(role).filter(|_| target.role.is_some());
        let Some(index) = index else {
            let message = format!("{role:?} is a user; hint: give the ARN of a role");
            return Err(PolicyError::new("role", message));
        };
        let mut search = Search::new(self, context);
        // Two searches, since the shortest path may have conditions where a longer one has none: a
        // report of the first alone would make the role look better protected than it is.
        let shortest = search.paths(index, Verdict::Conditional);
        let sure = search.paths(index, Verdict::Allowed);
        let mut assumers = Vec::new();
        for (node, (depth, _)) in &shortest {
            let unconditional = sure.get(node).map(|(length, _)| (length, &sure));
            let best = unconditional.filter(|(length, _)| *length <= depth);
            let path = search.path(node, index, best.map_or(&shortest, |(_, paths)| paths));
            let longer = unconditional.filter(|(length, _)| *length > depth);
            assumers.push(Assumer {
                subject: search.subject(node),
                verdict: match unconditional {
                    Some(_) => Verdict::Allowed,
                    None => Verdict::Conditional,
                },
                path,
                unconditional_path: longer.map(|(_, paths)| search.path(node, index, paths)),
            });
        }
        assumers.sort_by(|a, b| {
            let order = a.path.len().cmp(&b.path.len()).then(b.verdict.cmp(&a.verdict));
            order.then_with(|| a.subject.cmp(&b.subject))
        });
        Ok(RoleAssumers { role: role.to_owned(), assumers, notes: self.gaps.clone() })
    }
}

/// A principal of the search.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Node {
    /// The index of a described user or role.
    Described(usize),
    Other(Subject),
}

/// By principal: the length of its path, and the index of the role that its first hop assumes.
type Paths = BTreeMap<Node, (usize, usize)>;

struct Search<'a> {
    accounts: &'a Accounts,
    given: &'a Context,
    /// By user or role: its statements that allow `sts:AssumeRole`.
    grants: Vec<Vec<&'a Statement>>,
    /// By caller and role, so that no request is decided twice.
    verdicts: HashMap<(Node, usize), Verdict>,
    hops: HashMap<(Node, usize), Arc<Access>>,
}

/// The principals that a trust policy may let in.
#[derive(Default)]
struct Named<'a> {
    nodes: Vec<Node>,
    /// Described accounts, whose own policies decide.
    accounts: Vec<&'a str>,
    /// Everyone is named, so that in the role's account no other policy is needed.
    everyone: bool,
}

impl<'a> Search<'a> {
    fn new(accounts: &'a Accounts, given: &'a Context) -> Self {
        let assume = Action::parse("sts:AssumeRole");
        let grants = accounts.identities.iter().map(|identity| {
            let documents = identity.policies.iter().map(|policy| policy.document());
            let statements = documents.flat_map(|document| document.statements());
            let allow = statements.filter(|it| it.effect() == Effect::Allow);
            allow.filter(|it| it.is_for_action(&assume)).collect()
        });
        let grants = grants.collect();
        Self { accounts, given, grants, verdicts: HashMap::new(), hops: HashMap::new() }
    }

    fn subject(&self, node: &Node) -> Subject {
        match node {
            Node::Described(index) => {
                self.accounts.identities.get(*index).map_or(Subject::Anyone, Subject::of)
            }
            Node::Other(subject) => subject.clone(),
        }
    }

    /// Finds the shortest path to a role from each principal that has one of hops with this verdict
    /// at least.
    fn paths(&mut self, target: usize, at_least: Verdict) -> Paths {
        let mut paths = Paths::new();
        // The callers that their own policies may let assume a role and that have no path yet.
        let mut waiting: Vec<usize> = (0..self.grants.len()).collect();
        waiting.retain(|index| self.grants.get(*index).is_some_and(|grants| !grants.is_empty()));
        let (mut level, mut depth) = (vec![target], 0);
        while !level.is_empty() {
            depth += 1;
            let mut next = Vec::new();
            for to in level {
                for node in self.callers(to, &waiting) {
                    // The first path that is found is a shortest one. Ignoring the later ones also
                    // ends cycles of roles that assume each other.
                    let is_new = node != Node::Described(target) && !paths.contains_key(&node);
                    if !is_new || self.verdict(&node, to) < at_least {
                        continue;
                    }
                    if let Node::Described(index) = node {
                        next.push(index);
                    }
                    paths.insert(node, (depth, to));
                }
                waiting.retain(|index| !paths.contains_key(&Node::Described(*index)));
            }
            level = next;
        }
        paths
    }

    /// Returns the principals that may be able to assume a role, by its trust policy and their own
    /// policies. Of those that need the latter, only `waiting` ones.
    fn callers(&self, to: usize, waiting: &[usize]) -> Vec<Node> {
        let identities = &self.accounts.identities;
        let Some((identity, role)) =
            identities.get(to).and_then(|it| Some((it, it.role.as_ref()?)))
        else {
            return Vec::new();
        };
        let Named { mut nodes, accounts, everyone } = self.named(role);
        // In the role's own account, `Principal: "*"` suffices without an identity policy.
        if everyone {
            let of_account = identities.iter().enumerate();
            let of_account = of_account.filter(|(_, it)| it.account == identity.account);
            nodes.extend(of_account.map(|(index, _)| Node::Described(index)));
        }
        // Trust in an account delegates to its policies, and so does `*` for another account: only
        // principals with a grant of their own need be asked.
        if everyone || !accounts.is_empty() {
            let allowed = waiting.iter().filter(|index| {
                let caller = identities.get(**index);
                let is_named = |it: &Identity| everyone || accounts.contains(&it.account.as_str());
                caller.is_some_and(is_named) && self.may_allow(**index, &identity.arn)
            });
            nodes.extend(allowed.map(|index| Node::Described(*index)));
        }
        nodes
    }

    /// Returns `true` unless the caller's own policies cannot allow it to assume the role.
    fn may_allow(&self, caller: usize, role: &str) -> bool {
        let none = Context::new();
        let grants = self.grants.get(caller).map(Vec::as_slice).unwrap_or_default();
        grants.iter().filter_map(|statement| statement.resources()).any(|resources| {
            resources.is_negated()
                || resources.patterns().iter().any(|resource| {
                    resource.pattern().may_match_in(role, &none, &|_| true) != Some(false)
                })
        })
    }

    fn named(&self, role: &'a Role) -> Named<'a> {
        let mut named = Named::default();
        let statements = role.trust.document().statements().iter();
        for statement in statements.filter(|it| it.effect() == Effect::Allow) {
            let Some(principals) = statement.principals() else { continue };
            // An Allow with NotPrincipal names every caller but some, described or not.
            if principals.is_negated() {
                named.everyone = true;
                named.nodes.push(Node::Other(Subject::Anyone));
                continue;
            }
            for principal in principals.patterns() {
                self.push_named(principal, &mut named);
            }
        }
        named
    }

    fn push_named(&self, principal: &'a Principal, named: &mut Named<'a>) {
        let subject = match principal {
            Principal::Anyone => {
                named.everyone = true;
                Subject::Anyone
            }
            Principal::Account(text) => {
                let id = principal.account().unwrap_or(text);
                if self.accounts.is_described(id) {
                    named.accounts.push(id);
                    return;
                }
                Subject::Account(id.to_owned())
            }
            Principal::User(arn) | Principal::Role(arn) => match self.accounts.index_of(arn) {
                Some(index) => return named.nodes.push(Node::Described(index)),
                None => Subject::External(arn.clone()),
            },
            Principal::Session(arn) => {
                let roles = self.roles_of_session(arn);
                if !roles.is_empty() {
                    named.nodes.extend(roles.into_iter().map(Node::Described));
                    return;
                }
                Subject::External(arn.clone())
            }
            Principal::FederatedUser(arn) => Subject::External(arn.clone()),
            Principal::Service(name) => Subject::Service(name.clone()),
            Principal::Federated(name) => Subject::Federated(name.clone()),
            // They match no caller that assumes a role.
            Principal::Deleted(_) | Principal::CanonicalUser(_) => return,
        };
        named.nodes.push(Node::Other(subject));
    }

    /// Returns the roles that a session may be of: its ARN omits the role's path.
    fn roles_of_session(&self, session: &str) -> Vec<usize> {
        let Some(session) = Arn::parse(session) else { return Vec::new() };
        let name = session.resource.split('/').nth(1);
        let identities = self.accounts.identities.iter().enumerate();
        let roles = identities.filter(|(_, it)| {
            it.role.is_some() && it.account == session.account && it.arn.rsplit('/').next() == name
        });
        roles.map(|(index, _)| index).collect()
    }

    fn verdict(&mut self, node: &Node, to: usize) -> Verdict {
        let key = (node.clone(), to);
        if let Some(verdict) = self.verdicts.get(&key) {
            return *verdict;
        }
        let verdict = self.ask(node, to, |question| question.verdict());
        let verdict = verdict.unwrap_or(Verdict::NotAllowed);
        self.verdicts.insert(key, verdict);
        verdict
    }

    fn ask<R>(&self, node: &Node, to: usize, f: impl FnOnce(&Question<'_>) -> R) -> Option<R> {
        let subject = self.subject(node);
        let identity = match node {
            Node::Described(index) => self.accounts.identities.get(*index),
            Node::Other(_) => None,
        };
        let to = self.accounts.identities.get(to)?;
        let target = Target {
            action: subject.assume_action(),
            resource: &to.arn,
            account: Some(&to.account),
            guard: Guard::Trust(&to.role.as_ref()?.trust),
            resource_control: self.accounts.resource_control(&to.account),
        };
        let principal = self.accounts.principal(&subject, identity);
        Some(f(&Question::new(principal, &target, self.given)))
    }

    fn path(&mut self, from: &Node, target: usize, paths: &Paths) -> Vec<Arc<Access>> {
        let (mut path, mut node) = (Vec::new(), from.clone());
        while let Some((_, to)) = paths.get(&node) {
            let key = (node, *to);
            let hop = match self.hops.get(&key) {
                Some(hop) => Some(Arc::clone(hop)),
                None => self.ask(&key.0, key.1, |question| Arc::new(question.access())),
            };
            let Some(hop) = hop else { break };
            path.push(Arc::clone(&hop));
            self.hops.insert(key, hop);
            if *to == target {
                break;
            }
            node = Node::Described(*to);
        }
        path
    }
}

impl Subject {
    /// Returns the action by which the subject assumes a role.
    fn assume_action(&self) -> &'static str {
        match self {
            Self::Federated(name) if name.contains(":saml-provider/") => "sts:AssumeRoleWithSAML",
            Self::Federated(_) => "sts:AssumeRoleWithWebIdentity",
            _ => "sts:AssumeRole",
        }
    }
}

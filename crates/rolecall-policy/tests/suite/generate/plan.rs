//! The goal of a case, and what each of its policies should do for it.

use super::dice::Dice;
use super::principal::Aim;
use super::scene::{CallerKind, Scene};

/// A kind of policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Identity,
    Resource,
    Session,
    Boundary,
    Scp,
    Rcp,
}

/// What the policies of a kind should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intention {
    /// The case has no policies of the kind.
    Absent,
    /// An empty list.
    Empty,
    Allow,
    /// Stay silent, by a near miss.
    Silent,
}

/// The intentions of a case.
pub(super) struct Plan {
    pub(super) identity: Intention,
    pub(super) resource: Intention,
    pub(super) session: Intention,
    pub(super) boundary: Intention,
    pub(super) scp: Intention,
    pub(super) rcp: Intention,
    /// How the resource policy names the caller.
    pub(super) aim: Aim,
    /// The kind of policy that denies.
    pub(super) deny: Option<Place>,
}

#[derive(Clone, Copy, PartialEq)]
enum Goal {
    Allow,
    ImplicitDeny,
    ExplicitDeny,
}

impl Plan {
    pub(super) fn draw(dice: &mut Dice, scene: &Scene) -> Self {
        let goal =
            dice.weigh(&[(48, Goal::Allow), (20, Goal::ImplicitDeny), (32, Goal::ExplicitDeny)]);
        let mut plan = Self::draw_allowing(dice, scene);
        match goal {
            Goal::Allow => {}
            Goal::ImplicitDeny => plan.close_gate(dice),
            Goal::ExplicitDeny => plan.draw_deny(dice, scene),
        }
        plan
    }

    /// Draws policies that allow the request, by one of the ways there are for the caller.
    fn draw_allowing(dice: &mut Dice, scene: &Scene) -> Self {
        use Intention::*;
        let with =
            |dice: &mut Dice, percent: u32| if dice.chance(percent) { Allow } else { Absent };
        let mut plan = Self {
            identity: Absent,
            resource: Allow,
            session: Absent,
            boundary: Absent,
            scp: Absent,
            rcp: with(dice, 25),
            aim: Aim::Direct,
            deny: None,
        };
        match scene.kind {
            CallerKind::Service | CallerKind::Anonymous | CallerKind::WebIdentity => {
                // Neither limits the caller; the boundary and the like would not belong to it.
                plan.scp = dice.weigh(&[(75, Absent), (15, Allow), (5, Silent), (5, Empty)]);
                if plan.scp == Allow && dice.chance(50) {
                    plan.deny = Some(Place::Scp);
                }
                return plan;
            }
            CallerKind::Root => {
                plan.scp = with(dice, 55);
                plan.resource = if scene.same_account { with(dice, 50) } else { Allow };
                plan.aim = Aim::Any;
                return plan;
            }
            CallerKind::Session => {
                plan.session = with(dice, 40);
                plan.boundary = with(dice, 35);
            }
            CallerKind::FederatedUser => {
                plan.session = Allow;
                plan.boundary = with(dice, 15);
            }
            CallerKind::User | CallerKind::Role => plan.boundary = with(dice, 40),
        }
        plan.scp = with(dice, 35);
        plan.identity = Allow;
        if !scene.same_account {
            plan.aim = Aim::Any;
            return plan;
        }
        match (scene.trust, dice.below(100)) {
            // Both sides allow.
            (true, 0..=39) => plan.aim = Aim::Account,
            (false, 0..=14) => plan.aim = Aim::Any,
            // The identity policy alone.
            (false, 15..=54) => {
                plan.resource = dice.weigh(&[(60, Absent), (40, Silent)]);
            }
            // The resource policy alone, which may overcome what limits the caller.
            _ => {
                plan.identity = dice.weigh(&[(20, Absent), (20, Empty), (60, Silent)]);
                for limit in [&mut plan.session, &mut plan.boundary] {
                    if *limit == Allow && dice.chance(40) {
                        *limit = dice.weigh(&[(9, Silent), (1, Empty)]);
                    }
                }
            }
        }
        plan
    }

    /// Takes the Allow of one or two kinds of policies back.
    fn close_gate(&mut self, dice: &mut Dice) {
        let mut gates: Vec<&mut Intention> = [
            &mut self.identity,
            &mut self.resource,
            &mut self.session,
            &mut self.boundary,
            &mut self.scp,
        ]
        .into_iter()
        .filter(|gate| **gate == Intention::Allow)
        .collect();
        for _ in 0..=dice.below(2) {
            if !gates.is_empty() {
                let gate = gates.swap_remove(dice.below(gates.len()));
                *gate = dice.weigh(&[(8, Intention::Silent), (1, Intention::Empty)]);
            }
        }
    }

    /// Chooses the kind of policy that denies, and adds it if the case does not have it.
    fn draw_deny(&mut self, dice: &mut Dice, scene: &Scene) {
        let mut places = vec![Place::Resource, Place::Resource, Place::Rcp];
        if !scene.account.is_empty() {
            places.push(Place::Scp);
            if scene.kind != CallerKind::Root {
                places.extend([Place::Identity, Place::Identity, Place::Boundary]);
            }
            if matches!(scene.kind, CallerKind::Session | CallerKind::FederatedUser) {
                places.push(Place::Session);
            }
        }
        let place = *dice.pick(&places);
        let intention = match place {
            Place::Identity => &mut self.identity,
            Place::Resource => &mut self.resource,
            Place::Session => &mut self.session,
            Place::Boundary => &mut self.boundary,
            Place::Scp => &mut self.scp,
            Place::Rcp => &mut self.rcp,
        };
        if matches!(intention, Intention::Absent | Intention::Empty) {
            *intention = dice.weigh(&[(1, Intention::Allow), (1, Intention::Silent)]);
        }
        self.deny = Some(place);
    }
}

//! Documents and statements of each kind of policy.

use serde_json::{Map, Value, json};

use super::dice::Dice;
use super::plan::{Intention, Place, Plan};
use super::principal::Aim;
use super::scene::Scene;
use super::{action, condition, principal};

/// A statement to draw: its effect, and whether it should apply.
#[derive(Clone, Copy)]
struct Wish {
    effect: &'static str,
    hit: bool,
}

const ALLOW: Wish = Wish { effect: "Allow", hit: true };
const SILENT: Wish = Wish { effect: "Allow", hit: false };
const DENY: Wish = Wish { effect: "Deny", hit: true };
const SPARE: Wish = Wish { effect: "Deny", hit: false };

/// Returns the policies of a case.
pub(super) fn draw(dice: &mut Dice, scene: &Scene, plan: &Plan) -> Map<String, Value> {
    let mut case = Map::new();
    let lists = [
        ("identity_policies", Place::Identity, plan.identity),
        ("session_policies", Place::Session, plan.session),
        ("permission_boundaries", Place::Boundary, plan.boundary),
    ];
    for (name, place, intention) in lists {
        if let Some(list) = draw_list(dice, scene, plan, place, intention) {
            case.insert(name.to_owned(), Value::Array(list));
        }
    }
    // A resource has one policy: an empty list is none.
    if !matches!(plan.resource, Intention::Absent | Intention::Empty) {
        let wishes = draw_wishes(dice, plan, Place::Resource, plan.resource);
        let policy = draw_document(dice, scene, plan, Place::Resource, wishes);
        case.insert("resource_policy".to_owned(), policy);
    }
    if let Some(levels) = draw_scps(dice, scene, plan) {
        case.insert("scps".to_owned(), levels);
    }
    if let Some(levels) = draw_rcps(dice, scene, plan) {
        case.insert("rcps".to_owned(), levels);
    }
    case
}

fn draw_list(
    dice: &mut Dice,
    scene: &Scene,
    plan: &Plan,
    place: Place,
    intention: Intention,
) -> Option<Vec<Value>> {
    match intention {
        Intention::Absent => return None,
        Intention::Empty => return Some(Vec::new()),
        Intention::Allow | Intention::Silent => {}
    }
    let wishes = draw_wishes(dice, plan, place, intention);
    let mut list = vec![draw_document(dice, scene, plan, place, wishes)];
    if dice.chance(20) {
        list.push(draw_document(dice, scene, plan, place, vec![SILENT]));
        dice.shuffle(&mut list);
    }
    Some(list)
}

/// Returns the statements of the document that serves the plan.
fn draw_wishes(dice: &mut Dice, plan: &Plan, place: Place, intention: Intention) -> Vec<Wish> {
    let mut wishes = Vec::new();
    match intention {
        Intention::Allow => wishes.push(ALLOW),
        _ if plan.deny == Some(place) && dice.chance(50) => {}
        _ => wishes.push(SILENT),
    }
    if plan.deny == Some(place) {
        wishes.push(DENY);
    } else if dice.chance(22) {
        wishes.push(SPARE);
    }
    if dice.chance(15) {
        wishes.push(SILENT);
    }
    dice.shuffle(&mut wishes);
    wishes
}

fn draw_document(
    dice: &mut Dice,
    scene: &Scene,
    plan: &Plan,
    place: Place,
    wishes: Vec<Wish>,
) -> Value {
    let version =
        dice.weigh(&[(82, Some("2012-10-17")), (9, Some("2008-10-17")), (9, None::<&str>)]);
    // Variables of an older version are plain text: a few of them suffice.
    let variables = version == Some("2012-10-17") || dice.chance(15);
    let mut statements: Vec<Value> = wishes
        .into_iter()
        .map(|wish| draw_statement(dice, scene, plan.aim, place, wish, variables))
        .collect();
    if dice.chance(15) {
        for (index, statement) in statements.iter_mut().enumerate() {
            statement["Sid"] = json!(format!("Statement{index}"));
        }
    }
    let mut document = json!({});
    if let Some(version) = version {
        document["Version"] = json!(version);
    }
    document["Statement"] = match statements.len() {
        1 if dice.chance(30) => statements.swap_remove(0),
        _ => Value::Array(statements),
    };
    document
}

/// An element of a statement that keeps it from applying.
#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    Action,
    Resource,
    Principal,
    Condition,
}

fn draw_statement(
    dice: &mut Dice,
    scene: &Scene,
    aim: Aim,
    place: Place,
    wish: Wish,
    variables: bool,
) -> Value {
    let is_trust = place == Place::Resource && scene.trust;
    let has_principal = place == Place::Resource;
    let flaw = if wish.hit {
        Flaw::None
    } else {
        dice.weigh(&[
            (6, Flaw::Condition),
            (if has_principal { 6 } else { 0 }, Flaw::Principal),
            (if is_trust { 0 } else { 2 }, Flaw::Resource),
            (1, Flaw::Action),
        ])
    };
    let mut statement = json!({ "Effect": wish.effect });
    let denies = wish.effect == "Deny";
    match place {
        Place::Resource if denies && dice.chance(25) => {
            statement["NotPrincipal"] =
                principal::draw_excepted(dice, scene, flaw == Flaw::Principal);
        }
        Place::Resource => {
            let aim = match flaw {
                Flaw::Principal => Aim::Miss,
                _ if denies => Aim::Any,
                _ => aim,
            };
            statement["Principal"] = principal::draw(dice, scene, aim);
        }
        Place::Rcp => statement["Principal"] = json!("*"),
        Place::Identity | Place::Session | Place::Boundary | Place::Scp => {}
    }
    // A trust policy is about STS and a resource control policy names its services.
    let owned = is_trust || place == Place::Rcp;
    let (name, value) = if owned && !is_trust {
        draw_rcp_action(dice, scene, flaw != Flaw::Action)
    } else {
        action::draw_action(dice, scene, owned, flaw != Flaw::Action)
    };
    statement[name] = value;
    if !is_trust {
        let plain = owned || (place == Place::Scp && !denies);
        let hit = flaw != Flaw::Resource;
        let (name, value) = action::draw_resource(dice, scene, variables, plain, hit);
        statement[name] = value;
    }
    if flaw == Flaw::Condition || dice.chance(50) {
        statement["Condition"] = condition::draw(dice, scene, variables, flaw != Flaw::Condition);
    }
    statement
}

fn draw_rcp_action(dice: &mut Dice, scene: &Scene, hit: bool) -> (&'static str, Value) {
    let service = scene.action.split(':').next().unwrap_or_default();
    let action = match (hit, dice.chance(50)) {
        (true, true) => format!("{service}:*"),
        (true, false) => scene.action.to_owned(),
        (false, _) => format!("{service}:Untag*"),
    };
    ("Action", action::one_or_list(dice, vec![action]))
}

fn full_access(place: Place) -> Value {
    let mut statement = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
    if place == Place::Rcp {
        statement["Principal"] = json!("*");
    }
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

/// Returns one to three levels of service control policies. A silent organisation has a level that
/// does not allow the request.
fn draw_scps(dice: &mut Dice, scene: &Scene, plan: &Plan) -> Option<Value> {
    match plan.scp {
        Intention::Absent => return None,
        Intention::Empty => return Some(json!([])),
        Intention::Allow | Intention::Silent => {}
    }
    let count = 1 + dice.below(3);
    let chosen = dice.below(count);
    let silent = if plan.scp == Intention::Silent { chosen } else { count };
    let levels = (0..count).map(|index| {
        if index == silent && dice.chance(8) && plan.deny != Some(Place::Scp) {
            return Vec::new();
        }
        let intention = if index == silent { Intention::Silent } else { Intention::Allow };
        let mut level = Vec::new();
        let has_deny = index == chosen && plan.deny == Some(Place::Scp);
        if intention == Intention::Allow && dice.chance(60) {
            level.push(full_access(Place::Scp));
            if has_deny {
                level.push(draw_document(dice, scene, plan, Place::Scp, vec![DENY]));
            } else if dice.chance(25) {
                level.push(draw_document(dice, scene, plan, Place::Scp, vec![SPARE]));
            }
        } else {
            let mut wishes = vec![if intention == Intention::Allow { ALLOW } else { SILENT }];
            if has_deny {
                wishes.push(DENY);
            }
            level.push(draw_document(dice, scene, plan, Place::Scp, wishes));
        }
        dice.shuffle(&mut level);
        level
    });
    let mut levels: Vec<Vec<Value>> = levels.collect();
    // A flat list is one level.
    let is_flat = levels.len() == 1 && !levels[0].is_empty() && dice.chance(60);
    Some(if is_flat { Value::Array(levels.swap_remove(0)) } else { json!(levels) })
}

/// Returns one or two levels of resource control policies, which only deny.
fn draw_rcps(dice: &mut Dice, scene: &Scene, plan: &Plan) -> Option<Value> {
    if plan.rcp == Intention::Absent {
        return None;
    }
    if plan.deny != Some(Place::Rcp) && dice.chance(8) {
        return Some(json!([]));
    }
    let count = 1 + dice.below(2);
    let chosen = dice.below(count);
    let levels: Vec<Vec<Value>> = (0..count)
        .map(|index| {
            let mut level = vec![full_access(Place::Rcp)];
            if index == chosen && plan.deny == Some(Place::Rcp) {
                level.push(draw_document(dice, scene, plan, Place::Rcp, vec![DENY]));
            } else if dice.chance(50) {
                level.push(draw_document(dice, scene, plan, Place::Rcp, vec![SPARE]));
            }
            level
        })
        .collect();
    let is_flat = levels.len() == 1 && dice.chance(60);
    Some(if is_flat { json!(levels[0]) } else { json!(levels) })
}

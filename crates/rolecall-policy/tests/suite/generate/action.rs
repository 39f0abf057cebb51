//! The elements Action, NotAction, Resource and NotResource.

use serde_json::{Value, json};

use super::dice::Dice;
use super::pattern::{self, Syntax};
use super::scene::Scene;

/// Returns the elements about the action, that match the request or nearly do.
///
/// `owned` is the prefix of the only service that the policy may be about, such as `sts` in a trust
/// policy; such a policy has neither NotAction nor the action `*`.
pub(super) fn draw_action(
    dice: &mut Dice,
    scene: &Scene,
    owned: bool,
    hit: bool,
) -> (&'static str, Value) {
    let negated = !owned && dice.chance(12);
    let matches = hit != negated;
    let mut list = vec![draw_pattern(dice, scene, owned, matches)];
    while dice.chance(25) {
        list.push(draw_pattern(dice, scene, owned, false));
    }
    dice.shuffle(&mut list);
    (if negated { "NotAction" } else { "Action" }, one_or_list(dice, list))
}

fn draw_pattern(dice: &mut Dice, scene: &Scene, owned: bool, hit: bool) -> String {
    let (prefix, name) = scene.action.split_once(':').unwrap_or_default();
    let at = 1 + dice.below(name.len() - 1);
    if hit {
        return match dice.below(8) {
            0 if !owned => "*".to_owned(),
            1 => format!("{prefix}:*"),
            2 => format!("{prefix}:{}*", &name[..at]),
            3 => format!("{prefix}:*{}", &name[at..]),
            4 => format!("{prefix}:{}?{}", &name[..at], &name[at + 1..]),
            5 => dice.change_case(scene.action),
            _ => scene.action.to_owned(),
        };
    }
    if owned {
        let others = ["sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:TagSession"];
        let other = *dice.pick(&others);
        return if other == scene.action { "sts:SetSourceIdentity" } else { other }.to_owned();
    }
    match dice.below(5) {
        0 => format!("{prefix}:{}", &name[..at]),
        1 => format!("{prefix}:{name}?"),
        2 => format!("{prefix}:List*s"),
        3 => "sqs:*".to_owned(),
        _ => format!("sqs:{name}"),
    }
}

/// Returns the elements about the resource, that match the request or nearly do.
pub(super) fn draw_resource(
    dice: &mut Dice,
    scene: &Scene,
    variables: bool,
    plain: bool,
    hit: bool,
) -> (&'static str, Value) {
    let negated = !plain && dice.chance(8);
    let matches = hit != negated;
    let mut list = vec![draw_arn(dice, scene, variables, matches)];
    while dice.chance(20) {
        list.push(draw_arn(dice, scene, variables, false));
    }
    dice.shuffle(&mut list);
    (if negated { "NotResource" } else { "Resource" }, one_or_list(dice, list))
}

fn draw_arn(dice: &mut Dice, scene: &Scene, variables: bool, hit: bool) -> String {
    let resource = &scene.resource;
    let fields: Vec<&str> = resource.splitn(6, ':').collect();
    let [_, partition, service, region, account, rest] = fields[..] else {
        // The request is about no resource: only `*` matches it.
        let other = format!("arn:{}:s3:::data-eu-west-1/*", scene.partition);
        return if hit { "*".to_owned() } else { other };
    };
    if hit && dice.chance(15) {
        return "*".to_owned();
    }
    // Variables stand after the fifth colon, and so do most wildcards.
    let fixed = resource.len() - rest.len();
    let syntax = Syntax { wildcards: true, variables };
    let pattern = pattern::draw(dice, scene, resource, fixed, syntax, hit);
    if !hit || dice.chance(80) {
        return pattern;
    }
    match (rest.split_once(':'), dice.below(3)) {
        // A wildcard that reaches over two fields, where the resource has a colon to make up.
        (Some((kind, _)), 0) => format!("arn:{partition}:{service}:*:{kind}:*"),
        (_, 1) => format!("arn:*:{service}:{region}:{account}:{rest}"),
        _ => {
            let account = if account.is_empty() { "*" } else { "????????????" };
            format!("arn:{partition}:{service}:*:{account}:*")
        }
    }
}

/// Returns one string as itself or as a list.
pub(super) fn one_or_list(dice: &mut Dice, mut list: Vec<String>) -> Value {
    match list.pop() {
        Some(one) if list.is_empty() && dice.chance(60) => json!(one),
        Some(last) => {
            list.push(last);
            json!(list)
        }
        None => json!([]),
    }
}

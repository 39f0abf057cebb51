//! The elements Principal and NotPrincipal.

use serde_json::{Map, Value, json};

use super::action::one_or_list;
use super::dice::Dice;
use super::scene::{ACCOUNTS, CallerKind, PARTITIONS, PATHS, SERVICES, Scene};

/// How a principal should name the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// In any way.
    Any,
    /// Other than by its account.
    Direct,
    /// By its account.
    Account,
    /// Not at all, but nearly.
    Miss,
}

/// A kind of principal, and a name.
type Entry = (&'static str, String);

/// Returns the value of a Principal element.
pub(super) fn draw(dice: &mut Dice, scene: &Scene, aim: Aim) -> Value {
    let mut entries = match aim {
        // Everyone allows no web identity.
        Aim::Miss if scene.kind == CallerKind::WebIdentity && dice.chance(15) => {
            return json!("*");
        }
        Aim::Miss => Vec::new(),
        aim => {
            if can_be_everyone(scene, aim) && dice.chance(10) {
                return json!("*");
            }
            vec![draw_hit(dice, scene, aim)]
        }
    };
    while entries.is_empty() || dice.chance(25) {
        entries.push(draw_miss(dice, scene));
    }
    to_element(dice, entries)
}

/// Returns the value of a NotPrincipal element that excepts the caller, or nearly does.
pub(super) fn draw_excepted(dice: &mut Dice, scene: &Scene, hit: bool) -> Value {
    let mut entries = Vec::new();
    if hit {
        if scene.kind == CallerKind::Session {
            entries.push(role_entry(dice, scene));
            entries.push(("AWS", scene.caller.clone()));
            if dice.chance(40) {
                entries.swap_remove(dice.below(2));
            }
        } else if scene.kind != CallerKind::Anonymous {
            entries.push(exact_entry(scene));
        }
    }
    if !scene.account.is_empty() && scene.kind != CallerKind::Root && dice.chance(60) {
        entries.push(account_entry(dice, scene));
    }
    while entries.is_empty() || dice.chance(20) {
        entries.push(draw_miss(dice, scene));
    }
    to_element(dice, entries)
}

fn can_be_everyone(scene: &Scene, aim: Aim) -> bool {
    match scene.kind {
        // Everyone allows no web identity, but may deny it.
        CallerKind::WebIdentity => aim == Aim::Any,
        _ => aim != Aim::Account,
    }
}

fn draw_hit(dice: &mut Dice, scene: &Scene, aim: Aim) -> Entry {
    let has_account = !scene.account.is_empty();
    if scene.kind == CallerKind::Anonymous || (can_be_everyone(scene, aim) && dice.chance(12)) {
        return ("AWS", "*".to_owned());
    }
    let by_account = match aim {
        Aim::Account => true,
        Aim::Any => dice.chance(30),
        Aim::Direct | Aim::Miss => false,
    };
    if has_account && (by_account || scene.kind == CallerKind::Root) {
        return account_entry(dice, scene);
    }
    if scene.kind == CallerKind::Session && dice.chance(55) {
        return role_entry(dice, scene);
    }
    exact_entry(scene)
}

fn exact_entry(scene: &Scene) -> Entry {
    let kind = match scene.kind {
        CallerKind::Service => "Service",
        CallerKind::WebIdentity => "Federated",
        _ => "AWS",
    };
    (kind, scene.caller.clone())
}

fn account_entry(dice: &mut Dice, scene: &Scene) -> Entry {
    let root = format!("arn:{}:iam::{}:root", scene.partition, scene.account);
    ("AWS", if dice.chance(50) { root } else { scene.account.to_owned() })
}

/// Returns the caller's role. Without the key `aws:PrincipalArn` its path does not matter.
fn role_entry(dice: &mut Dice, scene: &Scene) -> Entry {
    let path = if scene.given("aws:PrincipalArn").is_none() && dice.chance(40) {
        *dice.pick(&PATHS)
    } else {
        scene.path
    };
    let Scene { partition, account, name, .. } = scene;
    ("AWS", format!("arn:{partition}:iam::{account}:role/{path}{name}"))
}

/// Returns a principal that is not the caller, but has something in common with it.
fn draw_miss(dice: &mut Dice, scene: &Scene) -> Entry {
    let Scene { partition, account, name, path, .. } = scene;
    let other = if *account == ACCOUNTS[0] { ACCOUNTS[1] } else { ACCOUNTS[0] };
    let entry = match dice.below(10) {
        0 => ("AWS", format!("arn:{partition}:iam::{other}:root")),
        1 => ("AWS", other.to_owned()),
        2 => ("AWS", (*dice.pick(&["AIDACKCEVSQ6C2EXAMPLE", "AROADBQP57FF2AEXAMPLE"])).to_owned()),
        3 => {
            let service = if scene.trust { "Service" } else { "AWS" };
            let names = [
                (*dice.pick(&SERVICES)).to_owned(),
                format!("arn:{partition}:iam::{other}:user/x"),
            ];
            (service, names[usize::from(service == "AWS")].clone())
        }
        4 if !account.is_empty() => {
            let strange = PARTITIONS.iter().find(|known| *known != partition).unwrap_or(&"aws");
            ("AWS", format!("arn:{strange}:iam::{account}:root"))
        }
        5 if scene.trust => {
            ("Federated", format!("arn:{partition}:iam::{other}:oidc-provider/oidc.example.com"))
        }
        6 if !scene.trust => (
            "CanonicalUser",
            "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be".to_owned(),
        ),
        _ => match scene.kind {
            CallerKind::User | CallerKind::Role | CallerKind::Session => {
                let kind = if scene.kind == CallerKind::User { "user" } else { "role" };
                match dice.below(6) {
                    0 => ("AWS", format!("arn:{partition}:iam::{other}:{kind}/{path}{name}")),
                    1 => ("AWS", format!("arn:{partition}:iam::{account}:{kind}/{path}x-{name}")),
                    2 => {
                        let name = name.to_ascii_uppercase();
                        ("AWS", format!("arn:{partition}:iam::{account}:{kind}/{path}{name}"))
                    }
                    3 => ("AWS", format!("{}x", scene.caller)),
                    4 if kind == "role" => {
                        ("AWS", format!("arn:{partition}:iam::{account}:user/{path}{name}"))
                    }
                    _ => ("AWS", format!("arn:{partition}:iam::{account}:{kind}/x/{path}{name}")),
                }
            }
            CallerKind::WebIdentity if scene.caller.starts_with("arn:") => {
                // A provider is named in full, and nothing below it.
                let above = scene.caller.trim_end_matches("/id/A1B2");
                let below = format!("{}/id", scene.caller);
                ("Federated", if dice.chance(50) { above.to_owned() } else { below })
            }
            _ => ("AWS", format!("arn:{partition}:sts::{other}:assumed-role/{name}/x")),
        },
    };
    // By chance it is the caller after all: a service of the list, say.
    if entry.1 == scene.caller { ("AWS", other.to_owned()) } else { entry }
}

fn to_element(dice: &mut Dice, mut entries: Vec<Entry>) -> Value {
    dice.shuffle(&mut entries);
    let mut kinds = Map::new();
    for kind in ["AWS", "Federated", "Service", "CanonicalUser"] {
        let names: Vec<String> =
            entries.iter().filter(|entry| entry.0 == kind).map(|entry| entry.1.clone()).collect();
        if !names.is_empty() {
            kinds.insert(kind.to_owned(), one_or_list(dice, names));
        }
    }
    Value::Object(kinds)
}

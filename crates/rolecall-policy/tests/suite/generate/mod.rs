//! Generates cases for the comparison of the two evaluators.
//!
//! A case starts from a request. Its policies are derived from the request, element by element, so
//! that most cases reach a decision by a principal or a condition instead of failing at the action.
//! Each case has a goal, and each policy an intention that serves it; an intention is a likelihood,
//! not a promise: what a case decides is for the evaluators to find out.

mod action;
mod condition;
mod dice;
mod operator;
mod pattern;
mod plan;
mod policies;
mod principal;
mod sample;
mod scene;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use self::dice::Dice;
use self::plan::Plan;
use self::scene::Scene;

/// Returns the case of a seed. The same seed returns the same case.
pub(crate) fn case(seed: u64) -> Value {
    let mut dice = Dice::new(seed);
    let scene = Scene::draw(&mut dice);
    let plan = Plan::draw(&mut dice, &scene);
    let mut case = policies::draw(&mut dice, &scene, &plan);
    case.insert("id".to_owned(), json!(format!("generated-{seed}")));
    case.insert("request".to_owned(), scene.request(&mut dice));
    Value::Object(case)
}

//! What rolecall does, as programs to run and to copy.
//!
//! `cargo run -p rolecall-examples` is the [`tour`]: the main job from beginning to end, on an embedded local AWS.

pub mod tour;

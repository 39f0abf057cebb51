//! The committed corpora of the fuzz targets in `tests/fuzz`, replayed.

use std::fs;
use std::path::Path;

#[path = "../../../../tests/fuzz/targets.rs"]
mod targets;

fn replay(name: &str, run: fn(&[u8])) {
    let directory =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(name);
    let mut count = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        run(&fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count >= 10, "{count} inputs in {}", directory.display());
}

#[test]
fn parse_corpus_replays() {
    replay("parse", targets::parse);
}

#[test]
fn pattern_corpus_replays() {
    replay("pattern", targets::pattern);
}

#[test]
fn condition_corpus_replays() {
    replay("condition", targets::condition);
}

#[test]
fn evaluate_corpus_replays() {
    replay("evaluate", targets::evaluate);
}

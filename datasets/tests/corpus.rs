//! What the fuzz targets claim, on the corpus that they left: see `fuzz/run`.

#![expect(clippy::unwrap_used, reason = "what fails in a test shows where")]

#[path = "../../fuzz/targets/claims.rs"]
mod claims;

use std::{
    fs,
    path::{Path, PathBuf},
};

fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has a corpus");
    files
}

/// Runs a claim on each input; a panic is told with the input's name.
fn claim(target: &str, holds: fn(&[u8])) {
    for path in corpus(target) {
        let bytes = fs::read(&path).unwrap();
        let outcome = std::panic::catch_unwind(|| holds(&bytes));
        assert!(outcome.is_ok(), "the claim fails on {}", path.display());
    }
}

#[test]
fn replays_of_the_corpus_are_read_and_played_as_claimed() {
    claim("gior", claims::gior);
}

#[test]
fn games_files_of_the_corpus_are_read_and_played_as_claimed() {
    claim("games", claims::games);
}

#[test]
fn experiences_of_the_corpus_are_verified_as_claimed() {
    claim("experiences", claims::experiences);
}

#[test]
fn episodes_of_the_corpus_are_verified_as_claimed() {
    claim("episodes", claims::episodes);
}

#[test]
fn the_corpus_stays_small() {
    let sizes = ["gior", "games", "experiences", "episodes"].map(corpus).into_iter().flatten();
    let bytes: u64 = sizes.map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(bytes < 1_300_000, "{bytes} bytes");
}

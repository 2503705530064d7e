//! Where replays are: those of the project, and those of people where they are at hand.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// Replays in order of name that can be played: the project's own, and those in the folder that
/// `BIVOUAC_REPLAYS` names, or else in `shared/replays` beside the project.
pub(crate) fn files() -> Vec<PathBuf> {
    replays_in(&folders())
}

/// The same, and those in the folder `optional` there, whose modifiers are not played.
pub(crate) fn files_of_all_modifiers() -> Vec<PathBuf> {
    let mut folders = folders();
    let optional: Vec<_> = folders.iter().map(|folder| folder.join("optional")).collect();
    folders.extend(optional.into_iter().filter(|folder| folder.is_dir()));
    replays_in(&folders)
}

#[expect(clippy::print_stderr, reason = "a test that checks less has to say so")]
fn folders() -> Vec<PathBuf> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders = vec![project.join("tests/data/replays")];
    let named = env::var_os("BIVOUAC_REPLAYS").map(PathBuf::from);
    let beside = Some(project.join("../shared/replays")).filter(|folder| folder.is_dir());
    match named.or(beside) {
        Some(folder) => folders.push(folder),
        None => eprintln!("SKIPPED: no replays of people; name their folder in BIVOUAC_REPLAYS"),
    }
    folders
}

fn replays_in(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).expect("a folder that can be listed"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "gior"))
        .collect();
    files.sort();
    assert!(files.len() >= 10, "the project has replays of its own");
    files
}

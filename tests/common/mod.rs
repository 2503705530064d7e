//! The command as a script runs it, folders of tests and what is in them, and the Python that some
//! tests need.
#![allow(dead_code, unused_imports, reason = "each test file uses a part")]

mod venv;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

pub(crate) use venv::{python, run};

/// Runs `bivouac` to its end.
pub(crate) fn bivouac(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bivouac")).args(args).output().expect("bivouac runs")
}

/// Runs `bivouac`, which has to succeed, and returns what it printed.
pub(crate) fn done(args: &[&str]) -> String {
    let run = bivouac(args);
    assert_eq!(run.status.code(), Some(0), "{args:?}: {}{}", text(&run.stdout), text(&run.stderr));
    text(&run.stdout).to_owned()
}

/// The one JSON value that a run printed.
pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one JSON value")
}

/// A folder of this test in `target`, where what an earlier run left is removed.
pub(crate) fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            panic!("{} of the last run cannot be removed: {error}", path.display())
        }
        _ => path,
    }
}

/// A path as an argument.
pub(crate) fn shown(path: &Path) -> &str {
    path.to_str().expect("a path in Unicode")
}

/// What a command printed.
pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output in UTF-8")
}

/// The files of a folder by their path in it.
pub(crate) fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).expect("below the root").to_owned();
                files.insert(name, fs::read(path).expect("a file"));
            }
        }
    }
    files
}

/// The Parquet files of a folder by their path in it.
pub(crate) fn parquet_files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = tree(root);
    files.retain(|path, _| path.extension().is_some_and(|extension| extension == "parquet"));
    files
}

//! The command as a script runs it, folders of tests and what is in them, and the Python that some
//! tests need.
//!
//! The first run makes a virtual environment in `target/venv` and installs what
//! `tests/python/requirements.txt` pins; later runs use it again. `BIVOUAC_PYTHON` names another
//! Python to make it with.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

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

/// A folder of this test in `target`, removed if an earlier run left it.
pub(crate) fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if path.exists() {
        fs::remove_dir_all(&path).expect("the folder of the last run can be removed");
    }
    path
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

/// Runs a command to its end and shows what it printed if it fails.
pub(crate) fn run(command: &mut Command) {
    let shown = format!("{command:?}");
    let output = command.output().unwrap_or_else(|error| {
        panic!(
            "cannot run {shown}: {error}\n\
             These tests need Python 3.11 or later with venv (on Debian: apt-get install \
             python3-venv); BIVOUAC_PYTHON names it if it is not python3."
        )
    });
    assert!(
        output.status.success(),
        "{shown} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The Python of the virtual environment, which is made if the requirements changed.
pub(crate) fn python(root: &Path) -> PathBuf {
    let venv = root.join("target/venv");
    let python = venv.join("bin/python");
    let requirements = root.join("tests/python/requirements.txt");
    let wanted = fs::read_to_string(&requirements).expect("the list of requirements");
    let stamp = venv.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return python;
    }
    let base = env::var_os("BIVOUAC_PYTHON").unwrap_or_else(|| "python3".into());
    run(Command::new(base).args(["-m", "venv", "--clear"]).arg(&venv));
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(&requirements));
    fs::write(stamp, wanted).expect("a note of what is installed");
    python
}

/// The Parquet files of a folder by their path in it.
pub(crate) fn parquet_files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = tree(root);
    files.retain(|path, _| path.extension().is_some_and(|extension| extension == "parquet"));
    files
}

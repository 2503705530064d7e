//! The Python that some tests need.
//!
//! The first run makes a virtual environment in `target/venv` and installs what
//! `tests/python/requirements.txt` pins; later runs use it again. `BIVOUAC_PYTHON` names another
//! Python to make it with.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

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

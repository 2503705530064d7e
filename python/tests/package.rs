//! The package with its engine, as Python sees it: `python/tests/test_*.py` with the real Gymnasium
//! and `PettingZoo`.

#[path = "../../tests/common/venv.rs"]
mod venv;

use std::{
    env::{self, consts},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use datasets::{produce::Archive, verify::verify};

/// The engine that was built for this test: beside the test, or where the linked files go.
fn engine() -> PathBuf {
    let name = format!("{}_engine{}", consts::DLL_PREFIX, consts::DLL_SUFFIX);
    let test = env::current_exe().expect("a path of this test");
    let folders = test.ancestors().skip(1).take(2);
    let built = folders.map(|folder| folder.join(&name)).filter(|path| path.is_file());
    let changed = |path: &PathBuf| fs::metadata(path).and_then(|about| about.modified()).ok();
    built.max_by_key(changed).unwrap_or_else(|| panic!("{name} is not beside {}", test.display()))
}

/// The program, if it was built too: `python/tests/test_same_rows.py` compares its rows.
fn program() -> Option<PathBuf> {
    let test = env::current_exe().expect("a path of this test");
    let built = test.ancestors().nth(2)?.join(format!("bivouac{}", consts::EXE_SUFFIX));
    built.is_file().then_some(built)
}

/// Puts the package and the engine together, as a wheel would.
fn install(root: &Path, place: &Path) {
    let package = place.join("bivouac");
    if place.exists() {
        fs::remove_dir_all(place).expect("the package of the last run can be removed");
    }
    copy(&root.join("python/bivouac"), &package);
    let suffix = if cfg!(windows) { ".pyd" } else { ".abi3.so" };
    fs::copy(engine(), package.join(format!("_engine{suffix}"))).expect("a copy of the engine");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("an entry has a name");
        if path.is_dir() && name != "__pycache__" {
            copy(&path, &to.join(name));
        } else if path.is_file() && !name.to_string_lossy().starts_with("_engine.abi3") {
            fs::copy(&path, to.join(name)).expect("a copy of a file");
        }
    }
}

#[test]
fn the_package_keeps_its_promises_in_python() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a folder above");
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-package");
    install(root, &place);
    let mut tests = Command::new(venv::python(root));
    if let Some(program) = program() {
        tests.env("BIVOUAC_BINARY", program);
    }
    venv::run(
        tests
            // Python looks in the present folder first, and that of this crate has no engine.
            .current_dir(&place)
            .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
            .arg(root.join("python/tests"))
            .env("PYTHONPATH", &place)
            // test_games.py writes here what was played.
            .env("BIVOUAC_TEST_PLAYED", place.join("played"))
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    );
    let found = verify::<Archive>(&place.join("played"), None, 1).expect("a dataset of games");
    assert!(found.is_sound(), "{:?}", found.faults);
    assert!(found.games_played > 6 && found.checksums > 0, "{found:?}");
}

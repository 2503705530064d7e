//! Datasets opened by the tools that people use: real pandas, Polars, `DuckDB`, pyarrow, Hugging
//! Face `datasets`, Minari, and the package in `python/`.

mod common;

use std::{fs, path::Path, process::Command};

use common::{python, run};

#[test]
fn datasets_open_in_the_libraries_that_people_use() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = root.join("target/tmp/python-datasets");
    if out.exists() {
        fs::remove_dir_all(&out).expect("the datasets of the last run can be removed");
    }
    fs::create_dir_all(&out).expect("a folder for datasets");
    let bivouac = |args: &[&str], name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bivouac"));
        run(command.args(args).arg("--quiet").arg("--out").arg(out.join(name)));
    };
    let generate = ["generate", "--max-ticks", "150", "--reward", "shaped"];
    bivouac(&[&generate[..], &["--games", "40"]].concat(), "duel");
    bivouac(&[&generate[..], &["--games", "120", "--canvas", "32x32"]].concat(), "small-groups");
    for layout in ["durbin9", "generals-bots", "memory"] {
        let few = ["--games", "6", "--layout", layout];
        bivouac(&[&generate[..], &few].concat(), &format!("dense-{layout}"));
    }
    bivouac(&[&generate[..], &["--games", "6"]].concat(), "dense-compact");
    let small = ["--games", "12", "--players", "4", "--size", "14x18"];
    bivouac(&[&generate[..], &small].concat(), "four");
    bivouac(&["generate", "--games", "40", "--kind", "games", "--max-ticks", "150"], "games");
    for name in ["duel", "four"] {
        let (from, id) = (out.join(name), format!("bivouac/{name}-v0"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_bivouac"));
        command.args(["export", "minari", "--quiet", "--id", &id]).arg(from);
        run(command.arg("--out").arg(out.join("minari")));
    }
    let replays = root.join("tests/data/replays");
    let replays = replays.to_str().expect("a path in Unicode");
    bivouac(&["import", replays], "replays");
    bivouac(&["import", replays, "--kind", "games"], "replay-games");
    run(Command::new(python(root))
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .arg(root.join("tests/python"))
        .env("BIVOUAC_DATASETS", &out)
        .env("BIVOUAC_BINARY", env!("CARGO_BIN_EXE_bivouac"))
        .env("BIVOUAC_TEST_REPLAYS", replays)
        .env("PYTHONPATH", root.join("python"))
        // Hubs are not asked for a folder that lies here.
        .envs([("HF_HUB_OFFLINE", "1"), ("HF_DATASETS_OFFLINE", "1")])
        .env("HF_HOME", out.join("hugging-face"))
        .env("PYTHONDONTWRITEBYTECODE", "1"));
}

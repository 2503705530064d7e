//! Datasets opened by the tools that people use: real pandas, Polars, `DuckDB` and pyarrow.

mod common;

use std::{fs, path::Path, process::Command};

use common::{python, run};

#[test]
fn datasets_open_in_pandas_polars_duckdb_and_pyarrow() {
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
    let small = ["--games", "12", "--players", "4", "--size", "14x18"];
    bivouac(&[&generate[..], &small].concat(), "four");
    bivouac(&["generate", "--games", "40", "--kind", "games", "--max-ticks", "150"], "games");
    let replays = root.join("tests/data/replays");
    let replays = replays.to_str().expect("a path in Unicode");
    bivouac(&["import", replays], "replays");
    bivouac(&["import", replays, "--kind", "games"], "replay-games");
    run(Command::new(python(root))
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .arg(root.join("tests/python"))
        .env("BIVOUAC_DATASETS", &out)
        .env("BIVOUAC_TEST_REPLAYS", replays)
        .env("PYTHONDONTWRITEBYTECODE", "1"));
}

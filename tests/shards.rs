//! Parts of a run made apart: side by side or merged, they are the whole run.

mod common;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use common::{folder, json, shown, tree};
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;

const RUN: [&str; 11] = [
    "generate",
    "--games",
    "37",
    "--size",
    "random",
    "--max-ticks",
    "90",
    "--policies",
    "random,expander",
    "--seed",
    "5",
];

fn bivouac(args: &[&str], out: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bivouac"));
    command.args(args).arg("--out").arg(out).output().expect("bivouac runs")
}

fn made(args: &[&str], out: &Path) {
    let run = bivouac(&[args, &["--quiet"]].concat(), out);
    assert!(run.status.success(), "{}", error(&run));
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The rows below a folder, file by file in order, as text.
fn rows(root: &Path) -> Vec<String> {
    let files = tree(root).into_keys().filter(|f| f.extension().is_some_and(|e| e == "parquet"));
    let mut rows = Vec::new();
    for file in files {
        let file = File::open(root.join(file)).expect("a file");
        let reader = SerializedFileReader::new(file).expect("a Parquet file");
        rows.extend(
            reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row").to_string()),
        );
    }
    rows
}

fn info(root: &Path) -> Value {
    let text = fs::read(root.join("meta/info.json")).expect("meta/info.json");
    serde_json::from_slice(&text).expect("JSON")
}

/// The three shards of a run of this kind.
fn shards(name: &str, kind: &str) -> Vec<PathBuf> {
    let parts = folder(name);
    let part = |index: u64| {
        let out = parts.join(format!("part-{index}"));
        fs::create_dir_all(&parts).expect("a folder");
        made(&[&RUN[..], &["--kind", kind, "--shard", &format!("{index}/3")]].concat(), &out);
        out
    };
    (0..3).map(part).collect()
}

#[test]
fn shards_merged_or_side_by_side_have_the_rows_of_the_whole_run() {
    for kind in ["experiences", "games"] {
        let whole = folder(&format!("whole-{kind}"));
        made(&[&RUN[..], &["--kind", kind]].concat(), &whole);
        let parts = shards(&format!("shards-{kind}"), kind);
        let expected = rows(&whole.join("data"));
        let apart: Vec<String> = parts.iter().flat_map(|part| rows(&part.join("data"))).collect();
        assert!(apart == expected, "{kind}: side by side");
        let merged = folder(&format!("merged-{kind}"));
        let args: Vec<&str> = parts.iter().map(|part| shown(part)).collect();
        made(&[&["merge"][..], &args].concat(), &merged);
        assert!(rows(&merged.join("data")) == expected, "{kind}: merged");
        let (one, other) = (info(&whole), info(&merged));
        for key in ["kind", "features", "rulesets", "policies", "lengths", "reward", "seed"] {
            assert_eq!(one[key], other[key], "{kind}: {key}");
        }
        for key in ["games", "ticks", "moves", "episodes", "rows"] {
            assert_eq!(one["totals"][key], other["totals"][key], "{kind}: {key}");
        }
        assert_eq!((&other["totals"]["files"], &other["is_complete"]), (&3.into(), &true.into()));
    }
}

#[test]
fn merged_episodes_name_the_file_that_holds_them() {
    let parts = shards("shards-named", "experiences");
    let merged = folder("merged-named");
    let args: Vec<&str> = parts.iter().map(|part| shown(part)).collect();
    made(&[&["merge"][..], &args].concat(), &merged);
    for file in 0..3 {
        let name = format!("chunk-000/file-{file:03}.parquet");
        let path = merged.join("meta/episodes").join(&name);
        let reader = SerializedFileReader::new(File::open(path).expect("a file")).expect("Parquet");
        let mut count = 0;
        for row in reader.get_row_iter(None).expect("rows") {
            assert!(row.expect("a row").to_string().contains(&format!("\"data/{name}\"")));
            count += 1;
        }
        assert!(count > 0);
    }
}

#[test]
fn what_cannot_be_merged_is_refused_with_the_reason() {
    let parts = shards("shards-refused", "games");
    let out = folder("merged-refused");
    let refuse = |parts: &[&str]| {
        let run = bivouac(&[&["merge"][..], parts].concat(), &out);
        assert_eq!(run.status.code(), Some(1));
        assert!(!out.join("meta/info.json").exists(), "nothing is made");
        error(&run)
    };
    let (a, b) = (shown(&parts[0]), shown(&parts[1]));
    let told = refuse(&[a, b, a]);
    assert!(told.contains("is in an earlier dataset too"), "{told}");
    let rows = folder("shards-refused-rows");
    made(&["generate", "--games", "2", "--max-ticks", "9"], &rows);
    let told = refuse(&[a, shown(&rows)]);
    assert!(told.contains("games") && told.contains("experiences"), "{told}");
    let path = parts[1].join("meta/info.json");
    let text = fs::read_to_string(&path).expect("meta/info.json");
    let cut = text.replace("\"is_complete\": true", "\"is_complete\": false");
    fs::write(&path, cut).expect("it can be written");
    let told = refuse(&[a, b]);
    assert!(told.contains("part-1") && told.contains("--resume"), "{told}");
}

#[test]
fn parts_are_not_merged_into_one_of_them() {
    let parts = shards("shards-in-place", "games");
    let before = tree(parts[0].parent().expect("their folder"));
    for out in [
        parts[0].clone(),
        parts[1].join("all"),
        folder("shards-in-place-none").join("../shards-in-place"),
    ] {
        fs::create_dir_all(folder("shards-in-place-none")).expect("a folder");
        let run = bivouac(&["merge", shown(&parts[0]), shown(&parts[1]), "--force"], &out);
        assert_eq!(run.status.code(), Some(1));
        assert!(error(&run).contains("name a folder apart from it"), "{}", error(&run));
        assert!(tree(parts[0].parent().expect("their folder")) == before, "all is as it was");
    }
}

#[test]
fn rows_that_were_merged_are_compared_with_the_games_of_all_parts() {
    let parts = shards("shards-verified", "experiences");
    let root = parts[0].parent().expect("their folder");
    let (first, all) = (root.join("first"), root.join("all"));
    made(&["merge", shown(&parts[0]), shown(&parts[1])], &first);
    made(&["merge", shown(&first), shown(&parts[2])], &all);
    for (merged, games) in [(&first, 24), (&all, 37)] {
        let found = json(&common::bivouac(&["verify", shown(merged), "--json"]));
        assert_eq!((&found["is_sound"], &found["games_played"]), (&true.into(), &games.into()));
        assert_eq!(found["rows_compared"], found["totals"]["rows"], "{found}");
    }
    // Parts with several rewards have none that could be told of the whole.
    let other = root.join("other");
    let run =
        ["generate", "--games", "2", "--size", "random", "--max-ticks", "90", "--reward", "shaped"];
    made(&[&run[..], &["--seed", "6"]].concat(), &other);
    let mixed = root.join("mixed");
    made(&["merge", shown(&first), shown(&other)], &mixed);
    let told = common::done(&["verify", shown(&mixed)]);
    assert!(told.contains("sound as far as checked") && told.contains("reward"), "{told}");
}

#[test]
fn a_shard_that_does_not_exist_is_refused() {
    let out = folder("no-shard");
    for shard in ["3/3", "1", "0/0", "-1/3"] {
        let run = bivouac(&["generate", &format!("--shard={shard}")], &out);
        assert_eq!(run.status.code(), Some(2), "{shard}");
        assert!(error(&run).contains("0 to N - 1"), "{shard}: {}", error(&run));
    }
    let run = bivouac(&["generate", "--games", "3", "--shard", "0/4"], &out);
    assert_eq!(run.status.code(), Some(1));
    assert!(error(&run).contains("at most 3 shards"), "{}", error(&run));
}

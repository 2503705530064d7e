//! `bivouac generate` and `bivouac import` as scripts use them: exit codes, output, what is left.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use common::{bivouac, folder, text};
use serde_json::Value;

fn replays() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/replays")
}

const SMALL: [&str; 7] = ["generate", "--games", "6", "--size", "9x7", "--max-ticks", "80"];

#[test]
fn json_is_one_object_and_quiet_is_nothing() {
    let out = folder("json");
    let out = out.to_str().expect("a path in Unicode");
    let run = bivouac(&[&SMALL[..], &["--out", out, "--json"]].concat());
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    assert_eq!(text(&run.stderr), "");
    let summary: Value = serde_json::from_slice(&run.stdout).expect("one JSON value");
    assert_eq!((&summary["games"], &summary["episodes"]), (&6.into(), &12.into()));
    let info = fs::read(Path::new(out).join("meta/info.json")).expect("info");
    let info: Value = serde_json::from_slice(&info).expect("JSON");
    let revision = option_env!("BIVOUAC_GIT_REVISION");
    assert_eq!(info.get("git_revision").and_then(Value::as_str), revision);
    assert!(revision.is_none_or(|revision| revision.len() >= 40), "{revision:?}");
    let rows = summary["rows"].as_u64().expect("a number");
    assert_eq!(rows, 2 * summary["ticks"].as_u64().expect("a number") + 12);
    let run = bivouac(&[&SMALL[..], &["--out", out, "--quiet", "--force"]].concat());
    assert_eq!((run.status.code(), text(&run.stdout), text(&run.stderr)), (Some(0), "", ""));
}

#[test]
fn a_folder_that_is_not_empty_is_refused_with_the_fix() {
    let out = folder("occupied");
    fs::create_dir_all(&out).expect("a folder");
    fs::write(out.join("notes.txt"), "mine").expect("a file");
    let args = [&SMALL[..], &["--out", out.to_str().expect("a path in Unicode")]].concat();
    let run = bivouac(&args);
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run.stderr).contains("--force"), "{}", text(&run.stderr));
    let run = bivouac(&[&args[..], &["--force"]].concat());
    assert_eq!(run.status.code(), Some(1), "--force does not remove what is no dataset");
    assert_eq!(fs::read(out.join("notes.txt")).expect("still there"), b"mine");
}

#[test]
fn wrong_values_are_named_with_the_fix() {
    let out = folder("wrong");
    let out = out.to_str().expect("a path in Unicode");
    for (args, expected) in [
        (["--size", "20"], "HEIGHTxWIDTH"),
        (["--size", "33x20"], "1 to 32"),
        (["--players", "17"], "1 to 16"),
        (["--policies", "random,oracle"], "expander"),
        (["--max-ticks", "0"], "--max-ticks"),
        (["--games", "0"], "--games"),
        (["--group-bytes", "1073741824"], "--group-bytes"),
    ] {
        let run = bivouac(&["generate", args[0], args[1], "--out", out]);
        assert_eq!(run.status.code(), Some(2), "{args:?}");
        assert!(text(&run.stderr).contains(expected), "{args:?}: {}", text(&run.stderr));
    }
    for (args, expected) in [
        (["--teams", "0,x"], "2v2"),
        (["--ruleset", "chess"], "chess"),
        (["--reward", "dense"], "shaped"),
        (["--map", "/nowhere.map"], "/nowhere.map"),
    ] {
        let run = bivouac(&["generate", args[0], args[1], "--out", out]);
        assert_eq!(run.status.code(), Some(1), "{args:?}");
        assert!(text(&run.stderr).contains(expected), "{args:?}: {}", text(&run.stderr));
        assert_eq!(text(&run.stderr).lines().count(), 1, "{}", text(&run.stderr));
    }
    assert!(!Path::new(out).exists(), "nothing is made of arguments that are wrong");
}

#[test]
fn options_about_rows_are_refused_for_games() {
    let out = folder("games-options");
    let out = out.to_str().expect("a path in Unicode");
    for option in [["--layout", "durbin9"], ["--reward", "shaped"]] {
        let args = [&SMALL[..], &["--kind", "games", "--out", out], &option].concat();
        let run = bivouac(&args);
        assert_eq!(run.status.code(), Some(1), "{option:?}");
        let told = text(&run.stderr);
        assert!(told.contains(option[0]) && told.contains("bivouac expand"), "{told}");
    }
    assert!(!Path::new(out).exists(), "nothing is made of what is refused");
}

#[test]
fn bad_replays_are_named_and_skipped() {
    let from = folder("bad-replays");
    fs::create_dir_all(from.join("deeper")).expect("a folder");
    let good = fs::read(replays().join("syn_2v2.gior")).expect("a replay");
    fs::write(from.join("deeper/good.gior"), &good).expect("a file");
    fs::write(from.join("cut.gior"), &good[..good.len() / 2]).expect("a file");
    fs::write(from.join("empty.gior"), "").expect("a file");
    fs::write(from.join("noise.gior"), [0x5a; 300]).expect("a file");
    let out = folder("bad-replays-out");
    let (from, out) = (from.to_str().expect("Unicode"), out.to_str().expect("Unicode"));
    for kind in ["games", "experiences"] {
        let run = bivouac(&["import", from, "--out", out, "--kind", kind, "--json", "--force"]);
        assert_eq!(run.status.code(), Some(3), "{}", text(&run.stderr));
        let summary: Value = serde_json::from_slice(&run.stdout).expect("one JSON value");
        assert_eq!(summary["games"], 1);
        let skipped = summary["skipped"].as_array().expect("a list");
        let names: Vec<_> = skipped.iter().map(|s| s["path"].as_str().expect("a path")).collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert!(names[0].ends_with("cut.gior") && names[2].ends_with("noise.gior"), "{names:?}");
        assert_eq!(summary["skipped_by_reason"]["not a valid replay"], 3);
        assert!(skipped.iter().all(|s| s["reason"].as_str().is_some_and(|r| !r.is_empty())));
    }
}

#[test]
fn nothing_to_import_is_an_error() {
    let empty = folder("no-replays");
    fs::create_dir_all(&empty).expect("a folder");
    let run = bivouac(&["import", empty.to_str().expect("Unicode")]);
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run.stderr).contains("no .gior files"), "{}", text(&run.stderr));
}

#[test]
fn every_kind_of_game_can_be_generated() {
    for (name, args) in [
        ("teams", &["--teams", "2v2", "--size", "12x12"][..]),
        ("random-sizes", &["--size", "random", "--players", "3"]),
        ("competition", &["--ruleset", "competition", "--size", "random"]),
        ("classic", &["--ruleset", "generals-classic"]),
        ("potential", &["--reward", "potential", "--canvas", "32x32"]),
    ] {
        let out = folder(&format!("kinds-{name}"));
        let out = out.to_str().expect("Unicode");
        let common = ["generate", "--games", "4", "--max-ticks", "60", "--json", "--out", out];
        let run = bivouac(&[&common[..], args].concat());
        assert_eq!(run.status.code(), Some(0), "{args:?}: {}", text(&run.stderr));
        let summary: Value = serde_json::from_slice(&run.stdout).expect("one JSON value");
        assert_eq!(summary["games"], 4, "{args:?}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_leaves_a_readable_dataset() {
    use std::{process::Stdio, thread, time::Duration};
    let out = folder("interrupted");
    let shown = out.to_str().expect("Unicode");
    let endless = ["generate", "--games", "100000000", "--json", "--out", shown];
    let child = Command::new(env!("CARGO_BIN_EXE_bivouac"))
        .args(endless)
        .stdout(Stdio::piped())
        .spawn()
        .expect("bivouac runs");
    // The run is endless; it is interrupted once it has begun to write rows.
    let begun = || fs::read_dir(out.join("data/chunk-000")).is_ok_and(|mut d| d.next().is_some());
    while !begun() {
        thread::sleep(Duration::from_millis(20));
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.expect("kill runs").success());
    let run = child.wait_with_output().expect("it ends");
    assert_eq!(run.status.code(), Some(3), "{}", text(&run.stdout));
    let summary: Value = serde_json::from_slice(&run.stdout).expect("one JSON value");
    assert_eq!(summary["was_stopped"], true);
    let info = fs::read_to_string(out.join("meta/info.json")).expect("info");
    let info: Value = serde_json::from_str(&info).expect("JSON");
    assert_eq!(info["is_complete"], false);
    assert_eq!(info["totals"]["rows"], summary["rows"]);
    let files: Vec<_> = fs::read_dir(out.join("data/chunk-000"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("Unicode"))
        .collect();
    assert!(files.iter().all(|name| name.starts_with("file-")), "no part of a file: {files:?}");
}

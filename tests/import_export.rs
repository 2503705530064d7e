//! `bivouac import` and `bivouac export gior` as scripts use them.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{bivouac, done, folder, json, shown, text};

fn replays() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/replays")
}

#[test]
fn copies_and_filtered_replays_are_counted_and_are_no_fault() {
    let from = folder("import-choices");
    fs::create_dir_all(from.join("deeper/still")).expect("a folder");
    for (name, to) in [
        ("syn_2v2", "a.gior"),
        ("syn_2v2", "deeper/still/copy.gior"),
        ("syn_idle", "b.GIOR"),
        ("syn_classic_ffa", "deeper/c.gior"),
        ("syn_surrender", "d.gior"),
    ] {
        fs::copy(replays().join(name).with_extension("gior"), from.join(to)).expect("a copy");
    }
    let out = folder("import-choices-out");
    let base = ["import", shown(&from), "--out", shown(&out), "--kind", "games", "--force"];
    let filters = ["--version", "15..", "--players", "3,4", "--min-ticks", "200"];
    let run = bivouac(&[&base[..], &filters, &["--json"]].concat());
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let summary = json(&run);
    assert_eq!(summary["games"], 1, "{summary}");
    assert_eq!(summary["skipped"], serde_json::json!([]));
    let reasons = &summary["skipped_by_reason"];
    assert_eq!(reasons["duplicate"], 1);
    assert_eq!(reasons["filtered by version"], 1, "version 7");
    assert_eq!(reasons["filtered by players"], 1, "six players");
    assert_eq!(reasons["filtered by ticks"], 1, "193 ticks");
    let run = bivouac(&[&base[..], &["--keep-duplicates"]].concat());
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    assert!(text(&run.stdout).starts_with("5 games"), "{}", text(&run.stdout));
    let info = fs::read_to_string(out.join("meta/info.json")).expect("info");
    assert!(info.contains("--keep-duplicates"), "the command makes the same dataset");
    let wrong = bivouac(&[&base[..], &["--players", "4..2"]].concat());
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("4..2"), "{}", text(&wrong.stderr));
}

#[test]
fn an_import_of_nothing_is_a_dataset_without_rows() {
    let from = replays();
    let choice = ["--players", "15", "--quiet"];
    for kind in ["games", "experiences"] {
        let out = folder(&format!("import-none-{kind}"));
        let base = ["import", shown(&from), "--out", shown(&out), "--kind", kind];
        let run = bivouac(&[&base[..], &choice[..2]].concat());
        assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
        let told = text(&run.stdout);
        assert!(told.contains("no game passed") && !told.contains("import pandas"), "{told}");
        assert!(done(&["verify", shown(&out)]).ends_with("sound\n"));
        let found = json(&bivouac(&["inspect", shown(&out), "--json"]));
        assert_eq!((&found["kind"], &found["totals"]["rows"]), (&kind.into(), &0.into()));
        let run = bivouac(&[&base[..], &choice, &["--resume"]].concat());
        assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    }
    let (rows, minari) = (folder("import-none-experiences"), folder("import-none-minari"));
    done(&[&["import", shown(&from), "--out", shown(&rows)][..], &choice].concat());
    done(&[
        "export",
        "minari",
        shown(&rows),
        "--out",
        shown(&minari),
        "--id",
        "none-v0",
        "--quiet",
    ]);
    let games = folder("import-none-games");
    done(
        &[&["import", shown(&from), "--kind", "games", "--out", shown(&games)][..], &choice]
            .concat(),
    );
    let run = bivouac(&["expand", shown(&games), "--out", shown(&folder("import-none-rows"))]);
    assert!(text(&run.stderr).contains("there is no game in"), "{}", text(&run.stderr));
}

#[test]
fn faults_of_an_import_are_told_again_by_a_run_that_goes_on() {
    let (from, out) = (folder("import-faults"), folder("import-faults-out"));
    fs::create_dir_all(&from).expect("a folder");
    for (name, to) in [("syn_2v2", "a"), ("syn_2v2", "copy"), ("syn_idle", "c")] {
        let to = from.join(to).with_extension("gior");
        fs::copy(replays().join(name).with_extension("gior"), to).expect("a copy");
    }
    fs::write(from.join("b.gior"), "no replay").expect("a file");
    let base = ["import", shown(&from), "--out", shown(&out), "--kind", "games", "--resume"];
    for is_first in [true, false] {
        let run = bivouac(&[&base[..], &["--json"]].concat());
        assert_eq!(run.status.code(), Some(3), "{}", text(&run.stderr));
        let summary = json(&run);
        let reasons = serde_json::json!({"duplicate": 1, "not a valid replay": 1});
        assert_eq!(summary["skipped_by_reason"], reasons);
        assert_eq!(summary["skipped_before"], if is_first { 0 } else { 2 });
        let info = fs::read_to_string(out.join("meta/info.json")).expect("info");
        let info: serde_json::Value = serde_json::from_str(&info).expect("JSON");
        assert_eq!(info["skipped"], reasons);
    }
    let run = bivouac(&base);
    assert_eq!(run.status.code(), Some(3));
    assert!(text(&run.stdout).contains("not a valid replay: 1"), "{}", text(&run.stdout));
}

#[test]
fn imported_rows_are_compared_with_the_replays_as_long_as_these_are_there() {
    let from = folder("import replays");
    fs::create_dir_all(&from).expect("a folder");
    for name in ["syn_2v2", "syn_idle", "syn_classic_ffa"] {
        let name = Path::new(name).with_extension("gior");
        fs::copy(replays().join(&name), from.join(name)).expect("a copy");
    }
    for layout in ["compact", "durbin9"] {
        let out = folder(&format!("import-rows-{layout}"));
        let args = ["import", shown(&from), "--out", shown(&out), "--quiet"];
        let dense: &[&str] = if layout == "compact" { &[] } else { &["--layout", layout] };
        done(&[&args[..], dense].concat());
        let found = json(&bivouac(&["verify", shown(&out), "--json"]));
        assert_eq!(found["is_sound"], true, "{found}");
        assert_eq!(found["rows_compared"], found["totals"]["rows"], "{found}");
        assert_ne!(found["totals"]["rows"], 0);
    }
    fs::remove_file(from.join("syn_idle.gior")).expect("it is there");
    let out = folder("import-rows-none").with_file_name("import-rows-durbin9");
    let found = json(&bivouac(&["verify", shown(&out), "--json"]));
    assert_eq!((&found["is_sound"], &found["rows_compared"]), (&true.into(), &0.into()));
    let note = found["notes"][0].as_str().expect("a note");
    assert!(note.contains("has changed since") && note.contains("--games"), "{note}");
    let wrong = ["import", shown(&from), "--kind", "games", "--layout", "durbin9"];
    let wrong = bivouac(&[&wrong[..], &["--out", shown(&out)]].concat());
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("--layout durbin9"), "{}", text(&wrong.stderr));
}

#[test]
fn replays_go_out_as_they_came_in() {
    let (archive, out) = (folder("export-archive"), folder("export-replays"));
    let import = |from: &Path, to: &Path| {
        let args = ["import", shown(from), "--kind", "games", "--json", "--out", shown(to)];
        let run = bivouac(&args);
        assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
        json(&run)
    };
    let first = import(&replays(), &archive);
    let run = bivouac(&["export", "gior", shown(&archive), "--out", shown(&out), "--json"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    assert_eq!(json(&run)["written"], 10);
    let second = import(&out, &folder("export-again"));
    for key in ["games", "ticks", "moves", "length"] {
        assert_eq!(first[key], second[key], "{key}");
    }
    // One of them, by name.
    let id = fs::read_dir(&out).expect("a folder").next().expect("a file").expect("an entry");
    let id = id.path().file_stem().expect("a name").to_string_lossy().into_owned();
    let one = folder("export-one");
    let base = ["export", "gior", shown(&archive), "--out", shown(&one), "--game"];
    let run = bivouac(&[&base[..], &[&id]].concat());
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    assert_eq!(fs::read_dir(&one).expect("a folder").count(), 1);
    let run = bivouac(&[&base[..], &[&id]].concat());
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run.stderr).contains("--force"), "{}", text(&run.stderr));
    let run = bivouac(&[&base[..], &["12345"]].concat());
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run.stderr).contains("--game 12345"), "{}", text(&run.stderr));
}

#[test]
fn what_no_replay_can_say_is_named_with_the_game() {
    let (archive, out) = (folder("export-competition"), folder("export-nothing"));
    let run = bivouac(&[
        "generate",
        "--games",
        "3",
        "--kind",
        "games",
        "--ruleset",
        "competition",
        "--size",
        "random",
        "--max-ticks",
        "5000",
        "--quiet",
        "--policies",
        "expander",
        "--out",
        shown(&archive),
    ]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let run = bivouac(&["export", "gior", shown(&archive), "--out", shown(&out), "--json"]);
    assert_eq!(run.status.code(), Some(3), "{}", text(&run.stderr));
    let summary = json(&run);
    assert_eq!(summary["written"], 0);
    for game in summary["skipped"].as_array().expect("a list") {
        let reason = game["reason"].as_str().expect("a reason");
        assert!(reason.contains("competition") || reason.contains("cut off"), "{reason}");
    }
}

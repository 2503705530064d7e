//! `bivouac expand`, `verify` and `inspect` as scripts use them: exit codes, output.

mod common;

use std::fs;

use common::{bivouac, done, folder, json, parquet_files, shown, text, tree};

/// Games with every way to end, on small boards.
const GAMES: [&str; 9] =
    ["generate", "--games", "30", "--size", "9x7", "--max-ticks", "200", "--seed", "5"];

#[test]
fn expanded_rows_have_the_bytes_of_those_written_while_played() {
    let [games, played, expanded] =
        ["games", "played", "expanded"].map(|name| folder(&format!("expand-{name}")));
    done(&[&GAMES[..], &["--kind", "games", "--quiet", "--out", shown(&games)]].concat());
    done(&[&GAMES[..], &["--reward", "shaped", "--quiet", "--out", shown(&played)]].concat());
    let args = ["expand", shown(&games), "--reward", "shaped", "--out", shown(&expanded)];
    for threads in ["1", "3"] {
        let run = bivouac(&[&args[..], &["--threads", threads, "--json", "--force"]].concat());
        assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
        assert_eq!((&json(&run)["games"], &json(&run)["episodes"]), (&30.into(), &60.into()));
        assert!(parquet_files(&played) == parquet_files(&expanded));
    }
}

#[test]
fn games_are_not_expanded_over_themselves() {
    let games = folder("expand-in-place");
    done(&[&GAMES[..], &["--kind", "games", "--quiet", "--out", shown(&games)]].concat());
    let before = tree(&games);
    let file = games.join("data/chunk-000/file-000.parquet");
    let inside = games.join("rows");
    for (input, out) in [(&games, &games), (&file, &games), (&games, &inside)] {
        let run = bivouac(&["expand", shown(input), "--out", shown(out), "--force"]);
        assert_eq!(run.status.code(), Some(1));
        assert!(text(&run.stderr).contains("name a folder apart from it"), "{}", text(&run.stderr));
        assert!(tree(&games) == before, "the games are as they were");
    }
}

#[test]
fn only_the_players_asked_for_are_expanded() {
    let (games, expanded) = (folder("seats-games"), folder("seats-expanded"));
    let four = ["--players", "4", "--kind", "games", "--quiet", "--out", shown(&games)];
    done(&[&GAMES[..], &four].concat());
    let args = ["expand", shown(&games), "--out", shown(&expanded), "--json"];
    let run = bivouac(&[&args[..], &["--players", "1,3"]].concat());
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    assert_eq!(json(&run)["episodes"], 60);
    let info = fs::read_to_string(expanded.join("meta/info.json")).expect("info");
    let info: serde_json::Value = serde_json::from_str(&info).expect("JSON");
    assert_eq!((&info["players"], &info["seed"]), (&serde_json::json!([1, 3]), &5.into()));
    let run = bivouac(&[&args[..], &["--players", "7", "--force"]].concat());
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run.stderr).contains("seats 0 to 3"), "{}", text(&run.stderr));
}

#[test]
fn a_minari_dataset_is_written_whole_or_not_at_all() {
    let (rows, out) = (folder("minari-rows"), folder("minari"));
    done(&[&GAMES[..], &["--quiet", "--out", shown(&rows)]].concat());
    let args = ["export", "minari", shown(&rows), "--out", shown(&out), "--json"];
    let run = bivouac(&[&args[..], &["--id", "a/b-v1"]].concat());
    assert_eq!((run.status.code(), &json(&run)["episodes"]), (Some(0), &60.into()));
    assert!(out.join("a/b-v1/data/59/part-0.parquet").is_file());
    for (id, expected) in [("a/b-v1", "another --id"), ("a/b", "(namespace/)name-vN")] {
        let run = bivouac(&[&args[..], &["--id", id]].concat());
        assert_eq!(run.status.code(), Some(1), "{id}");
        assert!(text(&run.stderr).contains(expected), "{}", text(&run.stderr));
    }
    let games = folder("minari-games");
    done(&[&GAMES[..], &["--kind", "games", "--quiet", "--out", shown(&games)]].concat());
    let run = bivouac(&["export", "minari", shown(&games), "--out", shown(&out), "--id", "c-v0"]);
    assert!(text(&run.stderr).contains("bivouac expand"), "{}", text(&run.stderr));
    assert!(!out.join("c-v0").exists());
}

#[test]
fn what_holds_no_games_cannot_be_expanded() {
    let (rows, out) = (folder("no-games"), folder("no-games-out"));
    done(&[&GAMES[..], &["--quiet", "--out", shown(&rows)]].concat());
    for (path, expected) in [
        (shown(&rows), "it holds experiences, and games are needed"),
        ("/nowhere", "/nowhere"),
        ("s3://bucket/games", "copy it to a folder first"),
    ] {
        let run = bivouac(&["expand", path, "--out", shown(&out)]);
        assert_eq!(run.status.code(), Some(1), "{path}");
        assert!(text(&run.stderr).contains(expected), "{}", text(&run.stderr));
    }
    assert!(!out.exists(), "nothing is made of what is wrong");
}

#[test]
fn what_generate_and_expand_write_is_sound() {
    let [games, rows, expanded] =
        ["games", "rows", "expanded"].map(|name| folder(&format!("sound-{name}")));
    done(&[&GAMES[..], &["--kind", "games", "--quiet", "--out", shown(&games)]].concat());
    done(&[&GAMES[..], &["--reward", "potential", "--quiet", "--out", shown(&rows)]].concat());
    let args = ["expand", shown(&games), "--players", "1", "--reward", "shaped", "--quiet"];
    done(&[&args[..], &["--out", shown(&expanded)]].concat());
    for (path, compares) in [(&games, false), (&rows, true), (&expanded, true)] {
        let run = bivouac(&["verify", shown(path), "--json"]);
        let found = json(&run);
        assert_eq!(run.status.code(), Some(0), "{found}");
        assert_eq!((&found["is_sound"], &found["games_played"]), (&true.into(), &30.into()));
        assert_eq!((&found["notes"], &found["faults"]), (&[(); 0].into(), &[(); 0].into()));
        let rows = if compares { found["totals"]["rows"].clone() } else { 0.into() };
        assert_eq!(found["rows_compared"], rows);
    }
    let found = done(&["verify", shown(&rows), "--games", shown(&games)]);
    assert!(found.ends_with("sound\n"), "{found}");
    assert_eq!(done(&["verify", shown(&rows), "--quiet", "--no-replay"]), "");
}

#[test]
fn a_data_file_alone_is_verified_as_far_as_it_tells() {
    for kind in ["games", "experiences"] {
        let out = folder(&format!("alone-{kind}"));
        done(&[&GAMES[..], &["--kind", kind, "--quiet", "--out", shown(&out)]].concat());
        let file = out.join("data/chunk-000/file-000.parquet");
        let run = bivouac(&["verify", shown(&file), "--json"]);
        assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
        let found = json(&run);
        assert_eq!((&found["is_sound"], &found["checksums"]), (&true.into(), &1.into()));
        assert_ne!(found["totals"]["rows"], 0);
        let note = found["notes"][0].as_str().expect("a note");
        assert!(note.contains("meta/"), "{note}");
    }
}

#[test]
fn a_damaged_dataset_is_named_and_fails() {
    let rows = folder("damaged");
    done(&[&GAMES[..], &["--quiet", "--out", shown(&rows)]].concat());
    let path = rows.join("data/chunk-000/file-000.parquet");
    let mut bytes = fs::read(&path).expect("a data file");
    bytes[2_000] ^= 4;
    fs::write(&path, bytes).expect("written");
    let run = bivouac(&["verify", shown(&rows), "--quiet"]);
    assert_eq!((run.status.code(), text(&run.stdout)), (Some(1), ""));
    assert!(text(&run.stderr).contains("file-000.parquet: the checksum"), "{}", text(&run.stderr));
    let run = bivouac(&["verify", shown(&rows), "--json"]);
    assert_eq!((run.status.code(), text(&run.stderr)), (Some(1), ""));
    assert_eq!(json(&run)["faults"][0]["kind"], "checksum");
    let run = bivouac(&["verify", "/nowhere"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run.stderr).contains("/nowhere"), "{}", text(&run.stderr));
}

#[test]
fn a_dataset_is_shown_and_so_is_a_position_of_it() {
    let (games, rows) = (folder("inspect-games"), folder("inspect-rows"));
    done(&[&GAMES[..], &["--kind", "games", "--quiet", "--out", shown(&games)]].concat());
    done(&[&GAMES[..], &["--quiet", "--out", shown(&rows)]].concat());
    let shows = done(&["inspect", shown(&games)]);
    for part in ["games, 30 games, 30 rows", "moves", "hunter", "won ", "length in ticks", "mean"] {
        assert!(shows.contains(part), "{part}: {shows}");
    }
    let summary = |path| json(&bivouac(&["inspect", shown(path), "--json"]));
    let (of_games, of_rows) = (summary(&games), summary(&rows));
    assert_eq!(of_games["policies"]["hunter"]["won"], of_rows["policies"]["hunter"]["won"]);
    assert_eq!(
        (&of_rows["totals"]["episodes"], &of_rows["return"]["mean"]),
        (&60.into(), &0.0.into())
    );
    let ticks = of_games["totals"]["ticks"].as_u64().expect("a number");
    assert_eq!(of_rows["totals"]["rows"], 2 * ticks + 60);
    // The rows of a player hold what the game shows that player when it is played again.
    for (game, tick, player) in [("0", "0", "0"), ("7", "40", "1"), ("29", "13", "0")] {
        let at = ["--game", game, "--tick", tick, "--player", player, "--json"];
        let position = |path| json(&bivouac(&[&["inspect", shown(path)], &at[..]].concat()));
        let (played, stored) = (position(&games), position(&rows));
        assert_eq!(played["position"], stored["position"], "{game} {tick} {player}");
        assert_eq!(played["position"]["tick"].to_string(), tick);
    }
    let board = done(&["inspect", shown(&games), "--game", "3", "--tick", "5"]);
    assert!(board.starts_with("After 5 ticks\n") && board.contains('@'), "{board}");
    for (path, at, expected) in [
        (&games, ["--game", "99", "--tick", "0"], "--game 99"),
        (&games, ["--game", "3", "--tick", "5000"], "--tick 5000"),
        (&games, ["--game", "3", "--player", "2"], "--player 2"),
        (&rows, ["--game", "3", "--tick", "5000"], "--tick 5000"),
    ] {
        let run = bivouac(&[&["inspect", shown(path)], &at[..]].concat());
        assert_eq!(run.status.code(), Some(1), "{at:?}");
        assert!(text(&run.stderr).contains(expected), "{}", text(&run.stderr));
    }
}

#[test]
fn dense_rows_are_expanded_verified_and_told_apart_from_compact_ones() {
    let games = folder("dense-games");
    done(&[&GAMES[..], &["--kind", "games", "--quiet", "--out", shown(&games)]].concat());
    for layout in ["durbin9", "memory"] {
        let [played, expanded] =
            ["played", "expanded"].map(|name| folder(&format!("dense-{layout}-{name}")));
        // Small row groups, so that verifying begins in the midst of the games.
        let dense = ["--layout", layout, "--group-bytes", "9000000", "--quiet", "--out"];
        done(&[&GAMES[..], &dense, &[shown(&played)]].concat());
        done(&[&["expand", shown(&games)], &dense[..], &[shown(&expanded)]].concat());
        assert!(parquet_files(&played) == parquet_files(&expanded), "{layout}");
        let run = bivouac(&["verify", shown(&played), "--json"]);
        let found = json(&run);
        assert_eq!((run.status.code(), &found["faults"]), (Some(0), &serde_json::json!([])));
        assert_eq!(found["rows_compared"], found["totals"]["rows"]);
        assert_ne!(found["totals"]["row_groups"], 1);
        let summary = json(&bivouac(&["inspect", shown(&played), "--json"]));
        let columns = summary["columns"].as_array().expect("columns");
        assert!(columns.iter().any(|column| column["name"] == "observation"));
        let run = bivouac(&["inspect", shown(&played), "--game", "1"]);
        assert_eq!(run.status.code(), Some(1));
        assert!(text(&run.stderr).contains("without --layout"), "{}", text(&run.stderr));
    }
    // The rows of one game in the place of another's are found.
    let [rows, other] = ["rows", "other"].map(|name| folder(&format!("dense-{name}")));
    let dense = ["--layout", "durbin9", "--quiet", "--out"];
    done(&[&GAMES[..], &dense, &[shown(&rows)]].concat());
    done(&[&GAMES[..8], &["6"], &dense, &[shown(&other)]].concat());
    let file = "data/chunk-000/file-000.parquet";
    fs::copy(other.join(file), rows.join(file)).expect("the file is copied");
    assert_eq!(bivouac(&["verify", shown(&rows)]).status.code(), Some(1));
    let run =
        bivouac(&[&GAMES[..], &["--kind", "games", "--layout", "memory", "--out", "x"]].concat());
    assert!(text(&run.stderr).contains("bivouac expand"), "{}", text(&run.stderr));
    let run = bivouac(&["generate", "--layout", "rgb", "--out", "x"]);
    assert_eq!(run.status.code(), Some(2));
    assert!(text(&run.stderr).contains("generals-bots"), "{}", text(&run.stderr));
}

#[test]
fn verify_says_so_if_no_row_was_compared_with_its_game() {
    let (games, rows) = (folder("unplayed-games"), folder("unplayed-rows"));
    done(&[&GAMES[..], &["--kind", "games", "--quiet", "--out", shown(&games)]].concat());
    done(&["expand", shown(&games), "--quiet", "--out", shown(&rows)]);
    assert!(done(&["verify", shown(&rows)]).ends_with("\nsound\n"));
    let moved = folder("unplayed-moved");
    fs::rename(&games, &moved).expect("it can be moved");
    let told = done(&["verify", shown(&rows)]);
    let last = told.lines().last().expect("a line");
    assert!(last.starts_with("sound as far as checked: no row was compared"), "{told}");
    assert!(last.contains("unplayed-games"), "{told}");
    let found = json(&bivouac(&["verify", shown(&rows), "--json"]));
    assert!(found["not_compared"].as_str().is_some_and(|reason| reason.contains("unplayed-games")));
    let told = done(&["verify", shown(&rows), "--no-replay"]);
    assert!(told.ends_with("because --no-replay was given\n"), "{told}");
    let told = done(&["verify", shown(&rows), "--games", shown(&moved)]);
    assert!(told.ends_with("\nsound\n"), "{told}");
    // Games are in their file themselves.
    let file = moved.join("data/chunk-000/file-000.parquet");
    let told = done(&["verify", shown(&file)]);
    assert!(told.contains("30 games played again") && !told.contains("not played again"), "{told}");
}

#[test]
fn a_command_in_a_dataset_cannot_make_verify_play_for_ever() {
    let rows = folder("endless-rows");
    let run =
        ["generate", "--games", "2", "--size", "9x7", "--max-ticks", "9", "--policies", "random"];
    done(&[&run[..], &["--quiet", "--out", shown(&rows)]].concat());
    let path = rows.join("meta/info.json");
    let info = fs::read_to_string(&path).expect("info");
    let endless = info
        .replace("--games 2 ", "--games 18446744073709551615 ")
        .replace("--size 9x7", "--size random")
        .replace("--max-ticks 9 ", "--max-ticks 4294967295 ");
    assert_ne!(endless, info);
    fs::write(&path, endless).expect("it can be written");
    let run = bivouac(&["verify", shown(&rows), "--quiet"]);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run.stderr));
}

#[test]
fn what_is_no_dataset_is_said_to_be_none() {
    let nothing = folder("no-dataset");
    fs::create_dir_all(&nothing).expect("a folder");
    for command in [&["inspect"][..], &["verify"], &["export", "minari"]] {
        let run = bivouac(&[command, &[shown(&nothing)]].concat());
        assert_eq!(run.status.code(), Some(1));
        assert!(text(&run.stderr).contains("it is no dataset"), "{}", text(&run.stderr));
    }
}

//! `bivouac replay` as a user meets it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

fn replay(file: &str, args: &[&str]) -> Output {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/replays");
    Command::new(env!("CARGO_BIN_EXE_bivouac"))
        .arg("replay")
        .arg(folder.join(file))
        .args(args)
        .output()
        .unwrap()
}

fn printed(file: &str, args: &[&str]) -> String {
    let output = replay(file, args);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What is said when it fails, which it must, with exit code 1.
fn refused(file: &str, args: &[&str]) -> String {
    let output = replay(file, args);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_result_names_rules_length_winners_and_what_happened() {
    let text = printed("syn_2v2.gior", &[]);
    assert!(text.contains("generals (version 16 of the replay format)"), "{text}");
    assert!(text.contains("8x9 (height x width), 4 players in teams"), "{text}");
    assert!(text.contains("193 ticks, 477 moves carried out of 540 recorded"), "{text}");
    assert!(text.contains("player 0 (P0), player 1 (P1)"), "{text}");
    assert!(text.contains("   64  the land of player 2 (P2) goes to player 3 (P3)"), "{text}");
    let trade = printed("syn_trade_a.gior", &[]);
    assert!(trade.contains("trade generals"), "{trade}");
    let idle = printed("syn_idle.gior", &[]);
    assert!(idle.contains("2,045") || idle.contains("2045 ticks"), "{idle}");
    assert!(idle.contains("dies of the limit on time"), "{idle}");
}

#[test]
fn the_result_is_one_json_object_for_scripts() {
    let text = printed("syn_2v2.gior", &["--json", "--tick", "0", "--player", "3"]);
    assert_eq!(text.lines().count(), 1);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["ticks"], 193);
    assert_eq!(json["winners"], serde_json::json!([0, 1]));
    assert_eq!(json["ranking_kills_first"], serde_json::json!([0, 1, 3, 2]));
    assert_eq!(json["captures"], serde_json::json!([[3], [], [], []]));
    assert_eq!(json["position"]["tick"], 0);
    assert_eq!(json["position"]["player"], 3);
    assert_eq!(json["position"]["owners"].as_array().unwrap().len(), 72);
}

#[test]
fn a_position_is_drawn_whole_and_as_a_player_sees_it() {
    let whole = printed("syn_2v2.gior", &["--tick", "100"]);
    assert!(whole.starts_with("After 100 ticks\n"), "{whole}");
    assert!(whole.contains("D@25") && !whole.contains(':'), "{whole}");
    let seen = printed("syn_2v2.gior", &["--tick", "100", "--player", "0"]);
    assert!(seen.starts_with("After 100 ticks, as player 0 sees it\n"), "{seen}");
    assert!(!seen.contains("D@25") && seen.contains(" : "), "{seen}");
    let end = printed("syn_2v2.gior", &["--player", "0"]);
    assert!(end.starts_with("After 193 ticks"), "{end}");
}

#[test]
fn nothing_is_coloured_that_no_terminal_shows() {
    let text = printed("syn_2v2.gior", &["--tick", "100"]);
    assert!(!text.contains('\x1b'));
}

#[test]
fn mistakes_are_named_with_what_is_allowed() {
    let tick = refused("syn_2v2.gior", &["--tick", "194"]);
    assert!(tick.contains("--tick 194") && tick.contains("0 to 193"), "{tick}");
    let player = refused("syn_2v2.gior", &["--player", "4"]);
    assert!(player.contains("--player 4") && player.contains("0 to 3"), "{player}");
    let absent = refused("no_such_game.gior", &[]);
    assert!(absent.contains("no_such_game.gior: cannot be read"), "{absent}");
    let other = refused("syn_2v2.expected.json.gz", &[]);
    assert!(other.contains("syn_2v2.expected.json.gz: is not a replay"), "{other}");
    let trace = refused("syn_2v2.gior", &["--trace", "no/such/folder/out.jsonl"]);
    assert!(trace.contains("no/such/folder/out.jsonl cannot be written"), "{trace}");
}

#[test]
fn help_shows_examples() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_bivouac")).args(["replay", "--help"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("bivouac replay game.gior --tick 200 --player 0"), "{text}");
}

//! `bivouac arena`: tournaments of policies and of programs.
#![cfg(unix)]
#![expect(clippy::pedantic, clippy::unwrap_used, reason = "test code: what goes wrong fails")]

mod common;

use std::fs;

use common::{bivouac, done, folder, json, parquet_files, shown, text};
use serde_json::Value;

/// Runs a tournament of small games and returns what it tells.
fn arena(name: &str, args: &[&str]) -> Value {
    arena_that_ends(0, name, args)
}

/// The same with an exit code.
fn arena_that_ends(code: i32, name: &str, args: &[&str]) -> Value {
    let out = folder(name);
    let common = ["--json", "--out", shown(&out)];
    let run = bivouac(&[&["arena"], args, &common].concat());
    assert_eq!(run.status.code(), Some(code), "{args:?}: {}", text(&run.stderr));
    json(&run)
}

#[test]
fn the_better_policy_wins_and_the_games_can_be_played_again() {
    let args =
        [&["hunter", "random", "expander", "--games", "40", "--swap-sides"][..], &SMALL].concat();
    let told = arena("arena-policies", &args);
    assert_eq!(told["contestants"], serde_json::json!(["hunter", "random", "expander"]));
    assert_eq!(told["games"], serde_json::json!([80, 80, 80]));
    let elo = |i: usize| told["elo"][i].as_f64().unwrap();
    assert!(elo(0) > elo(1) && elo(2) > elo(1), "{told}");
    let pairing = &told["pairings"][0];
    let sum: u64 = ["wins", "losses", "draws"].iter().map(|n| pairing[*n].as_u64().unwrap()).sum();
    assert_eq!(sum, 40);
    assert!(pairing["rate"].as_f64().unwrap() > 0.5, "{pairing}");
    let out = folder("arena-again");
    done(&["verify", shown(&out.with_file_name("arena-policies"))]);
    // The same arguments give the same games, on any number of threads.
    let again = arena("arena-again", &[&args[..], &["--threads", "1"]].concat());
    assert_eq!(again, told);
    let files = parquet_files(&out);
    assert_eq!(files, parquet_files(&out.with_file_name("arena-policies")));
    assert!(!files.is_empty());
}

/// A program that plays as its script says.
fn program(name: &str, script: &str) -> String {
    let root = folder(name);
    fs::create_dir_all(&root).unwrap();
    let path = root.join("bot.sh");
    fs::write(&path, script).unwrap();
    format!("sh {}", shown(&path))
}

/// Games that are soon over.
const SMALL: [&str; 4] = ["--size", "10x10", "--max-ticks", "150"];

/// Time enough on any machine.
const PATIENT: [&str; 4] = ["--first-ms", "600000", "--turn-ms", "600000"];

/// Reads a frame of a board of ten rows, after the first line of all.
const READ: &str = "read hello
frame() { for line in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
do read row || exit 0; done; }
";

#[test]
fn a_program_plays_by_the_protocol_of_the_competition() {
    let passes = program("arena-passes", &format!("{READ}while frame; do echo 1 0 0 0 0; done\n"));
    let told = arena(
        "arena-program",
        &[&["expander", &passes, "--games", "2", "--swap-sides"][..], &SMALL, &PATIENT].concat(),
    );
    assert_eq!(told["faulty"], serde_json::json!([0, 0]), "{told}");
    assert_eq!(told["points"][0].as_f64().unwrap() + told["points"][1].as_f64().unwrap(), 2.0);
    let out = folder("arena-none").with_file_name("arena-program");
    done(&["verify", shown(&out)]);
}

#[test]
fn a_program_that_crashes_stalls_or_babbles_loses_and_is_reported() {
    let crashes = format!("{READ}frame; echo 1 0 0 0 0; frame; exit 7\n");
    let stalls = format!("{READ}frame; echo 1 0 0 0 0; exec sleep 600\n");
    let babbles = format!("{READ}while frame; do echo I resign; done\n");
    let hoards = "exec python3 -c 'x = bytearray(1 << 40)'\n".to_owned();
    for (name, script, patience, what) in [
        ("crashes", crashes, PATIENT, "the program ended (exit status: 7)"),
        ("stalls", stalls, ["--first-ms", "600000", "--turn-ms", "50"], "no answer in time"),
        ("babbles", babbles, PATIENT, "\"I resign\" is no order"),
        ("hoards", hoards, PATIENT, "the program ended"),
    ] {
        let bot = program(&format!("arena-{name}"), &script);
        let args = ["random", &bot, "--games", "2", "--swap-sides"];
        let args = [&args[..], &SMALL, &patience].concat();
        let told = arena_that_ends(3, &format!("arena-{name}-games"), &args);
        assert_eq!(told["forfeits"], serde_json::json!([0, 2]));
        assert_eq!(told["pairings"][0]["wins"], 2, "{name}: {told}");
        assert_eq!(told["faulty"], serde_json::json!([0, 2]));
        let said = told["faults"][0]["what"].as_str().unwrap();
        assert!(said.starts_with(what), "{name}: {said}");
        let games = folder("arena-none").with_file_name(format!("arena-{name}-games"));
        done(&["verify", shown(&games)]);
    }
}

#[test]
fn a_program_that_never_reads_holds_up_nobody() {
    // The frames of a game are more than a pipe holds.
    let deaf = program("arena-deaf", "while echo 1 0 0 0 0; do :; done\n");
    let args = ["random", &deaf, "--games", "1", "--size", "24x24", "--max-ticks", "100"];
    let told = arena("arena-deaf-games", &[&args[..], &PATIENT].concat());
    assert_eq!(told["faulty"], serde_json::json!([0, 0]), "{told}");
}

#[test]
fn what_a_program_wrote_to_stderr_is_told_with_its_crash() {
    let noise = "for i in 1 2 3 4 5 6 7 8 9; do echo noise noise noise >&2; done\n";
    let crashes = program(
        "arena-noisy",
        &format!("{READ}frame; {noise}echo 'no idea: 7' >&2; echo gone >&2; exit 7\n"),
    );
    let args = ["random", &crashes, "--games", "1"];
    let told = arena_that_ends(3, "arena-noisy-games", &[&args[..], &SMALL, &PATIENT].concat());
    let said = told["faults"][0]["what"].as_str().unwrap();
    let wanted = "(exit status: 7; stderr: noise noise noise / no idea: 7 / gone)";
    assert!(said.ends_with(wanted), "{said}");
}

#[test]
fn a_line_means_what_it_means_to_the_shell() {
    let script =
        format!("[ \"$WORD\" = yes ] || exit 8\n{READ}while frame; do echo 1 0 0 0 0; done\n");
    let line = program("arena-line", &script);
    let place = folder("arena-none").with_file_name("arena-line");
    let with_variable = format!("WORD=yes {line}");
    let elsewhere = format!("cd {} && WORD=yes sh ./bot.sh", shown(&place));
    let args = [&with_variable, &elsewhere, "--games", "1"];
    let told = arena("arena-line-games", &[&args[..], &SMALL, &PATIENT].concat());
    assert_eq!(told["faulty"], serde_json::json!([0, 0]), "{told}");
}

#[test]
fn a_program_that_uses_up_the_processor_is_ended() {
    let spins = program("arena-spins", "while :; do :; done\n");
    let args = ["random", &spins, "--games", "1", "--cpu", "1"];
    let told = arena_that_ends(3, "arena-spins-games", &[&args[..], &SMALL, &PATIENT].concat());
    let said = told["faults"][0]["what"].as_str().unwrap();
    assert!(said.contains("processor time was over"), "{said}");
}

/// Whether a process is there and has not ended.
#[cfg(target_os = "linux")]
fn is_running(process: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // After the name, which is in brackets: Z is a process that only waits to be collected.
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_program_starts_ends_with_its_game() {
    let root = folder("arena-forks-pids");
    fs::create_dir_all(&root).unwrap();
    let fork = format!("sleep 3000 & echo $! >> {}/pids\n", shown(&root));
    let plays = format!("{fork}{READ}while frame; do echo 1 0 0 0 0; done\n");
    let crashes = format!("{fork}{READ}frame; exit 7\n");
    let plays = program("arena-forks", &plays);
    let crashes = program("arena-forks-crashes", &crashes);
    let args = [&plays, &crashes, "--games", "2"];
    arena_that_ends(3, "arena-forks-games", &[&args[..], &SMALL, &PATIENT].concat());
    let pids = fs::read_to_string(root.join("pids")).unwrap();
    let pids: Vec<_> = pids.lines().collect();
    assert_eq!(pids.len(), 4, "each game has processes of its own");
    // The signal was sent; that it has arrived is a matter of moments.
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while pids.iter().any(|pid| is_running(pid)) {
        assert!(std::time::Instant::now() < patience, "{pids:?}");
        std::thread::yield_now();
    }
}

#[test]
fn tournaments_that_cannot_be_are_refused() {
    let out = folder("arena-refused");
    for (args, wanted) in [
        (vec!["hunter", "hunter"], "named twice"),
        (vec!["huntr", "expander"], "no built-in policy (random, expander, hunter)"),
        (vec!["./no-such-bot", "expander"], "no program"),
        (vec!["hunter", ""], "contestant 2"),
        (vec!["hunter", "random", "--ruleset", "chess"], "chess"),
    ] {
        let run = bivouac(&[&["arena"], &args[..], &["--out", shown(&out)]].concat());
        assert_eq!(run.status.code(), Some(1), "{args:?}");
        assert!(text(&run.stderr).contains(wanted), "{args:?}: {}", text(&run.stderr));
    }
    assert_eq!(bivouac(&["arena", "hunter"]).status.code(), Some(2));
    let endless = bivouac(&["arena", "hunter", "random", "--max-ticks", "0"]);
    assert_eq!(endless.status.code(), Some(2), "{}", text(&endless.stderr));
}

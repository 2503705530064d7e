//! `bivouac bench --vs jax` as a user meets it, without JAX: stand-ins play the Python.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

fn bench(python: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bivouac"))
        .args(["bench", "--vs", "jax", "--seconds", "0.01", "--python"])
        .arg(python)
        .args(args)
        .output()
        .unwrap()
}

/// What is said when it fails, which it must, with this exit code and before anything is measured.
fn refused(python: &Path, args: &[&str], code: i32) -> String {
    let output = bench(python, args);
    assert_eq!(output.status.code(), Some(code));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

/// A program of this name that a shell runs.
fn stand_in(name: &str, script: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // Moved into place: a file that is open for writing anywhere cannot be run.
    let draft = path.with_extension("draft");
    std::fs::write(&draft, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(&draft, &path).unwrap();
    path
}

const VERSIONS: &str =
    r#"{"generals_bots": "2.6.0", "jax": "0.10.2", "python": "3.12.0", "device": "cpu"}"#;

/// A Python that has the simulator; `$3` holds the settings when it is to measure.
fn answering(name: &str, measure: &str) -> PathBuf {
    let script =
        format!("if [ -z \"$3\" ]; then echo Welcome; echo '{VERSIONS}'; exit; fi\n{measure}");
    stand_in(name, &script)
}

#[test]
fn a_python_that_is_not_there_is_named() {
    let text = refused(Path::new("/nonexistent"), &[], 1);
    assert!(text.contains("--python /nonexistent: there is no such program"), "{text}");
}

#[test]
fn a_python_without_the_simulator_is_told_what_to_install() {
    // Without `site`, a Python has nothing but its own library.
    let python = stand_in("bare_python", "exec python3 -I -S \"$@\"");
    let text = refused(&python, &[], 1);
    assert!(text.contains("No module named 'jax'"), "{text}");
    assert!(text.contains("bare_python -m pip install jax 'generals-bots>=2.6'"), "{text}");
}

#[test]
fn a_script_that_fails_is_quoted_by_its_last_line() {
    let python =
        stand_in("broken_python", "echo Traceback >&2\necho 'OSError: no disk' >&2\nexit 3");
    let text = refused(&python, &[], 1);
    assert!(text.contains("the script failed (exit status: 3): OSError: no disk"), "{text}");
}

#[test]
fn an_answer_that_is_no_json_is_quoted() {
    let text = refused(&stand_in("odd_python", "echo hello"), &[], 1);
    assert!(text.contains("the script answered \"hello\""), "{text}");
}

#[test]
fn a_measurement_that_fails_is_an_error() {
    let python = answering("failing_python", "echo 'MemoryError' >&2\nexit 1");
    let output = bench(&python, &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("MemoryError"), "{text}");
}

#[test]
fn boards_that_the_simulator_pads_and_other_work_are_refused() {
    let python = answering("unused_python", "exit 9");
    let text = refused(&python, &["--size", "18x20"], 1);
    assert!(text.contains("--size 18x20: generals-bots plays on square boards"), "{text}");
    let text = refused(&python, &["--ruleset", "generals"], 2);
    assert!(text.contains("cannot be used with"), "{text}");
}

#[test]
fn both_sides_and_their_ratios_are_reported_by_the_best_batch() {
    let loops = r#"{"loops": [{"games": 2, "full": 100.0, "host": 80.0},
        {"games": 4, "full": 200.0, "host": 50.0}]}"#
        .replace('\n', "");
    // The settings must have arrived, or it fails.
    let measure = format!(
        "case \"$3\" in *'\"size\":10,\"games\":[2,4],\"seconds\":0.01'*) echo '{loops}';; *) exit 1;; esac"
    );
    let python = answering("able_python", &measure);
    let args = ["--size", "10x10", "--vs-envs", "2,4"];
    let output = bench(&python, &[&args[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ruleset"], "generals-bots");
    let versus = &report["versus"];
    assert_eq!(versus["versions"]["jax"], "0.10.2");
    assert_eq!(versus["loops"][1]["games"], 4);
    let bivouac = versus["bivouac_game_ticks_per_second"].as_f64().unwrap();
    assert_eq!(report["measurements"][0]["game_ticks_per_second"].as_f64(), Some(bivouac));
    assert_eq!(report["measurements"][0]["games"], 4096);
    assert_eq!(versus["ratio_to_full"].as_f64(), Some(bivouac / 200.0));
    assert_eq!(versus["ratio_to_host"].as_f64(), Some(bivouac / 80.0));

    let text = String::from_utf8(bench(&python, &args).stdout).unwrap();
    assert!(text.contains("measuring generals-bots 2.6.0 on JAX 0.10.2"), "{text}");
    assert!(text.contains("times its full loop: "), "{text}");
    assert!(text.contains("times its loop with observations to numpy: "), "{text}");
}

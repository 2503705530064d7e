//! A disk that fills up: a clear error, a dataset that can be read, and a run that goes on.
#![cfg(unix)]

mod common;

use std::{
    path::Path,
    process::{Command, Output},
};

use common::{folder, tree};

const RUN: &str = "generate --games 300 --size 12x12 --max-ticks 120 --policies random \
                   --file-bytes 60000 --group-bytes 1500000 --threads 2 --quiet";

/// Runs `bivouac` where no file can grow beyond so many blocks of 512 bytes: the write that would
/// fails, as one does on a full disk.
fn limited(blocks: u64, arguments: &str, out: &Path) -> Output {
    let script = format!(
        "trap '' XFSZ; ulimit -f {blocks}; exec '{}' {arguments} --out '{}'",
        env!("CARGO_BIN_EXE_bivouac"),
        out.display(),
    );
    Command::new("sh").args(["-c", &script]).output().expect("sh runs")
}

fn run(arguments: &str, out: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bivouac"));
    let output = command.args(arguments.split(' ').filter(|a| !a.is_empty())).arg("--out").arg(out);
    let output = output.output().expect("bivouac runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_write_that_fails_is_named_and_the_run_can_go_on() {
    let (whole, full) = (folder("disk-whole"), folder("disk-full"));
    run(RUN, &whole);
    let whole = tree(&whole);
    let largest = whole.values().map(Vec::len).max().unwrap_or(0);
    // From no room for anything, over the middle of a data file, to just too little.
    for bytes in [0, 4_000, 30_000, largest - 513] {
        let output = limited(bytes as u64 / 512, &format!("{RUN} --resume"), &full);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{bytes} bytes: {told}");
        assert!(told.contains("cannot write: File too large"), "{bytes} bytes: {told}");
        assert!(told.contains("disk-full/"), "{bytes} bytes: {told}");
        // What is there is what a whole run has, but for what tells how far it came.
        for (name, bytes) in tree(&full) {
            let is_told = name.ends_with("info.json") || name.ends_with("README.md");
            assert!(is_told || whole.get(&name) == Some(&bytes), "{}", name.display());
        }
    }
    run(&format!("{RUN} --resume"), &full);
    assert!(tree(&full) == whole);
}

//! What a run came to, for people and for programs.

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use datasets::{
    Kind,
    pipeline::Report,
    produce::Skipped,
    stopwatch::{Stage, Stopwatch},
};
use serde_json::{Value, json};

use super::progress::{bytes, count, float, say};

/// Skipped files that are named; the rest are counted.
const NAMED: usize = 20;

/// Everything that a summary tells.
pub(super) struct Told<'a> {
    /// The table.
    pub(super) kind: Kind,
    /// Where it lies.
    pub(super) out: &'a Path,
    /// What the run came to.
    pub(super) report: &'a Report,
    /// How long it took.
    pub(super) seconds: f64,
    /// Threads used.
    pub(super) threads: usize,
    /// Time of each stage.
    pub(super) stopwatch: &'a Stopwatch,
}

impl Told<'_> {
    /// Inputs with a fault, which are named; those left out by choice are counted only.
    fn faults(&self) -> impl Iterator<Item = &Skipped> + Clone {
        self.report.skipped.iter().filter(|skipped| !skipped.reason.is_choice())
    }

    fn reasons(&self) -> BTreeMap<Cow<'static, str>, u64> {
        let before = self.report.skipped_before.iter();
        let mut reasons: BTreeMap<Cow<'static, str>, u64> =
            before.map(|(reason, &files)| (reason.clone().into(), files)).collect();
        for skipped in &self.report.skipped {
            *reasons.entry(skipped.reason.kind()).or_default() += 1;
        }
        reasons
    }

    fn per_second(&self, number: u64) -> f64 {
        float(number) / self.seconds
    }
}

/// Prints the summary for people.
#[expect(clippy::print_stdout, reason = "the summary is the command's output")]
pub(super) fn print(told: &Told<'_>) {
    let totals = &told.report.totals;
    for skipped in told.faults().take(NAMED) {
        say(&format!("skipped {}: {}", skipped.path.display(), skipped.reason));
    }
    let faults = told.faults().count();
    if faults > NAMED {
        say(&format!("... and {} more", faults - NAMED));
    }
    println!(
        "{} games, {} ticks, {} moves, {} rows in {} ({} in {} files)",
        totals.games,
        totals.ticks,
        totals.moves,
        totals.rows,
        told.out.display(),
        bytes(totals.bytes),
        totals.files,
    );
    println!(
        "{:.1} s on {} threads: {} ticks/s, {} rows/s",
        told.seconds,
        told.threads,
        count(told.per_second(totals.ticks)),
        count(told.per_second(totals.rows)),
    );
    if totals.games > 0 {
        println!(
            "length in ticks: shortest {}, median {}, longest {}",
            totals.length_at(0.0),
            totals.length_at(0.5),
            totals.length_at(1.0),
        );
    }
    for (policy, fared) in &totals.policies {
        println!(
            "{policy}: won {} of {} ({:.1} %), lost {}, drawn {}, cut off {}",
            fared.won,
            fared.played,
            100.0 * float(fared.won) / float(fared.played.max(1)),
            fared.lost,
            fared.drawn,
            fared.truncated,
        );
    }
    for (reason, files) in told.reasons() {
        println!("skipped, {reason}: {files}");
    }
    let before: u64 = told.report.skipped_before.values().sum();
    if before > 0 {
        println!("{before} of these before this run went on");
    }
    if told.report.was_stopped {
        println!("stopped before the end; what is there is complete, --resume goes on");
    }
    if totals.games == 0 && !told.report.was_stopped {
        println!("no game passed: the dataset has its columns and no rows");
        return;
    }
    let data = told.out.join("data");
    let data = data.display();
    println!("\nimport pandas as pd; df = pd.read_parquet(\"{data}\")");
    println!("import polars as pl; df = pl.scan_parquet(\"{data}/**/*.parquet\")");
}

/// Prints the summary for programs.
#[expect(clippy::print_stdout, reason = "the summary is the command's output")]
pub(super) fn print_json(told: &Told<'_>) -> anyhow::Result<()> {
    let totals = &told.report.totals;
    let skipped: Vec<Value> = told
        .faults()
        .map(|s| json!({"path": s.path, "reason": s.reason.to_string(), "kind": &*s.reason.kind()}))
        .collect();
    let stages = Stage::ALL.map(|(stage, name)| (name, told.stopwatch.seconds(stage)));
    let summary = json!({
        "out": told.out,
        "kind": told.kind.name(),
        "games": totals.games,
        "ticks": totals.ticks,
        "moves": totals.moves,
        "rows": totals.rows,
        "episodes": totals.episodes,
        "bytes": totals.bytes,
        "raw_bytes": totals.raw_bytes,
        "files": totals.files,
        "row_groups": totals.row_groups,
        "policies": totals.policies,
        "length": {
            "shortest": totals.length_at(0.0),
            "median": totals.length_at(0.5),
            "longest": totals.length_at(1.0),
        },
        "was_stopped": told.report.was_stopped,
        "skipped": skipped,
        "skipped_by_reason": told.reasons(),
        "skipped_before": told.report.skipped_before.values().sum::<u64>(),
        "seconds": told.seconds,
        "threads": told.threads,
        "ticks_per_second": told.per_second(totals.ticks),
        "rows_per_second": told.per_second(totals.rows),
        "thread_seconds": BTreeMap::from(stages),
    });
    println!("{}", serde_json::to_string(&summary)?);
    Ok(())
}

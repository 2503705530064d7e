//! How far a run is, on stderr.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use datasets::totals::Totals;
use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A progress bar on a terminal, a line now and then elsewhere.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    since: Instant,
    last_line: Instant,
    games: u64,
}

impl Progress {
    /// A run of so many games begins.
    pub(super) fn new(games: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "{bar:30} {pos}/{len} games  {msg}  {eta} left";
            // Only a faulty template fails; then the bar has its default look.
            let style = ProgressStyle::with_template(template);
            let style = style.unwrap_or_else(|_fault| ProgressStyle::default_bar());
            ProgressBar::new(games).with_style(style)
        });
        let now = Instant::now();
        Self { bar, since: now, last_line: now, games }
    }

    /// Shows what there is so far.
    pub(super) fn show(&mut self, totals: &Totals) {
        let seconds = self.since.elapsed().as_secs_f64().max(1e-3);
        let message = format!(
            "{} ticks/s  {} rows/s  {}",
            count(float(totals.ticks) / seconds),
            count(float(totals.rows) / seconds),
            bytes(totals.bytes),
        );
        if let Some(bar) = &self.bar {
            bar.set_position(totals.games);
            bar.set_message(message);
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            say(&format!("{}/{} games  {message}", totals.games, self.games));
        }
    }

    /// Makes room for the summary.
    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Writes a line to stderr.
#[expect(clippy::print_stderr, reason = "progress is told on stderr")]
pub(super) fn say(line: &str) {
    eprintln!("{line}");
}

/// A count as a number to divide.
#[expect(clippy::cast_precision_loss, reason = "shown in a few digits")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// A large number in a few digits: `950`, `12.3 k`, `4.56 M`.
pub(super) fn count(number: f64) -> String {
    match number {
        n if n < 1e3 => format!("{n:.0}"),
        n if n < 1e6 => format!("{:.1} k", n / 1e3),
        n if n < 1e9 => format!("{:.2} M", n / 1e6),
        n => format!("{:.2} G", n / 1e9),
    }
}

/// A number of bytes in a few digits.
pub(super) fn bytes(number: u64) -> String {
    match float(number) {
        n if n < 1e3 => format!("{n} B"),
        n if n < 1e6 => format!("{:.1} kB", n / 1e3),
        n if n < 1e9 => format!("{:.1} MB", n / 1e6),
        n => format!("{:.2} GB", n / 1e9),
    }
}

//! What `generate`, `import` and `expand` share: output options, progress, the summary.

use std::{
    borrow::Cow,
    fmt,
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use datasets::{
    Kind,
    error::ImportError,
    folder::FolderOptions,
    layouts::Layout,
    pipeline::{self, Control, Plan, Report},
    produce::Producer,
    stopwatch::Stopwatch,
};

use super::{game_options, progress::Progress, summary};

/// Exit code of a run that did a part: inputs were skipped, or it was stopped.
pub(super) const IN_PART: u8 = 3;

/// Which table to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum KindName {
    /// One row per episode, agent and step
    Experiences,
    /// One row per game, with its moves
    Games,
}

impl KindName {
    /// The name as on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Experiences => "experiences",
            Self::Games => "games",
        }
    }
}

/// The table that options ask for, with `rows` for experiences. Games have no rows, so options about
/// rows are refused for them.
pub(super) fn table(
    kind: KindName,
    layout: Option<Layout>,
    reward: &str,
    rows: impl FnOnce() -> Kind,
) -> anyhow::Result<Kind> {
    if kind == KindName::Experiences {
        return Ok(rows());
    }
    if let Some(layout) = layout {
        bail!("--layout {layout}: --kind games has no observations: pass it to `bivouac expand`");
    }
    let is_usual = reward == game_options::REWARD;
    ensure!(
        is_usual,
        "--reward {reward}: --kind games has no rewards: pass it to `bivouac expand`"
    );
    Ok(Kind::Games)
}

/// A size, written `HEIGHTxWIDTH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Canvas {
    /// Rows of tiles, 1 to 32.
    pub(super) height: u16,
    /// Columns of tiles, 1 to 32.
    pub(super) width: u16,
}

impl fmt::Display for Canvas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.height, self.width)
    }
}

impl FromStr for Canvas {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |side: &str| side.parse().ok().filter(|side| (1..=32).contains(side));
        text.split_once('x')
            .and_then(|(height, width)| Some(Self { height: side(height)?, width: side(width)? }))
            .ok_or_else(|| "write HEIGHTxWIDTH with sides of 1 to 32, as in 20x20".to_owned())
    }
}

/// Where a dataset goes and how its making is told.
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct Output {
    /// Folder of the dataset, which must be new or empty, or `s3://bucket/prefix`
    #[arg(long, default_value = "bivouac-data", value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Replace the dataset in the folder
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    /// Go on with the dataset in the folder where the same command was ended, or begin it: the
    /// files will be those of a run that was never ended
    #[arg(long)]
    resume: bool,
    /// Bytes after which a data file is closed and the next one begun
    #[arg(long, default_value_t = FolderOptions::default().file_bytes, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..))]
    file_bytes: u64,
    /// Bytes of a row group before encoding, 512 MiB at most; each thread needs some times as much
    /// memory
    #[arg(long, default_value_t = FolderOptions::default().group_bytes as u64, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=1 << 29))]
    group_bytes: u64,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print nothing but errors
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    /// Print one JSON object at the end, and nothing else
    #[arg(long)]
    json: bool,
}

impl Output {
    /// How the folder is written.
    pub(super) fn folder(&self) -> FolderOptions {
        FolderOptions {
            replaces: self.force,
            resumes: self.resume,
            file_bytes: self.file_bytes,
            group_bytes: usize::try_from(self.group_bytes).unwrap_or(usize::MAX),
        }
    }

    /// The part of the command that changes files, as far as it is not the default.
    pub(super) fn command(&self) -> String {
        let usual = FolderOptions::default();
        let mut command = String::new();
        if self.file_bytes != usual.file_bytes {
            command.push_str(" --file-bytes ");
            command.push_str(&self.file_bytes.to_string());
        }
        if self.group_bytes != usual.group_bytes as u64 {
            command.push_str(" --group-bytes ");
            command.push_str(&self.group_bytes.to_string());
        }
        command
    }
}

/// The commit that this program was built from, where that is known (`build.rs`).
pub(super) fn git_revision() -> Option<String> {
    option_env!("BIVOUAC_GIT_REVISION").map(str::to_owned)
}

/// A word of the command in `meta/info.json`, quoted where a shell needs it.
pub(super) fn quoted(word: &str) -> Cow<'_, str> {
    // Only a word with a zero byte cannot be quoted, and none can be typed.
    shlex::try_quote(word).unwrap_or(Cow::Borrowed(word))
}

/// Paths as they were typed, for the command in `meta/info.json`.
pub(super) fn shown(paths: &[PathBuf]) -> String {
    let words = paths.iter().map(|path| quoted(&path.to_string_lossy()).into_owned());
    words.collect::<Vec<_>>().join(" ")
}

/// A dataset that was written.
pub(super) struct Written {
    /// What is in it.
    pub(super) report: Report,
    /// How long it took, in seconds above 0.
    pub(super) seconds: f64,
    /// Threads that did it.
    pub(super) threads: usize,
    /// What they did all the time.
    pub(super) stopwatch: Stopwatch,
}

/// Writes a dataset on these threads, or on all cores, and may show how far it is. Ctrl-C ends it
/// after the work in hand.
pub(super) fn write<P: Producer>(
    producer: &P,
    plan: Plan,
    out: &Path,
    threads: Option<u16>,
    shows: bool,
) -> anyhow::Result<Written> {
    let all = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.map_or_else(all, usize::from);
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_interrupt(stop.clone())?;
    let mut progress = shows.then(|| Progress::new(producer.games()));
    let stopwatch = Stopwatch::default();
    let since = Instant::now();
    let control = Control {
        threads,
        stop: &stop,
        progress: &mut |totals| {
            if let Some(progress) = &mut progress {
                progress.show(totals);
            }
        },
        stopwatch: &stopwatch,
    };
    let result = pipeline::write(producer, plan, out, control);
    let seconds = since.elapsed().max(Duration::from_micros(1)).as_secs_f64();
    if let Some(progress) = progress {
        progress.finish();
    }
    Ok(Written { report: result?, seconds, threads, stopwatch })
}

/// Writes a dataset, and says how it went.
pub(super) fn run<P: Producer>(
    producer: &P,
    plan: Plan,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let (kind, shows) = (plan.kind, !output.quiet && !output.json);
    let written = write(producer, plan, &output.out, output.threads, shows)?;
    let report = &written.report;
    let told = summary::Told {
        kind,
        out: &output.out,
        report,
        seconds: written.seconds,
        threads: written.threads,
        stopwatch: &written.stopwatch,
    };
    if output.json {
        summary::print_json(&told)?;
    } else if shows {
        summary::print(&told);
    }
    let is_fault = |reason: &String| !ImportError::is_kind_of_choice(reason);
    let has_faults = report.skipped_before.keys().any(is_fault)
        || report.skipped.iter().any(|skipped| !skipped.reason.is_choice());
    let in_part = report.was_stopped || has_faults;
    Ok(if in_part { ExitCode::from(IN_PART) } else { ExitCode::SUCCESS })
}

/// Lets Ctrl-C end the run after the work in hand; a second one ends it at once, which leaves a
/// readable dataset too.
fn stop_on_interrupt(stop: Arc<AtomicBool>) -> anyhow::Result<()> {
    ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::Relaxed) {
            abort();
        }
        if std::io::stderr().is_terminal() {
            super::progress::say("stopping after the work in hand (Ctrl-C again to stop at once)");
        }
    })?;
    Ok(())
}

#[expect(clippy::exit, reason = "the user asked twice; temporary files are all that is left")]
fn abort() {
    std::process::exit(130);
}

//! The log of the server on stderr: events of `tracing`, as lines for people or as JSON.

use std::io;

use clap::ValueEnum;
use tracing_subscriber::{
    Layer, filter::LevelFilter, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Level {
    /// Nothing
    Off,
    /// What is broken
    Error,
    /// What is refused or given up as well
    Warn,
    /// Beginnings and ends of the server, its streams and its sessions as well
    Info,
    /// Every refused request and every live game as well
    Debug,
    /// Everything
    Trace,
}

/// What lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A line of text for each event
    Human,
    /// A JSON object on a line for each event
    Json,
}

impl Level {
    fn filter(self) -> LevelFilter {
        match self {
            Self::Off => LevelFilter::OFF,
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

/// Logs from now on.
///
/// Libraries log warnings and errors at most, whatever the level: in more detail they could tell
/// headers, and with them tokens.
///
/// # Errors
///
/// Something else logs already.
pub(crate) fn begin(level: Level, format: Format) -> anyhow::Result<()> {
    let level = level.filter();
    let targets =
        Targets::new().with_target("bivouac", level).with_default(level.min(LevelFilter::WARN));
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(false);
    let layer = match format {
        Format::Human => lines.with_filter(targets).boxed(),
        Format::Json => {
            lines.json().flatten_event(true).with_span_list(false).with_filter(targets).boxed()
        }
    };
    Ok(tracing_subscriber::registry().with(layer).try_init()?)
}

//! The games that a dataset says it was made of, made again by the command in its `meta/info.json`.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use clap::Parser;
use datasets::{
    DataError,
    info::StoredInfo,
    produce::{Archive, Produced, Producer, Replays, Simulation},
    seats::Seats,
    verify,
};
use systems::rollout::RolloutSpec;

use super::{expand, generate, import};

/// Where the games of experiences are taken from.
pub(super) enum Reference {
    Simulation(Box<Simulation>),
    Archive(Archive),
    Replays(Replays),
    /// Those of merged datasets, one after the other.
    Parts(Vec<Part>),
}

/// The games of a part, and the number of jobs that they are cut into.
pub(super) struct Part {
    games: Reference,
    jobs: u64,
}

/// A job of the producer that a reference is.
pub(super) enum Job {
    Simulation(Box<RolloutSpec>),
    Archive(usize),
    Replays(Range<usize>),
    Part(usize, Box<Self>),
}

/// A line of a command in `meta/info.json` as it would be typed.
#[derive(Parser)]
enum Line {
    /// See [`generate`].
    Generate(Box<generate::Args>),
    /// See [`expand`].
    Expand(Box<expand::Args>),
    /// See [`import`].
    Import(Box<import::Args>),
    /// Puts the last of what was made before together.
    Merge {
        #[arg(required = true)]
        parts: Vec<PathBuf>,
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

/// The games that the dataset says it was made of, none if they are in the dataset itself; or why
/// they cannot be made again.
pub(super) fn told(root: &Path) -> anyhow::Result<Result<Option<Reference>, String>> {
    let Some(info) = StoredInfo::read(root)? else {
        return Ok(Err("there is no meta/info.json: pass --games".to_owned()));
    };
    if info.kind == "games" {
        return Ok(Ok(None));
    }
    let reason = |error: anyhow::Error| format!("{error:#}");
    let made = match made_by(&info, root) {
        Ok(made) => made,
        Err(error) => return Ok(Err(reason(error))),
    };
    // Merged datasets of earlier versions do not say what they were read from.
    let is_told = info.inputs.is_some() || !matches!(made, Reference::Parts(_));
    if is_told && made.inputs()? != info.inputs {
        let changed = "what it was made of has changed since, or was moved: pass --games";
        return Ok(Err(reason(anyhow!("{changed} (from `{}`)", info.command))));
    }
    Ok(Ok(Some(made)))
}

/// The games of all lines of a command. A merged dataset has the lines of its parts before the one
/// that put them together.
fn made_by(info: &StoredInfo, root: &Path) -> anyhow::Result<Reference> {
    const PROGRAM: &str = "bivouac ";
    let mut made: Vec<Reference> = Vec::new();
    let command = info.command.strip_prefix(PROGRAM).unwrap_or(&info.command);
    for line in command.split(&format!("\n{PROGRAM}")) {
        let from = || format!("from `{PROGRAM}{line}`");
        let words = shlex::split(line).unwrap_or_default();
        let words = std::iter::once("bivouac".to_owned()).chain(words);
        let Ok(parsed) = Line::try_parse_from(words) else {
            bail!("pass --games for a dataset made by `{PROGRAM}{line}`");
        };
        let next = match parsed {
            Line::Merge { parts, .. } => {
                let first = made.len().checked_sub(parts.len());
                let parts = made.split_off(first.with_context(from)?);
                Reference::Parts(parts.into_iter().map(Part::new).collect())
            }
            line => of_line(line, info, root).with_context(from)?,
        };
        made.push(next);
    }
    let last = made.pop().filter(|_| made.is_empty());
    last.with_context(|| format!("pass --games for a dataset made by `{}`", info.command))
}

fn of_line(line: Line, info: &StoredInfo, root: &Path) -> anyhow::Result<Reference> {
    Ok(match line {
        Line::Generate(args) => {
            // A command that somebody wrote by hand must not play for ever: no game of the dataset
            // has more ticks than there are rows.
            let rows = u32::try_from(verify::rows(root)?).unwrap_or(u32::MAX);
            let (simulation, ..) = generate::simulation(&args)?;
            Reference::Simulation(Box::new(simulation.up_to(rows)))
        }
        Line::Expand(args) => {
            let archive = Archive::open_all(expand::paths(&args).iter().map(PathBuf::as_path))?;
            Reference::Archive(match info.players.clone().map(Seats::of) {
                Some(seats) => archive.with_seats(seats),
                None => archive,
            })
        }
        Line::Import(args) => Reference::Replays(import::replays(&args, most_files(info))?),
        Line::Merge { .. } => bail!("nothing is made by a merge alone"),
    })
}

/// Replay files that a dataset says it was read from: no more are looked for.
fn most_files(info: &StoredInfo) -> usize {
    let Some(inputs) = &info.inputs else { return usize::MAX };
    let counts = inputs.split("; ").map(|part| part.split(' ').next().unwrap_or_default());
    counts.filter_map(|count| count.parse::<usize>().ok()).fold(0, usize::saturating_add)
}

impl Part {
    fn new(games: Reference) -> Self {
        let has = |jobs: u64| games.next(jobs - 1).is_some();
        let (mut least, mut most) = (0, 1);
        while has(most) {
            (least, most) = (most, most.saturating_mul(2));
        }
        // `least` jobs are there, `most` are not.
        while most - least > 1 {
            let middle = least + (most - least) / 2;
            if has(middle) { least = middle } else { most = middle }
        }
        Self { jobs: least, games }
    }
}

impl Producer for Reference {
    type Job = Job;

    fn next(&self, after: u64) -> Option<Job> {
        match self {
            Self::Simulation(games) => games.next(after).map(Box::new).map(Job::Simulation),
            Self::Archive(games) => games.next(after).map(Job::Archive),
            Self::Replays(games) => games.next(after).map(Job::Replays),
            Self::Parts(parts) => {
                let mut left = after;
                for (number, part) in parts.iter().enumerate() {
                    if let Some(later) = left.checked_sub(part.jobs) {
                        left = later;
                        continue;
                    }
                    return Some(Job::Part(number, Box::new(part.games.next(left)?)));
                }
                None
            }
        }
    }

    fn work(&self, job: Job) -> Result<Produced, DataError> {
        match (self, job) {
            (Self::Simulation(games), Job::Simulation(job)) => games.work(*job),
            (Self::Archive(games), Job::Archive(job)) => games.work(job),
            (Self::Replays(games), Job::Replays(job)) => games.work(job),
            (Self::Parts(parts), Job::Part(number, job)) => match parts.get(number) {
                Some(part) => part.games.work(*job),
                None => Ok(Produced::default()),
            },
            _ => Ok(Produced::default()),
        }
    }

    fn games(&self) -> u64 {
        match self {
            Self::Simulation(games) => games.games(),
            Self::Archive(games) => games.games(),
            Self::Replays(games) => games.games(),
            Self::Parts(parts) => parts.iter().map(|part| part.games.games()).sum(),
        }
    }

    /// What the games are read from.
    fn inputs(&self) -> Result<Option<String>, DataError> {
        match self {
            Self::Simulation(games) => games.inputs(),
            Self::Archive(games) => games.inputs(),
            Self::Replays(games) => games.inputs(),
            Self::Parts(parts) => {
                let inputs = parts.iter().filter_map(|part| part.games.inputs().transpose());
                let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
                Ok((!inputs.is_empty()).then(|| inputs.join("; ")))
            }
        }
    }
}

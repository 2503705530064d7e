//! Rows written per second, against what the Parquet library alone can do.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use datasets::{
    DataError, Encodings, Kind,
    ceiling::{self, Rows},
    folder::FolderOptions,
    games::ArchivedGame,
    info::Info,
    pipeline::{self, Control, Plan},
    produce::{Produced, Producer, Simulation},
    seats::Seats,
    stopwatch::{Stage, Stopwatch},
};
use serde::Serialize;
use systems::{
    mapgen::{MapSpec, Size},
    reward::Reward,
    rollout::{Maps, RolloutSpec},
};

use super::{Args, roster::Roster};
use crate::cmd::progress::{count, float};

/// Each measurement is the best of so many.
const TIMES: usize = 3;

/// Tick at which a game is cut off, as in `bivouac generate`.
const MAX_TICKS: u32 = 500;

/// How fast rows are made and written on so many threads.
#[derive(Serialize)]
pub(super) struct Written {
    pub(super) threads: usize,
    pub(super) rows: u64,
    /// Rows a second of games that are only played.
    pub(super) simulated: f64,
    /// Rows a second that the Parquet library writes of arrays that are there: the ceiling.
    pub(super) ceiling: f64,
    /// Rows a second that the dataset writer encodes and writes, without playing the games again for
    /// their rows: the time of these stages over the number of threads.
    pub(super) encoded: f64,
    /// Rows a second of recorded games played again and written as a dataset.
    pub(super) recorded: f64,
    /// Rows a second of `bivouac generate`: played and written.
    pub(super) generated: f64,
    /// `encoded` over `ceiling`.
    pub(super) share_of_ceiling: f64,
    /// `recorded` over `ceiling`.
    pub(super) recorded_share_of_ceiling: f64,
    /// `generated` over the slower of `simulated` and `encoded`.
    pub(super) share_of_slower: f64,
}

impl Written {
    /// The heads of [`Written::line`].
    pub(super) const HEADS: &str = "threads  simulate/s  raw Parquet/s  encode+write/s  expand+encode+write/s  \
                                    generate/s  encode/raw  expand+encode/raw  generate/slower";

    /// One line of a table.
    pub(super) fn line(&self) -> String {
        let rates = [self.simulated, self.ceiling, self.encoded, self.recorded, self.generated];
        let [simulated, ceiling, encoded, recorded, generated] = rates.map(count);
        let shares = [self.share_of_ceiling, self.recorded_share_of_ceiling, self.share_of_slower];
        let [of_ceiling, recorded_of_ceiling, of_slower] = shares.map(|share| 100.0 * share);
        format!(
            "{:>7} {simulated:>11} {ceiling:>14} {encoded:>15} {recorded:>22} {generated:>11} \
             {of_ceiling:>9.0} % {recorded_of_ceiling:>16.0} % {of_slower:>14.0} %",
            self.threads,
        )
    }
}

impl Encoded {
    /// One line of a table.
    pub(super) fn line(&self) -> String {
        let Self { encodings, bytes_per_row, .. } = self;
        let (write, read) = (count(self.written_per_second), count(self.read_per_second));
        format!(
            "{encodings:<26} {bytes_per_row:>7.2} bytes/row {write:>9} rows/s written {read:>9} read"
        )
    }
}

/// What a choice of encodings comes to, on one thread.
#[derive(Serialize)]
pub(super) struct Encoded {
    pub(super) encodings: &'static str,
    pub(super) bytes_per_row: f64,
    pub(super) written_per_second: f64,
    pub(super) read_per_second: f64,
}

/// What writing a dataset took.
struct Wrote {
    rows: u64,
    /// From start to end.
    seconds: f64,
    /// Of encoding and writing, over all threads, divided by their number.
    encoding: f64,
}

/// Games that were played before.
struct Recorded(Vec<Vec<ArchivedGame>>);

impl Producer for Recorded {
    type Job = usize;

    fn next(&self, after: u64) -> Option<usize> {
        usize::try_from(after).ok().filter(|&job| job < self.0.len())
    }

    fn work(&self, job: usize) -> Result<Produced, DataError> {
        Ok(Produced { games: self.0[job].clone(), ..Produced::default() })
    }

    fn games(&self) -> u64 {
        self.0.iter().map(|games| games.len() as u64).sum()
    }
}

/// A folder that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("bivouac-bench-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// A name in it that nothing has.
    fn fresh(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.0.join(name);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is the system's to remove.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// What is written: self-play on boards of the size asked for.
pub(super) struct Case {
    simulation: Simulation,
    kind: Kind,
    scratch: Scratch,
}

impl Case {
    pub(super) fn new(args: &Args, roster: &Roster, games: usize) -> anyhow::Result<Self> {
        let format = roster.format;
        let size = Size::Fixed { width: format.width, height: format.height };
        let maps = MapSpec::free_for_all(roster.ruleset.map.kind, args.players);
        let spec = RolloutSpec {
            seed: 0,
            first_game: 0,
            games: games as u64,
            maps: Maps::Generated(MapSpec { size, ..maps }),
            ruleset: Arc::new(roster.ruleset.clone()),
            max_ticks: MAX_TICKS,
            policies: roster.policies.clone(),
            has_fog: true,
        };
        let kind =
            Kind::Experiences { format, reward: Reward::SPARSE, seats: Seats::ALL, layout: None };
        Ok(Self { simulation: Simulation::new(spec), kind, scratch: Scratch::new()? })
    }

    /// Measures everything on so many threads.
    pub(super) fn measure(&self, threads: usize) -> anyhow::Result<Written> {
        let (games, played) = self.play(threads)?;
        let recorded = Recorded(games);
        let Wrote { rows, seconds: recorded, encoding } = self.write(&recorded, threads)?;
        let together = self.write(&self.simulation, threads)?.seconds;
        let raw = Rows::read(&self.scratch.0.join("dataset"))?;
        let mut least = f64::INFINITY;
        for _ in 0..TIMES {
            let folder = self.scratch.fresh("raw")?;
            least = least.min(raw.write(&folder, &Encodings::default(), threads)?.seconds);
        }
        let rate = |seconds: f64| float(rows) / seconds;
        let slower = rate(played.max(encoding));
        Ok(Written {
            threads,
            rows,
            simulated: rate(played),
            ceiling: rate(least),
            encoded: rate(encoding),
            recorded: rate(recorded),
            generated: rate(together),
            share_of_ceiling: rate(encoding) / rate(least),
            recorded_share_of_ceiling: rate(recorded) / rate(least),
            share_of_slower: rate(together) / slower,
        })
    }

    /// Plays the games, and returns them and the seconds that took.
    fn play(&self, threads: usize) -> anyhow::Result<(Vec<Vec<ArchivedGame>>, f64)> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let (mut games, mut least) = (Vec::new(), f64::INFINITY);
        for _ in 0..TIMES {
            let since = Instant::now();
            let jobs: Vec<RolloutSpec> = (0..).map_while(|job| self.simulation.next(job)).collect();
            let play = |job| self.simulation.work(job).map(|produced| produced.games);
            games = pool.install(|| {
                use rayon::prelude::*;
                jobs.into_par_iter().map(play).collect::<Result<Vec<_>, _>>()
            })?;
            least = least.min(since.elapsed().as_secs_f64());
        }
        Ok((games, least))
    }

    /// Writes a dataset, and returns the least times that took.
    fn write<P: Producer>(&self, producer: &P, threads: usize) -> anyhow::Result<Wrote> {
        let mut least = Wrote { rows: 0, seconds: f64::INFINITY, encoding: f64::INFINITY };
        for _ in 0..TIMES {
            let folder = self.scratch.fresh("dataset")?;
            let options = FolderOptions::default();
            let plan = Plan { kind: self.kind, info: Info::default(), folder: options };
            let (since, stopwatch) = (Instant::now(), Stopwatch::default());
            let control = Control {
                threads,
                stop: &AtomicBool::new(false),
                progress: &mut |_| (),
                stopwatch: &stopwatch,
            };
            least.rows = pipeline::write(producer, plan, &folder, control)?.totals.rows;
            least.seconds = least.seconds.min(since.elapsed().as_secs_f64());
            let encoding = [Stage::Encode, Stage::Write].map(|stage| stopwatch.seconds(stage));
            least.encoding =
                least.encoding.min(encoding.iter().sum::<f64>() / float(threads as u64));
        }
        Ok(least)
    }

    /// Measures other encodings of the rows that [`Case::measure`] left, on one thread.
    pub(super) fn encodings(&self) -> anyhow::Result<Vec<Encoded>> {
        let rows = Rows::read(&self.scratch.0.join("dataset"))?;
        let all = Encodings::all().into_iter();
        all.map(|(name, encodings)| {
            let (mut write, mut read, mut bytes) = (f64::INFINITY, f64::INFINITY, 0);
            for _ in 0..TIMES {
                let folder: &Path = &self.scratch.fresh("raw")?;
                let written = rows.write(folder, &encodings, 1)?;
                (bytes, write) = (written.bytes, write.min(written.seconds));
                read = read.min(ceiling::read_files(folder)?.seconds);
            }
            Ok(Encoded {
                encodings: name,
                bytes_per_row: float(bytes) / float(rows.rows()),
                written_per_second: float(rows.rows()) / write,
                read_per_second: float(rows.rows()) / read,
            })
        })
        .collect()
    }
}

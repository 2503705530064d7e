//! The JAX simulator generals-bots, measured beside Bivouac in a Python that the user names.

use std::{
    io::ErrorKind,
    process::{Command, Output},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use systems::isa::Isa;

use super::{
    Args,
    measure::{self, Case, MAX_TICKS, Measured, ROUNDS, WARM_UP_TICKS},
    report::Report,
    roster::Roster,
};

/// What the Python runs, as `python -m bivouac.bench --vs generals-bots` does. It imports the
/// simulator; none of the simulator's code is here.
const SCRIPT: &str = include_str!("../../../python/bivouac/_jax_bench.py");
/// The ruleset whose rules and maps both sides play.
pub(super) const RULESET: &str = "generals-bots";
/// Games in Bivouac's world.
const GAMES: usize = 4096;

/// A Python that has the simulator.
struct Peer<'a> {
    python: &'a str,
    versions: Versions,
}

/// What is installed in it.
#[derive(Deserialize, Serialize)]
pub(super) struct Versions {
    pub(super) generals_bots: String,
    pub(super) jax: String,
    pub(super) python: String,
    /// What JAX computes on: `cpu`, `gpu` or `tpu`.
    pub(super) device: String,
}

/// What the Python is asked to measure.
#[derive(Serialize)]
struct Settings<'a> {
    size: u16,
    games: &'a [usize],
    seconds: f64,
    rounds: usize,
    warm_up_ticks: usize,
    max_ticks: u32,
}

/// What it answers.
#[derive(Deserialize)]
struct Answer {
    loops: Vec<Loop>,
}

/// The simulator's game-ticks per second at one number of games.
#[derive(Clone, Copy, Deserialize, Serialize)]
pub(super) struct Loop {
    pub(super) games: usize,
    /// All on the device.
    pub(super) full: f64,
    /// With both players' observations copied to numpy after every tick.
    pub(super) host: f64,
}

/// Both sides at the same work.
#[derive(Serialize)]
pub(super) struct Versus {
    pub(super) versions: Versions,
    /// The simulator at every number of games tried; its best counts.
    pub(super) loops: Vec<Loop>,
    pub(super) full_game_ticks_per_second: f64,
    pub(super) host_game_ticks_per_second: f64,
    pub(super) bivouac_game_ticks_per_second: f64,
    pub(super) ratio_to_full: f64,
    pub(super) ratio_to_host: f64,
}

/// Measures the simulator, then Bivouac, and prints both.
pub(super) fn run(args: &Args, isa: Isa) -> anyhow::Result<()> {
    let roster = Roster::new(args)?;
    let size = roster.format.height;
    anyhow::ensure!(
        size == roster.format.width,
        "--size {}: generals-bots plays on square boards, give one as 20x20",
        args.size
    );
    anyhow::ensure!(args.vs_envs.iter().all(|&n| n > 0), "--vs-envs 0: give at least 1");
    let peer = Peer::find(&args.python)?;
    let mut report = Report::begin(args, isa);
    report.peer(&peer.versions);
    let loops = peer.measure(&Settings {
        size,
        games: &args.vs_envs,
        seconds: args.seconds,
        rounds: ROUNDS,
        warm_up_ticks: WARM_UP_TICKS,
        max_ticks: MAX_TICKS,
    })?;
    // JAX computes on all threads, so Bivouac may too.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let case = Case { games: GAMES, threads, isa, seconds: args.seconds };
    let measured = measure::steps(&roster, &case)?;
    let versus = Versus::new(peer.versions, loops, &measured);
    report.measured(measured);
    report.versus(versus);
    report.end();
    Ok(())
}

impl Versus {
    fn new(versions: Versions, loops: Vec<Loop>, measured: &Measured) -> Self {
        let best = |rate: fn(&Loop) -> f64| loops.iter().map(rate).fold(0.0, f64::max);
        let (full, host) = (best(|l| l.full), best(|l| l.host));
        let bivouac = measured.game_ticks_per_second;
        Self {
            versions,
            loops,
            full_game_ticks_per_second: full,
            host_game_ticks_per_second: host,
            bivouac_game_ticks_per_second: bivouac,
            ratio_to_full: bivouac / full,
            ratio_to_host: bivouac / host,
        }
    }
}

impl<'a> Peer<'a> {
    /// Looks what is installed, before anything is measured.
    fn find(python: &'a str) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Found {
            Versions(Versions),
            Missing { missing: String },
        }
        match ask(python, None)? {
            Found::Versions(versions) => Ok(Self { python, versions }),
            Found::Missing { missing } => anyhow::bail!(
                "--python {python}: {missing}; --vs jax needs JAX and generals-bots 2.6 or later: \
                 {python} -m pip install jax 'generals-bots>=2.6' (versions before that do not \
                 use JAX; if pip finds no later one, take it from \
                 https://github.com/strakam/generals-bots)"
            ),
        }
    }

    fn measure(&self, settings: &Settings) -> anyhow::Result<Vec<Loop>> {
        let settings = serde_json::to_string(settings).expect("settings have a JSON form");
        let Answer { loops } = ask(self.python, Some(&settings))?;
        let is_sound = loops.iter().all(|l| l.full > 0.0 && l.host > 0.0);
        anyhow::ensure!(
            is_sound && !loops.is_empty(),
            "--python {}: the script measured nothing",
            self.python
        );
        Ok(loops)
    }
}

/// Runs the script and reads its last line.
fn ask<T: DeserializeOwned>(python: &str, settings: Option<&str>) -> anyhow::Result<T> {
    let output = Command::new(python).arg("-c").arg(SCRIPT).args(settings).output();
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow::anyhow!(
            "--python {python}: there is no such program; give the path of a Python that has \
             generals-bots"
        ),
        _ => anyhow::Error::new(error).context(format!("--python {python}")),
    })?;
    let said = String::from_utf8_lossy(&output.stdout);
    anyhow::ensure!(output.status.success(), "--python {python}: {}", failure(&output));
    // Libraries greet on the same stream, so only the last line is the answer.
    let answer = last_line(&said);
    serde_json::from_str(answer)
        .with_context(|| format!("--python {python}: the script answered {answer:?}"))
}

/// How the script failed, with the last line of its complaint.
fn failure(output: &Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    let line = last_line(&complaint);
    let line = if line.is_empty() { "it said nothing" } else { line };
    format!("the script failed ({}): {line}", output.status)
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().next_back().unwrap_or_default()
}

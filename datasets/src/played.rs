//! Games that were played already, written as a dataset of games.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, PoisonError, atomic::AtomicBool},
};

use systems::{dice, record::GameRecord};

use crate::{
    Kind,
    error::DataError,
    folder::FolderOptions,
    games::ArchivedGame,
    info::Info,
    pipeline::{self, Control, Plan},
    produce::{Produced, Producer},
    stopwatch::Stopwatch,
    totals::Totals,
};

/// Writes games to a folder as a dataset of games, by seed, game and episode, and returns what was
/// written. `command` is how they came to be, for `meta/info.json`.
///
/// # Errors
///
/// [`DataError::SameEpisode`] if an episode is among them twice; nothing is written then. A folder
/// that is not empty, unless `replaces` and it holds a dataset. What cannot be written.
pub fn write(
    mut games: Vec<ArchivedGame>,
    root: &Path,
    command: &str,
    replaces: bool,
) -> Result<Totals, DataError> {
    games.sort_by_key(|game| place(&game.record));
    let twins = games.windows(2).find(|pair| place(&pair[0].record) == place(&pair[1].record));
    if let Some([twin, _]) = twins {
        let GameRecord { seed, game, episode, .. } = twin.record;
        return Err(DataError::SameEpisode { seed, game, episode });
    }
    let rulesets: BTreeMap<String, String> = games
        .iter()
        .map(|game| (game.record.ruleset.name.clone(), game.record.ruleset.to_toml()))
        .collect();
    let seed = games.first().map_or(0, |game| game.record.seed);
    let info = Info { command: command.to_owned(), seed, rulesets, ..Info::default() };
    let folder = FolderOptions { replaces, ..FolderOptions::default() };
    let (stop, stopwatch) = (AtomicBool::new(false), Stopwatch::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let control = Control { threads, stop: &stop, progress: &mut |_| {}, stopwatch: &stopwatch };
    let plan = Plan { kind: Kind::Games, info, folder };
    Ok(pipeline::write(&Played::new(games), plan, root, control)?.totals)
}

/// What games are ordered by; it is another one for each episode.
fn place(record: &GameRecord) -> (u64, u64, u32) {
    (record.seed, record.game, record.episode)
}

/// Games that are there already, as one job.
struct Played {
    games: u64,
    digest: u64,
    waiting: Mutex<Vec<ArchivedGame>>,
}

impl Played {
    fn new(games: Vec<ArchivedGame>) -> Self {
        let add = |digest, game: &ArchivedGame| {
            [game.record.episode_id(), game.record.outcome.digest]
                .into_iter()
                .fold(digest, |digest, word| dice::mix(digest ^ dice::mix(word)))
        };
        let digest = games.iter().fold(0, add);
        Self { games: games.len() as u64, digest, waiting: Mutex::new(games) }
    }
}

impl Producer for Played {
    type Job = ();

    fn next(&self, after: u64) -> Option<()> {
        (after == 0).then_some(())
    }

    fn work(&self, (): ()) -> Result<Produced, DataError> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let games = std::mem::take(&mut *waiting);
        let ticks = games.iter().map(|game| u64::from(game.record.outcome.ticks)).sum();
        Ok(Produced { games, skipped: Vec::new(), ticks })
    }

    fn games(&self) -> u64 {
        self.games
    }

    fn inputs(&self) -> Result<Option<String>, DataError> {
        Ok(Some(format!("{} played games with digest {:016x}", self.games, self.digest)))
    }
}

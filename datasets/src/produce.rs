//! Where the games of a dataset come from: simulated, or imported.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use systems::{
    dice,
    rollout::{Maps, Rollout, RolloutSpec},
    world::{WorldConfig, WorldError},
};

use crate::{
    error::{DataError, ImportError},
    games::{ArchivedGame, GamesFile},
    import::{self, Filter, Numbered, ReplayRules},
    seats::Seats,
};

/// A source of games that is cut into jobs. Jobs are worked on side by side, and their games
/// taken in the order of the jobs.
pub trait Producer: Sync {
    /// What one thread does at a time.
    type Job: Send;

    /// The next job, or none.
    fn next(&self, after: u64) -> Option<Self::Job>;

    /// Does a job.
    ///
    /// # Errors
    ///
    /// What makes the whole run impossible; a bad input alone is [`Produced::skipped`].
    fn work(&self, job: Self::Job) -> Result<Produced, DataError>;

    /// Number of games if nothing is skipped.
    fn games(&self) -> u64;

    /// What the games are read from, so that a run goes on only with the same inputs: a count and a
    /// digest, for example. Nothing if the dataset's command says it all.
    ///
    /// # Errors
    ///
    /// Inputs that cannot be looked at.
    fn inputs(&self) -> Result<Option<String>, DataError> {
        Ok(None)
    }

    /// Folders and files that the games are read from and that a dataset must not be written over.
    fn sources(&self) -> Vec<&Path> {
        Vec::new()
    }
}

/// A digest of what is told of it, the same on every machine.
#[derive(Clone, Copy, Debug, Default)]
struct Digest(u64);

impl Digest {
    fn add(&mut self, bytes: &[u8]) {
        self.0 = dice::mix(self.0 ^ bytes.len() as u64);
        for piece in bytes.chunks(8) {
            let word = piece.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
            self.0 = dice::mix(self.0 ^ dice::mix(word));
        }
    }

    /// Adds a file's name and size. What cannot be looked at has none; reading it tells why.
    fn add_file(&mut self, path: &Path) {
        self.add(path.as_os_str().as_encoded_bytes());
        let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        self.add(&size.to_le_bytes());
    }
}

/// What a job came to.
#[derive(Debug, Default)]
pub struct Produced {
    /// Its games, in order.
    pub games: Vec<ArchivedGame>,
    /// Inputs that are no games.
    pub skipped: Vec<Skipped>,
    /// Ticks played.
    pub ticks: u64,
}

/// An input that was left out, and why.
#[derive(Debug)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// The reason.
    pub reason: ImportError,
}

/// Games a job plays at most.
const GAMES_PER_JOB: u64 = 256;

/// Orders that the records of a job may come to: 8 bytes each, so at most 64 MiB.
const ORDERS_PER_JOB: u64 = 8 << 20;

/// Games played by built-in policies.
#[derive(Debug)]
pub struct Simulation {
    spec: RolloutSpec,
    per_job: u64,
}

impl Simulation {
    /// The games of a specification. How they are cut into jobs does not change them.
    #[must_use]
    pub fn new(spec: RolloutSpec) -> Self {
        let players = spec.start(spec.first_game).players() as u64;
        let orders = players.saturating_mul(u64::from(spec.max_ticks)).max(1);
        let per_job = (ORDERS_PER_JOB / orders).clamp(1, GAMES_PER_JOB);
        Self { spec, per_job }
    }

    /// The same games, cut off at a tick where they would go on longer.
    #[must_use]
    pub fn up_to(self, ticks: u32) -> Self {
        let max_ticks = self.spec.max_ticks.min(ticks.max(1));
        Self::new(RolloutSpec { max_ticks, ..self.spec })
    }
}

impl Producer for Simulation {
    type Job = RolloutSpec;

    fn next(&self, after: u64) -> Option<RolloutSpec> {
        let done = after.checked_mul(self.per_job)?;
        let games = self.per_job.min(self.spec.games.checked_sub(done)?);
        let first_game = self.spec.first_game.checked_add(done)?;
        (games > 0).then(|| RolloutSpec { first_game, games, ..self.spec.clone() })
    }

    fn work(&self, job: RolloutSpec) -> Result<Produced, DataError> {
        let wrap = |first: u64| move |source: WorldError| DataError::Game { game: first, source };
        let wrap = wrap(job.first_game);
        let at_once = usize::try_from(job.games).unwrap_or(usize::MAX);
        let config = WorldConfig { threads: 1, ..WorldConfig::default() };
        let mut rollout = Rollout::new(job, at_once, config).map_err(wrap)?;
        let mut games = Vec::with_capacity(at_once);
        while !rollout.is_finished() {
            games.extend(rollout.step().map_err(wrap)?.into_iter().map(ArchivedGame::from));
        }
        games.sort_unstable_by_key(|game| game.record.game);
        Ok(Produced { games, skipped: Vec::new(), ticks: rollout.ticks() })
    }

    fn games(&self) -> u64 {
        self.spec.games
    }

    fn inputs(&self) -> Result<Option<String>, DataError> {
        let Maps::Fixed(start) = &self.spec.maps else { return Ok(None) };
        let mut digest = Digest::default();
        digest.add(start.to_json().as_bytes());
        Ok(Some(format!("map with digest {:016x}", digest.0)))
    }
}

/// Files read by a job: some ten thousand moves each.
const FILES_PER_JOB: usize = 32;

/// How replay files become games.
#[derive(Clone, Debug, Default)]
pub struct ReplayOptions {
    /// Seed that, with the place of a file in the list, names its episode.
    pub seed: u64,
    /// Whether the names of players are kept.
    pub keeps_names: bool,
    /// Whether files with the bytes of an earlier one are imported too.
    pub keeps_duplicates: bool,
    /// Which replays are wanted.
    pub filter: Filter,
}

/// Games read from replay files.
#[derive(Debug)]
pub struct Replays {
    files: Vec<PathBuf>,
    /// The place of the file that the file at a place is a copy of.
    duplicates: HashMap<usize, usize>,
    options: ReplayOptions,
    rules: ReplayRules,
    /// Moves and departures, of the replays read so far, of seats that their games do not have.
    strangers: AtomicU64,
}

impl Replays {
    /// The games of replay files, in the order given. Unless duplicates are kept, every file that
    /// has the size of another is read once here.
    #[must_use]
    pub fn new(files: Vec<PathBuf>, options: ReplayOptions) -> Self {
        let duplicates =
            if options.keeps_duplicates { HashMap::new() } else { import::duplicates(&files) };
        let (rules, strangers) = (ReplayRules::default(), AtomicU64::new(0));
        Self { files, duplicates, options, rules, strangers }
    }

    /// Recorded moves and departures that were left out so far, since they are of seats that their
    /// games do not have.
    pub fn strangers(&self) -> u64 {
        self.strangers.load(Ordering::Relaxed)
    }

    /// The largest board and the most players among the replays that are wanted. Reads all of them.
    #[must_use]
    pub fn bounds(&self) -> import::Bounds {
        import::Bounds::of(&self.files, &self.options.filter)
    }

    /// The replay at a place in the list, if it is wanted.
    fn read(&self, place: usize) -> Result<Numbered, ImportError> {
        if let Some(&of) = self.duplicates.get(&place) {
            return Err(ImportError::Duplicate { of: self.files[of].clone() });
        }
        let replay = import::read(&self.files[place])?;
        self.options.filter.check(&replay)?;
        self.strangers.fetch_add(import::strangers(&replay) as u64, Ordering::Relaxed);
        Ok(Numbered { game: place as u64, replay })
    }
}

impl Producer for Replays {
    type Job = std::ops::Range<usize>;

    fn next(&self, after: u64) -> Option<Self::Job> {
        let start = usize::try_from(after).ok()?.checked_mul(FILES_PER_JOB)?;
        let end = start.saturating_add(FILES_PER_JOB).min(self.files.len());
        (start < end).then_some(start..end)
    }

    fn work(&self, job: Self::Job) -> Result<Produced, DataError> {
        let mut produced = Produced::default();
        let ReplayOptions { seed, keeps_names, ref filter, .. } = self.options;
        let replays = job.clone().map(|place| self.read(place));
        let games = import::games(replays, seed, &self.rules, keeps_names)?;
        for (place, game) in job.zip(games) {
            let wanted = game.and_then(|game| {
                filter.check_ticks(game.record.outcome.ticks)?;
                Ok(game)
            });
            match wanted {
                Ok(game) => {
                    produced.ticks += u64::from(game.record.outcome.ticks);
                    produced.games.push(game);
                }
                Err(reason) => {
                    let path = self.files[place].clone();
                    produced.skipped.push(Skipped { path, reason });
                }
            }
        }
        Ok(produced)
    }

    fn games(&self) -> u64 {
        self.files.len() as u64
    }

    fn inputs(&self) -> Result<Option<String>, DataError> {
        let mut digest = Digest::default();
        for path in &self.files {
            digest.add_file(path);
        }
        Ok(Some(format!("{} replay files with digest {:016x}", self.files.len(), digest.0)))
    }
}

/// Games read from datasets of games, to be written as another kind.
#[derive(Debug)]
pub struct Archive {
    /// The folders and files that were opened.
    roots: Vec<PathBuf>,
    /// Files and row groups, in the order of the datasets.
    jobs: Vec<(PathBuf, usize)>,
    games: u64,
    bounds: import::Bounds,
    has_builds: bool,
    seats: Seats,
}

impl Archive {
    /// The games of a dataset folder, or of a single file.
    ///
    /// Every row is looked at once, without its moves being decoded.
    ///
    /// # Errors
    ///
    /// Folders and files that cannot be read, and columns that are not those of games.
    pub fn open(root: &Path) -> Result<Self, DataError> {
        Self::open_all([root])
    }

    /// The games of several folders and files, in the order given.
    ///
    /// # Errors
    ///
    /// As [`Archive::open`].
    pub fn open_all<'p>(roots: impl IntoIterator<Item = &'p Path>) -> Result<Self, DataError> {
        let mut archive = Self {
            roots: Vec::new(),
            jobs: Vec::new(),
            games: 0,
            bounds: import::Bounds::default(),
            has_builds: false,
            seats: Seats::ALL,
        };
        for root in roots {
            archive.roots.push(root.to_owned());
            for path in GamesFile::paths(root)? {
                for (row_group, games) in GamesFile::row_groups(&path)?.into_iter().enumerate() {
                    archive.jobs.push((path.clone(), row_group));
                    archive.games += games;
                }
                let (bounds, has_builds) = GamesFile::bounds(&path)?;
                archive.bounds = archive.bounds.max(bounds);
                archive.has_builds |= has_builds;
            }
        }
        Ok(archive)
    }

    /// Leaves out the games that have none of these seats.
    #[must_use]
    pub fn with_seats(self, seats: Seats) -> Self {
        Self { seats, ..self }
    }

    /// The largest board and the most players among the games.
    pub fn bounds(&self) -> import::Bounds {
        self.bounds
    }

    /// Whether some game's ruleset lets players build cities.
    pub fn has_builds(&self) -> bool {
        self.has_builds
    }
}

impl Producer for Archive {
    type Job = usize;

    fn next(&self, after: u64) -> Option<usize> {
        usize::try_from(after).ok().filter(|&job| job < self.jobs.len())
    }

    fn work(&self, job: usize) -> Result<Produced, DataError> {
        let Some((path, row_group)) = self.jobs.get(job) else { return Ok(Produced::default()) };
        let mut games =
            GamesFile::open_row_group(path, *row_group)?.collect::<Result<Vec<_>, _>>()?;
        games.retain(|game| !self.seats.within(game.record.players()).is_empty());
        let ticks = games.iter().map(|game| u64::from(game.record.outcome.ticks)).sum();
        Ok(Produced { games, skipped: Vec::new(), ticks })
    }

    fn games(&self) -> u64 {
        self.games
    }

    fn sources(&self) -> Vec<&Path> {
        self.roots.iter().map(PathBuf::as_path).collect()
    }

    fn inputs(&self) -> Result<Option<String>, DataError> {
        let mut digest = Digest::default();
        for (path, row_group) in &self.jobs {
            digest.add_file(path);
            digest.add(&row_group.to_le_bytes());
        }
        Ok(Some(format!("{} recorded games with digest {:016x}", self.games, digest.0)))
    }
}

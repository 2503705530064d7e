//! Tournaments: contestants play each other, two at a time, on the same maps from both sides.
//!
//! A contestant is a built-in policy, a program that speaks the stdio protocol of the generals.bot
//! competition ([`bot`]), or a `Bot` in Python, which the package's runner makes such a program.
//! [`score`] says what the games came to.

pub mod bot;
mod process;
mod rating;
pub mod score;
mod table;

use std::{
    collections::BTreeMap,
    env,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use datasets::{
    error::DataError,
    games::ArchivedGame,
    produce::{Produced, Producer},
};
use systems::{policies::Policy, rollout::RolloutSpec};
use thiserror::Error;

use self::table::Done;
pub use self::{
    bot::BotLimits,
    score::{Pairing, Standings},
};

/// What names of bots in Python begin with.
const PYTHON: &str = "python:";

/// The module of the Python package that runs them.
const RUNNER: &str = "bivouac.live.stdio";

/// Who plays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contestant {
    /// A policy of the engine.
    BuiltIn(Policy),
    /// A program, as a line for the shell.
    Program(String),
    /// A bot of the Python package.
    Python(PythonBot),
}

/// A subclass of `bivouac.Bot`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonBot {
    /// `python:FILE:CLASS`.
    name: String,
    /// The interpreter, the module that runs bots, the file and the class, quoted for the shell.
    line: String,
}

/// A contestant that cannot play.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadContestant {
    /// A bot without a file or a class.
    #[error("{0:?} names no bot: write python:FILE.py:CLASS, such as python:bots/mine.py:Mine")]
    Bot(String),
    /// A word that names nothing that could play.
    #[error(
        "{0:?} is no built-in policy ({known}), and no program of this name can be run",
        known = policies()
    )]
    Unknown(String),
}

/// The names of the policies that can play, for messages.
fn policies() -> String {
    let names = Policy::ALL.iter().filter(|(policy, _)| *policy != Policy::External);
    names.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

impl Contestant {
    /// The policy of this name, the bot of `python:FILE:CLASS`, which `python` runs, or the program
    /// of this line.
    ///
    /// # Errors
    ///
    /// [`BadContestant`] for a bot without a file or a class, and for a single word that is no
    /// policy's and no program's: most likely a policy that is misspelt.
    pub fn named(text: &str, python: &str) -> Result<Self, BadContestant> {
        if let Some(bot) = text.strip_prefix(PYTHON) {
            let bad = || BadContestant::Bot(text.to_owned());
            let (file, class) = bot.rsplit_once(':').ok_or_else(bad)?;
            let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
            if file.is_empty() || class.is_empty() || !class.chars().all(is_name) {
                return Err(bad());
            }
            let line = format!("{} -m {RUNNER} {} {class}", quoted(python), quoted(file));
            return Ok(Self::Python(PythonBot { name: text.to_owned(), line }));
        }
        Ok(match Policy::named(text) {
            Ok(policy) if policy != Policy::External => Self::BuiltIn(policy),
            _ if is_word(text) && !can_be_run(text) => {
                return Err(BadContestant::Unknown(text.to_owned()));
            }
            _ => Self::Program(text.to_owned()),
        })
    }

    /// Its name in tables and datasets.
    pub fn name(&self) -> &str {
        match self {
            Self::BuiltIn(policy) => policy.name(),
            Self::Program(line) => line,
            Self::Python(bot) => &bot.name,
        }
    }

    /// The line that runs it, for the shell; none for a policy.
    fn line(&self) -> Option<&str> {
        match self {
            Self::BuiltIn(_) => None,
            Self::Program(line) => Some(line),
            Self::Python(bot) => Some(&bot.line),
        }
    }

    fn is_program(&self) -> bool {
        self.line().is_some()
    }
}

/// Whether a line is one word that the shell takes as it is.
fn is_word(line: &str) -> bool {
    !line.is_empty() && line.chars().all(|c| c.is_alphanumeric() || "_-+./@%:,".contains(c))
}

/// Whether there is a program of this name or path.
fn can_be_run(name: &str) -> bool {
    if name.contains('/') {
        return is_executable(Path::new(name));
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).any(|folder| is_executable(&folder.join(name)))
}

fn is_executable(path: &Path) -> bool {
    let Ok(about) = path.metadata() else { return false };
    #[cfg(unix)]
    let may_run = std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let may_run = true;
    about.is_file() && may_run
}

/// One word for the shell, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A tournament.
#[derive(Debug)]
pub struct Tournament {
    /// Who plays, at least two.
    pub contestants: Vec<Contestant>,
    /// Maps, rules, seed and tick limit; its games are those of one pairing.
    pub games: RolloutSpec,
    /// Whether each map is played twice, with the seats swapped.
    pub swaps_sides: bool,
    /// What programs are allowed.
    pub limits: BotLimits,
    played: Mutex<BTreeMap<u64, Played>>,
}

/// A game of a tournament, before it is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Its index.
    game: u64,
    /// The index of its map.
    map: u64,
    /// The contestants of its seats.
    seats: [usize; 2],
}

/// What a game came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// The contestants of its seats.
    pub seats: [usize; 2],
    /// The contestant that won; none in a draw or at the tick limit.
    pub winner: Option<usize>,
    /// Ticks played.
    pub ticks: u32,
    /// What went wrong with each seat's program.
    pub faults: [Vec<String>; 2],
    /// Whether each seat's program was out of chances, and so lost.
    pub forfeits: [bool; 2],
}

/// Games of policies that are played side by side.
const GAMES_PER_JOB: u64 = 64;

impl Tournament {
    /// A tournament in which each pair plays the games of the specification.
    #[must_use]
    pub fn new(
        contestants: Vec<Contestant>,
        games: RolloutSpec,
        swaps_sides: bool,
        limits: BotLimits,
    ) -> Self {
        Self { contestants, games, swaps_sides, limits, played: Mutex::default() }
    }

    /// What the games came to so far, by index.
    pub fn played(&self) -> Vec<Played> {
        let played = self.played.lock().unwrap_or_else(PoisonError::into_inner);
        played.values().cloned().collect()
    }

    fn pairs(&self) -> u64 {
        let n = self.contestants.len() as u64;
        n * n.saturating_sub(1) / 2
    }

    /// The match of this index.
    fn fixture(&self, game: u64) -> Match {
        let (pair, round) = (game / self.games.games, game % self.games.games);
        let n = self.contestants.len();
        let mut pairs = (0..n).flat_map(|a| (a + 1..n).map(move |b| [a, b]));
        let place = usize::try_from(pair).unwrap_or(usize::MAX);
        let [a, b] = pairs.nth(place).unwrap_or([0, 0]);
        match (self.swaps_sides, round % 2) {
            (true, 1) => Match { game, map: round / 2, seats: [b, a] },
            (true, _) => Match { game, map: round / 2, seats: [a, b] },
            (false, _) => Match { game, map: round, seats: [a, b] },
        }
    }

    fn has_programs(&self) -> bool {
        self.contestants.iter().any(Contestant::is_program)
    }

    fn note(&self, game: u64, played: Played) {
        self.played.lock().unwrap_or_else(PoisonError::into_inner).insert(game, played);
    }
}

impl Producer for Tournament {
    type Job = Vec<Match>;

    fn next(&self, after: u64) -> Option<Vec<Match>> {
        // A game of programs keeps two processes busy, so it is a job of its own.
        let per_job = if self.has_programs() { 1 } else { GAMES_PER_JOB };
        let first = after.checked_mul(per_job)?;
        let end = first.saturating_add(per_job).min(self.games());
        (first < end).then(|| (first..end).map(|game| self.fixture(game)).collect())
    }

    fn work(&self, job: Vec<Match>) -> Result<Produced, DataError> {
        let mut produced = Produced::default();
        let mut games = table::play(self, &job)?;
        games.sort_unstable_by_key(|done| done.record.game);
        for done in games {
            let fixture = self.fixture(done.record.game);
            produced.ticks += u64::from(done.record.outcome.ticks);
            self.note(done.record.game, came_to(&done, &fixture));
            produced.games.push(ArchivedGame::from(done.record));
        }
        Ok(produced)
    }

    fn games(&self) -> u64 {
        self.pairs().saturating_mul(self.games.games)
    }
}

fn came_to(done: &Done, fixture: &Match) -> Played {
    let outcome = &done.record.outcome;
    let winner = match outcome.winners[..] {
        [seat] => Some(fixture.seats[usize::from(seat)]),
        _ => None,
    };
    let (faults, forfeits) = (done.faults.clone(), done.forfeits);
    Played { seats: fixture.seats, winner, ticks: outcome.ticks, faults, forfeits }
}

/// The start of a match's map.
fn start_of(tournament: &Tournament, fixture: &Match) -> Arc<systems::start::Start> {
    tournament.games.start(fixture.map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contestants_are_policies_bots_in_python_or_programs() {
        let named = |text| Contestant::named(text, "python3");
        assert!(matches!(named("hunter"), Ok(Contestant::BuiltIn(_))));
        assert_eq!(named("./mine --fast").unwrap().line(), Some("./mine --fast"));
        let bot = named("python:it's/a:bot.py:Mine").unwrap();
        assert_eq!(bot.name(), "python:it's/a:bot.py:Mine");
        let line = r"'python3' -m bivouac.live.stdio 'it'\''s/a:bot.py' Mine";
        assert_eq!(bot.line(), Some(line));
        for text in
            ["python:", "python:bot.py", "python:bot.py:", "python::Mine", "python:b.py:M; ls"]
        {
            assert!(named(text).unwrap_err().to_string().contains(text), "{text}");
        }
    }

    #[test]
    fn a_word_that_is_no_policy_and_no_program_is_refused_with_the_policies() {
        let named = |text| Contestant::named(text, "python3");
        for text in ["huntr", "external", "./no-such-bot", "/"] {
            let error = named(text).unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("random, expander, hunter"), "{error}");
        }
        let this = env::current_exe().unwrap();
        for line in ["sh", this.to_str().unwrap(), "huntr --fast", "X=1 huntr", "~/huntr"] {
            assert_eq!(named(line).unwrap().line(), Some(line));
        }
    }
}

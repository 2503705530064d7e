//! Snapshots of the simulated games as bytes, and what the simulation is told to do with them.
//!
//! Simulated games are functions of the seed and of what they are played with, so a snapshot says
//! where they stand and of which games it is; going back plays them again up to there.

use serde::{Deserialize, Serialize};
use systems::rollout::RolloutSnapshot;
use tokio::sync::{mpsc, oneshot};

use super::{ServeError, Simulated, fields::malformed};

/// The form of the bytes: JSON with these fields.
const FORMAT: &str = "bivouac.snapshot.1";

/// The engine by whose rules games are played again.
const ENGINE: &str = env!("CARGO_PKG_VERSION");

/// A snapshot as it is handed out.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: String,
    engine: String,
    /// A digest of what is played.
    played: String,
    /// Index of the next game to begin.
    next: u64,
    /// Game-ticks of the games that have ended.
    ticks: u64,
    /// Games by index with the steps they have taken.
    games: Vec<(u64, u64)>,
}

/// What a snapshot has to fit.
#[derive(Clone, Debug)]
pub(super) struct Fit {
    played: String,
    /// Indices of games.
    games: std::ops::RangeInclusive<u64>,
    /// Games that are played side by side.
    at_once: usize,
    /// Steps that a game can take.
    steps: u64,
}

impl Fit {
    /// What snapshots of these games look like.
    pub(super) fn of(simulated: &Simulated) -> Self {
        let Simulated { spec, format, reward, at_once, world: _ } = simulated;
        // Everything that decides a row. How it is written may change with the version of the
        // engine, which has to be the same anyway.
        let all = format!("{spec:?} {format:?} {reward:?}");
        Self {
            played: blake3::hash(all.as_bytes()).to_hex().to_string(),
            games: spec.first_game..=spec.first_game.saturating_add(spec.games),
            at_once: *at_once,
            // The first step shows the start.
            steps: u64::from(spec.max_ticks) + 1,
        }
    }

    /// A snapshot as bytes.
    pub(super) fn write(&self, snapshot: RolloutSnapshot) -> Vec<u8> {
        let RolloutSnapshot { next, ticks, games } = snapshot;
        let (format, engine) = (FORMAT.to_owned(), ENGINE.to_owned());
        let stored = Stored { format, engine, played: self.played.clone(), next, ticks, games };
        // Numbers and names always become JSON.
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    /// Reads a snapshot of these games.
    ///
    /// # Errors
    ///
    /// [`ServeError::Malformed`] that says what does not fit.
    pub(super) fn read(&self, bytes: &[u8]) -> Result<RolloutSnapshot, ServeError> {
        let stored: Stored = serde_json::from_slice(bytes)
            .map_err(|error| malformed("snapshot", format!("{error}: send what it returned")))?;
        let Stored { format, engine, played, next, ticks, games } = stored;
        let refuse = |reason: String| Err(malformed("snapshot", reason));
        if format != FORMAT || engine != ENGINE {
            return refuse(format!(
                "it is of {format:?} by bivouac {engine}, and this is {FORMAT:?} by {ENGINE}: \
                 restore it with the version that took it"
            ));
        }
        if played != self.played {
            return refuse(
                "it is of other games: start the server with the options, among them the seed, \
                 of the one that took it"
                    .to_owned(),
            );
        }
        // With the games that ended in the last step.
        if games.len() > 2 * self.at_once {
            let (found, most) = (games.len(), self.at_once);
            return refuse(format!(
                "it has {found} games and this server plays {most} at once: raise --at-once"
            ));
        }
        let mut known = std::collections::BTreeSet::new();
        let fits = |&(game, steps): &(u64, u64)| {
            game < next && self.games.contains(&game) && steps <= self.steps && known.insert(game)
        };
        if !self.games.contains(&next) || !games.iter().all(fits) {
            return refuse("its games cannot stand as it says: it is damaged".to_owned());
        }
        Ok(RolloutSnapshot { next, ticks, games })
    }
}

/// What the simulation is told to do, between two steps.
#[derive(Debug)]
pub(super) enum Command {
    /// Say where the games stand.
    Snapshot(oneshot::Sender<RolloutSnapshot>),
    /// Go back to where they stood, and say how many rows have been made.
    Restore(RolloutSnapshot, oneshot::Sender<Result<(), ServeError>>),
}

/// Commands that wait at most; more wait at their senders.
const WAITING: usize = 16;

/// Where commands go.
#[derive(Clone, Debug)]
pub(super) struct Director {
    commands: mpsc::Sender<Command>,
    fit: Fit,
}

impl Director {
    /// Who directs the simulation of these games, and where it gets its commands from.
    pub(super) fn new(simulated: &Simulated) -> (Self, mpsc::Receiver<Command>) {
        let (commands, received) = mpsc::channel(WAITING);
        (Self { commands, fit: Fit::of(simulated) }, received)
    }

    /// Commands that wait for the simulation.
    pub(super) fn waiting(&self) -> usize {
        self.commands.max_capacity() - self.commands.capacity()
    }

    /// The simulated games as bytes.
    ///
    /// # Errors
    ///
    /// [`ServeError::Stopping`] when there is no simulation any more.
    pub(super) async fn snapshot(&self) -> Result<Vec<u8>, ServeError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.commands.send(Command::Snapshot(answer)).await;
        sent.map_err(|_closed| ServeError::Stopping)?;
        let snapshot = answered.await.map_err(|_dropped| ServeError::Stopping)?;
        Ok(self.fit.write(snapshot))
    }

    /// Brings the simulated games back to where they stood, and returns how many they are.
    ///
    /// # Errors
    ///
    /// [`ServeError::Malformed`] for bytes that are no snapshot of these games,
    /// [`ServeError::Finished`] when all games are over, [`ServeError::Stopping`] when there is no
    /// simulation any more.
    pub(super) async fn restore(&self, bytes: &[u8]) -> Result<usize, ServeError> {
        let snapshot = self.fit.read(bytes)?;
        let games = snapshot.games.len();
        let (answer, answered) = oneshot::channel();
        let sent = self.commands.send(Command::Restore(snapshot, answer)).await;
        sent.map_err(|_closed| ServeError::Stopping)?;
        answered.await.map_err(|_dropped| ServeError::Stopping)??;
        Ok(games)
    }
}

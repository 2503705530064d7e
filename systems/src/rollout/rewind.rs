//! Going back to where a rollout stood. Its games are functions of the seed and their index, so
//! where they stood is how many steps each had taken, and going back is playing those again.

use super::Rollout;
use crate::world::WorldError;

/// Where the games of a rollout stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolloutSnapshot {
    /// Index of the next game to begin.
    pub next: u64,
    /// Game-ticks of the games that have ended.
    pub ticks: u64,
    /// Games by index with the steps they have taken: those that are played, and those that ended
    /// with the last step, whose last rows may not have been taken yet.
    pub games: Vec<(u64, u64)>,
}

/// What is left of going back.
pub(super) struct Behind {
    /// Steps until the games stand where they stood.
    to_go: u64,
    /// Games that have yet to begin, with the steps they take: the longest last.
    games: Vec<(u64, u64)>,
}

impl Rollout {
    /// Where the games stand; not to be asked for while it is [refilling](Rollout::is_refilling).
    pub fn snapshot(&self) -> RolloutSnapshot {
        let steps = |began: u64| self.steps - began;
        let playing = self.playing.values().map(|playing| (playing.game, steps(playing.began)));
        let mut games: Vec<_> = playing.chain(self.last_ended.iter().copied()).collect();
        games.sort_unstable();
        RolloutSnapshot { next: self.next, ticks: self.ticks, games }
    }

    /// Removes all games, so that [`Rollout::catch_up`] brings them back to where they stood in a
    /// snapshot of a rollout with the same specification.
    ///
    /// # Errors
    ///
    /// [`WorldError::Unknown`] cannot happen: games that are played exist.
    pub fn rewind(&mut self, snapshot: &RolloutSnapshot) -> Result<(), WorldError> {
        for id in std::mem::take(&mut self.playing).into_keys() {
            self.world.remove(id)?;
        }
        self.last_ended.clear();
        self.ended.clear();
        (self.next, self.ticks) = (snapshot.next, snapshot.ticks);
        let mut games = snapshot.games.clone();
        games.sort_unstable_by_key(|&(game, steps)| (steps, game));
        let to_go = games.last().map_or(0, |&(_, steps)| steps);
        self.behind = Some(Behind { to_go, games });
        Ok(())
    }

    /// Whether it is going back to a snapshot. Until it is there, it is not to be stepped.
    pub fn is_behind(&self) -> bool {
        self.behind.is_some()
    }

    /// Takes one step of going back. Each step writes rows, of which those of the last one are
    /// those that the snapshot's last step wrote. Returns whether a step was taken; when none was
    /// left to take, all games stand where they stood.
    ///
    /// # Errors
    ///
    /// See [`World::create`](crate::world::World::create). The games that were not begun are lost.
    pub fn catch_up(&mut self) -> Result<bool, WorldError> {
        let Some(Behind { to_go, mut games }) = self.behind.take() else { return Ok(false) };
        while let Some(&(game, _)) = games.last().filter(|&&(_, steps)| steps >= to_go) {
            games.pop();
            self.begin(game, None)?;
        }
        if to_go == 0 {
            return Ok(false);
        }
        self.world.step();
        self.steps += 1;
        self.last_ended.clear();
        for id in self.world.take_ended() {
            // It ended with the last step before the snapshot, and the next one has its place.
            if let Some(ended) = self.playing.remove(&id) {
                self.last_ended.push((ended.game, self.steps - ended.began));
                self.world.remove(id)?;
            }
        }
        self.behind = Some(Behind { to_go: to_go - 1, games });
        Ok(true)
    }
}

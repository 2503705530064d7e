//! Rows of live games for trainers, as far as the arena knows of them.

use systems::policies::Policy;

/// Who takes the rows of live games that are collected. Called by the arena, which never waits.
pub trait Collect: Send {
    /// Whether rows of a board of this height and width, with so many players and with builds or
    /// without, can be taken; if not, why.
    ///
    /// # Errors
    ///
    /// What does not fit, and what to do.
    fn check(&self, size: (u16, u16), players: usize, has_builds: bool) -> Result<(), String>;

    /// A game begins, whose rows tell this id as their game.
    fn begin(&mut self, game: u64, ruleset: &str, policies: &[Policy]);

    /// Some games have been stepped.
    fn stepped(&mut self);

    /// A game is over, or was given up. Nothing of it is kept.
    fn end(&mut self, game: u64);
}

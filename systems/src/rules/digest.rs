//! A fingerprint of a position, to compare games over builds, machines and thread counts.

use super::shape::Shape;
use crate::components::{Cell, Game};

/// FNV-1a over 64-bit words.
///
/// It guards against accidents, not against forgery. Source of the constants: Fowler, Noll and
/// Vo, "The FNV Non-Cryptographic Hash Algorithm".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

impl Digest {
    /// The digest of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Takes in one word.
    pub fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        // FNV multiplies low bits into high ones only; a rotation brings them back.
        self.0 = self.0.rotate_left(29);
    }

    /// The fingerprint.
    pub fn finish(self) -> u64 {
        self.0
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

/// The digest of the whole position: turn, owners, armies, terrain, generals, the living.
///
/// It does not depend on the class that stores the game.
#[expect(clippy::cast_sign_loss, reason = "the bits of an army, negative or not")]
pub fn position<const K: usize, const P: usize, A: Cell>(
    game: &Game<'_, K, P, A>,
    shape: &Shape<K>,
) -> u64 {
    let mut digest = Digest::new();
    digest.word(u64::from(shape.width) << 32 | u64::from(shape.height));
    digest.word(u64::from(game.standing.turn) << 32 | u64::from(game.standing.alive));
    for tile in shape.board.tiles() {
        let owner = game.owner(tile).map_or(255, |seat| seat as u64);
        let terrain = u64::from(game.terrain.passable.has(tile))
            | u64::from(game.terrain.structures().has(tile)) << 1;
        digest.word(u64::from(game.armies.get(tile) as u32) << 32 | owner << 8 | terrain);
    }
    for seat in 0..usize::from(game.setup.players) {
        digest.word(u64::from(game.standing.generals[seat]));
    }
    digest.finish()
}

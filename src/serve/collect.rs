//! Rows of live games on their way into the ring.

use std::sync::Arc;

use arrow::{array::ArrayRef, datatypes::SchemaRef};
use datasets::live::{
    pool::RowPool,
    scattered::{ScatteredRows, policy_keys},
};
use systems::{policies::Policy, rows::RowFormat};

use super::log::{Log, Wait};
use crate::live::collect::Collect;

/// Whether boards of this height and width, with so many players and with builds or without, fit
/// rows of a form.
///
/// # Errors
///
/// What does not fit, and how the server would have to be started.
pub(super) fn fits(
    format: RowFormat,
    (height, width): (u16, u16),
    players: usize,
    has_builds: bool,
) -> Result<(), String> {
    let RowFormat { height: most_height, width: most_width, .. } = format;
    if height > most_height || width > most_width {
        return Err(format!(
            "the rows of this server hold boards of up to {most_height}x{most_width}, this one has \
             {height}x{width}: serve with --canvas {height}x{width}"
        ));
    }
    if players > 2 && !format.has_owners {
        return Err(format!(
            "the rows of this server are for 2 players, this game has {players}: serve with \
             --players {players}"
        ));
    }
    if has_builds && !format.has_builds {
        let reason = "the rows of this server have no builds: serve with a ruleset that has them";
        return Err(reason.to_owned());
    }
    Ok(())
}

/// Takes the rows of live games.
pub(super) struct LiveCollector {
    log: Arc<Log>,
    pool: Arc<RowPool>,
    rows: ScatteredRows,
    policies: ArrayRef,
    format: RowFormat,
}

impl LiveCollector {
    /// Rows come from the pool, and go to the log.
    pub(super) fn new(
        log: Arc<Log>,
        pool: Arc<RowPool>,
        format: RowFormat,
        schema: SchemaRef,
        policies: ArrayRef,
    ) -> Self {
        let rows = ScatteredRows::new(format, schema, policies.clone());
        Self { log, pool, rows, policies, format }
    }

    fn tell(&self) {
        self.log.set_live(self.rows.games() as u64, self.rows.waiting() as u64);
    }
}

impl Collect for LiveCollector {
    fn check(&self, size: (u16, u16), players: usize, has_builds: bool) -> Result<(), String> {
        if self.log.is_closed() {
            return Err("all games of this server are over, and its streams have ended".to_owned());
        }
        fits(self.format, size, players, has_builds)
    }

    fn begin(&mut self, game: u64, ruleset: &str, policies: &[Policy]) {
        let keys = policy_keys(&self.policies, policies.iter().map(|policy| policy.name()));
        self.rows.begin(game, ruleset, keys);
        self.tell();
    }

    fn stepped(&mut self) {
        // The columns are those of the ring, so there are no errors but those of this program.
        if let Ok(Some(batch)) = self.rows.step(&self.pool.drain()) {
            self.log.publish(batch, Wait::Never);
        }
        self.tell();
    }

    fn end(&mut self, game: u64) {
        self.rows.end(game);
        self.tell();
    }
}

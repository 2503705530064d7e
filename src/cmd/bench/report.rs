//! How measurements are printed.

use super::run::Measured;

#[expect(clippy::print_stdout, reason = "the report is the output of the command")]
pub(super) fn line(m: &Measured, _json: bool) {
    println!(
        "{:>9} games {:>2} threads {:>7.1} ns/game-tick {:>7.2} M game-ticks/s {:>7.2} M agent-steps/s {:>7.2} M rows/s {:>6.0} B/game",
        m.games,
        m.threads,
        m.ns_per_game_tick,
        m.game_ticks_per_second() / 1e6,
        m.game_ticks_per_second() * m.players as f64 / 1e6,
        m.rows_per_second / 1e6,
        m.bytes_per_game,
    );
}

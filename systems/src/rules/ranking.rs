//! Who came where (rules, sections 16.4 and 16.5).

use std::cmp::Reverse;

use crate::components::{Ledger, Standing};

/// The seats of an ended game from first to last: the living by army, land and seat, then the
/// dead, last death first.
pub fn ranking<const P: usize>(
    players: usize,
    standing: &Standing<P>,
    ledger: &Ledger<P>,
) -> Vec<usize> {
    let mut living: Vec<usize> = (0..players).filter(|&seat| standing.is_alive(seat)).collect();
    living.sort_by_key(|&seat| (Reverse(standing.army[seat]), Reverse(standing.land[seat]), seat));
    living.extend(deaths(ledger).rev());
    living
}

/// The ranking with the players who captured a general before those who did not.
pub fn ranking_kills_first<const P: usize>(
    players: usize,
    standing: &Standing<P>,
    ledger: &Ledger<P>,
) -> Vec<usize> {
    let mut seats = ranking(players, standing, ledger);
    seats.sort_by_key(|&seat| ledger.captures[seat] == 0);
    seats
}

/// The dead in the order of their deaths.
pub fn deaths<const P: usize>(ledger: &Ledger<P>) -> impl DoubleEndedIterator<Item = usize> + '_ {
    ledger.deaths[..usize::from(ledger.n_deaths)].iter().map(|&seat| usize::from(seat))
}

//! How players' games end, and whether the rules allow it.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use proto::v1::Ended;

use super::player::Seat;

/// Wrong ends that are told of one by one.
const TOLD: usize = 10;

/// What the players count.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) won: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) drawn: AtomicU64,
    pub(super) truncated: AtomicU64,
    pub(super) deleted: AtomicU64,
    pub(super) disconnects: AtomicU64,
    pub(super) reconnects: AtomicU64,
    pub(super) vanished: AtomicU64,
    pub(super) surrendered: AtomicU64,
    pub(super) updates: AtomicU64,
    pub(super) wrong_boards: AtomicU64,
    pub(super) wrong_ends: AtomicU64,
    pub(super) wrong: Mutex<Vec<String>>,
}

pub(super) fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// What is wrong with an end of a game of two, the first of which is the player's.
fn fault(seat: &Seat, ended: &Ended) -> Option<String> {
    let (tick, most) = (seat.board.tick, seat.max_ticks);
    let mut ranking = ended.ranking.clone();
    ranking.sort_unstable();
    if ranking != [0, 1] {
        return Some(format!("the ranking is {:?}", ended.ranking));
    }
    if ended.is_truncated {
        let is_right = tick == most && ended.winners.is_empty();
        return (!is_right).then(|| format!("truncated at {tick} of {most}: {ended:?}"));
    }
    let has_lost = !seat.board.is_alive(0);
    match ended.winners[..] {
        _ if tick > most => Some(format!("tick {tick} of {most}")),
        [0] if seat.has_given_up => Some("who gave up has won".to_owned()),
        [0] if has_lost => Some("a dead player has won".to_owned()),
        [winner] if ended.ranking[0] != winner => {
            Some(format!("the winner is not first: {ended:?}"))
        }
        [1] if !has_lost => Some("a living player has lost".to_owned()),
        [] if !has_lost || seat.board.is_alive(1) => Some("nobody won, but one lives".to_owned()),
        [0 | 1] | [] => None,
        _ => Some(format!("winners {:?}", ended.winners)),
    }
}

impl Counts {
    /// Counts the end of a player's game, and what is wrong with it.
    pub(super) fn end(&self, seat: &Seat) {
        let Some(ended) = &seat.board.ended else {
            return self.wrong_end(format!("no end: {}", seat.board.phase.as_str_name()));
        };
        if let Some(what) = fault(seat, ended) {
            return self.wrong_end(what);
        }
        add(match ended.winners[..] {
            _ if ended.is_truncated => &self.truncated,
            [0] => &self.won,
            [] => &self.drawn,
            _ => &self.lost,
        });
    }

    pub(super) fn wrong_end(&self, what: String) {
        add(&self.wrong_ends);
        let mut told = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < TOLD {
            told.push(what);
        }
    }
}

#[cfg(test)]
mod tests {
    use bivouac::play::board::Board;
    use proto::v1::StreamGameRequest;

    use super::*;

    #[test]
    fn ends_that_the_rules_do_not_allow_are_found() {
        let seat = |tick, alive, has_given_up| {
            let mut board = Board::new(0);
            (board.tick, board.alive) = (tick, alive);
            let watch = StreamGameRequest::default();
            Seat { watch, owner_token: String::new(), max_ticks: 20, board, has_given_up }
        };
        let ended = |winners: &[u32], ranking: &[u32], is_truncated| Ended {
            winners: winners.to_vec(),
            ranking: ranking.to_vec(),
            is_truncated,
        };
        for (seat, ended, wanted) in [
            (seat(7, 1, false), ended(&[0], &[0, 1], false), None),
            (seat(7, 2, true), ended(&[1], &[1, 0], false), None),
            (seat(20, 3, false), ended(&[], &[0, 1], true), None),
            (seat(20, 3, true), ended(&[], &[0, 1], true), None),
            (seat(19, 3, false), ended(&[], &[0, 1], true), Some("truncated at 19 of 20")),
            (seat(21, 1, false), ended(&[0], &[0, 1], false), Some("tick 21 of 20")),
            (seat(7, 1, true), ended(&[0], &[0, 1], false), Some("who gave up has won")),
            (seat(7, 2, false), ended(&[0], &[0, 1], false), Some("a dead player has won")),
            (seat(7, 1, false), ended(&[1], &[1, 0], false), Some("a living player has lost")),
            (seat(7, 1, false), ended(&[0], &[1, 0], false), Some("the winner is not first")),
            (seat(7, 1, false), ended(&[], &[0, 1], false), Some("nobody won, but one lives")),
            (seat(7, 1, false), ended(&[0], &[0, 0], false), Some("the ranking is")),
        ] {
            let found = fault(&seat, &ended);
            match wanted {
                None => assert_eq!(found, None, "{ended:?}"),
                Some(wanted) => {
                    assert!(found.as_ref().is_some_and(|it| it.contains(wanted)), "{found:?}");
                }
            }
        }
    }
}

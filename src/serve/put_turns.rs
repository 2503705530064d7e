//! Who puts rows into the ring first: those whose rows were judged first.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Turns, taken in the order in which they were drawn.
#[derive(Debug, Default)]
pub(super) struct Turns {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the next turn that is drawn.
    next: u64,
    /// The number of the turn that may be taken.
    now: u64,
}

/// A turn. It is over when dropped, and it is never skipped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    number: u64,
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws a turn.
    pub(super) fn draw(&self) -> Turn<'_> {
        let mut state = self.lock();
        state.next += 1;
        Turn { turns: self, number: state.next - 1 }
    }
}

impl Turn<'_> {
    /// Waits until all turns that were drawn before are over.
    pub(super) fn wait(&self) {
        let waiting = |state: &mut State| state.now != self.number;
        let state = self.turns.moved.wait_while(self.turns.lock(), waiting);
        drop(state.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.wait();
        self.turns.lock().now += 1;
        self.turns.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_taken_in_the_order_in_which_they_were_drawn() {
        let (turns, taken) = (Turns::default(), Mutex::new(Vec::new()));
        let drawn: Vec<_> = (0..8).map(|number| (number, turns.draw())).collect();
        std::thread::scope(|scope| {
            // Whoever comes last was drawn first.
            for (number, turn) in drawn.into_iter().rev() {
                let taken = &taken;
                scope.spawn(move || {
                    turn.wait();
                    taken.lock().unwrap().push(number);
                });
            }
        });
        assert_eq!(taken.into_inner().unwrap(), (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn a_turn_that_panics_is_over() {
        let turns = Turns::default();
        let first = turns.draw();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _turn = first;
            panic!("as rows that cannot be filtered would");
        }));
        assert!(panicked.is_err());
        turns.draw().wait();
    }
}

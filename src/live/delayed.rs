//! Spectators who see the game as it was some ticks ago.

use std::{collections::VecDeque, sync::Arc};

use systems::{
    delta::{SeenBoard, ViewDelta},
    world::Scoreboard,
};

use super::{
    game::{Game, Phase},
    update::{BoardNews, Update},
};

/// The board as spectators see it, and what they will be told.
#[derive(Debug)]
pub(super) struct Delayed {
    /// Ticks they are behind.
    delay: u32,
    /// What they have been told so far.
    shown: Shown,
    waiting: VecDeque<(Arc<Update>, Option<ViewDelta>)>,
    /// Tick of the game itself.
    tick: u32,
    /// Whether nothing has to be kept back any more.
    is_over: bool,
}

#[derive(Debug)]
struct Shown {
    seq: u64,
    tick: u32,
    phase: Phase,
    board: SeenBoard,
    scoreboard: Scoreboard,
}

impl Delayed {
    /// Spectators of a game that begins.
    pub(super) fn new(delay: u32, board: SeenBoard, scoreboard: Scoreboard) -> Self {
        let shown = Shown { seq: 0, tick: 0, phase: Phase::Running, board, scoreboard };
        Self { delay, shown, waiting: VecDeque::new(), tick: 0, is_over: false }
    }

    /// Keeps an update back, with what it changes on the board.
    pub(super) fn add(&mut self, update: Arc<Update>, change: Option<&ViewDelta>, phase: Phase) {
        let change = change.filter(|_| update.board.is_some()).cloned();
        (self.tick, self.is_over) = (update.tick, phase.is_final());
        self.waiting.push_back((update, change));
    }

    /// The next update whose time has come.
    pub(super) fn next(&mut self) -> Option<Arc<Update>> {
        let (oldest, _) = self.waiting.front()?;
        if !self.is_over && oldest.tick + self.delay > self.tick {
            return None;
        }
        let (update, change) = self.waiting.pop_front()?;
        let shown = &mut self.shown;
        (shown.seq, shown.tick, shown.phase) = (update.seq, update.tick, update.phase);
        if let Some(change) = &change {
            shown.board.apply(change);
        }
        if let Some(scoreboard) = &update.scoreboard {
            shown.scoreboard = scoreboard.clone();
        }
        Some(update)
    }

    /// The whole board as it is shown now.
    pub(super) fn whole(&self, game: &Game) -> Update {
        let shown = &self.shown;
        Update {
            seq: shown.seq,
            tick: shown.tick,
            phase: shown.phase,
            board: Some(BoardNews::whole(game.size, &shown.board)),
            scoreboard: Some(shown.scoreboard.clone()),
            events: Vec::new(),
            skipped: Vec::new(),
            queued: 0,
            players: game.players(),
        }
    }
}

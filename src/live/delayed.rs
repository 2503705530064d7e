//! Spectators who see the game as it was some ticks ago.

use systems::{delta::SeenBoard, world::Scoreboard};

use super::{
    game::{Game, Phase},
    held::{Held, HeldQueue},
    update::{BoardNews, Update},
};

/// The board as spectators see it, and what they will be told.
#[derive(Debug)]
pub(super) struct Delayed {
    /// Ticks they are behind.
    delay: u32,
    /// What they have been told so far.
    shown: Shown,
    waiting: HeldQueue,
    /// Tick of the game itself.
    tick: u32,
    /// Whether nothing has to be kept back any more.
    is_over: bool,
}

#[derive(Debug)]
struct Shown {
    /// Updates that were told: what happens between ticks is told together, so they have numbers of
    /// their own.
    seq: u64,
    phase: Phase,
    board: SeenBoard,
    scoreboard: Scoreboard,
}

impl Delayed {
    /// Spectators of a game that begins.
    pub(super) fn new(delay: u32, board: SeenBoard, scoreboard: Scoreboard) -> Self {
        let shown = Shown { seq: 0, phase: Phase::Running, board, scoreboard };
        Self { delay, shown, waiting: HeldQueue::default(), tick: 0, is_over: false }
    }

    /// Keeps news back.
    pub(super) fn add(&mut self, held: Held) {
        (self.tick, self.is_over) = (held.change.turn, held.phase.is_final());
        self.waiting.push(held);
    }

    /// The next news whose time has come. From now on they are shown.
    pub(super) fn next(&mut self) -> Option<Held> {
        let oldest = self.waiting.oldest()?;
        if !self.is_over && oldest.saturating_add(self.delay) > self.tick {
            return None;
        }
        let held = self.waiting.pop()?;
        let shown = &mut self.shown;
        shown.seq += 1;
        shown.phase = held.phase;
        shown.board.apply(&held.change);
        if let Some(scoreboard) = &held.scoreboard {
            shown.scoreboard.clone_from(scoreboard);
        }
        Some(held)
    }

    /// News that are shown, as an update for who has seen what was before.
    pub(super) fn update(&self, game: &Game, held: Held) -> Update {
        if held.is_start {
            let Update { board, scoreboard, players, .. } = self.whole(game);
            return Update { board, scoreboard, players, ..self.told(held) };
        }
        let board = BoardNews::change(game.size, &self.shown.board, &held.change);
        Update { board, ..self.told(held) }
    }

    fn told(&self, Held { phase, scoreboard, events, .. }: Held) -> Update {
        Update {
            seq: self.shown.seq,
            tick: self.shown.board.turn,
            phase,
            board: None,
            scoreboard,
            events,
            skipped: Vec::new(),
            queued: 0,
            players: Vec::new(),
        }
    }

    /// The whole board as it is shown now.
    pub(super) fn whole(&self, game: &Game) -> Update {
        let shown = &self.shown;
        Update {
            seq: shown.seq,
            tick: shown.board.turn,
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

#[cfg(test)]
mod tests {
    use systems::{
        components::State,
        delta::{Face, SeenTile, ViewDelta},
    };

    use super::*;
    use crate::live::update::Event;

    const DELAY: u32 = 1000;
    const TILES: u16 = 400;

    /// Numbers that are the same in every run.
    fn dice(seed: &mut u64, below: u64) -> u64 {
        *seed =
            seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) % below
    }

    fn scoreboard(turn: u32) -> Scoreboard {
        let (land, army) = (vec![turn / 50, 30], vec![turn, 3 * turn]);
        Scoreboard { turn, state: State::Running, alive: 3, land, army }
    }

    /// A board on which so many tiles change in a tick, as far as spectators see it and as it is.
    struct Play {
        seed: u64,
        board: SeenBoard,
        delayed: Delayed,
    }

    impl Play {
        fn new() -> Self {
            let tile = SeenTile { face: Face::Plain, owner: 255, army: 0 };
            let board = SeenBoard { turn: 0, tiles: vec![tile; TILES.into()] };
            let delayed = Delayed::new(DELAY, board.clone(), scoreboard(0));
            Self { seed: 1, board, delayed }
        }

        fn tick(&mut self, changes: u64) {
            let mut tiles: Vec<u16> = (0..changes)
                .map(|_| u16::try_from(dice(&mut self.seed, TILES.into())).unwrap())
                .collect();
            tiles.sort_unstable();
            tiles.dedup();
            let seed = &mut self.seed;
            let look = |tile| {
                let army = i32::try_from(dice(seed, 200)).unwrap();
                (tile, SeenTile { face: Face::City, owner: u8::from(army % 2 == 1), army })
            };
            let tiles = tiles.into_iter().map(look).collect();
            let change = ViewDelta { turn: self.board.turn + 1, tiles };
            self.board.apply(&change);
            self.add(change, vec![]);
        }

        fn add(&mut self, change: ViewDelta, events: Vec<Event>) {
            let scoreboard = Some(scoreboard(change.turn)).filter(|_| events.is_empty());
            let phase = Phase::Running;
            self.delayed.add(Held { change, is_start: false, phase, scoreboard, events });
        }
    }

    #[test]
    fn spectators_see_the_board_as_it_was_at_each_tick() {
        let mut play = Play::new();
        let mut boards = vec![play.board.clone()];
        for tick in 1..=DELAY + 500 {
            play.tick(if tick % 50 == 0 { 300 } else { 6 });
            boards.push(play.board.clone());
            while play.delayed.next().is_some() {
                let shown = &play.delayed.shown;
                assert_eq!(shown.board, boards[shown.board.turn as usize]);
                assert_eq!(shown.scoreboard, scoreboard(shown.board.turn));
            }
            assert_eq!(play.delayed.shown.board.turn, tick.saturating_sub(DELAY));
        }
        // A game for two on 20x20: kept as updates, these were a quarter of a megabyte.
        let size = play.delayed.waiting.size();
        assert!(size < 60 << 10, "{size} bytes wait");
    }

    #[test]
    fn however_much_changes_what_waits_is_bounded_and_nothing_is_shown_early() {
        let mut play = Play::new();
        let mut boards = vec![play.board.clone()];
        let (mut most, mut steps) = (0, 0);
        for tick in 1..=3 * DELAY {
            play.tick(400);
            for _ in 0..3 {
                let change = ViewDelta { turn: tick, tiles: vec![] };
                let seat = u8::try_from(tick % 16).unwrap();
                play.add(change, vec![Event::Disconnected { seat }, Event::Reconnected { seat }]);
            }
            boards.push(play.board.clone());
            while play.delayed.next().is_some() {
                let shown = &play.delayed.shown.board;
                assert_eq!(*shown, boards[shown.turn as usize]);
                steps += 1;
            }
            assert!(play.delayed.shown.board.turn <= tick.saturating_sub(DELAY));
            most = most.max(play.delayed.waiting.size());
        }
        assert!(most < 300 << 10, "{most} bytes waited");
        assert!(steps > 300, "{steps} steps were shown");
        assert!(
            play.delayed.shown.board.turn > DELAY,
            "they are not left further and further behind"
        );
    }
}

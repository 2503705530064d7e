//! Looking at games, and stopping their clocks.

use std::ops::Bound;

use systems::world::World;
use tokio::time::Instant;

use super::{
    Arena, LiveError,
    game::{Game, Phase},
    request::{GameInfo, GameState, ListPage, Listing, SeatKey},
    streams,
    timers::Due,
};

/// Games that one request looks at: a page may have fewer than asked for, and another after it.
const LOOKED_AT: usize = 10_000;

impl Arena {
    /// The game as a player sees it.
    pub(super) fn state(&mut self, world: &World, key: SeatKey) -> Result<GameState, LiveError> {
        let (game, seat) = self.player(key)?;
        let seq = game.feeds.iter().find(|feed| feed.seat == seat).map_or(0, |feed| feed.seq);
        let update = streams::whole(game, world, seat, seq)?;
        let mask = match game.entity.filter(|_| !game.phase.is_final()) {
            Some(entity) => world.action_mask(entity, usize::from(seat))?.planes,
            None => Vec::new(),
        };
        Ok(GameState { info: info(game, update.tick), update, mask, seat })
    }

    /// A page of public games.
    pub(super) fn list(&self, world: &World, listing: &Listing) -> ListPage {
        let mut page = ListPage::default();
        let from = (Bound::Included(listing.from), Bound::Unbounded);
        for (looked_at, (&number, id)) in self.listed.range(from).enumerate() {
            if page.games.len() >= listing.page_size || looked_at >= LOOKED_AT {
                page.next = Some(number);
                break;
            }
            let Some(game) = self.games.get(id) else { continue };
            let is_wanted = (listing.phases.is_empty() || listing.phases.contains(&game.phase))
                && (listing.ruleset.is_empty() || game.settings.ruleset.name == listing.ruleset)
                && (listing.players == 0 || game.seats.len() == listing.players);
            if is_wanted {
                page.games.push(info(game, self.tick_of(world, *id)));
            }
        }
        page
    }

    /// Stops a running game's clock.
    pub(super) fn pause(&mut self, world: &World, key: SeatKey) -> Result<(), LiveError> {
        let tick = self.tick_of(world, key.game);
        let game = self.governed(key, tick)?;
        let event = game.become_phase(Phase::Paused, "pausing", "running")?;
        if let Some(timer) = game.timer.take() {
            self.timers.cancel(timer);
        }
        self.tell(world, key.game, vec![event]);
        Ok(())
    }

    /// Lets a paused game go on: its next tick comes a turn later.
    pub(super) fn resume(&mut self, world: &World, key: SeatKey) -> Result<(), LiveError> {
        let tick = self.tick_of(world, key.game);
        let game = self.governed(key, tick)?;
        if game.phase != Phase::Paused {
            let (what, need) = ("resuming", "paused");
            return Err(LiveError::WrongPhase { what, phase: game.phase, need });
        }
        let event = game.become_phase(Phase::Running, "resuming", "paused")?;
        let next = Instant::now() + game.settings.turn();
        if let Some(timer) = game.timer.take() {
            self.timers.cancel(timer);
        }
        let timer = self.timers.set(key.game, Due::Phase, next);
        self.game_mut(key.game)?.timer = Some(timer);
        self.tell(world, key.game, vec![event]);
        Ok(())
    }

    /// A game that goes on, for its owner or one of its players.
    fn governed(&mut self, key: SeatKey, tick: u32) -> Result<&mut Game, LiveError> {
        let game = self.game_mut(key.game)?;
        game.may_govern(&key.token)?;
        if game.phase.is_final() {
            return Err(LiveError::GameOver { tick });
        }
        game.last_active = Instant::now();
        Ok(game)
    }
}

/// What everybody may know of a game.
fn info(game: &Game, tick: u32) -> GameInfo {
    GameInfo {
        game: game.id,
        phase: game.phase,
        tick,
        size: game.size,
        ruleset: game.settings.ruleset.name.clone(),
        pace: game.settings.pace,
        max_ticks: game.settings.max_ticks,
        has_fog: game.settings.has_fog,
        allows_spectators: game.settings.spectators.is_some(),
        players: game.players(),
    }
}

//! Looking at games, and stopping their clocks.

use std::{ops::Bound, time::Duration};

use systems::world::{OrderFault, World};
use tokio::time::Instant;

use super::{
    Arena, LiveError,
    game::{Game, Phase},
    request::{GameInfo, GameState, ListPage, Listing, SeatKey},
    streams,
    timers::{Due, Timer},
};

/// Games that one request looks at: a page may have fewer than asked for, and another after it.
/// Live ticks wait as long as that takes, some 50 µs.
const LOOKED_AT: usize = 250;

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

    /// Stops a running game's clock, until somebody resumes it or the time for pauses is over.
    pub(super) fn pause(&mut self, world: &World, key: SeatKey) -> Result<(), LiveError> {
        let (tick, config) = (self.tick_of(world, key.game), &self.config);
        let (longest, most) = (config.pause, config.player_pauses);
        let (game, governor) = self.governed(key, tick)?;
        if game.phase != Phase::Running {
            let (what, need) = ("pausing", "running");
            return Err(LiveError::WrongPhase { what, phase: game.phase, need });
        }
        if game.pause_left.is_zero() {
            return Err(LiveError::NoPauseTime(longest));
        }
        if let Some(seat) = governor {
            if game.alive >> seat & 1 == 0 {
                return Err(OrderFault::Eliminated { seat: usize::from(seat) }.into());
            }
            let player = game.occupant(seat).filter(|player| player.pauses < most);
            player.ok_or(LiveError::NoPauses(most))?.pauses += 1;
        }
        let event = game.become_phase(Phase::Paused, "pausing", "running")?;
        let turn = game.timer.take();
        game.turn_left = turn.as_ref().map_or(Duration::ZERO, Timer::left);
        if turn.is_none() {
            // A lockstep game whose players have all acted: its tick is due once it goes on.
            self.ready.retain(|&ready| ready != key.game);
        }
        self.set_clock(key.game, turn, |game| game.pause_left);
        self.tell(world, key.game, vec![event]);
        Ok(())
    }

    /// Lets a paused game go on.
    pub(super) fn resume(&mut self, world: &World, key: SeatKey) -> Result<(), LiveError> {
        let tick = self.tick_of(world, key.game);
        self.governed(key, tick)?;
        self.go_on(world, key.game)
    }

    /// Lets a paused game go on with what is left of its turn, so that pauses win nobody time.
    pub(super) fn go_on(&mut self, world: &World, id: u64) -> Result<(), LiveError> {
        let game = self.game_mut(id)?;
        if game.phase != Phase::Paused {
            let (what, need) = ("resuming", "paused");
            return Err(LiveError::WrongPhase { what, phase: game.phase, need });
        }
        let event = game.become_phase(Phase::Running, "resuming", "paused")?;
        let pause = game.timer.take();
        game.pause_left = pause.as_ref().map_or(Duration::ZERO, Timer::left);
        self.set_clock(id, pause, |game| game.turn_left);
        self.tell(world, id, vec![event]);
        // Some may have left meanwhile.
        self.play_if_all_acted(world, id);
        Ok(())
    }

    /// Sets the deadline of a game's phase in the place of another one.
    fn set_clock(&mut self, id: u64, old: Option<Timer>, left: impl Fn(&Game) -> Duration) {
        if let Some(old) = old {
            self.timers.cancel(old);
        }
        let Some(game) = self.games.get_mut(&id) else { return };
        let deadline = Instant::now() + left(game);
        game.timer = Some(self.timers.set(id, Due::Phase, deadline));
    }

    /// A game that is not over, for its owner or one of its players, and whose seat that is.
    fn governed(&mut self, key: SeatKey, tick: u32) -> Result<(&mut Game, Option<u8>), LiveError> {
        let game = self.game_mut(key.game)?;
        let governor = game.governor(&key.token)?;
        if game.phase.is_final() {
            return Err(LiveError::GameOver { tick });
        }
        game.last_active = Instant::now();
        Ok((game, governor))
    }
}

/// What everybody may know of a game.
fn info(game: &Game, tick: u32) -> GameInfo {
    let settings = &game.settings;
    let tells_seed = settings.is_seed_chosen || game.phase.is_final();
    GameInfo {
        game: game.id,
        phase: game.phase,
        tick,
        size: game.size,
        ruleset: settings.ruleset.name.clone(),
        pace: settings.pace,
        max_ticks: settings.max_ticks,
        has_fog: settings.has_fog,
        allows_spectators: settings.spectators.is_some(),
        players: game.players(),
        is_seed_chosen: settings.is_seed_chosen,
        seed: tells_seed.then_some(settings.seed),
        is_collected: settings.is_collected,
        spectator_delay: settings.spectators.unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use systems::{policies::Policy, rules::ruleset::Ruleset, start::Start, world::WorldConfig};

    use super::*;
    use crate::live::{
        GameSettings, LiveConfig,
        request::Creator,
        settings::{Board, Pace},
    };

    #[test]
    fn a_pause_and_a_turn_each_keep_what_is_left_of_them() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _clock = runtime.enter();
        let config = WorldConfig { threads: 1, ..WorldConfig::default() };
        let mut world = World::new(config).unwrap();
        let (mut arena, _handle) = Arena::new(LiveConfig::default(), None, None);
        let hour = Duration::from_hours(1);
        let settings = Box::new(GameSettings {
            board: Board::Fixed(Arc::new(Start::from_text("A . B").unwrap())),
            ruleset: Arc::new(Ruleset::named("generals").unwrap()),
            policies: vec![Policy::Random; 2],
            has_fog: true,
            pace: Pace::Timed(hour),
            max_ticks: 3,
            seed: 1,
            is_seed_chosen: true,
            is_private: false,
            spectators: None,
            is_recorded: false,
            is_collected: false,
        });
        let creator = Creator { client: "".into(), max_games: 1, joining: Vec::new() };
        let created = arena.create(&mut world, settings, creator).unwrap();
        let key = SeatKey { game: created.game, token: created.owner };
        let left = |arena: &Arena| arena.games[&key.game].timer.as_ref().map(Timer::left).unwrap();
        let (mut turn, mut pause) = (hour, hour);
        for _ in 0..100 {
            // Whatever the clock says, it never goes back.
            assert!(left(&arena) <= turn);
            turn = left(&arena);
            arena.pause(&world, key).unwrap();
            assert!(arena.games[&key.game].turn_left <= turn && left(&arena) <= pause);
            turn = arena.games[&key.game].turn_left;
            pause = left(&arena);
            arena.resume(&world, key).unwrap();
            assert!(arena.games[&key.game].pause_left <= pause);
            pause = arena.games[&key.game].pause_left;
        }
        assert!(turn < hour && pause < hour);
    }
}

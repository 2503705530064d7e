//! How games come, begin and go.

use std::{
    collections::{VecDeque, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use systems::{
    delta::WHOLE,
    policies::Policy,
    world::{GameSpec, World},
};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::{
    Arena, GameSettings, LiveError,
    delayed::Delayed,
    game::{Feed, Game, Occupant, Phase, Seat},
    request::{Created, Creator, Joined, Joining, SeatKey},
    streams::{self, Occasion},
    timers::Due,
    token::Token,
    update::Event,
};

/// Characters of a name at most.
const NAME: usize = 40;

impl Arena {
    /// Creates a game, which starts at once if only policies play, or its creator and policies.
    pub(super) fn create(
        &mut self,
        world: &mut World,
        settings: Box<GameSettings>,
        Creator { client, max_games, joining }: Creator,
    ) -> Result<Created, LiveError> {
        if self.games.len() >= self.config.max_games {
            return Err(LiveError::TooManyGames(self.config.max_games));
        }
        if self.games_of.get(&client).is_some_and(|&games| games >= max_games) {
            return Err(LiveError::TooManyGamesOfClient(max_games));
        }
        settings.check()?;
        self.check_collected(&settings)?;
        // Before anything is created, so that a refusal leaves nothing behind.
        check_joining(&joining, &settings.policies)?;
        let seed = settings.is_seed_chosen.then_some(settings.seed);
        let (owner, id) = (Token::random()?, self.new_id()?);
        // Held until the game is removed.
        let rules = world.hold_ruleset(&settings.ruleset)?;
        let number = self.next_number;
        self.next_number += 1;
        let now = Instant::now();
        if !settings.is_private {
            self.listed.insert(number, id);
        }
        let seat = |&policy: &Policy| Seat { player: None, policy };
        let game = Game {
            id,
            number,
            creator: client.clone(),
            owner,
            rules,
            phase: Phase::Lobby,
            seats: settings.policies.iter().map(seat).collect(),
            entity: None,
            size: settings.size(),
            alive: 0,
            timer: Some(self.timers.set(id, Due::Phase, now + self.config.lobby)),
            turn_left: Duration::ZERO,
            pause_left: self.config.pause,
            started: now,
            idle: None,
            last_active: now,
            feeds: Vec::new(),
            departures: Vec::new(),
            settings,
        };
        let starts = !game.has_free_seat();
        debug!(game = show(id), seats = game.seats.len(), "game created");
        self.games.insert(id, Box::new(game));
        *self.games_of.entry(client).or_insert(0) += 1;
        self.stats.created += 1;
        self.stats.games[Phase::Lobby as usize] += 1;
        if starts {
            self.start(world, id)?;
        }
        let joined = joining.iter().map(|joining| self.join(world, id, joining));
        Ok(Created { game: id, owner, seed, joined: joined.collect::<Result<_, _>>()? })
    }

    /// An id that nobody can guess, since it is all that a private game is known by.
    fn new_id(&self) -> Result<u64, LiveError> {
        loop {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes)
                .map_err(|error| LiveError::World(format!("no randomness: {error}")))?;
            let id = u64::from_le_bytes(bytes);
            if !self.games.contains_key(&id) {
                return Ok(id);
            }
        }
    }

    /// Gives a player a seat, and starts the game with the last one.
    pub(super) fn join(
        &mut self,
        world: &mut World,
        id: u64,
        joining: &Joining,
    ) -> Result<Joined, LiveError> {
        let (name, wanted) = (joining.name.as_str(), joining.seat);
        let game = self.game_mut(id)?;
        check_name(name)?;
        if game.phase.is_final() {
            return Err(LiveError::GameOver { tick: self.tick_of(world, id) });
        }
        let seats = game.seats.len();
        check_seat(wanted, &game.settings.policies)?;
        let names = game.seats.iter().filter_map(|seat| seat.player.as_ref());
        if names.clone().any(|player| player.name == name) {
            return Err(LiveError::NameTaken(name.to_owned()));
        }
        if !game.has_free_seat() {
            return Err(LiveError::GameFull { seats });
        }
        let is_free = |seat: &Seat| seat.player.is_none() && seat.policy == Policy::External;
        let seat = match wanted {
            Some(wanted) if !is_free(&game.seats[wanted as usize]) => {
                return Err(LiveError::SeatTaken(wanted));
            }
            Some(wanted) => wanted as usize,
            None => game.seats.iter().position(is_free).unwrap_or(0),
        };
        let token = Token::random()?;
        game.seats[seat].player = Some(Box::new(Occupant {
            name: name.to_owned(),
            token,
            answers: VecDeque::new(),
            streams: 0,
            pauses: 0,
            grace: None,
            is_departing: false,
        }));
        let seat = u8::try_from(seat).unwrap_or(u8::MAX);
        let event = Event::Joined { seat, name: name.to_owned() };
        let starts = !game.has_free_seat();
        self.tell(world, id, vec![event]);
        if starts {
            self.start(world, id)?;
        }
        let phase = self.game_mut(id)?.phase;
        Ok(Joined { seat, token, phase })
    }

    /// Starts a game whose seats are all taken.
    fn start(&mut self, world: &mut World, id: u64) -> Result<(), LiveError> {
        let game = self.games.get_mut(&id).ok_or_else(|| LiveError::GameNotFound(show(id)))?;
        let mut events = vec![game.become_phase(Phase::Starting, "starting", "in the lobby")?];
        let start = game.settings.start();
        let spec = GameSpec {
            seed: game.settings.seed,
            max_ticks: game.settings.max_ticks,
            policies: &game.settings.policies,
            has_fog: game.settings.has_fog,
            is_live: true,
            is_recorded: game.settings.is_recorded && self.archive.is_some(),
            has_queues: true,
            has_rows: game.settings.is_collected,
            label: Some(id),
            ..GameSpec::new(&start, game.rules)
        };
        let entity = match world.create(&spec) {
            Ok(entity) => entity,
            Err(error) => {
                self.tell(world, id, events);
                self.abort(world, id);
                return Err(error.into());
            }
        };
        if let Some(collector) = self.collector.as_mut().filter(|_| game.settings.is_collected) {
            collector.begin(id, &game.settings.ruleset.name, &game.settings.policies);
            // The first step shows the start. No other game is due here.
            if world.make_due(entity).is_ok() {
                world.step_due();
            }
            collector.stepped();
        }
        let now = Instant::now();
        game.entity = Some(entity);
        game.size = (start.width, start.height);
        (game.started, game.last_active) = (now, now);
        events.push(Event::Started);
        events.push(game.become_phase(Phase::Running, "starting", "starting")?);
        let scoreboard = world.scoreboard(entity)?;
        game.alive = scoreboard.alive;
        for feed in &game.feeds {
            streams::watch_view(world, entity, feed.seat)?;
        }
        if let Some(delay) = game.settings.spectators.filter(|&delay| delay > 0) {
            // Kept from the beginning: who comes later has to be shown what was before.
            let board = streams::watch_view(world, entity, WHOLE)?;
            if game.feeds.iter().all(|feed| feed.seat != WHOLE) {
                game.feeds.push(Feed::new(WHOLE));
            }
            let feeds = game.feeds.iter_mut().filter(|feed| feed.seat == WHOLE);
            for feed in feeds {
                feed.delayed = Some(Delayed::new(delay, board.clone(), scoreboard.clone()));
            }
        }
        if let Some(timer) = game.timer.take() {
            self.timers.cancel(timer);
        }
        game.timer = Some(self.timers.set(id, Due::Phase, now + game.settings.turn()));
        if game.has_players() {
            game.idle = Some(self.timers.set(id, Due::Idle, now + self.config.idle));
        }
        debug!(game = show(id), "game started");
        self.publish(world, id, &Occasion::Start(&scoreboard), events);
        Ok(())
    }

    /// Checks that the rows of a game can be collected, if they are to be.
    fn check_collected(&self, settings: &GameSettings) -> Result<(), LiveError> {
        if !settings.is_collected {
            return Ok(());
        }
        let Some(collector) = &self.collector else {
            let reason = "this server has no streams of experiences";
            return Err(LiveError::invalid("collect_experiences", reason));
        };
        let (width, height) = settings.size();
        let has_builds = settings.ruleset.builds();
        collector
            .check((height, width), settings.players(), has_builds)
            .map_err(|reason| LiveError::invalid("collect_experiences", reason))
    }

    /// Gives a seat up: frees it in the lobby, surrenders it later.
    pub(super) fn leave(&mut self, world: &mut World, key: SeatKey) -> Result<(), LiveError> {
        let game = self.game_mut(key.game)?;
        let seat = game.seat_of(&key.token)?;
        match game.phase {
            Phase::Lobby => {
                self.free_seat(world, key.game, seat);
                Ok(())
            }
            Phase::Ended | Phase::Aborted => {
                Err(LiveError::GameOver { tick: self.tick_of(world, key.game) })
            }
            _ => {
                self.depart(world, key.game, seat);
                self.tell(world, key.game, vec![Event::Left { seat }]);
                Ok(())
            }
        }
    }

    /// Frees a seat of a game that has not begun, and ends its streams.
    pub(super) fn free_seat(&mut self, world: &mut World, id: u64, seat: u8) {
        let Some(game) = self.games.get_mut(&id) else { return };
        let Some(player) = game.seats[usize::from(seat)].player.take() else { return };
        if let Some(timer) = player.grace {
            self.timers.cancel(timer);
        }
        let (gone, kept) =
            std::mem::take(&mut game.feeds).into_iter().partition(|feed| feed.seat == seat);
        game.feeds = kept;
        self.close_feeds(gone);
        self.tell(world, id, vec![Event::Left { seat }]);
    }

    /// Gives a game up.
    pub(super) fn abort(&mut self, world: &mut World, id: u64) {
        let Some(game) = self.games.get_mut(&id) else { return };
        let Ok(event) = game.become_phase(Phase::Aborted, "giving up", "not over") else { return };
        debug!(game = show(id), "game aborted");
        self.stats.aborted += 1;
        self.tell(world, id, vec![event]);
        self.retire(id);
    }

    /// Ends the streams of a game in its last phase and sets when it goes.
    pub(super) fn retire(&mut self, id: u64) {
        let Some(game) = self.games.get_mut(&id) else { return };
        let feeds = std::mem::take(&mut game.feeds);
        let graces = game.seats.iter_mut().filter_map(|seat| seat.player.as_mut()?.grace.take());
        let timers = graces.chain(game.timer.take()).chain(game.idle.take());
        timers.for_each(|timer| self.timers.cancel(timer));
        if let Some(collector) = self.collector.as_mut().filter(|_| game.settings.is_collected) {
            collector.end(id);
        }
        let gone = Instant::now() + self.config.keep_ended;
        game.timer = Some(self.timers.set(id, Due::Phase, gone));
        self.close_feeds(feeds);
    }

    /// Removes a game, its deadlines and its streams.
    pub(super) fn remove(&mut self, world: &mut World, id: u64) {
        let Some(mut game) = self.games.remove(&id) else { return };
        self.listed.remove(&game.number);
        if let Entry::Occupied(mut games) = self.games_of.entry(game.creator) {
            *games.get_mut() -= 1;
            if *games.get() == 0 {
                games.remove();
            }
        }
        if let Some(entity) = game.entity {
            // A game that exists here exists there.
            let _is_known = world.remove(entity).is_ok();
        }
        world.release_ruleset(game.rules);
        if let Some(collector) = self.collector.as_mut().filter(|_| game.settings.is_collected) {
            collector.end(id);
        }
        let graces = game.seats.iter_mut().filter_map(|seat| seat.player.as_mut()?.grace.take());
        let timers = graces.chain(game.timer.take()).chain(game.idle.take());
        timers.for_each(|timer| self.timers.cancel(timer));
        self.close_feeds(game.feeds);
        debug!(game = show(id), phase = game.phase.name(), "game removed");
        self.stats.removed += 1;
        self.stats.games[game.phase as usize] -= 1;
    }

    /// Removes a game for its owner.
    pub(super) fn delete(&mut self, world: &mut World, key: SeatKey) -> Result<(), LiveError> {
        let game = self.game_mut(key.game)?;
        if !game.owner.is(&key.token) {
            return Err(LiveError::BadToken);
        }
        if !game.phase.is_final() {
            self.abort(world, key.game);
        }
        self.remove(world, key.game);
        Ok(())
    }

    /// Gives up a game that nobody has asked about for long, or that does not come to an end.
    pub(super) fn look_for_life(&mut self, world: &mut World, id: u64) {
        let Some(game) = self.games.get_mut(&id) else { return };
        if game.phase.is_final() {
            return;
        }
        let now = Instant::now();
        let watches = |seat: &Seat| seat.player.as_ref().is_some_and(|player| player.streams > 0);
        if game.seats.iter().any(watches) {
            game.last_active = now;
        }
        let end = (game.last_active + self.config.idle).min(game.started + self.config.longest);
        if end <= now {
            self.abort(world, id);
        } else {
            game.idle = Some(self.timers.set(id, Due::Idle, end));
        }
    }

    /// A game by its id.
    pub(super) fn game_mut(&mut self, id: u64) -> Result<&mut Game, LiveError> {
        let game = self.games.get_mut(&id);
        game.map(Box::as_mut).ok_or_else(|| LiveError::GameNotFound(show(id)))
    }

    /// Ticks that a game has completed.
    pub(super) fn tick_of(&self, world: &World, id: u64) -> u32 {
        let entity = self.games.get(&id).and_then(|game| game.entity);
        entity.and_then(|entity| world.progress(entity).ok()).map_or(0, |(turn, _)| turn)
    }

    /// The record of a finished game, if it is kept.
    pub(super) fn keep(&mut self, world: &mut World, id: u64) {
        let Some(archive) = &self.archive else { return };
        let Some(game) = self.games.get(&id).filter(|game| game.settings.is_recorded) else {
            return;
        };
        if let Some(record) = super::ticks::record_of(game, world) {
            // Whoever writes them must not hold up the games that are played.
            if archive.keep(record) {
                self.stats.kept += 1;
            } else {
                warn!(game = show(id), "game not kept: the archive has no room");
                self.stats.not_kept += 1;
            }
        }
    }
}

/// Checks what can be said of who wants a seat before anybody has one.
fn check_joining(joining: &[Joining], policies: &[Policy]) -> Result<(), LiveError> {
    let free = policies.iter().filter(|&&policy| policy == Policy::External).count();
    for (number, Joining { name, seat }) in joining.iter().enumerate() {
        check_name(name)?;
        check_seat(*seat, policies)?;
        if joining[..number].iter().any(|earlier| earlier.name == *name) {
            return Err(LiveError::NameTaken(name.clone()));
        }
        if number >= free {
            return Err(LiveError::GameFull { seats: policies.len() });
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), LiveError> {
    let length = name.chars().count();
    if !(1..=NAME).contains(&length) || name.chars().any(char::is_control) {
        let reason = format!("{length} characters are no name: use 1 to {NAME} that print");
        return Err(LiveError::invalid("name", reason));
    }
    Ok(())
}

/// Checks that a seat, if one is wanted, is there for players.
fn check_seat(wanted: Option<u32>, policies: &[Policy]) -> Result<(), LiveError> {
    let Some(seat) = wanted else { return Ok(()) };
    let found = usize::try_from(seat).ok().and_then(|seat| policies.get(seat));
    if found != Some(&Policy::External) {
        return Err(LiveError::BadPlayer { seat, seats: policies.len() });
    }
    Ok(())
}

/// A game's id as clients know it: 16 hexadecimal digits.
#[must_use]
pub fn show(id: u64) -> String {
    format!("{id:016x}")
}

/// Reads a game's id.
///
/// # Errors
///
/// [`LiveError::GameNotFound`] for any other text.
pub fn parse_id(text: &str) -> Result<u64, LiveError> {
    let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = is_hex.then(|| u64::from_str_radix(text, 16).ok()).flatten();
    // What a stranger wrote may be long.
    id.ok_or_else(|| LiveError::GameNotFound(text.chars().take(40).collect()))
}

/// Names of the seats' players, for the record.
pub(super) fn names(game: &Game) -> Vec<String> {
    game.seats.iter().map(|seat| seat.policy.name().to_owned()).collect()
}

/// The start of a game that has begun.
pub(super) fn start_of(game: &Game) -> Arc<systems::start::Start> {
    game.settings.start()
}

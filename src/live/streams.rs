//! Who watches, and what they are sent.

use std::sync::Arc;

use systems::{
    components::Order,
    delta::{SeenBoard, ViewDelta, WHOLE},
    world::{GameId, Scoreboard, World},
};
use tokio::time::Instant;

use super::{
    Arena, LiveError,
    delayed::Delayed,
    game::{Feed, Game, Phase},
    held::Held,
    mailbox::{End, Mailbox, Watching},
    request::SeatKey,
    stats::LiveStats,
    ticks,
    timers::Due,
    update::{BoardNews, Event, Update},
};

/// What an update is about.
pub(super) enum Occasion<'a> {
    /// Something happened between ticks.
    News,
    /// The game begins.
    Start(&'a Scoreboard),
    /// A tick was played.
    Tick(&'a Scoreboard),
}

impl Arena {
    /// Opens a stream of a player's updates.
    pub(super) fn watch(&mut self, world: &mut World, key: SeatKey) -> Result<Watching, LiveError> {
        let (_, seat) = self.player(key)?;
        let watching = self.open(world, key.game, seat)?;
        let game = self.game_mut(key.game)?;
        if game.phase.is_final() {
            return Ok(watching);
        }
        let Some(player) = game.occupant(seat) else { return Ok(watching) };
        player.streams += 1;
        if let Some(timer) = player.grace.take() {
            self.timers.cancel(timer);
            self.tell(world, key.game, vec![Event::Reconnected { seat }]);
        }
        Ok(watching)
    }

    /// Opens a stream of the whole board, where that is allowed.
    pub(super) fn spectate(&mut self, world: &mut World, id: u64) -> Result<Watching, LiveError> {
        if self.game_mut(id)?.settings.spectators.is_none() {
            return Err(LiveError::NotAllowed);
        }
        self.open(world, id, WHOLE)
    }

    /// Opens a stream, which begins with the whole view.
    fn open(&mut self, world: &mut World, id: u64, seat: u8) -> Result<Watching, LiveError> {
        let most = self.config.max_streams;
        if self.stats.streams >= most as u64 {
            return Err(LiveError::TooManyStreams(most));
        }
        let stream = self.next_stream;
        self.next_stream += 1;
        let mailbox = Mailbox::new(self.config.stream_updates, self.traffic.clone());
        let notices = self.notice_sender.clone();
        let game = self.game_mut(id)?;
        let watching = Watching { mailbox: mailbox.clone(), stream, game: id, notices };
        if game.phase.is_final() {
            mailbox.push(Arc::new(whole(game, world, seat, 0)?));
            mailbox.close(End::Over);
            return Ok(watching);
        }
        let known = game.feeds.iter().position(|feed| feed.seat == seat);
        let place = known.unwrap_or(game.feeds.len());
        if known.is_none() {
            let mut feed = Feed::new(seat);
            if let Some(entity) = game.entity {
                watch_view(world, entity, seat)?;
                feed.scoreboard = Some(world.scoreboard(entity)?);
            }
            game.feeds.push(feed);
        }
        let feed = &game.feeds[place];
        let first = match &feed.delayed {
            Some(delayed) => delayed.whole(game),
            None => whole(game, world, seat, feed.seq)?,
        };
        mailbox.push(Arc::new(first));
        game.feeds[place].streams.push((stream, mailbox));
        self.stats.streams += 1;
        self.stats.updates += 1;
        Ok(watching)
    }

    /// Forgets a stream that ended; its player may come back.
    pub(super) fn stream_gone(&mut self, world: &mut World, id: u64, stream: u64) {
        let Some(game) = self.games.get_mut(&id) else { return };
        let is_its = |feed: &Feed| feed.streams.iter().any(|(number, _)| *number == stream);
        let Some(place) = game.feeds.iter().position(is_its) else { return };
        let feed = &mut game.feeds[place];
        let seat = feed.seat;
        feed.streams.retain(|(number, _)| *number != stream);
        self.stats.streams -= 1;
        if feed.streams.is_empty() && feed.delayed.is_none() {
            game.feeds.swap_remove(place);
            if let Some(entity) = game.entity {
                // The game exists as long as its entry here.
                let _is_known = world.unwatch(entity, seat).is_ok();
            }
        }
        let Some(player) = game.occupant(seat) else { return };
        player.streams -= 1;
        if player.streams == 0 && !player.is_departing {
            let deadline = Instant::now() + self.config.grace;
            player.grace = Some(self.timers.set(id, Due::Grace(seat), deadline));
            self.tell(world, id, vec![Event::Disconnected { seat }]);
        }
    }

    /// Sends a stream a whole view in the place of what waits for it, which also tells what that
    /// would have told.
    pub(super) fn refresh(&mut self, world: &World, id: u64, stream: u64) {
        let Some(game) = self.games.get(&id) else { return };
        let streams = |feed: &&Feed| feed.streams.iter().any(|(number, _)| *number == stream);
        let Some(feed) = game.feeds.iter().find(streams) else { return };
        let first = match &feed.delayed {
            Some(delayed) => Ok(delayed.whole(game)),
            None => whole(game, world, feed.seat, feed.seq),
        };
        let Ok(first) = first else { return };
        for (_, mailbox) in feed.streams.iter().filter(|(number, _)| *number == stream) {
            mailbox.replace(first.clone(), None);
            self.stats.updates += 1;
        }
    }

    /// Tells everybody who watches a game what happened between ticks.
    pub(super) fn tell(&mut self, world: &World, id: u64, events: Vec<Event>) {
        self.publish(world, id, &Occasion::News, events);
    }

    /// Sends every view of a game that is watched its update. Every change of a phase is told here.
    pub(super) fn publish(
        &mut self,
        world: &World,
        id: u64,
        occasion: &Occasion<'_>,
        events: Vec<Event>,
    ) {
        for event in &events {
            if let Event::PhaseChanged { before, now } = event {
                let before = &mut self.stats.games[*before as usize];
                *before = before.saturating_sub(1);
                self.stats.games[*now as usize] += 1;
            }
        }
        let Some(game) = self.games.get_mut(&id) else { return };
        let mut feeds = std::mem::take(&mut game.feeds);
        for feed in &mut feeds {
            feed.seq += 1;
            if feed.delayed.is_some() {
                let held = held(game, world, feed, occasion, &events);
                feed.show_later(game, held, &mut self.stats);
                continue;
            }
            let update = Arc::new(news(game, world, feed, occasion, &events));
            feed.send(&update, &mut self.stats, |seq| whole(game, world, feed.seat, seq).ok());
        }
        game.feeds = feeds;
    }

    /// Ends the streams of feeds that are gone.
    pub(super) fn close_feeds(&mut self, feeds: Vec<Feed>) {
        for (_, mailbox) in feeds.into_iter().flat_map(|feed| feed.streams) {
            mailbox.close(End::Over);
            self.stats.streams -= 1;
        }
    }
}

impl Feed {
    /// A view that nobody watches yet.
    pub(super) fn new(seat: u8) -> Self {
        Self { seat, seq: 0, streams: Vec::new(), scoreboard: None, delayed: None }
    }

    /// Keeps news back for spectators who are behind, and sends what they may see now. It costs
    /// little while there are none.
    fn show_later(&mut self, game: &Game, held: Held, stats: &mut LiveStats) {
        let Some(delayed) = &mut self.delayed else { return };
        delayed.add(held);
        while let Some(held) = self.delayed.as_mut().and_then(Delayed::next) {
            let Some(delayed) = self.delayed.as_ref().filter(|_| !self.streams.is_empty()) else {
                continue;
            };
            let update = Arc::new(delayed.update(game, held));
            self.send(&update, stats, |_| Some(delayed.whole(game)));
        }
    }

    /// Puts an update into every stream. One without room gets the whole view instead.
    fn send(
        &self,
        update: &Arc<Update>,
        stats: &mut LiveStats,
        whole: impl Fn(u64) -> Option<Update>,
    ) {
        let mut instead = None;
        for (_, mailbox) in &self.streams {
            stats.updates += 1;
            if let Some(waiting) = mailbox.push(update.clone()) {
                stats.deepest = stats.deepest.max(waiting as u64);
                continue;
            }
            stats.overflows += 1;
            if instead.is_none() {
                instead = whole(update.seq);
            }
            // Its columns are shared; what happened in the backlog is each stream's own.
            if let Some(whole) = &instead {
                mailbox.replace(whole.clone(), Some(update));
            }
        }
    }
}

/// Begins to list the changes of a view in the world.
pub(super) fn watch_view(
    world: &mut World,
    entity: GameId,
    seat: u8,
) -> Result<SeenBoard, LiveError> {
    Ok(if seat == WHOLE {
        world.watch_whole(entity)?
    } else {
        world.watch(entity, usize::from(seat))?
    })
}

/// A view's update.
fn news(
    game: &Game,
    world: &World,
    feed: &mut Feed,
    occasion: &Occasion<'_>,
    events: &[Event],
) -> Update {
    let watched = game.entity.map_or(&[][..], |entity| world.watched(entity));
    let watched = watched.iter().find(|watched| watched.seat == feed.seat);
    let (board, scoreboard) = match (occasion, watched) {
        (Occasion::Tick(scoreboard), Some(watched)) => {
            let change = BoardNews::change(game.size, &watched.board, &watched.delta);
            (change, Some(*scoreboard))
        }
        (Occasion::Start(scoreboard), Some(watched)) => {
            (Some(BoardNews::whole(game.size, &watched.board)), Some(*scoreboard))
        }
        _ => (None, None),
    };
    let scoreboard = untold(feed, scoreboard);
    let is_new = matches!(occasion, Occasion::Start(_)) || game.phase == Phase::Lobby;
    let skipped = if matches!(occasion, Occasion::Tick(_)) {
        skipped(game, world, feed.seat)
    } else {
        Vec::new()
    };
    Update {
        seq: feed.seq,
        tick: turn(game, world),
        phase: game.phase,
        board,
        scoreboard: scoreboard.cloned(),
        events: events.to_vec(),
        skipped,
        queued: queued(game, world, feed.seat),
        players: if is_new { game.players() } else { Vec::new() },
    }
}

/// The scoreboard, if it is not the one that was told last. From now on it is.
fn untold<'a>(feed: &mut Feed, scoreboard: Option<&'a Scoreboard>) -> Option<&'a Scoreboard> {
    let now = scoreboard?;
    let told = feed.scoreboard.as_ref();
    let is_told = told.is_some_and(|told| {
        (told.alive, &told.land, &told.army) == (now.alive, &now.land, &now.army)
    });
    if is_told {
        return None;
    }
    feed.scoreboard = Some(now.clone());
    Some(now)
}

/// What spectators who are behind are told later.
fn held(
    game: &Game,
    world: &World,
    feed: &mut Feed,
    occasion: &Occasion<'_>,
    events: &[Event],
) -> Held {
    let mut change = ViewDelta { turn: turn(game, world), tiles: Vec::new() };
    let (is_start, scoreboard) = match occasion {
        Occasion::News => (false, None),
        Occasion::Start(scoreboard) => (true, Some(*scoreboard)),
        Occasion::Tick(scoreboard) => {
            let watched = game.entity.map_or(&[][..], |entity| world.watched(entity));
            if let Some(watched) = watched.iter().find(|watched| watched.seat == feed.seat) {
                change.tiles.clone_from(&watched.delta.tiles);
            }
            (false, Some(*scoreboard))
        }
    };
    let scoreboard = untold(feed, scoreboard).cloned();
    Held { change, is_start, phase: game.phase, scoreboard, events: events.to_vec() }
}

/// The whole view of a seat.
pub(super) fn whole(game: &Game, world: &World, seat: u8, seq: u64) -> Result<Update, LiveError> {
    let mut update = Update {
        seq,
        tick: turn(game, world),
        phase: game.phase,
        board: None,
        scoreboard: None,
        events: Vec::new(),
        skipped: Vec::new(),
        queued: queued(game, world, seat),
        players: game.players(),
    };
    let Some(entity) = game.entity else { return Ok(update) };
    update.scoreboard = Some(world.scoreboard(entity)?);
    let watched = world.watched(entity).iter().find(|watched| watched.seat == seat);
    update.board = Some(match watched {
        Some(watched) => BoardNews::whole(game.size, &watched.board),
        None if seat == WHOLE => BoardNews::whole(game.size, &world.seen_whole(entity)?),
        None => BoardNews::whole(game.size, &world.seen(entity, usize::from(seat))?),
    });
    if game.phase == Phase::Ended {
        update.events.push(ticks::end_of(game, world, entity)?);
    }
    Ok(update)
}

fn turn(game: &Game, world: &World) -> u32 {
    let progress = game.entity.and_then(|entity| world.progress(entity).ok());
    progress.map_or(0, |(turn, _)| turn)
}

/// Orders of a seat that wait.
fn queued(game: &Game, world: &World, seat: u8) -> u32 {
    let queued = game.entity.and_then(|entity| world.queued(entity, usize::from(seat)).ok());
    queued.map_or(0, |queued| u32::try_from(queued).unwrap_or(u32::MAX))
}

/// The seat's orders that the last tick took and could not carry out, as actions.
fn skipped(game: &Game, world: &World, seat: u8) -> Vec<u32> {
    let Some(entity) = game.entity else { return Vec::new() };
    let (Some(news), Ok(done)) = (world.tick_news(entity), world.orders(entity)) else {
        return Vec::new();
    };
    let taken = news.taken.iter().filter(|(whose, _)| *whose == seat).map(|&(_, order)| order);
    let mut skipped: Vec<Order> = taken.collect();
    // The last one that was taken is the one that was carried out, unless none was legal.
    if skipped.last() == done.get(usize::from(seat)) || skipped.last() == Some(&Order::PASS) {
        skipped.pop();
    }
    let tiles = game.size.0 * game.size.1;
    skipped.into_iter().filter_map(|order| u32::try_from(order.action(tiles)).ok()).collect()
}

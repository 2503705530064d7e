//! Playing the games that are due, and what follows from a tick.

use std::sync::Arc;

use systems::{
    components::State,
    queue::Happening,
    record::{GameRecord, Outcome},
    replay::ScriptMoves,
    world::{GameId, Scoreboard, World},
};
use tokio::time::Instant;
use tracing::debug;

use super::{
    Arena, LiveError,
    game::{Game, Phase},
    lobby, orders,
    settings::Pace,
    streams::Occasion,
    timers::Due,
    update::Event,
};
use crate::analytics::Source;

impl Arena {
    /// Plays one tick of each of these games, with the deadlines they had.
    pub(super) fn play(&mut self, world: &mut World, due: &[(u64, Instant)]) {
        let mut playing = Vec::with_capacity(due.len());
        let mut is_collected = false;
        for &(id, deadline) in due {
            let game = self.games.get(&id).filter(|game| game.phase == Phase::Running);
            let Some(entity) = game.and_then(|game| game.entity) else { continue };
            is_collected |= game.is_some_and(|game| game.settings.is_collected);
            if world.make_due(entity).is_ok() {
                playing.push((id, entity, deadline));
            }
        }
        if playing.is_empty() {
            return;
        }
        world.step_due();
        if let Some(collector) = self.collector.as_mut().filter(|_| is_collected) {
            collector.stepped();
        }
        let now = Instant::now();
        for (id, entity, deadline) in playing {
            self.stats.tick(now.saturating_duration_since(deadline));
            if self.after_tick(world, id, entity, deadline, now).is_err() {
                self.abort(world, id);
            }
        }
    }

    fn after_tick(
        &mut self,
        world: &mut World,
        id: u64,
        entity: GameId,
        deadline: Instant,
        now: Instant,
    ) -> Result<(), LiveError> {
        let scoreboard = world.scoreboard(entity)?;
        let analytics = self.analytics.clone();
        let game = self.game_mut(id)?;
        let mut events = told(game, world, entity, &scoreboard);
        game.alive = scoreboard.alive;
        if scoreboard.state == State::Running {
            self.publish(world, id, &Occasion::Tick(&scoreboard), events);
            self.set_next_tick(world, id, deadline, now);
            return Ok(());
        }
        let outcome = Outcome::of(&world.position(entity)?, game.settings.teams());
        let (ruleset, names) = (&game.settings.ruleset.name, lobby::names(game));
        analytics.add(Source::Live, ruleset, &names, &outcome);
        events.push(game.become_phase(Phase::Ended, "ending", "running")?);
        events.push(ended(outcome));
        self.publish(world, id, &Occasion::Tick(&scoreboard), events);
        debug!(game = lobby::show(id), ticks = scoreboard.turn, "game ended");
        self.stats.ended += 1;
        self.keep(world, id);
        self.retire(id);
        Ok(())
    }

    /// Sets when a running game plays its next tick.
    fn set_next_tick(&mut self, world: &World, id: u64, deadline: Instant, now: Instant) {
        let Some(game) = self.games.get_mut(&id) else { return };
        let turn = game.settings.turn();
        let next = match game.settings.pace {
            // A tick that was late does not make the next one later, unless it was a turn late.
            Pace::Timed(_) | Pace::Free => (deadline + turn).max(now),
            Pace::Lockstep(_) if !orders::waits_for_players(game) => {
                now + std::time::Duration::from_millis(1)
            }
            Pace::Lockstep(_) if orders::has_everyone_acted(game, world) => {
                self.ready.push(id);
                return;
            }
            Pace::Lockstep(_) => now + turn,
        };
        if let Some(timer) = game.timer.take() {
            self.timers.cancel(timer);
        }
        game.timer = Some(self.timers.set(id, Due::Phase, next));
    }
}

/// What everybody is told of the last tick. Departures are noted for the record.
fn told(game: &mut Game, world: &World, entity: GameId, scoreboard: &Scoreboard) -> Vec<Event> {
    let Some(news) = world.tick_news(entity) else { return Vec::new() };
    let mut events = Vec::new();
    let mut surrendered = 0_u16;
    let before = scoreboard.turn.saturating_sub(1);
    for &happening in &news.happenings {
        match happening {
            Happening::Surrendered { seat } => {
                surrendered |= 1 << seat;
                game.departures.push((before, seat));
                events.push(Event::Surrendered { seat });
            }
            Happening::Neutralised { seat, heir } => {
                game.departures.push((before, seat));
                events.push(Event::Neutralised { seat, heir });
            }
            Happening::Captured { .. } | Happening::Traded { .. } => {}
        }
    }
    let dead = game.alive & !scoreboard.alive & !surrendered;
    for seat in (0..16_u8).filter(|seat| dead >> seat & 1 != 0) {
        let by = news.happenings.iter().find_map(|happening| match happening {
            Happening::Captured { captor, victim } if *victim == seat => Some(*captor),
            _ => None,
        });
        events.push(Event::Eliminated { seat, by });
    }
    events
}

/// How an ended game ended.
pub(super) fn end_of(game: &Game, world: &World, entity: GameId) -> Result<Event, LiveError> {
    Ok(ended(Outcome::of(&world.position(entity)?, game.settings.teams())))
}

fn ended(Outcome { winners, ranking, is_truncated, .. }: Outcome) -> Event {
    Event::Ended { winners, ranking, is_truncated }
}

/// The record of an ended game.
pub(super) fn record_of(game: &Game, world: &mut World) -> Option<GameRecord> {
    let entity = game.entity?;
    let outcome = Outcome::of(&world.position(entity).ok()?, game.settings.teams());
    let orders = world.take_recording(entity).ok()?;
    Some(GameRecord {
        seed: game.settings.seed,
        game: 0,
        episode: 0,
        ruleset: game.settings.ruleset.clone(),
        has_fog: game.settings.has_fog,
        max_ticks: game.settings.max_ticks,
        policies: lobby::names(game),
        start: lobby::start_of(game),
        moves: Arc::new(ScriptMoves { orders, departures: game.departures.clone() }),
        outcome,
    })
}

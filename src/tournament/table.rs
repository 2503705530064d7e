//! The table at which matches are played: a world, and the programs that sit at it.

use std::sync::Arc;

use datasets::error::DataError;
use systems::{
    components::State,
    policies::Policy,
    record::{GameRecord, Outcome},
    replay::ScriptMoves,
    start::Start,
    world::{GameId, GameSpec, World, WorldConfig, WorldError},
};

use super::{Contestant, Match, Tournament, bot::Bot, start_of};

/// A match at play.
struct Board {
    fixture: Match,
    id: GameId,
    start: Arc<Start>,
    bots: [Option<Bot>; 2],
    faults: [Vec<String>; 2],
    departures: Vec<(u32, u8)>,
}

/// A game that was played.
pub(super) struct Done {
    /// Its record.
    pub(super) record: GameRecord,
    /// What went wrong with the program of each seat.
    pub(super) faults: [Vec<String>; 2],
    /// Whether it was out of chances.
    pub(super) forfeits: [bool; 2],
}

/// Plays matches to their ends, side by side, and returns their records and what went wrong.
pub(super) fn play(tournament: &Tournament, matches: &[Match]) -> Result<Vec<Done>, DataError> {
    let mut world = World::new(WorldConfig { threads: 1, ..WorldConfig::default() })?;
    let rules = world.add_ruleset(&tournament.games.ruleset)?;
    let mut boards = Vec::with_capacity(matches.len());
    for fixture in matches {
        boards.push(Board::set_up(tournament, &mut world, rules, *fixture)?);
    }
    // The first step shows the starts.
    world.step();
    let mut done = Vec::with_capacity(matches.len());
    while !boards.is_empty() {
        for board in &mut boards {
            board.ask(&mut world)?;
        }
        world.step();
        let mut open = Vec::with_capacity(boards.len());
        for board in boards {
            if world.progress(board.id)?.1 == State::Running {
                open.push(board);
            } else {
                done.push(board.clear(tournament, &mut world)?);
            }
        }
        boards = open;
    }
    Ok(done)
}

impl Board {
    fn set_up(
        tournament: &Tournament,
        world: &mut World,
        rules: u8,
        fixture: Match,
    ) -> Result<Self, DataError> {
        let start = start_of(tournament, &fixture);
        let who = fixture.seats.map(|contestant| &tournament.contestants[contestant]);
        let policies = who.map(|contestant| match contestant {
            Contestant::BuiltIn(policy) => *policy,
            Contestant::Program(_) | Contestant::Python(_) => Policy::External,
        });
        let spec = GameSpec {
            seed: tournament.games.seed,
            game: fixture.game,
            max_ticks: tournament.games.max_ticks,
            policies: &policies,
            has_fog: tournament.games.has_fog,
            is_recorded: true,
            ..GameSpec::new(&start, rules)
        };
        let id = world.create(&spec)?;
        let mut bots = [None, None];
        for (seat, contestant) in who.into_iter().enumerate() {
            let Some(line) = contestant.line() else { continue };
            let started = Bot::start(line, seat, &start, tournament.limits);
            let wrap =
                |source| DataError::File { path: line.into(), doing: "start the bot", source };
            bots[seat] = Some(started.map_err(wrap)?);
        }
        let (faults, departures) = Default::default();
        Ok(Self { fixture, id, start, bots, faults, departures })
    }

    /// Asks the programs for their orders. One that is out of chances gives up.
    fn ask(&mut self, world: &mut World) -> Result<(), WorldError> {
        if self.bots.iter().all(Option::is_none) {
            return Ok(());
        }
        let standing = world.scoreboard(self.id)?;
        // Both think at the same time.
        for (seat, bot) in self.bots.iter_mut().enumerate() {
            let Some(bot) = bot else { continue };
            bot.tell(&world.seen(self.id, seat)?, &standing, &self.start);
        }
        for (seat, bot) in self.bots.iter_mut().enumerate() {
            let Some(bot) = bot else { continue };
            let (order, fault) = bot.answer(&self.start);
            world.order(self.id, seat, order)?;
            if let Some(fault) = fault {
                self.faults[seat].push(format!("tick {}: {fault}", standing.turn));
            }
            if bot.has_lost() && !self.departures.iter().any(|&(_, gone)| usize::from(gone) == seat)
            {
                world.surrender(self.id, seat)?;
                // Before the first tick it is put off to turn 1 (rules, section 12).
                let turn = standing.turn.max(1);
                self.departures.push((turn, u8::try_from(seat).unwrap_or(u8::MAX)));
            }
        }
        Ok(())
    }

    /// The record of a match that is over.
    fn clear(mut self, tournament: &Tournament, world: &mut World) -> Result<Done, DataError> {
        let outcome = Outcome::of(&world.position(self.id)?, &self.start.teams);
        for (seat, bot) in self.bots.iter_mut().enumerate() {
            let Some(bot) = bot else { continue };
            let contestant = &tournament.contestants[self.fixture.seats[seat]];
            if matches!(contestant, Contestant::Python(_)) {
                let (board, standing) = (world.seen(self.id, seat)?, world.scoreboard(self.id)?);
                bot.tell_end(&board, &standing, &self.start, &outcome.winners);
            }
        }
        let forfeits = [0, 1].map(|seat| self.departures.iter().any(|&(_, gone)| gone == seat));
        let orders = world.take_recording(self.id)?;
        let name = |contestant: usize| tournament.contestants[contestant].name().to_owned();
        let record = GameRecord {
            seed: tournament.games.seed,
            game: self.fixture.game,
            episode: 0,
            ruleset: tournament.games.ruleset.clone(),
            has_fog: tournament.games.has_fog,
            max_ticks: tournament.games.max_ticks,
            policies: self.fixture.seats.map(name).to_vec(),
            start: self.start,
            moves: Arc::new(ScriptMoves { orders, departures: self.departures }),
            outcome,
        };
        Ok(Done { record, faults: self.faults, forfeits })
    }
}

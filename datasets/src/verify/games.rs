//! Games played again: outcomes, and every order.

use rayon::prelude::*;
use systems::{
    components::Command,
    record::{GameRecord, Outcome},
    replay::ScriptedOrder,
    world::{GameId, GameSpec, World, WorldConfig, WorldError},
};

use super::{DataFile, Fault, FaultKind, Ids, Verified};
use crate::{
    error::DataError,
    games::{ArchivedGame, GamesFile},
};

/// What a row group of games came to.
#[derive(Default)]
struct Played {
    /// Seed, game, episode and episode id of each row.
    names: Vec<(u64, u64, u32, u64)>,
    ticks: u64,
    moves: u64,
    faults: Vec<Fault>,
}

/// Plays the games of all files again and compares what they come to.
pub(super) fn verify(files: &[DataFile], found: &mut Verified) {
    let mut ids = Ids::default();
    let mut last: Option<(u64, (u64, u32))> = None;
    for file in files {
        let row_groups = match GamesFile::row_groups(&file.path) {
            Ok(row_groups) => row_groups.len(),
            Err(error) => {
                found.add([unreadable(&error).in_file(&file.name)]);
                continue;
            }
        };
        found.totals.row_groups += row_groups as u64;
        let played: Vec<Played> =
            (0..row_groups).into_par_iter().map(|group| row_group(file, group)).collect();
        for group in played {
            for &(seed, game, episode, id) in &group.names {
                let place = (game, episode);
                if let Some((before, (game, number))) = last
                    && before == seed
                    && (game, number) >= place
                {
                    let text = match number {
                        0 => format!("it comes after game {game}"),
                        _ => format!("it comes after episode {number} of game {game}"),
                    };
                    found.add([Fault::new(FaultKind::Order, text)
                        .of(Some(place.0), id)
                        .in_file(&file.name)]);
                }
                if !ids.is_new(id) {
                    let text = "it is in the dataset twice".to_owned();
                    found.add([Fault::new(FaultKind::Count, text)
                        .of(Some(game), id)
                        .in_file(&file.name)]);
                }
                last = Some((seed, place));
            }
            let games = group.names.len() as u64;
            found.totals.games += games;
            found.totals.rows += games;
            found.totals.ticks += group.ticks;
            found.totals.moves += group.moves;
            found.games_played += games;
            found.add(group.faults.into_iter().map(|fault| fault.in_file(&file.name)));
        }
        if found.has_enough() {
            return;
        }
    }
}

fn unreadable(error: &DataError) -> Fault {
    Fault::new(FaultKind::Unreadable, error.to_string())
}

fn row_group(file: &DataFile, row_group: usize) -> Played {
    let mut played = Played::default();
    let mut games = Vec::new();
    let rows = match GamesFile::open_row_group(&file.path, row_group) {
        Ok(rows) => rows,
        Err(error) => {
            played.faults.push(unreadable(&error));
            return played;
        }
    };
    for game in rows {
        match game {
            Ok(game) => games.push(game),
            Err(error) => played.faults.push(unreadable(&error)),
        }
    }
    for ArchivedGame { record, .. } in &games {
        played.names.push((record.seed, record.game, record.episode, record.episode_id()));
        played.ticks += u64::from(record.outcome.ticks);
        played.moves += record.n_moves() as u64;
    }
    match play(&games) {
        Ok(faults) => played.faults.extend(faults),
        Err(error) => played.faults.push(Fault::new(FaultKind::Unreadable, error.to_string())),
    }
    played
}

/// Plays games side by side and returns what is wrong with them, by their order.
fn play(games: &[ArchivedGame]) -> Result<Vec<Fault>, WorldError> {
    let mut world = World::new(WorldConfig { threads: 1, ..WorldConfig::default() })?;
    let mut faults: Vec<(usize, Fault)> = Vec::new();
    let mut playing: Vec<(GameId, usize)> = Vec::with_capacity(games.len());
    let mut longest = 0;
    for (index, ArchivedGame { record, .. }) in games.iter().enumerate() {
        let rules = world.add_ruleset(&record.ruleset)?;
        let spec = GameSpec { is_recorded: true, ..record.spec(rules) };
        match world.create(&spec) {
            Ok(id) => playing.push((id, index)),
            Err(error) => {
                faults.push((index, about(record, FaultKind::Unreadable, error.to_string())));
            }
        }
        longest = longest.max(record.outcome.ticks);
    }
    playing.sort_unstable();
    // The first step shows the start; one more than the longest record tells who goes on.
    for _ in 0..=longest {
        if world.is_empty() {
            break;
        }
        world.step();
        for id in world.take_ended() {
            let Ok(at) = playing.binary_search_by_key(&id, |&(id, _)| id) else { continue };
            let index = playing[at].1;
            if let Some(fault) = compare(&mut world, id, &games[index])? {
                faults.push((index, fault));
            }
            world.remove(id)?;
        }
    }
    for (id, index) in playing {
        let Ok((turn, _)) = world.progress(id) else { continue };
        let record = &games[index].record;
        let ticks = record.outcome.ticks;
        let text = format!(
            "its row says that it ended after {ticks} ticks, and played again it goes on at {turn}"
        );
        faults.push((index, about(record, FaultKind::Outcome, text)));
    }
    faults.sort_by_key(|(index, _)| *index);
    Ok(faults.into_iter().map(|(_, fault)| fault).collect())
}

fn about(record: &GameRecord, kind: FaultKind, message: String) -> Fault {
    Fault::new(kind, message).of(Some(record.game), record.episode_id())
}

/// Compares a game that was played again with its row.
fn compare(
    world: &mut World,
    id: GameId,
    game: &ArchivedGame,
) -> Result<Option<Fault>, WorldError> {
    let record = &game.record;
    let outcome = Outcome::of(&world.position(id)?, &record.start.teams);
    let orders = world.take_recording(id)?;
    // People queue orders that come to nothing; what policies did was all carried out.
    if game.source.is_none()
        && let Some(text) = first_difference(&record.moves.orders, &orders)
    {
        return Ok(Some(about(record, FaultKind::Move, text)));
    }
    let (stated, found) = (&record.outcome, &outcome);
    let differences = [
        ("digest", format!("{:016x}", stated.digest), format!("{:016x}", found.digest)),
        ("ticks", stated.ticks.to_string(), found.ticks.to_string()),
        ("truncated", stated.is_truncated.to_string(), found.is_truncated.to_string()),
        ("winners", format!("{:?}", stated.winners), format!("{:?}", found.winners)),
        ("ranking", format!("{:?}", stated.ranking), format!("{:?}", found.ranking)),
        ("captures", format!("{:?}", stated.captures), format!("{:?}", found.captures)),
        ("land", format!("{:?}", stated.land), format!("{:?}", found.land)),
        ("army", format!("{:?}", stated.army), format!("{:?}", found.army)),
    ];
    let difference = differences.into_iter().find(|(_, stated, found)| stated != found);
    Ok(difference.map(|(column, stated, found)| {
        let text = format!("its row says {column} {stated}, played again it gives {found}");
        about(record, FaultKind::Outcome, text)
    }))
}

/// The first order that was not carried out as the row says.
fn first_difference(stated: &[Vec<ScriptedOrder>], found: &[Vec<ScriptedOrder>]) -> Option<String> {
    let shown = |order: Option<&ScriptedOrder>| match order {
        None => "nothing".to_owned(),
        Some(ScriptedOrder { turn, order }) => match order.command() {
            Command::Pass => format!("a pass in turn {turn}"),
            Command::Build { tile } => format!("building on tile {tile} in turn {turn}"),
            Command::Step { from, direction, half } => {
                let to = ["up", "down", "left", "right"][usize::from(direction & 3)];
                let half = if half { " with half" } else { "" };
                format!("the march from tile {from} {to}{half} in turn {turn}")
            }
        },
    };
    let turn = |order: Option<&ScriptedOrder>| order.map_or(u32::MAX, |order| order.turn);
    let seats = stated.iter().zip(found).enumerate();
    let differing = seats.filter_map(|(seat, (stated, found))| {
        let at = (0..stated.len().max(found.len())).find(|&i| stated.get(i) != found.get(i))?;
        let (stated, found) = (stated.get(at), found.get(at));
        let text = format!(
            "order {at} of player {seat} is {}, and played again it is {}: the order is not legal",
            shown(stated),
            shown(found)
        );
        Some((turn(stated).min(turn(found)), text))
    });
    differing.min_by_key(|(turn, _)| *turn).map(|(_, text)| text)
}

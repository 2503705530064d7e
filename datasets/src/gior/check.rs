//! What holds in a replay beyond the shape of its slots.

use super::array::VERSION_OLDEST;
use super::{GiorError, Replay, Slot};

/// Checks one replay; the order is that of [`Replay::check`].
pub(super) fn check(replay: &Replay) -> Result<(), GiorError> {
    version(replay.version)?;
    board(replay)?;
    lengths(replay)?;
    tiles(replay)?;
    generals(replay)
}

/// Refuses the versions whose rules and slots we do not know.
pub(super) fn version(version: u32) -> Result<(), GiorError> {
    if version < VERSION_OLDEST {
        let (slot, oldest) = (Slot::VERSION, VERSION_OLDEST);
        return Err(GiorError::VersionTooOld { slot, version, oldest });
    }
    Ok(())
}

fn board(replay: &Replay) -> Result<(), GiorError> {
    let &Replay { width, height, .. } = replay;
    if width.checked_mul(height).is_none_or(|area| area == 0) {
        return Err(GiorError::BoardSize { slot: Slot::WIDTH, width, height });
    }
    if replay.generals.is_empty() {
        return Err(GiorError::NoPlayers { slot: Slot::GENERALS });
    }
    Ok(())
}

fn lengths(replay: &Replay) -> Result<(), GiorError> {
    let same = |slot, len: usize, other, other_len: usize| {
        if len == other_len {
            return Ok(());
        }
        Err(GiorError::LengthMismatch { slot, len, other, other_len })
    };
    let (armies, cities) = (replay.city_armies.len(), replay.cities.len());
    same(Slot::CITY_ARMIES, armies, Slot::CITIES, cities)?;
    if let Some(teams) = &replay.teams {
        same(Slot::TEAMS, teams.len(), Slot::GENERALS, replay.generals.len())?;
    }
    let (armies, neutrals) = (replay.neutral_armies.len(), replay.neutrals.len());
    same(Slot::NEUTRAL_ARMIES, armies, Slot::NEUTRALS, neutrals)
}

fn tiles(replay: &Replay) -> Result<(), GiorError> {
    let &Replay { width, height, .. } = replay;
    let area = width * height;
    let on_board = |slot, index, tile| {
        if tile < area {
            return Ok(());
        }
        Err(GiorError::TileOffBoard { slot, index, tile, width, height })
    };
    for (index, tile) in replay.generals.iter().enumerate() {
        tile.map_or(Ok(()), |tile| on_board(Slot::GENERALS, index, tile))?;
    }
    let lists = [
        (Slot::CITIES, &replay.cities),
        (Slot::MOUNTAINS, &replay.mountains),
        (Slot::NEUTRALS, &replay.neutrals),
        (Slot::SWAMPS, &replay.swamps),
        (Slot::OBSERVATORIES, &replay.observatories),
        (Slot::LOOKOUTS, &replay.lookouts),
        (Slot::DESERTS, &replay.deserts),
    ];
    for (slot, tiles) in lists {
        for (index, &tile) in tiles.iter().enumerate() {
            on_board(slot, index, tile)?;
        }
    }
    Ok(())
}

fn generals(replay: &Replay) -> Result<(), GiorError> {
    // Sorted by tile, so that a hostile file with a million seats costs no square of it.
    let mut seats: Vec<(u32, usize)> = replay
        .generals
        .iter()
        .enumerate()
        .filter_map(|(player, tile)| tile.map(|tile| (tile, player)))
        .collect();
    seats.sort_unstable();
    for pair in seats.windows(2) {
        let [(tile, index), (next, other)] = [pair[0], pair[1]];
        if tile == next {
            let slot = Slot::GENERALS;
            return Err(GiorError::GeneralsShareTile { slot, index, other, tile });
        }
    }
    Ok(())
}

//! What happened in every tick, as JSON lines.

use std::io::{self, Write};

use serde::Serialize;
use systems::delta::Face;

use super::playback::Playback;

/// Ticks between two boards.
const BOARD_EVERY: u32 = 25;

/// A trace on its way into a file.
pub(super) struct Trace<W: Write> {
    out: W,
}

#[derive(Serialize)]
struct TickLine<'a> {
    tick: u32,
    land: &'a [u32],
    army: &'a [u32],
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'a [usize]>,
}

#[derive(Serialize)]
struct BoardLine<'a> {
    tick: u32,
    owners: &'a [i8],
    armies: &'a [i32],
    generals: Vec<i32>,
    cities: &'a [u16],
    visible: Vec<usize>,
    fog_structures: Vec<usize>,
}

#[derive(Serialize)]
struct FinalLine<'a> {
    r#final: Final<'a>,
}

#[derive(Serialize)]
struct Final<'a> {
    tick: u32,
    alive: &'a [bool],
    winners: Vec<usize>,
    deaths: &'a [usize],
    ranking: &'a [usize],
    ranking_kills_first: &'a [usize],
    captures: Vec<Vec<usize>>,
}

impl<W: Write> Trace<W> {
    /// A trace of nothing yet.
    pub(super) fn new(out: W) -> Self {
        Self { out }
    }

    /// Writes the last tick: one line, and one with the board if it is due.
    pub(super) fn tick(&mut self, playback: &Playback) -> anyhow::Result<()> {
        let position = playback.position();
        let tick = position.turn;
        let order = (tick > 0).then(|| playback.order());
        self.line(&TickLine { tick, land: &position.land, army: &position.army, order })?;
        if tick.is_multiple_of(BOARD_EVERY) || playback.has_ended() {
            self.board(playback)?;
        }
        Ok(())
    }

    fn board(&mut self, playback: &Playback) -> anyhow::Result<()> {
        let position = playback.position();
        let seats = 0..playback.players();
        let structures = seats.map(|seat| {
            let board = playback.seen(seat)?;
            Ok(board.tiles.iter().filter(|tile| tile.face == Face::FogStructure).count())
        });
        let visible = position.visible.iter().map(|seen| seen.iter().filter(|&&v| v).count());
        let line = BoardLine {
            tick: position.turn,
            owners: &position.owners,
            armies: &position.armies,
            generals: position.generals.iter().map(|g| g.map_or(-1, i32::from)).collect(),
            cities: &position.cities,
            visible: visible.collect(),
            fog_structures: structures.collect::<anyhow::Result<_>>()?,
        };
        Ok(self.line(&line)?)
    }

    /// Writes the result and what is left in buffers.
    pub(super) fn finish(mut self, playback: &Playback) -> io::Result<()> {
        let position = playback.position();
        let result = Final {
            tick: position.turn,
            alive: &position.alive,
            winners: playback.winners(),
            deaths: &position.deaths,
            ranking: &position.ranking,
            ranking_kills_first: &position.ranking_kills_first,
            captures: playback.captures(),
        };
        self.line(&FinalLine { r#final: result })?;
        self.out.flush()
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")
    }
}

//! What the player sees, and what it has seen: 26 channels.
//!
//! A [`Memory`] belongs to one agent in one episode and is made from its rows alone, in the order of
//! their steps. Units and ticks are squashed to 0..1 by `x / (x + 32)`, which tells small armies
//! apart, has no limit, and gives the same bits on every machine; differences keep their sign.

use systems::rows::RowFormat;

use super::{
    bits,
    observations::{Plane, Row},
};

/// Channels, in their order.
///
/// | channels | value |
/// |---|---|
/// | `own_army`, `ally_army`, `enemy_army`, `neutral_army` | units on seen tiles, `x / (x + 32)` |
/// | `own`, `ally`, `enemy`, `neutral`, `visible`, `fog_structure` | 0 or 1, now |
/// | `known_city`, `known_general`, `known_mountain` | 1 where it is, or was when last seen |
/// | `explored` | 1 where the tile is or was seen |
/// | `last_army` | units when last seen, now where visible, `x / (x + 32)` |
/// | `last_enemy` | 1 where an opponent held the tile when last seen |
/// | `age` | ticks since it was seen, `x / (x + 32)`; 0 where visible, 1 where never |
/// | `opponent_could_see` | 1 on and next to tiles that an opponent held when last seen |
/// | `land_share`, `army_share` | own part of own and opponents' land and army |
/// | `land_change`, `army_change`, `opp_land_change`, `opp_army_change` | since the last row, `x / (abs(x) + 32)`; 0 in the first |
/// | `odd_tick` | 1 in the second tick of a turn |
/// | `growth_phase` | tick modulo 50, divided by 50: how far all land is from its next unit |
///
/// Those without a place are the same on every tile of the board. `opponent_could_see` is a part of
/// what opponents see: what they hold out of sight is not known. The phases are those of the
/// built-in rulesets.
pub const CHANNELS: [&str; 26] = [
    "own_army",
    "ally_army",
    "enemy_army",
    "neutral_army",
    "own",
    "ally",
    "enemy",
    "neutral",
    "visible",
    "fog_structure",
    "known_city",
    "known_general",
    "known_mountain",
    "explored",
    "last_army",
    "last_enemy",
    "age",
    "opponent_could_see",
    "land_share",
    "army_share",
    "land_change",
    "army_change",
    "opp_land_change",
    "opp_army_change",
    "odd_tick",
    "growth_phase",
];

/// Units, ticks or tiles that are shown as one half.
const HALF: f32 = 32.0;

/// Ticks between two units for all land.
const GROWTH_TICKS: u32 = 50;

/// A tile that was never seen.
const NEVER: u16 = u16::MAX;

/// Planes that are remembered as they were when a tile was last seen, and where the memory has them.
const REMEMBERED: [Plane; 5] =
    [Plane::Visible, Plane::Enemy, Plane::City, Plane::General, Plane::Mountain];
const EXPLORED: usize = 0;
const ENEMY: usize = 1;
const CITY: usize = 2;
const GENERAL: usize = 3;
const MOUNTAIN: usize = 4;

/// What one agent remembers of its episode: about 2 KB for a board of 20×20.
///
/// The first row of an episode empties it, and so does a row of another form, of an earlier step or
/// of the same one. A clone is an independent memory, as a snapshot of a game needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    format: Option<RowFormat>,
    /// Units when last seen, in whole chunks of eight tiles.
    units: Vec<u16>,
    /// Ticks since the tile was seen, [`NEVER`] at most.
    age: Vec<u16>,
    /// [`REMEMBERED`] planes as bytes, one after the other.
    planes: Vec<u8>,
    step: u32,
    scores: [u32; 4],
}

impl Memory {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.format = None;
    }

    /// Brings the memory up to a row, without laying it out.
    pub fn see(&mut self, row: &Row<'_>) {
        self.notice(row);
        self.scores = row.scores;
    }

    /// Writes a row and notes what it shows. `out` has room for all channels.
    pub(super) fn write(&mut self, row: &Row<'_>, out: &mut [f32]) {
        let changes = self.notice(row);
        let tiles = row.format.tiles().max(1);
        let (seen, rest) = out.split_at_mut(10 * tiles);
        write_seen(row, seen, tiles);
        let (known, rest) = rest.split_at_mut(8 * tiles);
        self.write_known(row, known, tiles);
        write_totals(row, changes, rest, tiles);
        self.scores = row.scores;
    }

    /// Updates what is remembered tile by tile. Returns how the scores changed.
    fn notice(&mut self, row: &Row<'_>) -> [i64; 4] {
        let goes_on = !row.is_first && self.format == Some(row.format) && row.step > self.step;
        if !goes_on {
            self.begin(row);
        }
        let ticks = u16::try_from(row.step - self.step).unwrap_or(NEVER);
        self.step = row.step;
        let visible = row.plane(Plane::Visible);
        let (now, _) = row.army.as_chunks::<2>();
        let (now, tail) = now.as_chunks::<8>();
        bits::for_each_mask(visible, &mut self.units, |chunk, units, mask| {
            let mut last = [[0; 2]; 8];
            let now = now.get(chunk).unwrap_or_else(|| {
                last[..tail.len()].copy_from_slice(tail);
                &last
            });
            for ((units, mask), now) in units.iter_mut().zip(mask).zip(now) {
                // Nothing is in the row where nothing is seen.
                *units = u16::from_le_bytes(*now) & mask | *units & !mask;
            }
        });
        bits::for_each_mask(visible, &mut self.age, |_, age, mask| {
            for (age, mask) in age.iter_mut().zip(mask) {
                *age = age.saturating_add(ticks) & !mask;
            }
        });
        let plane_bytes = visible.len().max(1);
        for (kept, plane) in self.planes.chunks_exact_mut(plane_bytes).zip(REMEMBERED) {
            for ((kept, now), visible) in kept.iter_mut().zip(row.plane(plane)).zip(visible) {
                *kept = *kept & !visible | now;
            }
        }
        std::array::from_fn(|i| i64::from(row.scores[i]) - i64::from(self.scores[i]))
    }

    /// Begins an episode with a row.
    fn begin(&mut self, row: &Row<'_>) {
        let chunks = row.format.tiles().next_multiple_of(8);
        self.format = Some(row.format);
        (self.step, self.scores) = (row.step, row.scores);
        for (values, first) in [(&mut self.units, 0), (&mut self.age, NEVER)] {
            values.clear();
            values.resize(chunks, first);
        }
        self.planes.clear();
        self.planes.resize(REMEMBERED.len() * row.format.words() * 8, 0);
    }

    fn plane(&self, number: usize) -> &[u8] {
        let bytes = self.planes.len() / REMEMBERED.len();
        &self.planes[number * bytes..][..bytes]
    }

    /// The eight channels that are remembered.
    fn write_known(&self, row: &Row<'_>, out: &mut [f32], tiles: usize) {
        let mut channels = out.chunks_exact_mut(tiles);
        let mut next = || channels.next().unwrap_or_default();
        for plane in [CITY, GENERAL, MOUNTAIN, EXPLORED] {
            bits::write_plane(self.plane(plane), next());
        }
        for (out, &units) in next().iter_mut().zip(&self.units) {
            *out = squashed(f32::from(units));
        }
        bits::write_plane(self.plane(ENEMY), next());
        let age_plane = next();
        for (out, &age) in age_plane.iter_mut().zip(&self.age) {
            *out = if age == NEVER { 1.0 } else { squashed(f32::from(age)) };
        }
        row.clear_padding(age_plane);
        let could_see = next();
        write_dilated(self.plane(ENEMY), row, could_see);
        row.clear_padding(could_see);
    }
}

fn squashed(x: f32) -> f32 {
    x / (x + HALF)
}

/// The ten channels of what is seen now.
fn write_seen(row: &Row<'_>, out: &mut [f32], tiles: usize) {
    let (armies, planes) = out.split_at_mut(4 * tiles);
    let shown = [
        Plane::Own,
        Plane::Ally,
        Plane::Enemy,
        Plane::Neutral,
        Plane::Visible,
        Plane::FogStructure,
    ];
    for (plane, out) in shown.into_iter().zip(planes.chunks_exact_mut(tiles)) {
        row.write_plane(plane, out);
    }
    let (units, _) = row.army.as_chunks::<2>();
    for (army, plane) in armies.chunks_exact_mut(tiles).zip(planes.chunks_exact(tiles)) {
        for ((out, units), has) in army.iter_mut().zip(units).zip(plane) {
            *out = squashed(f32::from(u16::from_le_bytes(*units))) * has;
        }
    }
}

/// The eight channels that are the same on every tile.
#[expect(clippy::cast_precision_loss, reason = "totals are far below 2^24 except in endless games")]
fn write_totals(row: &Row<'_>, changes: [i64; 4], out: &mut [f32], tiles: usize) {
    let [land, opp_land, army, opp_army] = row.scores.map(f64::from);
    let share = |own: f64, other: f64| if own + other > 0.0 { own / (own + other) } else { 0.0 };
    let [land_change, opp_land_change, army_change, opp_army_change] =
        changes.map(|change| change as f32 / (change.unsigned_abs() as f32 + HALF));
    #[expect(clippy::cast_possible_truncation, reason = "float32 is what layouts are made of")]
    let totals = [
        share(land, opp_land) as f32,
        share(army, opp_army) as f32,
        land_change,
        army_change,
        opp_land_change,
        opp_army_change,
        (row.step % 2) as f32,
        (row.step % GROWTH_TICKS) as f32 / GROWTH_TICKS as f32,
    ];
    for (value, out) in totals.into_iter().zip(out.chunks_exact_mut(tiles)) {
        row.write_constant(value, out);
    }
}

/// Writes 1 on every tile of a plane and on all eight neighbours, 0 elsewhere.
fn write_dilated(plane: &[u8], row: &Row<'_>, out: &mut [f32]) {
    let width = usize::from(row.format.width).max(1);
    // A board has at most 32 columns, so a line of it and its neighbours fit 64 bits.
    let line = |number: usize| {
        let first = number * width;
        let bytes = plane.get(first / 8..).unwrap_or_default().iter().take(5);
        let bits = bytes.rev().fold(0_u64, |bits, &byte| bits << 8 | u64::from(byte));
        let bits = bits >> (first % 8) & ((1 << width) - 1);
        bits | bits << 1 | bits >> 1
    };
    let height = usize::from(row.format.height);
    let (mut above, mut here) = (0, line(0));
    for (number, out) in out.chunks_exact_mut(width).enumerate() {
        let below = if number + 1 < height { line(number + 1) } else { 0 };
        let bytes = (above | here | below).to_le_bytes();
        bits::write_bytes(bytes.into_iter(), out);
        (above, here) = (here, below);
    }
}

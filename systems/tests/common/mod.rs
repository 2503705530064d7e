//! Games of many kinds, and rows in a form that tests can compare.
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of it")]

use systems::{
    dice::Dice,
    mapgen::{MapKind, MapSpec, Size},
    policies::Policy,
    rows::{PLANES, RowBatch, RowFormat},
    rules::{digest::Digest, ruleset::Ruleset},
    start::Start,
    world::{GameSpec, World},
};

/// A format that every board and ruleset fits.
pub(crate) const LARGEST: RowFormat =
    RowFormat { height: 32, width: 32, has_builds: true, has_owners: true };

/// Board sizes as height and width: both classes of planes, full and with room to spare.
const SIZES: [(u16, u16); 6] = [(9, 9), (20, 20), (8, 14), (25, 30), (32, 32), (3, 31)];

/// What a game of the mixed lot is made of.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub(crate) start: Start,
    /// Index into [`Ruleset::NAMES`].
    pub(crate) rules: usize,
    pub(crate) game: u64,
    pub(crate) episode: u32,
    pub(crate) max_ticks: u32,
    pub(crate) policies: Vec<Policy>,
    pub(crate) has_fog: bool,
}

impl Kind {
    /// The kind of a game: boards, players, teams, rulesets and fog in all their mixtures.
    pub(crate) fn of(seed: u64, game: u64, episode: u32) -> Self {
        let mut dice = Dice::new(seed ^ game << 20 ^ u64::from(episode) << 50);
        let rules = (game % 4) as usize;
        let duel = rules >= 2;
        let (height, width) = SIZES[dice.below(6) as usize];
        let most = if width * height < 120 { 4 } else { 16 };
        let seats = if duel { 2 } else { [2, 2, 3, 4, 5, 8, 12, 16][dice.below(8) as usize] };
        let players = seats.min(most);
        let has_teams = !duel && players > 3 && dice.below(2) == 0;
        let teams = match has_teams {
            true => (0..players).map(|seat| (seat % 3) as u8).collect(),
            false => Start::free_for_all(players),
        };
        let policies: Vec<Policy> =
            Policy::ALL.iter().map(|p| p.0).filter(|&p| p != Policy::External).collect();
        let start = map(height, width, teams, dice.below(1 << 30).into());
        Self {
            rules,
            game,
            episode,
            max_ticks: 40 + dice.below(400),
            policies: (0..players)
                .map(|seat| policies[(seat + game as usize) % policies.len()])
                .collect(),
            has_fog: dice.below(8) > 0,
            start,
        }
    }

    pub(crate) fn spec(&self, rulesets: &[u8]) -> GameSpec<'_> {
        GameSpec {
            seed: 77,
            game: self.game,
            episode: self.episode,
            max_ticks: self.max_ticks,
            policies: &self.policies,
            has_fog: self.has_fog,
            ..GameSpec::new(&self.start, rulesets[self.rules])
        }
    }
}

/// A generated map.
pub(crate) fn map(height: u16, width: u16, teams: Vec<u8>, seed: u64) -> Start {
    let kind = MapKind::Generals;
    let size = Size::Fixed { width, height };
    MapSpec { kind, size, teams, mountains: None, cities: None }.generate(seed)
}

/// Adds the rulesets built in; their numbers, in the order of [`Ruleset::NAMES`].
pub(crate) fn add_rulesets(world: &mut World) -> Vec<u8> {
    let add = |name| world.add_ruleset(&Ruleset::named(name).unwrap()).unwrap();
    Ruleset::NAMES.into_iter().map(add).collect()
}

/// One row, with planes as sets of places on the padded board.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RowValue {
    pub(crate) army: Vec<u16>,
    pub(crate) planes: Vec<Vec<bool>>,
    pub(crate) mask: Vec<Vec<bool>>,
    pub(crate) owner: Vec<u8>,
    pub(crate) large_army: Option<Vec<i32>>,
    pub(crate) episode: u64,
    pub(crate) game: u64,
    pub(crate) agent: u8,
    pub(crate) step: u32,
    pub(crate) action: i32,
    pub(crate) reward: u32,
    pub(crate) flags: u8,
    pub(crate) size: [u8; 2],
    pub(crate) land: u32,
    pub(crate) army_total: u32,
    pub(crate) opponent_land: u32,
    pub(crate) opponent_army: u32,
}

/// All rows of some batches.
pub(crate) fn rows(batches: &[RowBatch]) -> Vec<RowValue> {
    batches.iter().flat_map(|batch| (0..batch.len).map(|row| row_of(batch, row))).collect()
}

pub(crate) fn row_of(batch: &RowBatch, row: usize) -> RowValue {
    let format = batch.format;
    let (tiles, words) = (format.tiles(), format.words());
    let planes = |from: &[u64], n: usize| -> Vec<Vec<bool>> {
        let of = |i: usize| &from[(row * n + i) * words..][..words];
        (0..n).map(|i| (0..tiles).map(|t| of(i)[t / 64] >> (t % 64) & 1 != 0).collect()).collect()
    };
    let owner =
        if format.has_owners { batch.owner[row * tiles..][..tiles].to_vec() } else { vec![] };
    RowValue {
        army: batch.army[row * tiles..][..tiles].to_vec(),
        planes: planes(&batch.planes, PLANES.len()),
        mask: planes(&batch.mask, format.mask_planes()),
        owner,
        large_army: batch.large_army.iter().find(|l| l.0 as usize == row).map(|l| l.1.clone()),
        episode: batch.episode[row],
        game: batch.game[row],
        agent: batch.agent[row],
        step: batch.step[row],
        action: batch.action[row],
        reward: batch.reward[row].to_bits(),
        flags: batch.flags[row],
        size: batch.size[row],
        land: batch.land[row],
        army_total: batch.army_total[row],
        opponent_land: batch.opponent_land[row],
        opponent_army: batch.opponent_army[row],
    }
}

/// Takes every byte of the rows in.
pub(crate) fn digest_rows(digest: &mut Digest, batch: &RowBatch) {
    let (n, format) = (batch.len, batch.format);
    digest.word(n as u64);
    for four in batch.army[..n * format.tiles()].chunks(4) {
        digest.word(four.iter().fold(0, |word, &army| word << 16 | u64::from(army)));
    }
    for eight in batch.owner[..if format.has_owners { n * format.tiles() } else { 0 }].chunks(8) {
        digest.word(eight.iter().fold(0, |word, &owner| word << 8 | u64::from(owner)));
    }
    batch.planes[..n * PLANES.len() * format.words()].iter().for_each(|&word| digest.word(word));
    batch.mask[..n * format.mask_planes() * format.words()].iter().for_each(|&w| digest.word(w));
    for (row, army) in &batch.large_army {
        digest.word(u64::from(*row));
        army.iter().for_each(|&units| digest.word(units as u64));
    }
    for row in 0..n {
        digest.word(batch.episode[row]);
        digest.word(batch.game[row]);
        digest.word(u64::from(batch.agent[row]) << 32 | u64::from(batch.step[row]));
        digest.word(
            u64::from(batch.action[row] as u32) << 32 | u64::from(batch.reward[row].to_bits()),
        );
        digest.word(
            u64::from(batch.flags[row]) << 16 | u64::from(u16::from_le_bytes(batch.size[row])),
        );
        digest.word(u64::from(batch.land[row]) << 32 | u64::from(batch.army_total[row]));
        digest
            .word(u64::from(batch.opponent_land[row]) << 32 | u64::from(batch.opponent_army[row]));
    }
}

//! Vector environments: what they promise about rows, actions, episodes and moments.
#![expect(clippy::pedantic, clippy::unwrap_used, reason = "test code: what goes wrong fails")]

#[path = "../common/mod.rs"]
mod common;

mod episodes;
mod moments;
mod stepping;

use std::sync::Arc;

use common::{Kind, LARGEST};
use systems::{
    dice::Dice,
    envs::{Autoreset, EnvSpec, Frame, Opening, VectorEnv, VectorSpec},
    policies::Policy,
    reward::Reward,
    rollout::Maps,
    rows::PLANES,
    rules::ruleset::Ruleset,
    world::WorldConfig,
};

fn one_thread() -> WorldConfig {
    WorldConfig { threads: 1, ..WorldConfig::default() }
}

/// Environments of all kinds of games.
fn mixed(envs: u64) -> VectorSpec {
    let spec = |game| {
        let kind = Kind::of(5, game, 0);
        Arc::new(EnvSpec {
            opening: Opening::Maps(Maps::Fixed(Arc::new(kind.start))),
            ruleset: Arc::new(Ruleset::named(Ruleset::NAMES[kind.rules]).unwrap()),
            max_ticks: kind.max_ticks,
            has_fog: kind.has_fog,
            policies: kind.policies,
        })
    };
    VectorSpec {
        format: LARGEST,
        seats: (0..16).collect(),
        reward: Reward::SHAPED,
        config: one_thread(),
        ..VectorSpec::new((0..envs).map(spec).collect(), 77)
    }
}

/// The same with every seat played from outside.
fn from_outside(mut spec: VectorSpec) -> VectorSpec {
    for env in &mut spec.envs {
        *env = Arc::new(EnvSpec { policies: Vec::new(), ..(**env).clone() });
    }
    spec
}

/// Duels on generated boards of 8x8, cut off soon.
fn duels(envs: usize, policies: &[Policy]) -> VectorSpec {
    let duel =
        EnvSpec { max_ticks: 60, policies: policies.to_vec(), ..EnvSpec::duel(8, 8).unwrap() };
    VectorSpec {
        config: one_thread(),
        ..VectorSpec::new(std::iter::repeat_n(Arc::new(duel), envs).collect(), 3)
    }
}

fn with(spec: VectorSpec, autoreset: Autoreset) -> VectorEnv {
    VectorEnv::new(VectorSpec { autoreset, ..spec }).unwrap()
}

/// Steps on with nobody acting from outside.
fn pass(envs: &mut VectorEnv, steps: usize) {
    let actions = vec![-1; envs.len() * envs.seats().len()];
    for _ in 0..steps {
        envs.step(&actions).unwrap();
    }
}

/// Everything that one row says, as bytes.
fn row(frame: &Frame, row: usize) -> Vec<u8> {
    let format = frame.format();
    let (tiles, words) = (format.tiles(), format.words());
    let planes = PLANES.len() * words;
    let masks = format.mask_planes() * words;
    let mut bytes = Vec::new();
    frame.army()[row * tiles..][..tiles].iter().for_each(|x| bytes.extend(x.to_le_bytes()));
    frame.planes()[row * planes..][..planes].iter().for_each(|x| bytes.extend(x.to_le_bytes()));
    frame.mask()[row * masks..][..masks].iter().for_each(|x| bytes.extend(x.to_le_bytes()));
    if format.has_owners {
        bytes.extend(&frame.owner()[row * tiles..][..tiles]);
    }
    bytes.extend(frame.episode()[row].to_le_bytes());
    bytes.extend(frame.step()[row].to_le_bytes());
    bytes.extend(frame.action()[row].to_le_bytes());
    bytes.extend(frame.reward()[row].to_le_bytes());
    bytes.push(frame.flags()[row]);
    bytes.extend(frame.size()[row]);
    for column in [frame.land(), frame.army_total(), frame.opponent_land(), frame.opponent_army()] {
        bytes.extend(column[row].to_le_bytes());
    }
    let large = frame.large_army().iter().filter(|(large, _)| *large as usize == row);
    large.for_each(|(_, units)| units.iter().for_each(|x| bytes.extend(x.to_le_bytes())));
    bytes
}

/// All rows of a frame.
fn rows(frame: &Frame) -> Vec<Vec<u8>> {
    (0..frame.rows()).map(|r| row(frame, r)).collect()
}

/// Whether two frames say the same, refusals aside.
fn are_same(a: &Frame, b: &Frame) -> bool {
    let bits = |reward: &[f32]| -> Vec<u32> { reward.iter().map(|x| x.to_bits()).collect() };
    (a.army(), a.planes(), a.mask(), a.owner()) == (b.army(), b.planes(), b.mask(), b.owner())
        && (a.episode(), a.step(), a.action()) == (b.episode(), b.step(), b.action())
        && (bits(a.reward()), a.flags(), a.size()) == (bits(b.reward()), b.flags(), b.size())
        && (a.land(), a.army_total()) == (b.land(), b.army_total())
        && (a.opponent_land(), a.opponent_army()) == (b.opponent_land(), b.opponent_army())
        && a.large_army() == b.large_army()
}

/// All rows of one environment.
fn rows_of(frame: &Frame, env: usize) -> Vec<Vec<u8>> {
    (env * frame.agents()..(env + 1) * frame.agents()).map(|r| row(frame, r)).collect()
}

/// An action for every agent: mostly legal ones, now and then any number.
fn some_actions(frame: &Frame, dice: &mut Dice) -> Vec<i32> {
    let format = frame.format();
    let words = format.words();
    let space = 8 * format.tiles() as u32 + 1;
    (0..frame.rows())
        .map(|row| {
            let first = row * format.mask_planes() * words;
            let direction = dice.below(4);
            let plane = &frame.mask()[first + direction as usize * words..][..words];
            let tiles: Vec<u32> = (0..format.tiles() as u32)
                .filter(|tile| plane[*tile as usize / 64] >> (tile % 64) & 1 != 0)
                .collect();
            if tiles.is_empty() || dice.below(8) == 0 {
                return dice.below(space + 4) as i32 - 2;
            }
            let tile = tiles[dice.below(tiles.len() as u32) as usize];
            ((tile * 4 + direction) * 2 + dice.below(2)) as i32
        })
        .collect()
}

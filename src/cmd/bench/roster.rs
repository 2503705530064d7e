//! The games that a benchmark plays.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use systems::{
    mapgen::{MapSpec, Size},
    policies::Policy,
    rows::RowFormat,
    rules::ruleset::Ruleset,
    start::Start,
};

/// Maps made beforehand: enough that games differ, few enough to be made in a moment.
const MAPS: u64 = 1024;

/// What all measurements of a run have in common.
pub(super) struct Roster {
    pub(super) starts: Arc<[Start]>,
    pub(super) ruleset: Ruleset,
    pub(super) policies: Vec<Policy>,
    pub(super) format: RowFormat,
}

impl Roster {
    pub(super) fn new(args: &super::Args) -> anyhow::Result<Self> {
        let ruleset = ruleset(&args.ruleset)?;
        let (height, width) = size(&args.size)?;
        let mut spec = MapSpec::free_for_all(ruleset.map.kind, args.players);
        spec.size = Size::Fixed { width, height };
        spec.check()?;
        let starts = (0..MAPS).map(|seed| spec.generate(seed)).collect();
        let policy = Policy::named(&args.policy)?;
        ensure!(policy != Policy::External, "--policy external: nobody plays it here");
        let policies = vec![policy; args.players];
        let format =
            RowFormat { height, width, has_builds: ruleset.builds(), has_owners: args.players > 2 };
        Ok(Self { starts, ruleset, policies, format })
    }
}

fn ruleset(name: &str) -> anyhow::Result<Ruleset> {
    if std::path::Path::new(name).extension().is_none_or(|extension| extension != "toml") {
        return Ok(Ruleset::named(name)?);
    }
    let text = std::fs::read_to_string(name).with_context(|| format!("--ruleset {name}"))?;
    Ruleset::from_toml(&text).with_context(|| format!("--ruleset {name}"))
}

/// Reads `HEIGHTxWIDTH`.
pub(super) fn size(text: &str) -> anyhow::Result<(u16, u16)> {
    let numbers = text.split_once('x').and_then(|(h, w)| Some((h.parse().ok()?, w.parse().ok()?)));
    numbers.with_context(|| format!("--size {text}: give HEIGHTxWIDTH, as 20x20"))
}

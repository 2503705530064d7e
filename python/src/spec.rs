//! What environments play, from keyword arguments.

use std::sync::Arc;

use datasets::layouts::Layout;
use pyo3::{prelude::*, types::PyDict};
use systems::{
    envs::{Autoreset, EnvSpec, Opening, Refusal},
    mapgen::{MapSpec, Size, Span},
    policies::Policy,
    reward::Reward,
    rollout::Maps,
    rows::PLANES,
    rules::ruleset::Ruleset,
    start::Start,
};

use crate::{
    error::{Fault, guarded},
    game::Game,
    pools,
};

/// Tick at which a game is cut off where neither the caller nor the ruleset says so.
const MAX_TICKS: u32 = 1000;

/// How large boards are, if that is said.
#[derive(FromPyObject)]
enum Sides {
    /// Height and width.
    #[pyo3(transparent)]
    Fixed((u16, u16)),
    /// `random`.
    #[pyo3(transparent)]
    Named(String),
}

/// What one environment plays; several may share one.
#[pyclass(frozen, name = "EnvSpec", module = "bivouac._engine")]
pub(crate) struct PyEnvSpec(pub(crate) Arc<EnvSpec>);

#[pymethods]
impl PyEnvSpec {
    /// `ruleset` is a name or the text of a TOML file, `map` the text of a map file; `pool` is a
    /// seed and a number of maps that are made beforehand.
    #[new]
    #[pyo3(signature = (*, ruleset, size, teams, map, pool, mountains, cities, max_ticks, fog, policies, game, tick))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of one call in the package")]
    fn new(
        py: Python<'_>,
        ruleset: &str,
        size: Option<Sides>,
        teams: Vec<u8>,
        map: Option<&str>,
        pool: Option<(u64, u32)>,
        mountains: Option<(u16, u16)>,
        cities: Option<(u16, u16)>,
        max_ticks: Option<u32>,
        fog: bool,
        policies: Vec<String>,
        game: Option<&Game>,
        tick: u32,
    ) -> PyResult<Self> {
        let make = || {
            let ruleset = match game {
                Some(game) => game.record.ruleset.clone(),
                None => Arc::new(ruleset_of(ruleset)?),
            };
            let opening = match (game, map) {
                (Some(game), _) => Opening::Replay { game: game.record.clone(), tick },
                (None, Some(text)) => Opening::Maps(Maps::Fixed(Arc::new(start_of(text)?))),
                (None, None) => {
                    let size = match size {
                        None => ruleset.map.usual_size(),
                        Some(Sides::Named(name)) if name == "random" => Size::Random,
                        Some(Sides::Named(name)) => {
                            let problem = "give a number, (height, width) or 'random'";
                            return Err(Fault::Argument(format!("size {name:?}: {problem}")));
                        }
                        Some(Sides::Fixed((height, width))) => Size::Fixed { width, height },
                    };
                    let span = |span: Option<_>| span.map(|(low, high)| Span { low, high });
                    let (mountains, cities) = (span(mountains), span(cities));
                    let spec = MapSpec { kind: ruleset.map.kind, size, teams, mountains, cities };
                    spec.check().map_err(Fault::argument)?;
                    Opening::Maps(maps(spec, pool)?)
                }
            };
            let policies = policies.iter().map(|name| Policy::named(name));
            let policies = policies.collect::<Result<_, _>>().map_err(Fault::argument)?;
            let max_ticks = max_ticks.unwrap_or_else(|| ruleset.max_ticks_or(MAX_TICKS));
            let has_fog = game.map_or(fog, |game| game.record.has_fog);
            Ok(EnvSpec { opening, ruleset, max_ticks, has_fog, policies })
        };
        // Maps that are made beforehand may take seconds.
        Ok(Self(Arc::new(py.detach(|| guarded(make))?)))
    }

    /// Most players of an episode.
    #[getter]
    fn players(&self) -> usize {
        self.0.players()
    }

    /// Tick at which a game is cut off.
    #[getter]
    fn max_ticks(&self) -> u32 {
        self.0.max_ticks
    }

    /// Height and width that hold every board of its episodes.
    #[getter]
    fn sides(&self) -> (u16, u16) {
        self.0.sides()
    }
}

fn maps(spec: MapSpec, pool: Option<(u64, u32)>) -> Result<Maps, Fault> {
    match pool {
        None => Ok(Maps::Generated(spec)),
        Some((_, 0)) => Err(Fault::argument("map_pool 0: give a number of maps of 1 or more")),
        Some((seed, n)) => Ok(Maps::Pool(pools::of(spec, seed, n))),
    }
}

/// A ruleset by name, or from the text of a file.
fn ruleset_of(text: &str) -> Result<Ruleset, Fault> {
    let is_text = text.contains('\n') || text.contains('=');
    if is_text { Ruleset::from_toml(text) } else { Ruleset::named(text) }.map_err(Fault::argument)
}

/// A map from the text of a file: JSON, or a drawing.
fn start_of(text: &str) -> Result<Start, Fault> {
    let is_json = text.trim_start().starts_with('{');
    if is_json { Start::from_json(text) } else { Start::from_text(text) }.map_err(Fault::argument)
}

/// A reward by name, or from the text of a TOML file.
pub(crate) fn reward_of(text: &str) -> Result<Reward, Fault> {
    let is_text = text.contains('\n') || text.contains('=');
    if is_text { Reward::from_toml(text) } else { Reward::named(text) }.map_err(Fault::argument)
}

/// A mode of autoreset by its name.
pub(crate) fn autoreset_of(name: &str) -> Result<Autoreset, Fault> {
    match name {
        "next_step" => Ok(Autoreset::NextStep),
        "same_step" => Ok(Autoreset::SameStep),
        "disabled" => Ok(Autoreset::Disabled),
        _ => Err(Fault::Argument(format!(
            "autoreset {name:?} is not known: use next_step, same_step or disabled"
        ))),
    }
}

/// Names that the package shows: policies, rulesets, planes, reasons for refusals, layouts.
#[pyfunction]
pub(crate) fn names(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let names = PyDict::new(py);
    names.set_item("policies", Policy::ALL.map(|(_, name)| name).to_vec())?;
    names.set_item("rulesets", Ruleset::NAMES.to_vec())?;
    names.set_item("planes", PLANES.to_vec())?;
    names.set_item("refusals", Refusal::ALL.map(|(_, name)| name).to_vec())?;
    let layouts = PyDict::new(py);
    for layout in Layout::ALL {
        layouts.set_item(layout.name(), layout.channels().to_vec())?;
    }
    names.set_item("layouts", layouts)?;
    Ok(names)
}

//! What an action was worth, judged from the player's own view.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{components::Cell, rules::view::View};

/// Weights of a reward.
///
/// A reward is the change of the view's worth since the last tick, plus `army_share` times
/// (own - opponents') / (own + opponents') army, plus `win` or `lose` at the end.
/// All quantities are what the player knows: the public scoreboard, own land, captures it made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reward {
    /// At the end, for the winners.
    pub win: f32,
    /// At the end or at the death, for the others; nothing for a draw or a cut-off game.
    pub lose: f32,
    /// For each tile gained.
    pub land: f32,
    /// For each unit gained.
    pub army: f32,
    /// For each city gained.
    pub city: f32,
    /// For each general taken, and lost with the own one.
    pub general: f32,
    /// For the difference of armies relative to their sum, at every tick.
    pub army_share: f32,
    /// For the logarithm of own over opponents' land.
    pub land_ratio: f32,
    /// For the logarithm of own over opponents' army.
    pub army_ratio: f32,
    /// For the logarithm of own over the opponents' seen cities.
    pub city_ratio: f32,
    /// Whether `win` or `lose` replaces everything else in the last tick.
    pub end_replaces: bool,
}

/// Why a reward cannot be used.
#[derive(Debug, Error)]
pub enum RewardError {
    /// No preset has this name.
    #[error("reward {0:?} is not known: use sparse, shaped, potential, or a .toml file")]
    Unknown(String),
    /// The text is not TOML, or a weight is unknown or not a number.
    #[error("reward file: {0}")]
    Text(String),
}

impl Default for Reward {
    fn default() -> Self {
        Self::SPARSE
    }
}

impl Reward {
    /// +1 for a win, -1 for a loss.
    pub const SPARSE: Self = Self {
        win: 1.0,
        lose: -1.0,
        land: 0.0,
        army: 0.0,
        city: 0.0,
        general: 0.0,
        army_share: 0.0,
        land_ratio: 0.0,
        army_ratio: 0.0,
        city_ratio: 0.0,
        end_replaces: false,
    };

    /// Gains of land, army, cities and generals, as in `GeneralsReinforcementLearning`.
    pub const SHAPED: Self = Self {
        land: 0.01,
        army: 0.001,
        city: 0.1,
        general: 0.5,
        army_share: 0.05,
        end_replaces: true,
        ..Self::SPARSE
    };

    /// A difference of potentials, those of arXiv 2507.06825, without a discount: what an episode
    /// earns beside its end depends on its last position alone. It leaves the best policy exactly as
    /// it is for a learner that does not discount, and nearly so for one that discounts little (Ng,
    /// Harada and Russell 1999 have the learner's discount on the second potential).
    pub const POTENTIAL: Self =
        Self { land_ratio: 0.3, army_ratio: 0.3, city_ratio: 0.4, ..Self::SPARSE };

    /// The preset of this name.
    ///
    /// # Errors
    ///
    /// [`RewardError::Unknown`] for any other name.
    pub fn named(name: &str) -> Result<Self, RewardError> {
        match name {
            "sparse" => Ok(Self::SPARSE),
            "shaped" => Ok(Self::SHAPED),
            "potential" => Ok(Self::POTENTIAL),
            _ => Err(RewardError::Unknown(name.to_owned())),
        }
    }

    /// Weights from a TOML text; those not named are those of `sparse`.
    ///
    /// # Errors
    ///
    /// [`RewardError::Text`] with the line at fault.
    pub fn from_toml(text: &str) -> Result<Self, RewardError> {
        toml::from_str(text).map_err(|e| RewardError::Text(e.to_string().trim_end().to_owned()))
    }

    /// Whether only the end of a game is rewarded.
    #[inline(always)]
    pub fn is_sparse(&self) -> bool {
        Self { win: 0.0, lose: 0.0, end_replaces: false, ..*self }
            == Self { win: 0.0, lose: 0.0, ..Self::SPARSE }
    }

    /// The worth of a view, of which a reward is the change.
    #[expect(
        clippy::cast_precision_loss,
        reason = "totals are far below 2^24 except in endless games"
    )]
    pub fn worth<const K: usize, const P: usize, A: Cell>(&self, view: View<'_, K, P, A>) -> f32 {
        let Sides { land, army, opponent_land, opponent_army } = sides(view);
        let cities = (view.own() & view.cities()).count();
        let enemy_cities = (view.enemies() & view.cities()).count();
        let generals = view.captures() + u32::from(view.general().is_some());
        // libm's logarithm is the same on every machine, unlike the platform's.
        let ratio = |own: u32, other: u32| libm::logf((1.0 + own as f32) / (1.0 + other as f32));
        self.land * land as f32
            + self.army * army as f32
            + self.city * cities as f32
            + self.general * generals as f32
            + self.land_ratio * ratio(land, opponent_land)
            + self.army_ratio * ratio(army, opponent_army)
            + self.city_ratio * ratio(cities, enemy_cities)
    }

    /// The part of a reward that is paid for a position rather than for a change.
    #[expect(
        clippy::cast_precision_loss,
        reason = "totals are far below 2^24 except in endless games"
    )]
    pub fn presence<const K: usize, const P: usize, A: Cell>(
        &self,
        view: View<'_, K, P, A>,
    ) -> f32 {
        let Sides { army, opponent_army, .. } = sides(view);
        let sum = (army + opponent_army).max(1) as f32;
        self.army_share * (army as f32 - opponent_army as f32) / sum
    }
}

/// The public scoreboard from one seat: its own totals and those of all opponents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sides {
    /// Own tiles.
    pub land: u32,
    /// Own units.
    pub army: u32,
    /// Tiles of all opponents.
    pub opponent_land: u32,
    /// Units of all opponents.
    pub opponent_army: u32,
}

/// The scoreboard as the view's seat reads it.
#[inline(always)]
pub fn sides<const K: usize, const P: usize, A: Cell>(view: View<'_, K, P, A>) -> Sides {
    let (seat, land, army) = (view.seat(), view.land(), view.army_totals());
    let mut sides =
        Sides { land: u32::from(land[seat]), army: army[seat], opponent_land: 0, opponent_army: 0 };
    for other in 0..P {
        if !view.is_ally(other) {
            sides.opponent_land += u32::from(land[other]);
            sides.opponent_army += army[other];
        }
    }
    sides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_and_files_name_what_they_do_not_know() {
        assert!(Reward::named("sparse").unwrap().is_sparse());
        assert!(!Reward::named("shaped").unwrap().is_sparse());
        assert!(Reward::named("dense").unwrap_err().to_string().contains("dense"));
        let reward = Reward::from_toml("win = 2.0\nland = 0.5").unwrap();
        assert_eq!(reward, Reward { win: 2.0, land: 0.5, ..Reward::SPARSE });
        assert!(Reward::from_toml("wim = 2.0").unwrap_err().to_string().contains("wim"));
    }
}

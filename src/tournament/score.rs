//! What the games of a tournament came to: win rates with intervals, points and ratings.

use serde::Serialize;

use super::{Played, rating};

/// What two contestants' games came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pairing {
    /// Numbers of the contestants.
    pub contestants: [usize; 2],
    /// Games the first one won.
    pub wins: u64,
    /// Games the second one won.
    pub losses: u64,
    /// Games that nobody won.
    pub draws: u64,
    /// Points of the first one in a game: 1 for a win, 0.5 for a draw.
    pub rate: f64,
    /// The rate's 95 % interval (Wilson's).
    pub interval: [f64; 2],
    /// Ticks of a game on average.
    pub ticks: f64,
}

/// How the contestants stand.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standings {
    /// Elo of each contestant; 1500 is the average.
    pub elo: Vec<f64>,
    /// Its 95 % interval.
    pub elo_interval: Vec<[f64; 2]>,
    /// `OpenSkill` of each contestant (Weng and Lin, by the crate `skillratings`): mean and standard
    /// deviation, from 25 and 8.33 on, after the games in their order.
    pub openskill: Vec<[f64; 2]>,
    /// Points of each contestant over its games.
    pub points: Vec<f64>,
    /// Games of each contestant.
    pub games: Vec<u64>,
    /// Games in which its program did something wrong.
    pub faulty: Vec<u64>,
    /// Games that its program lost by that.
    pub forfeits: Vec<u64>,
    /// Every pair.
    pub pairings: Vec<Pairing>,
}

impl Standings {
    /// The standings of `contestants` contestants after some games.
    #[must_use]
    pub fn of(contestants: usize, played: &[Played]) -> Self {
        let (mut points, mut games) = (vec![0.0; contestants], vec![0; contestants]);
        let (mut faulty, mut forfeits) = (vec![0; contestants], vec![0; contestants]);
        let mut pairings = Vec::new();
        for a in 0..contestants {
            for b in a + 1..contestants {
                pairings.push(pairing(a, b, played));
            }
        }
        for game in played {
            for (seat, &contestant) in game.seats.iter().enumerate() {
                points[contestant] += point(game, contestant);
                games[contestant] += 1;
                faulty[contestant] += u64::from(!game.faults[seat].is_empty());
                forfeits[contestant] += u64::from(game.forfeits[seat]);
            }
        }
        let rated = rating::elo(contestants, &pairings);
        let elo = rated.iter().map(|elo| elo.rating).collect();
        let elo_interval = rated.iter().map(|elo| elo.interval).collect();
        let openskill = rating::openskill(contestants, played);
        Self { elo, elo_interval, openskill, points, games, faulty, forfeits, pairings }
    }

    /// Whether a contestant's program failed in every one of its games.
    #[must_use]
    pub fn has_failed(&self, contestant: usize) -> bool {
        self.games[contestant] > 0 && self.forfeits[contestant] == self.games[contestant]
    }
}

/// What a game is worth to one of its contestants.
fn point(game: &Played, contestant: usize) -> f64 {
    match game.winner {
        Some(winner) if winner == contestant => 1.0,
        Some(_) => 0.0,
        None => 0.5,
    }
}

#[expect(clippy::cast_precision_loss, reason = "games are counted in millions at most")]
fn pairing(a: usize, b: usize, played: &[Played]) -> Pairing {
    let games = played.iter().filter(|game| game.seats == [a, b] || game.seats == [b, a]);
    let count = |winner| games.clone().filter(|game| game.winner == winner).count() as u64;
    let (wins, losses, draws) = (count(Some(a)), count(Some(b)), count(None));
    let n = (wins + losses + draws) as f64;
    let rate = if n > 0.0 { (wins as f64 + 0.5 * draws as f64) / n } else { 0.5 };
    let ticks = games.map(|game| f64::from(game.ticks)).sum::<f64>() / n.max(1.0);
    Pairing { contestants: [a, b], wins, losses, draws, rate, interval: wilson(rate, n), ticks }
}

/// Wilson's interval of a rate of `n` games, at 95 %.
///
/// Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
/// 1927. Unlike the plain one it stays within 0 and 1 and does not vanish at them.
#[must_use]
pub fn wilson(rate: f64, n: f64) -> [f64; 2] {
    if n <= 0.0 {
        return [0.0, 1.0];
    }
    let z2 = 1.96 * 1.96;
    let middle = rate + z2 / (2.0 * n);
    let width = 1.96 * (rate * (1.0 - rate) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    [((middle - width) / scale).max(0.0), ((middle + width) / scale).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn games(seats: [usize; 2], winner: Option<usize>, n: usize) -> Vec<Played> {
        let (faults, forfeits) = Default::default();
        vec![Played { seats, winner, ticks: 10, faults, forfeits }; n]
    }

    #[test]
    fn wins_are_counted_from_both_seats() {
        let mut played = games([0, 1], Some(0), 3);
        played.extend(games([1, 0], Some(0), 2));
        played.extend(games([1, 0], None, 1));
        let standings = Standings::of(2, &played);
        let pairing = &standings.pairings[0];
        assert_eq!((pairing.wins, pairing.losses, pairing.draws), (5, 0, 1));
        assert_eq!((standings.points[0], standings.points[1]), (5.5, 0.5));
        assert!(pairing.interval[0] > 0.4 && pairing.interval[1] < 1.0, "{pairing:?}");
    }

    #[test]
    fn intervals_are_wilsons() {
        let [low, high] = wilson(0.5, 100.0);
        assert!((low - 0.4038).abs() < 1e-3 && (high - 0.5962).abs() < 1e-3, "{low} {high}");
        let [low, high] = wilson(1.0, 10.0);
        assert!((low - 0.7225).abs() < 1e-3 && high > 0.999, "{low} {high}");
    }
}

//! Ratings of contestants from their games: Elo with intervals, and `OpenSkill`.

use skillratings::{
    Outcomes,
    weng_lin::{WengLinConfig, WengLinRating, weng_lin},
};

use super::{Pairing, Played};

/// Rounds of the search for ratings; it converges long before.
const ROUNDS: usize = 500;

/// Elo of a factor of e in strength: 400 to the factor of ten.
const PER_E: f64 = 400.0 / std::f64::consts::LN_10;

/// Elo of a contestant, and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Elo {
    pub(super) rating: f64,
    pub(super) interval: [f64; 2],
}

/// The Elo ratings under which the results are likeliest (Bradley and Terry's model), with one
/// more draw in each pairing so that who won or lost every game has a rating too. 1500 is the
/// average.
///
/// The intervals are those of a likelihood that is normal around its peak: 1.96 standard errors,
/// from the inverse of Fisher's information.
pub(super) fn elo(contestants: usize, pairings: &[Pairing]) -> Vec<Elo> {
    let strength = strengths(contestants, pairings);
    let variances = variances(&strength, pairings);
    let rated = strength.iter().zip(variances).map(|(strength, variance)| {
        let (rating, error) = (1500.0 + PER_E * strength.ln(), 1.96 * PER_E * variance.sqrt());
        Elo { rating, interval: [rating - error, rating + error] }
    });
    rated.collect()
}

/// Games of a pairing and the first one's points in them, the draw in advance included.
#[expect(clippy::cast_precision_loss, reason = "games are counted in millions at most")]
fn results(pairing: &Pairing) -> (f64, f64) {
    let n = pairing.wins + pairing.losses + pairing.draws + 1;
    (n as f64, pairing.wins as f64 + 0.5 * (pairing.draws + 1) as f64)
}

#[expect(clippy::cast_precision_loss, reason = "contestants are counted in dozens")]
fn strengths(contestants: usize, pairings: &[Pairing]) -> Vec<f64> {
    let mut strength = vec![1.0_f64; contestants];
    for _ in 0..ROUNDS {
        let (mut points, mut weight) = (vec![0.0; contestants], vec![0.0; contestants]);
        for pairing in pairings {
            let ([a, b], (n, won)) = (pairing.contestants, results(pairing));
            points[a] += won;
            points[b] += n - won;
            let share = n / (strength[a] + strength[b]);
            weight[a] += share;
            weight[b] += share;
        }
        for (strength, (points, weight)) in strength.iter_mut().zip(points.iter().zip(&weight)) {
            *strength = if *weight > 0.0 { points / weight } else { 1.0 };
        }
        let mean = strength.iter().map(|s| s.ln()).sum::<f64>() / contestants as f64;
        for strength in &mut strength {
            *strength /= mean.exp();
        }
    }
    strength
}

/// Variance of each logarithm of strength, whose mean is fixed.
///
/// The information has the null vector of all ones, since only differences matter. With a constant
/// added to all of its entries it can be inverted; the constant adds its own inverse, the same for
/// all, which is taken off again.
#[expect(clippy::cast_precision_loss, reason = "contestants are counted in dozens")]
fn variances(strength: &[f64], pairings: &[Pairing]) -> Vec<f64> {
    let n = strength.len();
    let share = 1.0 / n as f64;
    let mut information = vec![vec![share; n]; n];
    for pairing in pairings {
        let ([a, b], (games, _)) = (pairing.contestants, results(pairing));
        let p = strength[a] / (strength[a] + strength[b]);
        let told = games * p * (1.0 - p);
        information[a][a] += told;
        information[b][b] += told;
        information[a][b] -= told;
        information[b][a] -= told;
    }
    let inverse = inverted(information);
    (0..n).map(|i| (inverse[i][i] - share).max(0.0)).collect()
}

/// The inverse of a matrix that is positive definite, by Gauss and Jordan.
fn inverted(mut matrix: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = matrix.len();
    let unit = |i: usize| (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect();
    let mut inverse: Vec<Vec<f64>> = (0..n).map(unit).collect();
    for i in 0..n {
        let pivot = matrix[i][i];
        matrix[i].iter_mut().chain(&mut inverse[i]).for_each(|entry| *entry /= pivot);
        let (row, inverted) = (matrix[i].clone(), inverse[i].clone());
        for other in (0..n).filter(|&other| other != i) {
            let factor = matrix[other][i];
            let both = matrix[other].iter_mut().chain(&mut inverse[other]);
            for (entry, by) in both.zip(row.iter().chain(&inverted)) {
                *entry -= factor * by;
            }
        }
    }
    inverse
}

/// `OpenSkill` ratings after the games in their order: mean and standard deviation of each
/// contestant's skill, from 25 and 8.33 on.
///
/// Source: R. C. Weng and C.-J. Lin, "A Bayesian approximation method for online ranking", 2011;
/// the model of Bradley and Terry with full pairing, as `skillratings` has it.
pub(super) fn openskill(contestants: usize, played: &[Played]) -> Vec<[f64; 2]> {
    let config = WengLinConfig::new();
    let mut ratings = vec![WengLinRating::new(); contestants];
    for game in played {
        let [a, b] = game.seats;
        let outcome = match game.winner {
            Some(winner) if winner == a => Outcomes::WIN,
            Some(_) => Outcomes::LOSS,
            None => Outcomes::DRAW,
        };
        (ratings[a], ratings[b]) = weng_lin(&ratings[a], &ratings[b], &outcome, &config);
    }
    ratings.iter().map(|rating| [rating.rating, rating.uncertainty]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tournament::Standings;

    fn games(seats: [usize; 2], winner: Option<usize>, n: usize) -> Vec<Played> {
        let (faults, forfeits) = Default::default();
        vec![Played { seats, winner, ticks: 10, faults, forfeits }; n]
    }

    #[test]
    fn elo_is_that_of_the_model() {
        // Three of four points are a strength of three to one: 400 log10(3) = 190.8 Elo.
        let mut played = games([0, 1], Some(0), 3000);
        played.extend(games([1, 0], Some(1), 1000));
        let elo = Standings::of(2, &played).elo;
        assert!((elo[0] - elo[1] - 190.8).abs() < 0.5, "{elo:?}");
        assert!((elo[0] + elo[1] - 3000.0).abs() < 1e-6, "{elo:?}");
        assert_eq!(Standings::of(2, &[]).elo, [1500.0, 1500.0]);
        let perfect = Standings::of(2, &games([0, 1], Some(0), 10)).elo;
        assert!(perfect.iter().all(|elo| elo.is_finite()), "{perfect:?}");
    }

    #[test]
    fn intervals_are_those_of_the_likelihood() {
        // Between equals n games tell n / 4 of the difference, whose half each rating is.
        let mut played = games([0, 1], Some(0), 200);
        played.extend(games([0, 1], Some(1), 199));
        let standings = Standings::of(2, &played);
        let [low, high] = standings.elo_interval[0];
        let error = 1.96 * PER_E * 0.5 * (4.0_f64 / 400.0).sqrt();
        assert!(((high - low) / 2.0 - error).abs() < 0.01, "{low} {high} {error}");
        // More games, or more opponents, tell more.
        let four_times: Vec<_> = played.iter().cycle().take(4 * played.len()).cloned().collect();
        let more = Standings::of(2, &four_times).elo_interval[0];
        assert!((more[1] - more[0]) * 1.9 < high - low, "{more:?}");
        assert!(more[0] < 1500.0 && more[1] > 1500.0, "{more:?}");
    }

    #[test]
    fn a_matrix_times_its_inverse_is_one() {
        let matrix = vec![vec![4.0, 1.0, -1.0], vec![1.0, 3.0, 0.5], vec![-1.0, 0.5, 5.0]];
        let inverse = inverted(matrix.clone());
        for i in 0..3 {
            for j in 0..3 {
                let sum: f64 = (0..3).map(|k| matrix[i][k] * inverse[k][j]).sum();
                let wanted = if i == j { 1.0 } else { 0.0 };
                assert!((sum - wanted).abs() < 1e-12, "{i} {j}: {sum}");
            }
        }
    }

    #[test]
    fn skill_grows_with_wins_and_its_uncertainty_shrinks_with_games() {
        let mut played = games([0, 1], Some(0), 1);
        // What Weng and Lin's algorithm makes of one game between newcomers.
        let one = openskill(2, &played);
        assert!((one[0][0] - 27.635).abs() < 1e-2 && (one[1][0] - 22.365).abs() < 1e-2, "{one:?}");
        played.extend(games([1, 0], Some(0), 20));
        let many = openskill(3, &played);
        assert!(many[0][0] > one[0][0] && many[0][1] < one[0][1], "{many:?}");
        let newcomer = (many[2][0] - 25.0).abs() + (many[2][1] - 25.0 / 3.0).abs();
        assert!(newcomer < 1e-9, "who has not played is a newcomer: {many:?}");
        let drawn = openskill(2, &games([0, 1], None, 5));
        assert!((drawn[0][0] - drawn[1][0]).abs() < 1e-9, "{drawn:?}");
    }
}

//! Numbers as bars of text.

use serde::Serialize;

/// Bars at most.
const BARS: usize = 12;

/// Width of the longest bar, in characters.
const WIDTH: usize = 40;

/// How many numbers lie in each of some equally wide ranges.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Histogram {
    /// Least number.
    least: f64,
    /// Greatest number.
    greatest: f64,
    /// Sum divided by count.
    mean: f64,
    /// Numbers in each range, from the least to the greatest.
    counts: Vec<u64>,
}

impl Histogram {
    /// The histogram of numbers; none of no numbers.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a range's index is below a dozen, and a count far below 2^53"
    )]
    pub(super) fn of(numbers: &[f64]) -> Option<Self> {
        let least = numbers.iter().copied().reduce(f64::min)?;
        let greatest = numbers.iter().copied().reduce(f64::max)?;
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        let bars = if greatest > least { BARS } else { 1 };
        let mut counts = vec![0; bars];
        for number in numbers {
            let place = (number - least) / (greatest - least) * bars as f64;
            counts[(place as usize).min(bars - 1)] += 1;
        }
        Some(Self { least, greatest, mean, counts })
    }

    /// A line for each range, and one for the mean.
    #[expect(clippy::cast_precision_loss, reason = "a dozen ranges, shown in a few digits")]
    pub(super) fn text(&self) -> String {
        let most = self.counts.iter().copied().max().unwrap_or(1).max(1);
        let step = (self.greatest - self.least) / self.counts.len() as f64;
        let line = |(i, &count): (usize, &u64)| {
            let from = self.least + step * i as f64;
            let share = usize::try_from(count * WIDTH as u64 / most).unwrap_or(WIDTH);
            // Something is shown of everything that is there.
            let bar = "#".repeat(share.max(usize::from(count > 0)));
            format!("{from:>10.2}  {bar:<WIDTH$} {count}\n")
        };
        let bars: String = self.counts.iter().enumerate().map(line).collect();
        format!("{bars}{:>10.2}  greatest, mean {:.2}", self.greatest, self.mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_in_one_bar() {
        let numbers: Vec<f64> = (0..100).map(f64::from).collect();
        let histogram = Histogram::of(&numbers).unwrap();
        assert_eq!(histogram.counts.iter().sum::<u64>(), 100);
        assert_eq!((histogram.least, histogram.greatest, histogram.mean), (0.0, 99.0, 49.5));
        assert_eq!(histogram.counts.len(), BARS);
        assert_eq!(histogram.text().lines().count(), BARS + 1);
    }

    #[test]
    fn equal_numbers_are_one_bar_and_no_numbers_none() {
        let histogram = Histogram::of(&[2.0; 7]).unwrap();
        assert_eq!(histogram.counts, [7]);
        assert!(histogram.text().starts_with("      2.00  ####"));
        assert_eq!(Histogram::of(&[]), None);
    }
}

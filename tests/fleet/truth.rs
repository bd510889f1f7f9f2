//! All that a fleet recorded, value by value.

/// How many recorded units, nanoseconds, are an exported one.
const UNIT: f64 = 1e9;

pub struct Truth {
    sorted: Vec<u64>,
    sum: u128,
    /// Of each process that recorded anything, in seconds.
    pub p99_of_each: Vec<f64>,
}

/// By how much, of its value, an answer may be below and above the truth.
#[derive(Clone, Copy, Debug)]
pub struct Error {
    pub below: f64,
    pub above: f64,
}

impl Truth {
    pub fn of(processes: impl Iterator<Item = Vec<u64>>) -> Self {
        let (mut sorted, mut p99_of_each) = (Vec::new(), Vec::new());
        for mut values in processes {
            values.sort_unstable();
            let place = (0.99 * values.len() as f64).ceil() as usize;
            p99_of_each.extend(values.get(place.saturating_sub(1)).map(|&it| it as f64 / UNIT));
            sorted.append(&mut values);
        }
        sorted.sort_unstable();
        let sum = sorted.iter().map(|&value| u128::from(value)).sum();
        Self { sorted, sum, p99_of_each }
    }

    pub fn count(&self) -> u64 {
        self.sorted.len() as u64
    }

    /// In seconds.
    pub fn sum(&self) -> f64 {
        self.sum as f64 / UNIT
    }

    /// In seconds.
    pub fn max(&self) -> f64 {
        *self.sorted.last().expect("something was recorded") as f64 / UNIT
    }

    /// The values at a quantile, in seconds: backends number the places from 0 or from 1, and round
    /// up or to the nearest one.
    pub fn around(&self, q: f64) -> (f64, f64) {
        let last = self.sorted.len() - 1;
        let (low, high) = (q * last as f64, q * self.sorted.len() as f64);
        let place = |place: f64| self.sorted[(place as usize).min(last)] as f64 / UNIT;
        (place(low.floor()), place(high.ceil()))
    }

    /// Panics unless a backend's answer is the quantile within the error.
    pub fn assert_quantile(&self, q: f64, said: f64, error: Error) {
        let (low, high) = self.around(q);
        let range = low * (1.0 - error.below)..=high * (1.0 + error.above);
        assert!(range.contains(&said), "{said} at {q}, which is {low} to {high}, by {error:?}");
    }

    /// Panics unless a sum is the sum of all values, but for a relative error.
    pub fn assert_sum(&self, said: f64, error: f64) {
        assert!((said / self.sum() - 1.0).abs() <= error, "{said}, not {}", self.sum());
    }
}

/// The relative error of so many additions of positive doubles.
pub fn rounding_of(additions: usize) -> f64 {
    additions as f64 * f64::EPSILON
}

#[test]
fn a_mean_of_quantiles_is_far_from_the_quantile_of_all() {
    let truth = &*super::exports::TRUTH;
    let mean = truth.p99_of_each.iter().sum::<f64>() / truth.p99_of_each.len() as f64;
    let (p99, _) = truth.around(0.99);
    assert!(mean < p99 / 3.0, "a mean of {mean}, and a p99 of {p99}");
    // The largest of them is as far off to the other side.
    let largest = truth.p99_of_each.iter().fold(0.0, |largest: f64, &it| largest.max(it));
    assert!(largest > p99 * 3.0, "at most {largest}, and a p99 of {p99}");
}

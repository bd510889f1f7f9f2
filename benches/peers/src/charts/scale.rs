//! From values to places on an axis.

use crate::quantity::mark;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// From 0 to this.
    Linear(f64),
    /// From the first to the second; equal ratios are equal distances.
    Log(f64, f64),
}

impl Scale {
    /// From 0 to a little more than the largest value.
    pub fn linear(values: impl IntoIterator<Item = f64>) -> Self {
        let most = values.into_iter().fold(0.0, f64::max);
        Self::Linear(if most > 0.0 { most * 1.04 } else { 1.0 })
    }

    /// Around all values. What is 0 has no place, and is at the lower end.
    pub fn log(values: impl IntoIterator<Item = f64>) -> Self {
        let values = values.into_iter().filter(|value| *value > 0.0);
        let (least, most) = values.fold((f64::INFINITY, 0.0), |(least, most), value| {
            (f64::min(least, value), f64::max(most, value))
        });
        if most > 0.0 { Self::Log(least / 1.25, most * 1.25) } else { Self::Log(0.1, 10.0) }
    }

    /// Where between the axis' ends, which are 0 and 1, a value is.
    pub fn position(self, value: f64) -> f64 {
        let position = match self {
            Self::Linear(most) => value / most,
            Self::Log(least, most) => (value.max(least) / least).log10() / (most / least).log10(),
        };
        position.clamp(0.0, 1.0)
    }

    /// Values to mark, with what is written there; on a logarithmic axis
    /// powers of ten, and their doubles and halves where there are few of them.
    pub fn marks(self, unit: &str) -> Vec<(f64, String)> {
        let values: Vec<f64> = match self {
            Self::Linear(most) => {
                let power = 10_f64.powf(most.log10().floor());
                let steps = [0.2, 0.5, 1.0, 2.0].map(|step| step * power);
                let step = steps.into_iter().find(|step| most / step <= 5.0).unwrap_or(power);
                (0..=5).map(|at| f64::from(at) * step).filter(|value| *value <= most).collect()
            }
            Self::Log(least, most) => {
                let powers = least.log10().floor() as i32..=most.log10().ceil() as i32;
                let is_inside = |value: &f64| (least..=most).contains(value);
                let of_power = |power| [1.0, 2.0, 5.0].map(|it| it * 10_f64.powi(power));
                let powers = powers.map(of_power);
                let tens: Vec<_> = powers.clone().map(|[it, ..]| it).filter(is_inside).collect();
                if tens.len() > 2 { tens } else { powers.flatten().filter(is_inside).collect() }
            }
        };
        values.into_iter().map(|value| (value, mark(value, unit))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_axis_begins_at_zero() {
        let scale = Scale::linear([2.0, 25.0]);
        assert_eq!(scale.position(0.0), 0.0);
        assert_eq!(scale.position(26.0), 1.0);
        assert!((scale.position(13.0) - 0.5).abs() < 1e-9);
        let marks: Vec<_> = scale.marks("ns").into_iter().map(|(_, text)| text).collect();
        assert_eq!(marks, ["0 ns", "10 ns", "20 ns"]);
    }

    #[test]
    fn equal_ratios_are_equal_distances_on_a_logarithmic_axis() {
        let scale = Scale::log([0.5, 700.0]);
        let distance = |from: f64, to: f64| scale.position(to) - scale.position(from);
        assert!((distance(0.5, 5.0) - distance(5.0, 50.0)).abs() < 1e-9);
        assert_eq!(scale.position(0.0), 0.0);
        let marks: Vec<_> = scale.marks("ns").into_iter().map(|(_, text)| text).collect();
        assert_eq!(marks, ["1 ns", "10 ns", "100 ns"]);
        let few: Vec<_> = Scale::log([20.0, 300.0]).marks("ns").into_iter().collect();
        assert_eq!(
            few.iter().map(|(value, _)| *value).collect::<Vec<_>>(),
            [20.0, 50.0, 100.0, 200.0]
        );
    }
}

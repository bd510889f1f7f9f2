//! What a reader of any format makes of a body: families, and what their series say.

/// Keys and values, in the order of the body.
pub type Labels = Vec<(String, String)>;

/// A family and its series, in the order of the body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Family {
    /// Without the `_total` of a counter's samples.
    pub name: String,
    pub help: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// Empty if none is told.
    pub unit: String,
    pub series: Vec<Series>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub labels: Labels,
    pub reading: Reading,
    /// Seconds and nanoseconds since 1970.
    pub created: Option<(u64, u32)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    Number(Number),
    Histogram(Distribution),
}

/// A number as the format carries it.
#[derive(Clone, Debug, PartialEq)]
pub enum Number {
    Text(String),
    Double(f64),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    pub count: u64,
    pub sum: Number,
    /// Upper bounds and what does not exceed them, without the bucket that has no bound.
    pub buckets: Vec<(f64, u64)>,
    pub native: Option<Native>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Native {
    pub schema: i64,
    pub zero_count: u64,
    /// Index and count, by ascending index.
    pub buckets: Vec<(i64, u64)>,
}

impl Number {
    /// Whether it is `value / 10^shift`: exactly as a text, and as near as a double gets.
    pub fn is_quotient(&self, value: i128, shift: u32) -> bool {
        match self {
            Self::Text(text) => scaled(text, shift) == Some(value),
            Self::Double(double) => *double == value as f64 / 10_f64.powi(shift as i32),
        }
    }

    /// Whether it is this number, or NaN as this one is; but never the NaN by which Prometheus marks
    /// the end of a series.
    pub fn is(&self, value: f64) -> bool {
        let own = match self {
            Self::Text(text) => match text.as_str() {
                "NaN" => f64::NAN,
                "+Inf" => f64::INFINITY,
                "-Inf" => f64::NEG_INFINITY,
                text => text.parse().expect("a number"),
            },
            Self::Double(double) => *double,
        };
        own.to_bits() == value.to_bits()
            || (own.is_nan() && value.is_nan() && own.to_bits() != 0x7ff0_0000_0000_0002)
    }
}

/// A decimal number times `10^shift`, if that is an integer and its text has no digit too many.
fn scaled(text: &str, shift: u32) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_plain = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    let is_short = !whole.is_empty() && (whole == "0" || !whole.starts_with('0'));
    let is_cut = digits.contains('.') && (fraction.is_empty() || fraction.ends_with('0'));
    if !is_plain(whole) || !is_plain(fraction) || !is_short || is_cut {
        return None;
    }
    let missing = (shift as usize).checked_sub(fraction.len())?;
    let all = format!("{whole}{fraction}{}", "0".repeat(missing));
    Some(sign * all.parse::<i128>().ok()?)
}

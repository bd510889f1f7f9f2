//! Tables as text.
#![forbid(unsafe_code)]

use crate::measure::Spread;

/// Rows under headings; the first column is aligned to the left, all others to the right.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self { rows: vec![headings.map(String::from).to_vec()] }
    }

    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        assert_eq!(N, self.rows[0].len(), "a cell for each heading");
        self.rows.push(cells.to_vec());
    }

    pub fn print(&self) {
        let columns = 0..self.rows[0].len();
        let width = |column: usize| self.rows.iter().map(|row| row[column].len()).max();
        let widths: Vec<_> = columns.map(|column| width(column).unwrap_or(0)).collect();
        for row in &self.rows {
            let mut line = format!("{:<width$}", row[0], width = widths[0]);
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                line.push_str(&format!("  {cell:>width$}"));
            }
            println!("{}", line.trim_end());
        }
        println!();
    }
}

/// A time in microseconds.
pub fn microseconds(ns: u64) -> String {
    format!("{:.0}", ns as f64 / 1_000.0)
}

/// A time in nanoseconds.
pub fn nanoseconds(ps: u64) -> String {
    format!("{:.1}", ps as f64 / 1_000.0)
}

/// The ends of a spread of times, in microseconds.
pub fn range(spread: Spread) -> String {
    format!("{} .. {}", microseconds(spread.low), microseconds(spread.high))
}

/// `value` as a multiple of `base`.
pub fn ratio(value: u64, base: u64) -> String {
    format!("{:.2}", value as f64 / base as f64)
}

/// A whole number with its thousands set apart.
pub fn grouped(number: u64) -> String {
    let digits: Vec<_> = number.to_string().chars().collect();
    let groups: Vec<String> = digits.rchunks(3).rev().map(|group| group.iter().collect()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1_000, 12_345_678].map(grouped), ["0", "999", "1,000", "12,345,678"]);
    }
}

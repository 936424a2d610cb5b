//! How numbers and tables look: aligned, with thousands separated, nothing louder than it needs to be.

use std::fmt::{self, Write as _};

use crate::load::Latency;

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate in whole numbers.
pub(crate) fn rate(per_second: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded and not negative")]
    let whole = per_second.max(0.0).round() as u64;
    thousands(whole)
}

/// Part of a whole, as a ratio in two decimals; a dash when there is no whole.
pub(crate) fn ratio(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.2}", part / whole) } else { "-".to_owned() }
}

/// `p50 1.2 ms · p99 …`
pub(crate) fn latency(latency: &Latency) -> String {
    let Latency { p50_ms, p99_ms, p999_ms, max_ms, .. } = latency;
    format!("{p50_ms:.1} / {p99_ms:.1} / {p999_ms:.1} ms   max {max_ms:.1} ms")
}

/// Rows of cells; the first column stands left, the others right.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    left: usize,
}

impl Table {
    /// A table whose first `left` columns stand left.
    pub(crate) fn new(left: usize) -> Self {
        Self { rows: Vec::new(), left }
    }

    pub(crate) fn row<I>(&mut self, cells: I)
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::from(" ");
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if column < self.left {
                    write!(line, " {cell:<width$} ")?;
                } else {
                    write!(line, " {cell:>width$} ")?;
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Names and values below each other, with a remark beside the value where there is one.
#[derive(Default)]
pub(crate) struct Sheet {
    lines: Vec<(String, String, String)>,
}

impl Sheet {
    pub(crate) fn line(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.remarked(name, value, "");
    }

    pub(crate) fn remarked(
        &mut self,
        name: impl Into<String>,
        value: impl Into<String>,
        remark: impl Into<String>,
    ) {
        self.lines.push((name.into(), value.into(), remark.into()));
    }
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = |of: fn(&(String, String, String)) -> &String| {
            self.lines.iter().map(|line| of(line).chars().count()).max().unwrap_or(0)
        };
        let (name_width, value_width) = (widest(|line| &line.0), widest(|line| &line.1));
        for (name, value, remark) in &self.lines {
            let line = format!("  {name:<name_width$}  {value:>value_width$}  {remark}");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separates_thousands() {
        for (count, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(count), text);
        }
        assert_eq!(rate(1_999.6), "2,000");
        assert_eq!(ratio(1.0, 3.0), "0.33");
        assert_eq!(ratio(1.0, 0.0), "-");
    }

    #[test]
    fn aligns_columns() {
        let mut table = Table::new(1);
        table.row(["name", "rate"]);
        table.row(["a", "1,000"]);
        assert_eq!(table.to_string(), "  name   rate\n  a     1,000\n");
    }
}

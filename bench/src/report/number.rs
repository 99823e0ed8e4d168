//! Numbers as people read them: three digits that count, and the unit that the column names.

/// What a number counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    /// Per second.
    Rate,
    /// Per second, beside the rate that counts.
    Published,
    /// Seconds of processor time per million.
    CpuPerMillion,
    Micros,
    Seconds,
    /// Megabytes, from bytes.
    Megabytes,
    /// Kilobytes, from bytes.
    Kilobytes,
    Bytes,
    Count,
    Ratio,
    /// From a share.
    Percent,
    Cores,
}

impl Unit {
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Rate | Self::Published | Self::Count => rounded(value),
            Self::Megabytes => three_digits(value / 1e6),
            Self::Kilobytes => three_digits(value / 1e3),
            Self::Percent => format!("{:.0} %", value * 100.0),
            Self::Cores => format!("{value:.2}"),
            Self::CpuPerMillion | Self::Micros | Self::Seconds | Self::Bytes | Self::Ratio => {
                three_digits(value)
            }
        }
    }

    /// Whether a ratio of two brokers says something.
    pub(crate) fn is_compared(self) -> bool {
        matches!(self, Self::Rate | Self::CpuPerMillion | Self::Micros)
    }

    /// Whether the range of repetitions is shown beside the median.
    pub(crate) fn has_range(self) -> bool {
        matches!(self, Self::Rate | Self::CpuPerMillion | Self::Micros | Self::Ratio | Self::Seconds)
    }
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some((sorted.get(middle.checked_sub(1)?)? + upper) / 2.0)
}

/// `1234567.8` → `1,234,568`; small numbers keep three digits.
fn rounded(value: f64) -> String {
    if value.abs() < 100.0 && value.fract() != 0.0 {
        return three_digits(value);
    }
    let digits = format!("{:.0}", value.abs());
    let mut shown = if value < 0.0 { "-".to_owned() } else { String::new() };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Three digits that count, and all of them before the point.
pub(crate) fn three_digits(value: f64) -> String {
    let size = value.abs();
    if size >= 1000.0 {
        rounded(value)
    } else if size >= 100.0 || size == 0.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else if size >= 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_exact_enough() {
        let shown = [0.0, 0.0876, 1.234, 45.67, 999.4, 1_234_567.8].map(three_digits);
        assert_eq!(shown, ["0", "0.088", "1.23", "45.7", "999", "1,234,568"]);
        assert_eq!(Unit::Rate.show(12_345.6), "12,346");
        assert_eq!(Unit::Rate.show(-1_000.0), "-1,000");
        assert_eq!(Unit::Megabytes.show(140_500_000.0), "140");
        assert_eq!(Unit::Kilobytes.show(1_500.0), "1.50");
        assert_eq!(Unit::Percent.show(0.704), "70 %");
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
    }
}

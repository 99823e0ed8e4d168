//! The text of a scrape: families with their help and type, and samples with their labels.

use std::{fmt, io::Write};

use broker::counts::SIZE_BOUNDS;

/// The type of a family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    /// RabbitMQ: what is always 1, and alarms.
    Untyped,
}

/// See the module's documentation.
pub(super) struct Page {
    out: Vec<u8>,
    prefix: &'static str,
}

impl Page {
    pub(super) fn new(prefix: &'static str) -> Self {
        Self { out: Vec::new(), prefix }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Begins a family under the prefix of the page.
    pub(super) fn family<'a>(&'a mut self, name: &'a str, kind: Kind, help: &str) -> Family<'a> {
        let prefix = self.prefix;
        self.family_of(prefix, name, kind, help)
    }

    /// Begins a family under another prefix.
    pub(super) fn family_of<'a>(
        &'a mut self,
        prefix: &'static str,
        name: &'a str,
        kind: Kind,
        help: &str,
    ) -> Family<'a> {
        let word = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Untyped => "untyped",
        };
        self.write(format_args!("# TYPE {prefix}{name} {word}\n# HELP {prefix}{name} {help}\n"));
        Family { page: self, prefix, name }
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        // Memory takes everything.
        let _ = self.out.write_fmt(text);
    }
}

/// A family that is being written.
pub(super) struct Family<'a> {
    page: &'a mut Page,
    prefix: &'static str,
    name: &'a str,
}

impl Family<'_> {
    /// A sample. `labels` are as they are written, without braces; empty for none.
    pub(super) fn put(&mut self, labels: &str, value: impl fmt::Display) {
        self.put_as("", labels, value);
    }

    fn put_as(&mut self, suffix: &str, labels: &str, value: impl fmt::Display) {
        let (prefix, name) = (self.prefix, self.name);
        if labels.is_empty() {
            self.page.write(format_args!("{prefix}{name}{suffix} {value}\n"));
        } else {
            self.page.write(format_args!("{prefix}{name}{suffix}{{{labels}}} {value}\n"));
        }
    }

    /// All of a histogram. `counts` has one class more than `bounds`, and is not cumulated yet.
    pub(super) fn histogram(&mut self, labels: &str, bounds: &[String], counts: &[u64], sum: f64) {
        let mut below = 0_u64;
        let infinite = "+Inf".to_owned();
        let comma = if labels.is_empty() { "" } else { "," };
        for (bound, count) in bounds.iter().chain([&infinite]).zip(counts) {
            below = below.wrapping_add(*count);
            self.put_as("_bucket", &format!("{labels}{comma}le=\"{bound}\""), below);
        }
        self.put_as("_count", labels, below);
        self.put_as("_sum", labels, sum);
    }
}

/// Writes labels: `name="value"`, with what the format wants escaped.
pub(super) fn labels(pairs: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(name);
        out.push_str("=\"");
        for letter in value.chars() {
            match letter {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                other => out.push(other),
            }
        }
        out.push('"');
    }
    out
}

/// RabbitMQ's spelling of the bounds of sizes, which its dashboard looks for: large ones with an exponent.
pub(super) fn size_bounds() -> Vec<String> {
    let spell = |bound: &u64| if *bound < 1_000_000 { format!("{bound}.0") } else { exponent(*bound) };
    SIZE_BOUNDS.iter().map(spell).collect()
}

fn exponent(number: u64) -> String {
    let digits = number.to_string();
    let power = digits.len().saturating_sub(1);
    let mantissa = digits.get(..1).unwrap_or_default();
    format!("{mantissa}e+{power:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_break_out() {
        assert_eq!(labels(&[("vhost", "/"), ("queue", "a\"b\\c\nd")]), r#"vhost="/",queue="a\"b\\c\nd""#);
    }

    #[test]
    fn bounds_are_spelled_as_the_dashboard_looks_for_them() {
        let bounds = ["100.0", "1000.0", "10000.0", "100000.0", "1e+06", "1e+07", "5e+07", "1e+08"];
        assert_eq!(size_bounds(), bounds);
    }

    #[test]
    fn a_histogram_is_cumulated() {
        let mut page = Page::new("x_");
        page.family("h", Kind::Histogram, "help").histogram("a=\"b\"", &["1".to_owned()], &[2, 3], 4.5);
        let text = String::from_utf8(page.into_bytes()).unwrap_or_default();
        let wanted = "# TYPE x_h histogram\n# HELP x_h help\nx_h_bucket{a=\"b\",le=\"1\"} 2\n\
                      x_h_bucket{a=\"b\",le=\"+Inf\"} 5\nx_h_count{a=\"b\"} 5\nx_h_sum{a=\"b\"} 4.5\n";
        assert_eq!(text, wanted);
    }
}

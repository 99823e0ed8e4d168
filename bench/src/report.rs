//! Tables of text: a row for each broker and step, a column for each measure, medians over the repetitions.
//!
//! Not here: what is measured. Tables, rows and columns stand in the order in which they first came.

use std::fmt::Write as _;

use self::number::Unit;

pub(crate) mod number;

/// One measure.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Cell {
    pub(crate) column: String,
    pub(crate) unit: Unit,
    pub(crate) value: f64,
}

impl Cell {
    pub(crate) fn new(column: impl Into<String>, unit: Unit, value: f64) -> Self {
        Self { column: column.into(), unit, value }
    }
}

/// Everything measured so far.
#[derive(Clone, Default, Debug)]
pub(crate) struct Report {
    tables: Vec<Table>,
    /// The broker that others are compared with, and the other.
    compared: Option<(String, String)>,
}

#[derive(Clone, Default, Debug)]
struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<Row>,
    notes: Vec<String>,
}

#[derive(Clone, Default, Debug)]
struct Row {
    system: String,
    step: String,
    /// By column: unit and the values of all repetitions.
    measures: Vec<(String, Unit, Vec<f64>)>,
    repetitions: usize,
}

impl Report {
    /// An empty report, in which the first of the two brokers is compared with the second.
    pub(crate) fn new(compared: Option<(String, String)>) -> Self {
        Self { tables: Vec::new(), compared }
    }

    /// Adds one repetition of a row.
    pub(crate) fn add(&mut self, title: &str, system: &str, step: &str, cells: &[Cell]) {
        let table = self.table(title);
        for cell in cells {
            if !table.columns.contains(&cell.column) {
                table.columns.push(cell.column.clone());
            }
        }
        let place = table.rows.iter().position(|row| row.system == system && row.step == step);
        let place = place.unwrap_or_else(|| {
            table.rows.push(Row { system: system.to_owned(), step: step.to_owned(), ..Row::default() });
            table.rows.len() - 1
        });
        let Some(row) = table.rows.get_mut(place) else { return };
        row.repetitions += 1;
        for cell in cells {
            match row.measures.iter_mut().find(|(column, ..)| *column == cell.column) {
                Some((_, _, values)) => values.push(cell.value),
                None => row.measures.push((cell.column.clone(), cell.unit, vec![cell.value])),
            }
        }
    }

    /// Adds a line below a table, once.
    pub(crate) fn note(&mut self, title: &str, note: impl Into<String>) {
        let (table, note) = (self.table(title), note.into());
        if !table.notes.contains(&note) {
            table.notes.push(note);
        }
    }

    fn table(&mut self, title: &str) -> &mut Table {
        let place = self.tables.iter().position(|table| table.title == title);
        let place = place.unwrap_or(self.tables.len());
        if place == self.tables.len() {
            self.tables.push(Table { title: title.to_owned(), ..Table::default() });
        }
        // `place` is that of a table by now.
        &mut self.tables[place]
    }

    /// All tables, with empty lines between them.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for table in &self.tables {
            table.write(&mut text);
            if let Some((own, rival)) = &self.compared {
                table.write_comparison(&mut text, own, rival);
            }
            for note in &table.notes {
                writeln!(text, "  {note}").unwrap_or_default();
            }
            text.push('\n');
        }
        text
    }
}

impl Table {
    fn write(&self, text: &mut String) {
        let mut lines = vec![vec![String::new()]];
        if let Some(head) = lines.first_mut() {
            head.extend(self.columns.iter().cloned());
        }
        for row in &self.rows {
            let mut line = vec![row.name()];
            line.extend(self.columns.iter().map(|column| row.shown(column)));
            lines.push(line);
        }
        let columns = self.columns.len() + 1;
        let widths: Vec<usize> = (0..columns)
            .map(|place| {
                lines.iter().filter_map(|line| Some(line.get(place)?.chars().count())).max().unwrap_or(0)
            })
            .collect();
        writeln!(text, "## {}", self.title).unwrap_or_default();
        for line in &lines {
            let mut shown = String::new();
            for (place, (word, width)) in line.iter().zip(&widths).enumerate() {
                match place {
                    0 => write!(shown, "{word:<width$}").unwrap_or_default(),
                    _ => write!(shown, "  {word:>width$}").unwrap_or_default(),
                }
            }
            writeln!(text, "{}", shown.trim_end()).unwrap_or_default();
        }
    }

    /// How the two brokers compare, step by step, in rate and in processor time.
    fn write_comparison(&self, text: &mut String, own: &str, rival: &str) {
        let find =
            |system: &str, step: &str| self.rows.iter().find(|row| row.system == system && row.step == step);
        for mine in self.rows.iter().filter(|row| row.system == own) {
            let Some(theirs) = find(rival, &mine.step) else { continue };
            let mut parts = Vec::new();
            for column in &self.columns {
                let (Some((unit, a)), Some((_, b))) = (mine.median(column), theirs.median(column)) else {
                    continue;
                };
                if unit.is_compared() && b > 0.0 && a > 0.0 {
                    parts.push(format!("{column} ×{}", number::three_digits(a / b)));
                }
            }
            if !parts.is_empty() {
                let step = if mine.step.is_empty() { String::new() } else { format!(", {}", mine.step) };
                writeln!(text, "  {own} ÷ {rival}{step}: {}", parts.join(", ")).unwrap_or_default();
            }
        }
    }
}

impl Row {
    fn name(&self) -> String {
        if self.step.is_empty() { self.system.clone() } else { format!("{}, {}", self.system, self.step) }
    }

    fn median(&self, column: &str) -> Option<(Unit, f64)> {
        let (_, unit, values) = self.measures.iter().find(|(known, ..)| known == column)?;
        Some((*unit, number::median(values)?))
    }

    /// The median, and from where to where the values go if there are several.
    fn shown(&self, column: &str) -> String {
        let Some((unit, median)) = self.median(column) else { return "–".to_owned() };
        let shown = unit.show(median);
        let values = self.measures.iter().find(|(known, ..)| known == column).map(|(_, _, values)| values);
        match values {
            Some(values) if values.len() > 1 && unit.has_range() => {
                let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
                let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                format!("{shown} ({}–{})", unit.show(lowest), unit.show(highest))
            }
            _ => shown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(rate: f64, cpu: f64) -> Vec<Cell> {
        vec![Cell::new("msg/s", Unit::Rate, rate), Cell::new("CPU-s/M", Unit::CpuPerMillion, cpu)]
    }

    #[test]
    fn rows_show_medians_and_ranges_side_by_side() {
        let mut report = Report::new(Some(("Ours".to_owned(), "Theirs".to_owned())));
        for (rate, cpu) in [(1_000.0, 1.0), (3_000.0, 3.0), (2_000.0, 2.0)] {
            report.add("a", "Ours", "", &cells(rate, cpu));
        }
        report.add("a", "Theirs", "", &cells(500.0, 4.0));
        report.note("a", "a note");
        report.note("a", "a note");
        let text = report.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "## a");
        assert!(lines[2].starts_with("Ours    2,000 (1,000–3,000)"), "{text}");
        assert!(lines[3].starts_with("Theirs                  500"), "{text}");
        assert_eq!(lines[4], "  Ours ÷ Theirs: msg/s ×4.00, CPU-s/M ×0.500");
        assert_eq!(lines[5], "  a note");
        assert_eq!(lines.len(), 7, "{text}");
    }

    #[test]
    fn a_measure_that_a_row_does_not_have_is_a_dash() {
        let mut report = Report::default();
        report.add("a", "x", "", &cells(1.0, 1.0));
        report.add("a", "y", "2", &[Cell::new("p50 µs", Unit::Micros, 7.0)]);
        let text = report.text();
        assert!(
            text.lines().any(|line| line.starts_with("y, 2") && line.contains('–') && line.contains('7'))
        );
    }
}

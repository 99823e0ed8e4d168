//! Rows and columns in the forms of RabbitMQ's formatters.

use serde_json::{Map, Value as Json};
use unicode_width::UnicodeWidthStr;

use crate::term;

/// Rows under columns.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Json>>,
    when_empty: Empty,
}

/// What a table without rows shows, in a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Empty {
    /// RabbitMQ: nothing, where rows come one by one.
    Nothing,
    /// RabbitMQ: an empty line, where they come as a list.
    Line,
}

impl Table {
    pub(crate) fn new(columns: &[&'static str], when_empty: Empty) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new(), when_empty }
    }

    /// A row, its values in the order of the columns.
    pub(crate) fn push(&mut self, row: Vec<Json>) {
        self.rows.push(row);
    }

    /// Tabs between, as scripts cut it.
    pub(crate) fn tabbed(&self, has_headers: bool) -> String {
        if self.rows.is_empty() {
            return if self.when_empty == Empty::Line { "\n".to_owned() } else { String::new() };
        }
        let mut text = String::new();
        if has_headers {
            text.push_str(&format!("{}\n", self.columns.join("\t")));
        }
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(term::cell).collect();
            text.push_str(&format!("{}\n", cells.join("\t")));
        }
        text
    }

    /// As RabbitMQ's `json`: one row a line, the keys in the order of the columns.
    pub(crate) fn json_lines(&self) -> String {
        let mut text = "[\n".to_owned();
        for (at, row) in self.rows.iter().enumerate() {
            let fields: Vec<String> = self
                .columns
                .iter()
                .zip(row)
                .map(|(column, value)| format!("{}:{value}", Json::from(*column)))
                .collect();
            text.push_str(&format!("{}{{{}}}\n", if at > 0 { "," } else { "" }, fields.join(",")));
        }
        text.push_str("]\n");
        text
    }

    pub(crate) fn csv(&self, has_headers: bool) -> String {
        let mut text = String::new();
        let mut line = |cells: Vec<String>| {
            let cells: Vec<String> =
                cells.into_iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
            text.push_str(&format!("{}\n", cells.join(",")));
        };
        if has_headers {
            line(self.columns.iter().map(|column| (*column).to_owned()).collect());
        }
        for row in &self.rows {
            line(row.iter().map(term::cell).collect());
        }
        text
    }

    /// In boxes: of lines on a terminal, else of what every file can hold.
    pub(crate) fn boxed(&self, is_terminal: bool) -> String {
        let header: Vec<String> = self.columns.iter().map(|column| (*column).to_owned()).collect();
        let rows: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(term::cell).collect()).collect();
        let all = || std::iter::once(&header).chain(&rows);
        let widths: Vec<usize> = (0..header.len())
            .map(|at| all().filter_map(|row| row.get(at)).map(|cell| cell.width()).max().unwrap_or_default())
            .collect();
        let [top, middle, bottom, bar] = if is_terminal {
            [["┌", "┬", "┐", "─"], ["├", "┼", "┤", "─"], ["└", "┴", "┘", "─"], ["│", "│", "│", " "]]
        } else {
            [["+", "+", "+", "-"], ["+", "+", "+", "-"], ["+", "+", "+", "-"], ["|", "|", "|", " "]]
        };
        let rule = |[left, cross, right, dash]: [&str; 4]| {
            let dashes: Vec<String> = widths.iter().map(|width| dash.repeat(width + 2)).collect();
            format!("{left}{}{right}\n", dashes.join(cross))
        };
        let mut text = rule(top);
        for (at, row) in all().enumerate() {
            if at > 0 {
                text.push_str(&rule(middle));
            }
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!(" {cell}{} ", " ".repeat(width.saturating_sub(cell.width()))))
                .collect();
            text.push_str(&format!("{0}{1}{0}\n", bar[0], cells.join(bar[1])));
        }
        text.push_str(&rule(bottom));
        text
    }

    pub(crate) fn to_json(&self) -> Json {
        let rows = self.rows.iter().map(|row| {
            let fields = self.columns.iter().zip(row);
            fields.map(|(column, value)| ((*column).to_owned(), value.clone())).collect::<Map<_, _>>()
        });
        rows.map(Json::Object).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn users() -> Table {
        let mut table = Table::new(&["user", "tags"], Empty::Line);
        table.push(vec![json!("nopass"), json!(["management", "custom-tag"])]);
        table.push(vec![json!("a\"b"), json!([])]);
        table
    }

    /// `fixtures/cli/list_users.txt` has the same of RabbitMQ.
    #[test]
    fn the_forms_are_those_of_rabbitmq() {
        let users = users();
        assert_eq!(users.tabbed(true), "user\ttags\nnopass\t[management, custom-tag]\na\"b\t[]\n");
        assert_eq!(users.tabbed(false), "nopass\t[management, custom-tag]\na\"b\t[]\n");
        let json = "[\n{\"user\":\"nopass\",\"tags\":[\"management\",\"custom-tag\"]}\n,{\"user\":\"a\\\"b\",\"tags\":[]}\n]\n";
        assert_eq!(users.json_lines(), json);
        assert_eq!(
            users.csv(true),
            "\"user\",\"tags\"\n\"nopass\",\"[management, custom-tag]\"\n\"a\"\"b\",\"[]\"\n"
        );
        assert!(users.boxed(false).starts_with("+--------+"));
        assert!(users.boxed(true).starts_with("┌────────┬"));
    }

    #[test]
    fn nothing_is_a_line_or_nothing() {
        assert_eq!(Table::new(&["a"], Empty::Line).tabbed(true), "\n");
        assert_eq!(Table::new(&["a"], Empty::Nothing).tabbed(true), "");
        assert_eq!(Table::new(&["a"], Empty::Nothing).json_lines(), "[\n]\n");
    }
}

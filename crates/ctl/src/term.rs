//! Values as a table shows them: as RabbitMQ's tools would print the terms.

use serde_json::Value as Json;

/// A value in a column. Texts stand for themselves, and so do words in a list; what is not set is empty.
pub(crate) fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => tame(text),
        Json::Array(items) => listed(items.iter().map(|item| match item {
            Json::String(text) => tame(text),
            other => term(other),
        })),
        other => term(other),
    }
}

/// A value within another.
fn term(value: &Json) -> String {
    match value {
        Json::Null => "undefined".to_owned(),
        Json::Bool(is) => is.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => format!("\"{}\"", tame(text)),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(term).collect();
            format!("[{}]", items.join(","))
        }
        Json::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(key, value)| format!("{{\"{}\",{}}}", tame(key), term(value))).collect();
            format!("[{}]", fields.join(","))
        }
    }
}

fn listed(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// Without what would move a terminal's cursor or break a line: names are anybody's choice.
pub(crate) fn tame(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => tamed.push_str("\\n"),
            '\r' => tamed.push_str("\\r"),
            '\t' => tamed.push_str("\\t"),
            c if c.is_control() => tamed.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => tamed.push(c),
        }
    }
    tamed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_shown_as_rabbitmq_shows_terms() {
        for (value, shown) in [
            (json!(null), ""),
            (json!("name"), "name"),
            (json!(["a", "b"]), "[a, b]"),
            (json!([]), "[]"),
            (json!({}), "[]"),
            (
                json!({"x-max-length": 5, "x-queue-type": "quorum"}),
                r#"[{"x-max-length",5},{"x-queue-type","quorum"}]"#,
            ),
            (json!({"nested": {"a": true}}), r#"[{"nested",[{"a",true}]}]"#),
            (json!(1.5), "1.5"),
        ] {
            assert_eq!(cell(&value), shown);
        }
    }

    #[test]
    fn a_name_moves_no_cursor() {
        assert_eq!(tame("a\tb\n\u{1b}[2J\u{9b}"), "a\\tb\\n\\x1b[2J\\x9b");
    }
}

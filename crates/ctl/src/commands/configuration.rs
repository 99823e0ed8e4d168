//! What the node runs with: limits, settings, and what of them can be changed until it stops.

use serde_json::{Value as Json, json};

use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    table::{Empty, Table},
    term::tame,
    tool::{CTL, DIAGNOSTICS},
};

const FRACTION: &str = "The threshold should be a fraction between 0.0 and 1.0";

pub(super) const COMMANDS: &[Command] = &[
    Command::new("limits", 0, Group::Harefoot, "[--no-table-headers] [<column> ...]", "Lists every limit: its value, what of it is used, and where the value comes from (default, file, environment, command line, cgroup, system, runtime)", limits)
        .lists(
            &["name", "value", "used", "unit", "source", "place", "setting", "meaning"],
            &["name", "value", "used", "unit", "source", "place"],
        ),
    Command::new("config", 0, Group::Harefoot, "show [--changed]", "Lists every setting of the node, its value, and where that comes from; secrets are not shown", config)
        .words(1, 1)
        .shows(&["key", "value", "source", "place"])
        .options(&[CHANGED]),
    Command::new("environment", CTL | DIAGNOSTICS, Group::Configuration, "", "Shows every setting of the node with its value, as a configuration file would have it", environment)
        .options(&[CHANGED]),
    Command::new("set_disk_free_limit", CTL, Group::Configuration, "<disk_limit> | mem_relative <fraction>", "Sets how much has to be free on the disk, until the node stops; below, publishers are blocked", set_disk_free_limit)
        .words(1, 2),
    Command::new("set_vm_memory_high_watermark", CTL, Group::Configuration, "<fraction> | absolute <value>", "Sets how much memory the node may use, until it stops; above, publishers are blocked", set_memory_limit)
        .words(1, 2),
    Command::new("set_log_level", CTL, Group::Configuration, "<log_level>", "Sets how severe an event has to be to be logged, until the node stops", set_log_level)
        .words(1, 1),
];

const CHANGED: Opt = Opt::flag("--changed", "only those that somebody has set");

fn limits(call: &mut Call) -> Result<(), Failure> {
    call.announce("Listing limits ...")?;
    let rows = call.get("harefoot/limits")?;
    let columns = call.line.columns.clone();
    let mut table = Table::new(&columns, Empty::Nothing);
    for row in rows.as_array().into_iter().flatten() {
        let cell = |column: &&str| match (*column, &row[*column]) {
            ("value", Json::Null) => json!("none"),
            (_, value) => value.clone(),
        };
        table.push(columns.iter().map(cell).collect());
    }
    call.out.table(&table)
}

/// The settings, or those that somebody has set.
fn settings(call: &mut Call) -> Result<Vec<Json>, Failure> {
    let rows = call.get("harefoot/settings")?;
    let mut rows = rows.as_array().cloned().unwrap_or_default();
    if call.has("--changed") {
        rows.retain(|row| row["source"] != "default");
    }
    Ok(rows)
}

fn config(call: &mut Call) -> Result<(), Failure> {
    if call.word(0) != "show" {
        return Err(Failure::argument("what there is to do with the configuration is 'show'"));
    }
    call.announce("Listing settings ...")?;
    let mut table = Table::new(&["key", "value", "source", "place"], Empty::Nothing);
    for row in settings(call)? {
        table.push(["key", "value", "source", "place"].map(|key| row[key].clone()).into());
    }
    call.out.table(&table)
}

fn environment(call: &mut Call) -> Result<(), Failure> {
    let name = call.node_name()?;
    call.announce(&format!("Application environment of node {name} ..."))?;
    let rows = settings(call)?;
    let lines: String = rows
        .iter()
        .map(|row| {
            let said = |key: &str| tame(row[key].as_str().unwrap_or_default());
            // What nobody has set, and has no value of its own, is no line of a file.
            let is_set = row["source"] != "default";
            format!("{}{} = {}\n", if is_set { "" } else { "# " }, said("key"), said("value"))
        })
        .collect();
    let object: serde_json::Map<String, Json> = rows
        .iter()
        .map(|row| (row["key"].as_str().unwrap_or_default().to_owned(), row["value"].clone()))
        .collect();
    call.out.object(Json::Object(object), &lines)
}

/// RabbitMQ's units: `MB` is 1000², `MiB` is 1024², and so with k and G; a letter alone is decimal.
fn bytes(text: &str) -> Option<u64> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    let unit = unit.to_ascii_lowercase();
    let factor: u64 = match unit.as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "ki" | "kib" => 1 << 10,
        "mi" | "mib" => 1 << 20,
        "gi" | "gib" => 1 << 30,
        "ti" | "tib" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

fn fraction(text: &str) -> Option<f64> {
    text.parse().ok().filter(|share: &f64| share.is_finite() && *share >= 0.0)
}

fn set_disk_free_limit(call: &mut Call) -> Result<(), Failure> {
    let name = call.line.words.clone();
    let node = crate::node::assumed_name(&call.line);
    let body = match name.as_slice() {
        [word, share] if word == "mem_relative" => {
            let share = fraction(share)
                .ok_or_else(|| Failure::argument("The fraction should be a number of at least 0"))?;
            json!({ "relative": share })
        }
        [limit] if limit != "mem_relative" => {
            let limit = bytes(limit).ok_or_else(|| {
                Failure::argument(format!(
                    "Invalid disk limit {limit}: give bytes, or a number with a unit, such as 1GB"
                ))
            })?;
            json!({ "absolute": limit })
        }
        [_] => return Err(Failure::arguments("not enough arguments.")),
        _ => return Err(Failure::arguments("too many arguments.")),
    };
    let shown = match name.as_slice() {
        [_, share] => format!("{share} times the total RAM"),
        _ => format!("{} bytes", call.word(0)),
    };
    call.announce(&format!("Setting disk free limit on {node} to {shown} ..."))?;
    call.put("harefoot/limits/disk_free", &body)?.checked().map(drop)
}

fn set_memory_limit(call: &mut Call) -> Result<(), Failure> {
    let words = call.line.words.clone();
    let (body, shown) = match words.as_slice() {
        [word, limit] if word == "absolute" => {
            let parsed = bytes(limit).ok_or_else(|| {
                Failure::argument(format!(
                    "Invalid memory limit {limit}: give bytes, or a number with a unit, such as 1GB"
                ))
            })?;
            (json!({ "absolute": parsed }), format!("{limit} bytes"))
        }
        [share] if share != "absolute" => {
            let parsed = fraction(share)
                .ok_or_else(|| Failure::argument(format!("Invalid memory limit {share}: {FRACTION}")))?;
            if parsed > 1.0 {
                return Err(Failure::argument(FRACTION));
            }
            (json!({ "relative": parsed }), share.clone())
        }
        [_] => return Err(Failure::arguments("not enough arguments.")),
        _ => return Err(Failure::arguments("too many arguments.")),
    };
    let node = crate::node::assumed_name(&call.line);
    call.announce(&format!("Setting memory threshold on {node} to {shown} ..."))?;
    call.put("harefoot/limits/memory", &body)?.checked().map(drop)
}

fn set_log_level(call: &mut Call) -> Result<(), Failure> {
    let level = call.own_word(0);
    let known = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency", "none"];
    if !known.contains(&level.as_str()) {
        return Err(Failure::unavailable(format!(
            "level {level} is not supported. Try one of debug, info, warning, error, critical, none"
        )));
    }
    call.announce(&format!("Setting log level to \"{level}\" ..."))?;
    call.put("harefoot/log/level", &json!({ "level": level }))?.checked().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_rabbitmq() {
        assert_eq!(
            [bytes("50MB"), bytes("1GiB"), bytes("7"), bytes("2k")],
            [Some(50_000_000), Some(1 << 30), Some(7), Some(2000)]
        );
        for wrong in ["", "MB", "1.5GB", "-1", "1 GB", "99999999999999999999", "20000000TB", "1XB"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}

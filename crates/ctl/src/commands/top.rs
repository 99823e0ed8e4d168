//! A table of what moves: queues and connections by rate, depth or memory, live on a terminal, once anywhere else.

use std::{
    io,
    io::{IsTerminal, Read, Write},
    time::{Duration, Instant},
};

use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use serde_json::{Value as Json, json};

use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    output::Style,
    term::tame,
};

/// Seconds between two pictures.
const INTERVAL: u64 = 2;
/// Rows of each table where there is no terminal to fill.
const ROWS: usize = 10;
/// Rows of a picture that are no rows of a table.
const FRAME_ROWS: usize = 8;

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "top",
    0,
    Group::Harefoot,
    "[--by <rate | depth | memory>] [--interval <seconds>] [--rows <rows>]",
    "Shows the busiest, longest or largest queues and the busiest connections: live on a terminal (r, d, m: order; q: quit), once into a pipe",
    top,
)
.options(&[
    Opt::value("--by", "<order>", "rate, depth (messages) or memory; rate without it"),
    Opt::value("--interval", "<seconds>", "between two pictures; 2 without it"),
    Opt::value("--rows", "<rows>", "of each table; 10 without it, or what fits the terminal"),
])];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    Rate,
    Depth,
    Memory,
}

impl Order {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "rate" | "r" => Self::Rate,
            "depth" | "d" => Self::Depth,
            "memory" | "m" => Self::Memory,
            _ => return None,
        })
    }

    fn word(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Depth => "depth",
            Self::Memory => "memory",
        }
    }
}

/// What one picture shows.
struct Picture {
    overview: Json,
    node: Json,
    queues: Vec<Json>,
    connections: Vec<Json>,
}

/// Keys come one by one, without an echo, and not waiting for them takes a second at most; Ctrl-C is a signal still.
struct Keys(Termios);

impl Keys {
    fn new() -> io::Result<Self> {
        let was = termios::tcgetattr(io::stdin())?;
        let mut raw = was.clone();
        raw.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        raw.special_codes[SpecialCodeIndex::VMIN] = 0;
        raw.special_codes[SpecialCodeIndex::VTIME] = 2;
        termios::tcsetattr(io::stdin(), OptionalActions::Drain, &raw)?;
        Ok(Self(was))
    }

    /// The key that was pressed, if one was in the last fifth of a second.
    fn next() -> io::Result<Option<u8>> {
        let mut byte = [0];
        let read = io::stdin().lock().read(&mut byte)?;
        Ok((read > 0).then_some(byte[0]))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        termios::tcsetattr(io::stdin(), OptionalActions::Drain, &self.0).unwrap_or_default();
        // Where the picture was there is the shell again.
        write!(io::stdout(), "\x1b[?25h\x1b[?1049l").unwrap_or_default();
        io::stdout().flush().unwrap_or_default();
    }
}

fn number(call: &Call, option: &str, unsaid: u64) -> Result<u64, Failure> {
    match call.option(option) {
        None => Ok(unsaid),
        Some(text) => {
            let number = text.parse().ok().filter(|number| *number > 0);
            number.ok_or_else(|| {
                Failure::argument(format!("{} should be a number above 0", option.trim_start_matches('-')))
            })
        }
    }
}

fn top(call: &mut Call) -> Result<(), Failure> {
    let order = call.option("--by").unwrap_or_else(|| "rate".to_owned());
    let order =
        Order::parse(&order).ok_or_else(|| Failure::argument("--by is one of rate, depth and memory"))?;
    let interval = Duration::from_secs(number(call, "--interval", INTERVAL)?);
    let wished = call.option("--rows").map(|_| number(call, "--rows", 0)).transpose()?;
    let wished = wished.map(|rows| usize::try_from(rows).unwrap_or(usize::MAX).min(500));
    let is_live = io::stdout().is_terminal() && io::stdin().is_terminal() && call.out.style() == Style::Text;
    if !is_live {
        let picture = take(call, order, wished.unwrap_or(ROWS))?;
        let object = json!({
            "overview": picture.overview, "node": picture.node, "queues": picture.queues, "connections": picture.connections,
        });
        return call.out.object(object, &drawn(&picture, order, usize::MAX));
    }
    live(call, order, interval, wished)
}

fn live(call: &mut Call, mut order: Order, interval: Duration, wished: Option<usize>) -> Result<(), Failure> {
    let cannot = |error: io::Error| Failure::software(format!("cannot draw: {error}"));
    // Before the terminal is changed: whatever is wrong is said in the shell.
    let mut picture = take(call, order, wished.unwrap_or(ROWS))?;
    let _keys = Keys::new().map_err(cannot)?;
    call.out.live(b"\x1b[?1049h\x1b[?25l")?;
    loop {
        let (rows, width) = size();
        let text = drawn(&picture, order, width).replace('\n', "\x1b[K\r\n");
        let keys = "\x1b[K\r\nr, d, m: by rate, depth, memory   q: quit";
        call.out.live(format!("\x1b[H{text}{keys}\x1b[J").as_bytes())?;
        let until = Instant::now() + interval;
        while Instant::now() < until {
            match Keys::next().map_err(cannot)? {
                // q, Ctrl-C, Ctrl-D
                Some(b'q' | 3 | 4) => return Ok(()),
                Some(key) => {
                    if let Some(wanted) = Order::parse(char::from(key).encode_utf8(&mut [0; 4])) {
                        order = wanted;
                        break;
                    }
                }
                None => {}
            }
        }
        let fitting = rows.saturating_sub(FRAME_ROWS) / 2;
        picture = take(call, order, wished.unwrap_or(fitting).max(1))?;
    }
}

/// Rows and columns of the terminal.
fn size() -> (usize, usize) {
    termios::tcgetwinsize(io::stdout())
        .map(|size| (size.ws_row.into(), size.ws_col.into()))
        .ok()
        .filter(|(rows, columns)| *rows > 0 && *columns > 0)
        .unwrap_or((24, 80))
}

fn take(call: &mut Call, order: Order, rows: usize) -> Result<Picture, Failure> {
    let overview = call.get("overview?columns=queue_totals,object_totals,message_stats,node")?;
    let node = call.get(
        "nodes?columns=name,mem_used,mem_limit,mem_alarm,disk_free,disk_free_limit,disk_free_alarm,uptime",
    )?;
    let (queues, connections) = match order {
        Order::Rate => ("message_stats.publish_details.rate", "recv_oct_details.rate"),
        Order::Depth => ("messages", "recv_oct_details.rate"),
        Order::Memory => ("memory", "send_oct_details.rate"),
    };
    let page = |call: &mut Call, what: &str, sort: &str, columns: &str| -> Result<Vec<Json>, Failure> {
        let at = format!("{what}?page=1&page_size={rows}&sort={sort}&sort_reverse=true&columns={columns}");
        Ok(call.get(&at)?["items"].as_array().cloned().unwrap_or_default())
    };
    let queue_columns = "name,vhost,type,messages_ready,messages_unacknowledged,consumers,memory,message_stats.publish_details.rate,message_stats.deliver_get_details.rate";
    let connection_columns = "name,user,vhost,state,channels,recv_oct_details.rate,send_oct_details.rate";
    Ok(Picture {
        overview,
        node: node[0].clone(),
        queues: page(call, "queues", queues, queue_columns)?,
        connections: page(call, "connections", connections, connection_columns)?,
    })
}

/// A number in few letters.
fn short(number: f64) -> String {
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match units.iter().find(|(size, _)| number >= *size) {
        Some((size, unit)) => format!("{:.1}{unit}", number / size),
        None if number.fract() == 0.0 => format!("{number:.0}"),
        None => format!("{number:.1}"),
    }
}

fn of(value: &Json, path: &str) -> f64 {
    let found = path.split('.').try_fold(value, |value, key| value.get(key));
    found.and_then(Json::as_f64).unwrap_or_default()
}

fn drawn(picture: &Picture, order: Order, width: usize) -> String {
    let Picture { overview, node, queues, connections } = picture;
    let alarm = |key: &str| if node[key] == true { " ALARM" } else { "" };
    let mut lines = vec![
        format!(
            "{}  up {}s  memory {} of {}{}  disk free {}{}",
            tame(node["name"].as_str().unwrap_or_default()),
            (of(node, "uptime") / 1000.0).floor(),
            short(of(node, "mem_used")),
            short(of(node, "mem_limit")),
            alarm("mem_alarm"),
            short(of(node, "disk_free")),
            alarm("disk_free_alarm"),
        ),
        format!(
            "{} connections, {} queues: {} ready, {} unacknowledged   {}/s in, {}/s out, {}/s acknowledged",
            short(of(overview, "object_totals.connections")),
            short(of(overview, "object_totals.queues")),
            short(of(overview, "queue_totals.messages_ready")),
            short(of(overview, "queue_totals.messages_unacknowledged")),
            short(of(overview, "message_stats.publish_details.rate")),
            short(of(overview, "message_stats.deliver_get_details.rate")),
            short(of(overview, "message_stats.ack_details.rate")),
        ),
        String::new(),
        format!("queues by {}", order.word()),
    ];
    lines.push(format!(
        "{:>8} {:>8} {:>8} {:>8} {:>5} {:>8}  {}",
        "in/s", "out/s", "ready", "unacked", "cons", "memory", "queue"
    ));
    for queue in queues {
        let cell = |path: &str| short(of(queue, path));
        let vhost = queue["vhost"].as_str().filter(|vhost| *vhost != "/").map(|vhost| format!("{vhost}: "));
        lines.push(format!(
            "{:>8} {:>8} {:>8} {:>8} {:>5} {:>8}  {}{}",
            cell("message_stats.publish_details.rate"),
            cell("message_stats.deliver_get_details.rate"),
            cell("messages_ready"),
            cell("messages_unacknowledged"),
            cell("consumers"),
            cell("memory"),
            tame(&vhost.unwrap_or_default()),
            tame(queue["name"].as_str().unwrap_or_default()),
        ));
    }
    lines.push(String::new());
    lines.push(format!("{:>8} {:>8} {:>5} {:>8}  {}", "in B/s", "out B/s", "chan", "state", "connection"));
    for connection in connections {
        let said = |key: &str| tame(connection[key].as_str().unwrap_or_default());
        lines.push(format!(
            "{:>8} {:>8} {:>5} {:>8}  {} {}",
            short(of(connection, "recv_oct_details.rate")),
            short(of(connection, "send_oct_details.rate")),
            short(of(connection, "channels")),
            said("state"),
            said("user"),
            said("name"),
        ));
    }
    let cut = |line: &String| line.chars().take(width).collect::<String>();
    lines.iter().map(|line| format!("{}\n", cut(line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.0, 12.0, 0.25, 1500.0, 2e6, 3e12].map(short),
            ["0", "12", "0.2", "1.5k", "2.0M", "3.0T"]
        );
    }

    #[test]
    fn a_picture_is_no_wider_than_the_terminal_and_no_name_moves_the_cursor() {
        let picture = Picture {
            overview: json!({ "queue_totals": { "messages_ready": 7 } }),
            node: json!({ "name": "rabbit@here", "mem_alarm": true }),
            queues: vec![json!({ "name": "a\u{1b}[2J", "vhost": "shop", "messages_ready": 7 })],
            connections: vec![json!({ "name": "x", "user": "guest", "state": "running" })],
        };
        let text = drawn(&picture, Order::Depth, usize::MAX);
        assert!(
            text.contains("ALARM") && text.contains("shop: a\\x1b[2J") && text.contains("queues by depth"),
            "{text}"
        );
        assert!(drawn(&picture, Order::Rate, 20).lines().all(|line| line.chars().count() <= 20));
    }
}

//! The log: one line for each event to the standard error output, as text or as JSON.
//!
//! ```text
//! 2026-11-24 04:05:20.123456+00:00 [info] connection opened peer=127.0.0.1:40312 user=guest
//! {"level":"info","msg":"connection opened","peer":"127.0.0.1:40312","time":"2026-11-24 04:05:20.123456+00:00",…}
//! ```
//!
//! RabbitMQ: times and words for severities are its own, so that what reads its logs reads these. The fields of the
//! spans around an event stand before its own. Nothing is logged for a message. Invariant: one event is one line, even if
//! a client chose its texts.

mod tail;
mod timestamp;

use std::{
    fmt,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::SystemTime,
};

use serde_json::{Map, Value};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry::{LookupSpan, Registry},
    reload,
};

use crate::config::settings::{Log, LogFormat, LogLevel};

/// Why there can be no log.
#[derive(Debug, thiserror::Error)]
#[error("logging was started twice")]
pub(crate) struct Fault(#[from] tracing::subscriber::SetGlobalDefaultError);

/// The log, as the rest of the node has it.
pub(crate) struct Started {
    /// Lines for the exchange of the log, if there is to be one.
    pub(crate) lines: Option<Receiver<Line>>,
    /// The last lines, and the level.
    pub(crate) control: Arc<Control>,
}

/// What can be seen and changed of the log while it is written.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) tail: tail::Tail,
    /// The place in [`FILTERS`] of what is written.
    written: AtomicU8,
    is_changed: std::sync::atomic::AtomicBool,
    published: LevelFilter,
    filter: reload::Handle<LevelFilter, Registry>,
}

/// From nothing to everything.
const FILTERS: [LevelFilter; 5] =
    [LevelFilter::OFF, LevelFilter::ERROR, LevelFilter::WARN, LevelFilter::INFO, LevelFilter::DEBUG];

impl Control {
    /// Logs what is at least so severe, from now on.
    pub(crate) fn set_level(&self, level: LogLevel) {
        let wanted = filter(level);
        self.written.store(place_of(wanted), Ordering::Relaxed);
        self.is_changed.store(true, Ordering::Relaxed);
        // It fails when the log is gone, and then there is none.
        self.filter.modify(|filter| *filter = wanted.max(self.published)).unwrap_or_default();
    }

    /// The level, by RabbitMQ's word, if it was changed since the start.
    pub(crate) fn changed_level(&self) -> Option<&'static str> {
        let words = ["none", "error", "warning", "info", "debug"];
        let word = words.get(usize::from(self.written.load(Ordering::Relaxed))).copied();
        word.filter(|_| self.is_changed.load(Ordering::Relaxed))
    }

    fn is_written(&self, level: Level) -> bool {
        let written = FILTERS.get(usize::from(self.written.load(Ordering::Relaxed)));
        written.is_some_and(|written| level <= *written)
    }
}

fn place_of(filter: LevelFilter) -> u8 {
    let place = FILTERS.iter().position(|other| *other == filter).unwrap_or_default();
    u8::try_from(place).unwrap_or_default()
}

/// Logs from here on, for the whole process.
pub(crate) fn start(log: Log) -> Result<Started, Fault> {
    let written = filter(log.level);
    let published = if log.has_exchange { filter(log.exchange_level) } else { LevelFilter::OFF };
    let (sender, receiver) = mpsc::sync_channel(LINES_WAITING_MAX);
    let (reloaded, handle) = reload::Layer::new(written.max(published));
    let control = Arc::new(Control {
        tail: tail::Tail::default(),
        written: AtomicU8::new(place_of(written)),
        is_changed: false.into(),
        published,
        filter: handle,
    });
    let own = Arc::clone(&control);
    let write = move |level: Level, line: &str| {
        if own.is_written(level) {
            to_stderr(line);
            own.tail.push(line.trim_end_matches('\n'));
        }
        if level <= published {
            pass_on(&sender, level, line);
        }
    };
    let lines = Lines { format: log.format, now_us, write };
    let subscriber = Registry::default().with(lines.with_filter(reloaded));
    tracing::subscriber::set_global_default(subscriber)?;
    Ok(Started { lines: log.has_exchange.then_some(receiver), control })
}

/// What the thread is called that publishes lines: what it logs itself is not published.
pub(crate) const THREAD: &str = "log";
/// Lines that wait to be published; beyond, they are only written.
const LINES_WAITING_MAX: usize = 1024;

/// A line for the exchange of the log.
pub(crate) struct Line {
    pub(crate) severity: &'static str,
    pub(crate) text: String,
}

fn pass_on(lines: &SyncSender<Line>, level: Level, line: &str) {
    if thread::current().name() != Some(THREAD) {
        // What there is no room for is in the log all the same.
        let _ = lines.try_send(Line { severity: severity(level), text: line.to_owned() });
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::None => LevelFilter::OFF,
    }
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// There is nowhere to report that the log itself cannot be written.
fn to_stderr(line: &str) {
    std::io::stderr().lock().write_all(line.as_bytes()).unwrap_or_default();
}

/// Turns events into lines.
struct Lines<W> {
    format: LogFormat,
    now_us: fn() -> u64,
    write: W,
}

/// The fields of an event or span, in the order in which they were given.
#[derive(Default)]
struct Fields {
    message: String,
    named: Vec<(&'static str, Value)>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.message = text,
            name => self.named.push((name, text.into())),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            name => self.named.push((name, value.into())),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.named.push((field.name(), value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.named.push((field.name(), value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.named.push((field.name(), value.into()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.named.push((field.name(), value.into()));
    }
}

impl<W, S> Layer<S> for Lines<W>
where
    W: Fn(Level, &str) + 'static,
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.named.extend_from_slice(&outer.named);
            }
        }
        event.record(&mut fields);
        let time = timestamp::format((self.now_us)());
        let level = severity(*event.metadata().level());
        let mut line = match self.format {
            LogFormat::Plaintext => plaintext(&time, level, &fields),
            LogFormat::Json => json(time, level, event.metadata().target(), fields),
        };
        line.push('\n');
        (self.write)(*event.metadata().level(), &line);
    }
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        _ => "debug",
    }
}

fn plaintext(time: &str, level: &str, fields: &Fields) -> String {
    let mut line = format!("{time} [{level}] ");
    push_on_one_line(&mut line, &fields.message);
    for (name, value) in &fields.named {
        line.push(' ');
        line.push_str(name);
        line.push('=');
        match value {
            // A text with a blank or a quote would run into the next field.
            Value::String(text) if !text.is_empty() && !text.contains([' ', '"', '=']) => {
                push_on_one_line(&mut line, text);
            }
            other => push_on_one_line(&mut line, &other.to_string()),
        }
    }
    line
}

/// Escapes what would end the line or speak to a terminal.
fn push_on_one_line(line: &mut String, text: &str) {
    for letter in text.chars() {
        if letter.is_control() {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
    }
}

fn json(time: String, level: &str, target: &str, fields: Fields) -> String {
    let mut object: Map<String, Value> =
        fields.named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    // Last, so that no field of an event can pose as one of these.
    object.insert("time".to_owned(), time.into());
    object.insert("level".to_owned(), level.into());
    object.insert("target".to_owned(), target.into());
    object.insert("msg".to_owned(), fields.message.into());
    Value::Object(object).to_string()
}

#[cfg(test)]
mod tests;

//! Snapshots: the durable part of a topology as the shortest list of entries that makes it.
//!
//! ```text
//! {"harefoot_topology":1,"starts":3,"last_queue":17,"entries":42}       head: version, counters, how many follow
//! {"meta":{"index":1,"now_ms":1700000000000},"entry":{"set_vhost":{…}}}  one line for each
//! ```
//!
//! Reading one applies the entries, so that a snapshot cannot hold what a log could not.

use std::io::Write;

use model::Name;
use serde::{Deserialize, Serialize};

use super::{BindingRecord, Entry, ExchangeRecord, Meta, QueueRecord, Topology, Vhost, policy::PolicySide};

/// The version that is written, and the only one there is so far.
const VERSION: u32 = 1;
/// The longest line; the arguments of one declaration are far below.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why bytes are no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A line is no JSON of its form.
    #[error("line {line}, column {column} (byte {byte}): {source}")]
    Malformed {
        /// Counted from 1.
        line: u64,
        /// Counted from 1.
        column: usize,
        /// Where the line begins.
        byte: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A line that is longer than any that was written.
    #[error("line {line} (byte {byte}) has more than {LINE_BYTES_MAX} bytes")]
    TooLong {
        /// Counted from 1.
        line: u64,
        /// Where the line begins.
        byte: usize,
    },
    /// Written by a newer version.
    #[error("format {found} is newer than this version knows ({VERSION})")]
    Version {
        /// The version it has.
        found: u32,
    },
    /// It ends early, or goes on after its end.
    #[error("there are {found} entries where there should be {expected}")]
    Count {
        /// As the head says.
        expected: u64,
        /// As there are.
        found: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct Head {
    harefoot_topology: u32,
    starts: u64,
    last_queue: u64,
    entries: u64,
}

/// The version alone: what else a newer head holds is unknown.
#[derive(Deserialize)]
struct VersionOnly {
    harefoot_topology: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    meta: Meta,
    entry: Entry,
}

#[derive(Serialize)]
struct LineRef<'a> {
    meta: Meta,
    entry: &'a Entry,
}

/// Collects the lines. Writing into memory does not fail; what serde_json could refuse (a map whose keys are not text)
/// entries do not have.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    count: u64,
}

impl Lines {
    fn push(&mut self, meta: Meta, entry: &Entry) {
        let start = self.bytes.len();
        let written = serde_json::to_writer(&mut self.bytes, &LineRef { meta, entry });
        assert!(written.is_ok(), "an entry is JSON");
        assert!(self.bytes.len().saturating_sub(start) <= LINE_BYTES_MAX, "an entry is bounded");
        self.bytes.push(b'\n');
        self.count = self.count.saturating_add(1);
    }
}

impl Topology {
    /// The durable part, as bytes.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut lines = Lines::default();
        let plain = Meta::default();
        for vhost in self.vhosts.values() {
            vhost.write(&mut lines);
        }
        for user in self.users.values() {
            let entry = Entry::SetUser {
                name: user.name.clone(),
                password: user.password.clone(),
                tags: user.tags.clone(),
            };
            lines.push(user.meta, &entry);
            lines.push(plain, &Entry::SetUserLimits { user: user.name.clone(), limits: user.limits });
        }
        for (user, vhost, patterns) in self.all_permissions() {
            let (user, vhost, patterns) = (user.clone(), vhost.clone(), patterns.clone());
            lines.push(plain, &Entry::SetPermissions { user, vhost, patterns });
        }
        for (user, vhost, exchange, patterns) in self.all_topic_permissions() {
            let (user, vhost, exchange) = (user.clone(), vhost.clone(), exchange.clone());
            lines.push(
                plain,
                &Entry::SetTopicPermissions { user, vhost, exchange, patterns: patterns.clone() },
            );
        }
        for (name, value) in &self.global_parameters {
            lines.push(plain, &Entry::SetGlobalParameter { name: name.clone(), value: value.clone() });
        }
        let head = Head {
            harefoot_topology: VERSION,
            starts: self.starts,
            last_queue: self.last_queue,
            entries: lines.count,
        };
        let mut bytes = Vec::with_capacity(lines.bytes.len().saturating_add(256));
        let written = serde_json::to_writer(&mut bytes, &head).is_ok() && bytes.write_all(b"\n").is_ok();
        assert!(written, "a head is JSON");
        bytes.append(&mut lines.bytes);
        bytes
    }

    /// Reads a snapshot back.
    ///
    /// # Errors
    /// When it is damaged, cut off, or newer than this version.
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut reader = Reader { rest: bytes, line: 0, byte: 0, next: 0 };
        let head_line = reader.next_line()?.unwrap_or_default();
        let VersionOnly { harefoot_topology: found } = reader.parse(head_line)?;
        if found > VERSION {
            return Err(SnapshotError::Version { found });
        }
        let head: Head = reader.parse(head_line)?;
        let mut topology = Self::new();
        let mut facts = Vec::new();
        let mut count: u64 = 0;
        while let Some(text) = reader.next_line()? {
            let Line { meta, entry } = reader.parse(text)?;
            topology.apply(meta, entry, &mut facts);
            facts.clear();
            count = count.saturating_add(1);
        }
        if count != head.entries {
            return Err(SnapshotError::Count { expected: head.entries, found: count });
        }
        topology.starts = head.starts;
        topology.last_queue = topology.last_queue.max(head.last_queue);
        Ok(topology)
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Of the line that was taken last, counted from 1.
    line: u64,
    /// Where that line begins.
    byte: usize,
    /// Where the next one does.
    next: usize,
}

impl<'a> Reader<'a> {
    fn next_line(&mut self) -> Result<Option<&'a [u8]>, SnapshotError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.line = self.line.saturating_add(1);
        self.byte = self.next;
        let end = self.rest.iter().take(LINE_BYTES_MAX.saturating_add(1)).position(|byte| *byte == b'\n');
        let end = match end {
            Some(end) => end,
            None if self.rest.len() <= LINE_BYTES_MAX => self.rest.len(),
            None => return Err(SnapshotError::TooLong { line: self.line, byte: self.byte }),
        };
        let (line, after) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = after.get(1..).unwrap_or_default();
        self.next = self.byte.saturating_add(end).saturating_add(1);
        Ok(Some(line))
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, text: &[u8]) -> Result<T, SnapshotError> {
        serde_json::from_slice(text).map_err(|source| SnapshotError::Malformed {
            line: self.line,
            column: source.column(),
            byte: self.byte,
            source,
        })
    }
}

impl Vhost {
    fn write(&self, lines: &mut Lines) {
        let vhost = &self.settings.name;
        lines.push(self.meta, &Entry::SetVhost(self.settings.clone()));
        lines.push(Meta::default(), &Entry::SetVhostLimits { vhost: vhost.clone(), limits: self.limits });
        let declared = self.exchanges.values().map(|exchange| &exchange.record);
        for record in declared.filter(|record| record.durable && !Self::is_predeclared(&record.name)) {
            lines.push(record.meta, &creation_of_exchange(record));
        }
        for record in self.queues.values().filter(|record| record.durable) {
            lines.push(record.meta, &creation_of_queue(record));
        }
        for binding in self.exchanges.values().flat_map(|exchange| &exchange.outgoing) {
            if binding.durable {
                lines.push(binding.meta, &making_of(vhost, binding));
            }
        }
        for side in [PolicySide::User, PolicySide::Operator] {
            for policy in self.policies.iter(side) {
                let entry = Entry::SetPolicy { vhost: vhost.clone(), side, policy: policy.clone() };
                lines.push(Meta::default(), &entry);
            }
        }
        for ((component, name), value) in &self.parameters {
            let (component, name, value) = (component.clone(), name.clone(), value.clone());
            lines
                .push(Meta::default(), &Entry::SetParameter { vhost: vhost.clone(), component, name, value });
        }
    }
}

fn creation_of_exchange(record: &ExchangeRecord) -> Entry {
    Entry::CreateExchange {
        vhost: record.vhost.clone(),
        name: record.name.clone(),
        kind: record.kind,
        durable: record.durable,
        auto_delete: record.auto_delete,
        internal: record.internal,
        arguments: record.arguments.clone(),
        delay_queue: record.delay_queue.as_ref().map(|queue| queue.id),
    }
}

fn creation_of_queue(record: &QueueRecord) -> Entry {
    Entry::CreateQueue {
        id: Some(record.id),
        vhost: record.vhost.clone(),
        name: record.name.clone(),
        durable: record.durable,
        auto_delete: record.auto_delete,
        exclusive_owner: None,
        kind: record.kind,
        arguments: record.raw_arguments.clone(),
    }
}

fn making_of(vhost: &Name, binding: &BindingRecord) -> Entry {
    Entry::Bind {
        vhost: vhost.clone(),
        source: binding.source.clone(),
        destination_kind: binding.destination_kind.into(),
        destination: binding.destination.clone(),
        routing_key: binding.routing_key.clone(),
        arguments: binding.arguments.clone(),
    }
}

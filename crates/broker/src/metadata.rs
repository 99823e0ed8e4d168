//! The metadata log: every durable change of the [`Topology`] is an entry, and a snapshot stands for those before it.
//!
//! One writer at a time. An entry is staged, then applied, and answered once it is on disk; since everything goes into
//! one write-ahead log, a queue's declaration always lies before its first message.

use storage::{Engine, Fault, LogId, Lsn, ReadLimit};

use crate::topology::{Entry, Meta, SnapshotError, Topology};

/// The log of the metadata; queues have the ids from 1.
pub(crate) const METADATA_LOG: LogId = LogId(0);

const SNAPSHOT_NAME: &str = "topology";
/// Bytes of entries after which a snapshot is worth its while.
const SNAPSHOT_AFTER_BYTES: u64 = 4 * 1024 * 1024;

/// Why the metadata cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The disk.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The snapshot is damaged.
    #[error("the metadata snapshot cannot be read: {0}")]
    Snapshot(#[from] SnapshotError),
    /// The snapshot does not even have a head.
    #[error("the metadata snapshot is cut off")]
    SnapshotCutOff,
    /// An entry of the log is damaged.
    #[error("entry {index} of the metadata log cannot be read: {source}")]
    Entry {
        /// Its index.
        index: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Part of the log is missing or damaged.
    #[error("the metadata log is damaged: {0}; restore the data folder from a backup or repair the file")]
    Damaged(String),
}

/// The writer's side of the metadata log.
#[derive(Debug)]
pub(crate) struct Metadata {
    next_index: u64,
    /// The position of the last entry.
    pub(crate) last: Lsn,
    bytes_since_snapshot: u64,
    snapshot_bytes: u64,
}

impl Metadata {
    /// Reads topology and log back.
    pub(crate) fn recover(engine: &Engine) -> Result<(Self, Topology), RecoveryError> {
        let (mut topology, index, snapshot_bytes) = match engine.snapshot_read(SNAPSHOT_NAME)? {
            Some(bytes) => {
                let (head, rest) = bytes.split_first_chunk::<8>().ok_or(RecoveryError::SnapshotCutOff)?;
                (Topology::from_snapshot(rest)?, u64::from_be_bytes(*head), rest.len() as u64)
            }
            None => (Topology::new(), 0, 0),
        };
        let mut metadata = Self {
            next_index: index.saturating_add(1),
            last: Lsn(0),
            bytes_since_snapshot: 0,
            snapshot_bytes,
        };
        metadata.replay(engine, &mut topology)?;
        Ok((metadata, topology))
    }

    fn replay(&mut self, engine: &Engine, topology: &mut Topology) -> Result<(), RecoveryError> {
        let limit = ReadLimit { entries: 1024, bytes: 1024 * 1024 };
        let mut facts = Vec::new();
        loop {
            let mut stored = Vec::new();
            engine.read(METADATA_LOG, self.next_index, limit, &mut stored)?;
            if stored.is_empty() {
                return Ok(());
            }
            for record in stored {
                let index = record.index;
                if index != self.next_index {
                    return Err(RecoveryError::Damaged(format!("entry {} is missing", self.next_index)));
                }
                let entry: Logged = serde_json::from_slice(&record.payload)
                    .map_err(|source| RecoveryError::Entry { index, source })?;
                topology.apply(Meta { index, now_ms: entry.now_ms }, entry.entry, &mut facts);
                facts.clear();
                self.next_index = index.saturating_add(1);
                self.bytes_since_snapshot =
                    self.bytes_since_snapshot.saturating_add(record.payload.len() as u64);
            }
        }
    }

    /// Numbers an entry, which is then to be applied; if it is durable, it is also to be staged.
    pub(crate) fn number(
        &mut self,
        entry: &Entry,
        now_ms: u64,
        is_durable: bool,
        written: &mut Vec<Written>,
    ) -> Result<Meta, serde_json::Error> {
        let meta = Meta { index: self.next_index, now_ms };
        if is_durable {
            let payload = serde_json::to_vec(&Logging { now_ms, entry })?;
            written.push(Written { index: meta.index, payload });
            self.next_index = self.next_index.saturating_add(1);
        }
        Ok(meta)
    }

    /// Stages what was numbered, as one group.
    pub(crate) fn stage(&mut self, engine: &Engine, written: &[Written]) {
        if written.is_empty() {
            return;
        }
        let mut staging = engine.stage();
        for Written { index, payload } in written {
            let record =
                storage::Entry { index: *index, expires_at_ms: 0, priority: 0, head: payload, body: &[] };
            staging.append(METADATA_LOG, record);
            self.bytes_since_snapshot = self.bytes_since_snapshot.saturating_add(payload.len() as u64);
        }
        self.last = staging.lsn();
    }

    /// Whether a snapshot is due.
    pub(crate) fn wants_snapshot(&self) -> bool {
        self.bytes_since_snapshot > SNAPSHOT_AFTER_BYTES.max(self.snapshot_bytes)
    }

    /// Makes the bytes of a snapshot of everything so far.
    pub(crate) fn snapshot(&mut self, topology: &Topology) -> Snapshot {
        let index = self.next_index.saturating_sub(1);
        let mut bytes = index.to_be_bytes().to_vec();
        bytes.extend_from_slice(&topology.snapshot());
        self.bytes_since_snapshot = 0;
        self.snapshot_bytes = bytes.len() as u64;
        Snapshot { index, bytes }
    }
}

/// A durable entry that is not staged yet.
#[derive(Debug)]
pub(crate) struct Written {
    index: u64,
    payload: Vec<u8>,
}

/// A snapshot that is not on disk yet.
#[derive(Debug)]
pub(crate) struct Snapshot {
    index: u64,
    bytes: Vec<u8>,
}

impl Snapshot {
    /// Writes it, then lets the log forget what it stands for. Blocks on the disk.
    pub(crate) fn write(&self, engine: &Engine) -> Result<(), Fault> {
        engine.snapshot_write(SNAPSHOT_NAME, &self.bytes)?;
        engine.stage().settle(METADATA_LOG, &[0..=self.index]);
        Ok(())
    }
}

/// An entry as it stands in the log.
#[derive(serde::Deserialize)]
struct Logged {
    now_ms: u64,
    entry: Entry,
}

#[derive(serde::Serialize)]
struct Logging<'a> {
    now_ms: u64,
    entry: &'a Entry,
}

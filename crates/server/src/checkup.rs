//! Looking through the data folder of a node that does not run: `harefoot ctl check`.
//!
//! By the code that would start it, over a disk of which nothing is written (`OverlayDisk`). Recovery verifies every frame and record
//! of the WAL and the checkpoints; then every live entry of every log is read, with the footers of their segments, and at last the
//! metadata. What is settled already is of no use to anybody and not read. Whether a node runs is known by its lock.

use std::{collections::BTreeMap, fs::File, path::Path, sync::Arc};

use broker::{Broker, RecoveryError, topology::QueueId};
use rustix::fs::FlockOperation;
use serde_json::{Value as Json, json};
use storage::{Damage, Engine, Fault, LogId, Options, ReadLimit, Recovered, disk::overlay::OverlayDisk};

use crate::data_folder::LOCK;

/// The log of the metadata.
const METADATA: LogId = LogId(0);
/// What is read at once.
const LIMIT: ReadLimit = ReadLimit { entries: 4096, bytes: 4 * 1024 * 1024 };
/// Damaged places that are named.
const DAMAGE_MAX: usize = 1000;

/// What was read of a log.
#[derive(Clone, Copy, Default)]
struct Seen {
    entries: u64,
    bytes: u64,
}

/// What is in the folder, for `ctl`; or why that cannot be found out.
pub(crate) fn check(folder: &Path) -> Result<Json, String> {
    let _lock = lock(folder)?;
    let (engine, recovered) = open(folder)?;
    let mut damage: Vec<String> = recovered.damaged.iter().map(in_words).collect();
    let (mut seen, mut sum) = (BTreeMap::new(), Seen::default());
    for log in &recovered.logs {
        let read = read_all(&engine, log.id, &mut damage)?;
        sum.entries += read.entries;
        sum.bytes = sum.bytes.saturating_add(read.bytes);
        seen.insert(log.id.0, read);
    }
    drop(engine);
    let mut report = json!({
        "data_dir": folder.display().to_string(),
        "stopped_in_order": recovered.clean,
        "logs": recovered.logs.len(),
        "entries": sum.entries,
        "bytes": sum.bytes,
    });
    match metadata(folder) {
        Ok(broker) => {
            if let (Some(report), Json::Object(more)) = (report.as_object_mut(), declared(&broker, &seen)) {
                report.extend(more);
            }
        }
        Err(why) => damage.push(why),
    }
    let torn: Vec<String> = recovered
        .torn_tail
        .iter()
        .map(|torn| {
            format!("{} at offset {}, {} bytes: the next start cuts it off", torn.file, torn.offset, torn.len)
        })
        .collect();
    let aside = std::fs::read_dir(folder).map_or(0, |files| {
        files.flatten().filter(|file| file.file_name().to_string_lossy().starts_with("aside-")).count()
    });
    let notes: Vec<String> = (aside > 0)
        .then(|| format!("{aside} file(s) aside-… hold bytes that earlier starts could not use"))
        .into_iter()
        .collect();
    if let Some(report) = report.as_object_mut() {
        report.insert("torn".to_owned(), json!(torn));
        report.insert("notes".to_owned(), json!(notes));
        report.insert("damage".to_owned(), json!(damage));
    }
    Ok(report)
}

/// Keeps a node from starting while it is looked. Nothing is written by that.
fn lock(folder: &Path) -> Result<File, String> {
    let file = File::open(folder.join(LOCK)).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("{} is no data folder: there is no {LOCK} in it", folder.display())
        }
        _ => format!("cannot read {}: {error}", folder.join(LOCK).display()),
    })?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(format!(
            "a node runs in {}: stop it first, or check a copy that was taken while it did not run",
            folder.display()
        )),
        Err(error) => Err(format!("cannot lock {}: {error}", folder.join(LOCK).display())),
    }
}

fn open(folder: &Path) -> Result<(Arc<Engine>, Recovered), String> {
    let disk =
        OverlayDisk::open(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    match Engine::open(Arc::new(disk), Options::default()) {
        Ok((engine, recovered)) => Ok((Arc::new(engine), recovered)),
        Err(Fault::NewerFormat { found, known }) => Err(format!(
            "the data has format {found}, and this version knows formats up to {known}: check it with a newer version"
        )),
        Err(fault) => Err(format!("the log cannot be opened: {fault}")),
    }
}

fn in_words(damage: &Damage) -> String {
    let log = damage.log.map(|log| format!(" of {}", name_of(log))).unwrap_or_default();
    format!("{} at offset {}{log}: {}", damage.file, damage.offset, damage.reason)
}

fn name_of(log: LogId) -> String {
    if log == METADATA { "the metadata".to_owned() } else { format!("log {:#x}", log.0) }
}

/// Reads a log to its end; what is damaged is passed over, as a node would.
fn read_all(engine: &Engine, log: LogId, damage: &mut Vec<String>) -> Result<Seen, String> {
    let (mut seen, mut from) = (Seen::default(), 0);
    loop {
        let mut stored = Vec::new();
        let outcome = engine.read(log, from, LIMIT, &mut stored);
        for record in &stored {
            seen.entries += 1;
            seen.bytes = seen.bytes.saturating_add(record.payload.len() as u64);
        }
        if let Some(last) = stored.last() {
            from = last.index.saturating_add(1);
        }
        match outcome {
            Ok(()) if stored.is_empty() => return Ok(seen),
            Ok(()) => {}
            Err(Fault::Corrupt { .. }) if damage.len() >= DAMAGE_MAX => {
                return Err(format!(
                    "more than {DAMAGE_MAX} places are damaged, the first: {}",
                    damage.first().map_or("", String::as_str)
                ));
            }
            Err(Fault::Corrupt { file, offset, reason }) => {
                let lost = engine
                    .give_up(log, from)
                    .map_err(|fault| format!("cannot read {}: {fault}", name_of(log)))?;
                let Some(lost) = lost else {
                    damage.push(format!("{file} at offset {offset} of {}: {reason}", name_of(log)));
                    return Ok(seen);
                };
                let (first, last) = (*lost.indexes.start(), *lost.indexes.end());
                damage.push(format!("{}: entries {first} to {last} are lost", in_words(&lost.damage)));
                from = last.saturating_add(1);
            }
            Err(fault) => return Err(format!("cannot read {}: {fault}", name_of(log))),
        }
    }
}

/// What is declared; a second look at the folder, since a start changes what it finds.
fn metadata(folder: &Path) -> Result<Broker, String> {
    let (engine, recovered) = open(folder)?;
    Broker::recover(engine, &recovered, broker::Settings::default())
        .map_err(|error: RecoveryError| error.to_string())
}

fn declared(broker: &Broker, seen: &BTreeMap<u64, Seen>) -> Json {
    let topology = broker.topology().read();
    let mut read: BTreeMap<u64, u64> = BTreeMap::new();
    for (log, seen) in seen {
        let (queue, _) = QueueId::of_log(*log);
        *read.entry(queue.0).or_default() += seen.entries;
    }
    let vhosts: Vec<_> = topology.vhosts().map(|vhost| vhost.name.clone()).collect();
    let mut queues = Vec::new();
    let (mut exchanges, mut bindings) = (0, 0);
    for vhost in &vhosts {
        exchanges += topology.exchanges(vhost).count();
        bindings += topology.bindings(vhost).count();
        for record in topology.queues_of(vhost) {
            let messages = broker.queue(record).map_or(0, |queue| queue.counts().0.messages);
            queues.push(json!({
                "vhost": vhost.as_str(),
                "name": record.name.as_str(),
                "type": record.kind.name(),
                "messages": messages,
                "read": read.get(&record.id.0).copied().unwrap_or_default(),
            }));
        }
    }
    json!({
        "vhosts": vhosts.len(),
        "users": topology.users().count(),
        "exchanges": exchanges,
        "bindings": bindings,
        "queues": queues,
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::FileExt};

    use broker::First;

    use super::*;
    use crate::data_folder::DataFolder;

    /// A folder in which a node has been, stopped in order.
    fn stopped() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let held = DataFolder::open(folder.path()).unwrap();
        let disk = storage::disk::os::OsDisk::open(folder.path()).unwrap();
        let (engine, recovered) = Engine::open(Arc::new(disk), Options::default()).unwrap();
        let engine = Arc::new(engine);
        let broker = Broker::recover(Arc::clone(&engine), &recovered, broker::Settings::default()).unwrap();
        let first = First {
            user: "guest".try_into_name(),
            password: model::Secret::new("guest"),
            tags: Vec::new(),
            vhost: "/".try_into_name(),
            permissions: broker::topology::PermissionPatterns {
                configure: ".*".into(),
                write: ".*".into(),
                read: ".*".into(),
            },
        };
        broker.set_up(first, [1; 4], 0).unwrap();
        engine.close(broker.delivered_below()).unwrap();
        drop(held);
        folder
    }

    trait IntoName {
        fn try_into_name(self) -> model::Name;
    }

    impl IntoName for &str {
        fn try_into_name(self) -> model::Name {
            model::Name::parse(self).unwrap()
        }
    }

    fn bytes(folder: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
        let mut all: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .flatten()
            .map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap()))
            .collect();
        all.sort();
        all
    }

    #[test]
    fn a_whole_folder_is_found_whole_and_is_left_as_it_is() {
        let folder = stopped();
        let before = bytes(folder.path());
        let report = check(folder.path()).unwrap();
        assert_eq!(report["damage"], json!([]));
        assert_eq!((&report["users"], &report["vhosts"]), (&json!(1), &json!(1)));
        assert_eq!(report["stopped_in_order"], true);
        assert!(bytes(folder.path()) == before, "the folder has changed");
    }

    #[test]
    fn a_bit_that_has_turned_is_found() {
        let folder = stopped();
        let wal = fs::read_dir(folder.path())
            .unwrap()
            .flatten()
            .find(|file| file.file_name().to_string_lossy().starts_with("wal-"));
        let file = fs::OpenOptions::new().read(true).write(true).open(wal.unwrap().path()).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, 100).unwrap();
        file.write_all_at(&[byte[0] ^ 1], 100).unwrap();
        let report = check(folder.path()).unwrap();
        assert_ne!(report["damage"], json!([]), "{report}");
    }

    #[test]
    fn a_running_node_is_left_alone_and_another_folder_is_none() {
        let folder = stopped();
        let held = DataFolder::open(folder.path()).unwrap();
        assert!(check(folder.path()).unwrap_err().contains("a node runs"));
        drop(held);
        check(folder.path()).unwrap();
        let other = tempfile::tempdir().unwrap();
        assert!(check(other.path()).unwrap_err().contains("no data folder"));
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0);
    }
}

//! Power cuts and orderly stops, and what the next start must find.

use std::collections::{BTreeMap, BTreeSet};

use storage::disk::memory::MemoryDisk;

use super::{
    actor::{Checked, ensure},
    model::{Binding, Entry, Queue},
    sim::Sim,
};
use crate::{wish::get, world::World};

/// The number of a message, and whether it was marked redelivered.
type Found = (u64, bool);

impl Sim {
    /// The power is gone: now, or since some operation of the disk.
    pub(crate) fn crash(&mut self) -> Checked<()> {
        self.tell("crash".to_owned());
        // What has reached clients has; what is not heard by now will not be.
        self.hear_all(&mut Vec::new())?;
        for actor in std::mem::take(&mut self.actors) {
            actor.lost(&mut self.model, true);
        }
        let Some(world) = self.world.take() else { return Ok(()) };
        let settings = world.settings.clone();
        let mut image = world.disk.reboot(self.dice.below(u64::MAX), 512);
        drop(world);
        if self.dice.one_in(4) {
            // Once more, while the node starts.
            image.power_off_after(1 + self.dice.below(10));
            let _ = World::open(image.clone(), settings.clone());
            image = image.reboot(self.dice.below(u64::MAX), 512);
        }
        // One node looks at everything, the other goes on from the same image.
        let look = World::open(image.reboot(0, 512), settings.clone()).map_err(|fault| fault.to_string())?;
        ensure!(look.recovered.damaged.is_empty(), "damage: {:?}", look.recovered.damaged);
        self.find_queues(&look)?;
        self.find_bindings(&look)?;
        let next = self.next_message + 1;
        let names: Vec<String> = self.model.queues.keys().cloned().collect();
        for name in names {
            let found = contents(&look, &name)?;
            let queue = self.model.queues.get_mut(&name).ok_or("a queue that was there")?;
            compare(queue, &found).map_err(|error| format!("{name} after the crash: {error}; {found:?}"))?;
            queue.start_anew(&found, next);
        }
        self.world = Some(World::open(image.reboot(0, 512), settings).map_err(|fault| fault.to_string())?);
        self.model.flushed();
        self.check_names()
    }

    /// Which queues there are: all that were promised, none that nobody wants.
    fn find_queues(&mut self, world: &World) -> Checked<()> {
        let topology = world.broker.topology().read();
        let found: BTreeSet<String> = topology.queues_of("/").map(|queue| queue.name.to_string()).collect();
        let mut known: BTreeMap<String, Queue> = BTreeMap::new();
        for (name, queue) in std::mem::take(&mut self.model.queues) {
            if queue.durable && found.contains(&name) {
                known.insert(name, queue);
            } else {
                ensure!(!(queue.durable && queue.is_promised), "{name} is gone");
            }
        }
        for (name, queue, was_told) in std::mem::take(&mut self.model.ghosts) {
            if found.contains(&name) && !known.contains_key(&name) {
                ensure!(!was_told, "{name} is back");
                known.insert(name, queue);
            }
        }
        let names: BTreeSet<String> = known.keys().cloned().collect();
        ensure!(names == found, "queues {found:?}, not {names:?}");
        self.model.queues = known;
        Ok(())
    }

    fn find_bindings(&mut self, world: &World) -> Checked<()> {
        let topology = world.broker.topology().read();
        let mut found: BTreeMap<Binding, bool> = BTreeMap::new();
        for binding in topology.bindings("/") {
            let exchange = if &*binding.source == "f" { "f" } else { "d" };
            let known = (exchange, binding.destination.to_string(), binding.routing_key.to_string());
            let is_known = self.model.bindings.contains_key(&known) || self.model.unbound.contains(&known);
            ensure!(is_known, "a binding that nobody made: {known:?}");
            found.insert(known, true);
        }
        for (binding, on_disk) in &self.model.bindings {
            let is_kept = *on_disk && self.model.queues.contains_key(&binding.1);
            ensure!(!is_kept || found.contains_key(binding), "{binding:?} is gone");
        }
        self.model.bindings = found;
        Ok(())
    }

    /// The node is stopped in order, and started again.
    pub(crate) fn restart(&mut self) -> Checked<()> {
        self.tell("stop and start".to_owned());
        self.flush()?;
        self.hear_all(&mut Vec::new())?;
        if self.world().disk.is_off() {
            return Ok(());
        }
        // What one held may go to another, who still listens.
        self.was_at_rest = false;
        while let Some(actor) = self.actors.pop() {
            actor.lost(&mut self.model, true);
            self.hear_all(&mut Vec::new())?;
        }
        let Some(world) = self.world.take() else { return Ok(()) };
        let closed = world.engine.close(world.broker.delivered_below());
        if closed.is_err() {
            self.world = Some(world);
            return if self.world().disk.is_off() { self.crash() } else { Err("cannot stop".to_owned()) };
        }
        let disk: MemoryDisk = world.disk.restart();
        let settings = world.settings.clone();
        drop(world);
        let world = World::open(disk, settings).map_err(|fault| fault.to_string())?;
        ensure!(world.recovered.clean, "a clean stop is not taken for one");
        self.world = Some(world);
        self.model.queues.retain(|_, queue| queue.durable);
        let queues = &self.model.queues;
        self.model.bindings.retain(|(_, queue, _), _| queues.contains_key(queue));
        self.model.flushed();
        for queue in self.model.queues.values_mut() {
            queue.flagged_below = queue.flagged_below.max(queue.heard_below);
            queue.entries.retain(|_, entry| entry.is_kept);
            queue.consumers = 0;
            queue.had_consumer = false;
        }
        self.check_names()
    }
}

/// Everything in a queue, in order.
fn contents(world: &World, queue: &str) -> Checked<Vec<Found>> {
    let mut peer = world.peer();
    let mut found = Vec::new();
    loop {
        peer.ask(get(queue));
        world.read();
        let heard = peer.hear();
        match heard.as_slice() {
            [nothing] if nothing == "got nothing" => return Ok(found),
            [line] => {
                let words: Vec<&str> = line.split([' ', ',']).collect();
                let id = words.get(2).and_then(|id| id.parse().ok()).ok_or_else(|| line.clone())?;
                found.push((id, words.get(3) == Some(&"again")));
            }
            other => return Err(format!("{other:?}")),
        }
    }
}

/// Checks what a crash left of a queue.
fn compare(queue: &Queue, found: &[Found]) -> Checked<()> {
    ensure!(found.is_sorted_by(|(one, _), (other, _)| one < other), "out of order, or twice");
    let there: BTreeMap<u64, bool> = found.iter().copied().collect();
    for (id, marked) in &there {
        match queue.entries.get(id) {
            Some(entry) => {
                ensure!(entry.is_kept, "{id} was not to be kept");
                ensure!(*marked || !entry.was_delivered, "{id} was delivered, and is not marked");
            }
            None => ensure!(queue.gone.contains(id), "{id} is back, or was never there"),
        }
    }
    let mut first_missing = None;
    for (id, entry) in queue.entries.iter().filter(|(_, entry)| entry.is_kept && !entry.is_doubtful) {
        if !there.contains_key(id) {
            ensure!(!entry.is_promised, "{id} is lost");
            first_missing.get_or_insert(*id);
        } else if let Some(missing) = first_missing {
            return Err(format!("{id} is there, and {missing} before it is not"));
        }
    }
    Ok(())
}

impl Queue {
    /// The queue is what was found.
    fn start_anew(&mut self, found: &[Found], next_message: u64) {
        self.entries = found
            .iter()
            .map(|(id, _)| {
                let entry = Entry {
                    is_ready: true,
                    is_promised: true,
                    is_kept: true,
                    was_delivered: self.entries.get(id).is_some_and(|entry| entry.was_delivered),
                    is_doubtful: false,
                };
                (*id, entry)
            })
            .collect();
        self.gone.clear();
        self.returned.clear();
        self.flagged_below = next_message;
        self.consumers = 0;
        self.had_consumer = false;
        self.is_promised = true;
    }
}

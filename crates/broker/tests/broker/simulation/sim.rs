//! The world, the model, and who acts in them; what is checked after each step.

use std::{collections::BTreeSet, panic::Location};

use broker::counts::Sums;
use model::{Command, SessionCommand, SessionId};

use super::{
    actor::{Actor, Awaited, Checked, Heard, ensure},
    model::Model,
};
use crate::{
    wish::{declare_exchange, name},
    world::{World, tight},
};

const STEPS: usize = 400;
/// Steps told when a check fails.
const TOLD: usize = 60;

/// The same seed, the same numbers (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.below(from.len() as u64) as usize) }
    }
}

/// See the module's documentation.
pub(crate) struct Sim {
    seed: u64,
    pub(crate) dice: Dice,
    /// None only while one world follows another.
    pub(crate) world: Option<World>,
    pub(crate) model: Model,
    pub(crate) actors: Vec<Actor>,
    pub(crate) next_actor: u64,
    pub(crate) next_message: u64,
    pub(crate) next_tag: u64,
    /// Everybody hears at once what there is to hear.
    pub(crate) is_eager: bool,
    /// Queues are quorum queues where they can be, and no session has a limit of its own, which those refuse.
    pub(crate) has_quorums: bool,
    /// What happens to order in this step is more than the model knows.
    pub(crate) is_mixed: bool,
    /// Everybody had heard everything before this step.
    pub(crate) was_at_rest: bool,
    trace: Vec<String>,
}

impl Sim {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let settings = if dice.one_in(3) { broker::Settings::default() } else { tight() };
        let world = World::with(settings);
        let mut peer = world.peer();
        peer.ask_all([declare_exchange("f", "fanout"), declare_exchange("d", "direct")]);
        world.flush();
        drop(peer);
        Self {
            seed,
            has_quorums: seed % 4 == 1,
            is_eager: dice.one_in(2),
            dice,
            world: Some(world),
            model: Model::default(),
            actors: Vec::new(),
            next_actor: 0,
            next_message: 0,
            next_tag: 0,
            is_mixed: false,
            was_at_rest: false,
            trace: Vec::new(),
        }
    }

    pub(crate) fn run(mut self) {
        if let Err(error) = self.live() {
            let from = self.trace.len().saturating_sub(TOLD);
            let steps = self.trace[from..].join("\n");
            panic!("seed {}: {error}\n{steps}", self.seed);
        }
    }

    fn live(&mut self) -> Checked<()> {
        for _ in 0..STEPS {
            if self.world().disk.is_off() {
                self.crash()?;
            }
            self.is_mixed = false;
            self.was_at_rest = self.is_eager && self.actors.iter().all(Actor::is_up_to_date);
            self.step()?;
            let mut heard = Vec::new();
            if self.is_eager {
                self.come_to_rest(&mut heard)?;
                if !self.world().disk.is_off() {
                    self.check(&heard)?;
                }
            }
        }
        if self.world().disk.is_off() {
            self.crash()?;
        }
        self.end()
    }

    #[track_caller]
    pub(crate) fn world(&self) -> &World {
        self.world.as_ref().unwrap_or_else(|| panic!("no world at {}", Location::caller()))
    }

    pub(crate) fn tell(&mut self, line: String) {
        self.trace.push(line);
    }

    /// Hands a command in.
    pub(crate) fn ask(&mut self, at: usize, session: u16, command: SessionCommand, awaited: Option<Awaited>) {
        let id = self.actors[at].id;
        self.tell(format!("{id}.{session}: {command:?}"));
        let actor = &mut self.actors[at];
        let known = actor.sessions.entry(session).or_default();
        known.awaited.extend(awaited);
        actor.is_asked = true;
        actor.peer.command(Command::Session(SessionId(session), command));
    }

    /// An actor hears what there is.
    pub(crate) fn hear(&mut self, at: usize, heard: &mut Vec<Heard>) -> Checked<()> {
        self.actors[at].hear(usize::MAX, &mut self.model, self.was_at_rest, heard)
    }

    /// An actor hears not all deliveries that there are: its socket takes no more for now.
    pub(crate) fn hear_some(&mut self, at: usize) -> Checked<()> {
        let deliveries_max = 1 + usize::try_from(self.dice.below(4)).unwrap();
        self.actors[at].hear(deliveries_max, &mut self.model, self.was_at_rest, &mut Vec::new())
    }

    /// Everybody who was asked something, or whose bell rings, hears what there is.
    pub(crate) fn hear_all(&mut self, heard: &mut Vec<Heard>) -> Checked<()> {
        let mut is_quiet = false;
        while !is_quiet {
            is_quiet = true;
            for at in 0..self.actors.len() {
                if self.actors[at].is_asked || self.actors[at].peer.is_rung() {
                    is_quiet = false;
                    self.hear(at, heard)?;
                }
            }
        }
        Ok(())
    }

    /// Everybody hears what there is, and the log is read, until nothing moves any more.
    fn come_to_rest(&mut self, heard: &mut Vec<Heard>) -> Checked<()> {
        self.hear_all(heard)?;
        while self.world().broker.read_one(std::time::Duration::ZERO, || 0) {
            self.hear_all(heard)?;
        }
        Ok(())
    }

    /// Compares the broker with the model when everybody has heard everything.
    fn check(&mut self, heard: &[Heard]) -> Checked<()> {
        for actor in &mut self.actors {
            ensure!(actor.peer.events().is_empty(), "the bell of {} did not ring", actor.id);
        }
        self.check_sums()?;
        if !self.actors.iter().all(Actor::is_up_to_date) {
            return Ok(());
        }
        for (name, queue) in &self.model.queues {
            if queue.is_doubtful() {
                continue;
            }
            let ready = queue.ready().count() as u64;
            let wanted = (ready, queue.unsettled_count());
            let found = self.world().counts(name);
            ensure!(found == wanted, "{name} has {found:?} messages, not {wanted:?}");
            let last = heard.iter().filter(|heard| heard.queue == queue.key).map(|heard| heard.id).max();
            // What came back may have crossed with a delivery that waits for the disk.
            let first = queue.ready().next().filter(|first| !queue.returned.contains(first));
            if let (Some(last), Some(first), false) = (last, first, self.is_mixed) {
                ensure!(last < first, "{last} was delivered and {first} still waits in {name}");
            }
            let sessions = self.actors.iter().flat_map(|actor| actor.sessions.values());
            let mut consumers = sessions.flat_map(|session| {
                session.consumers.iter().map(move |(tag, consumer)| (tag, consumer, session))
            });
            let idle = consumers
                .find(|(_, consumer, session)| consumer.queue == queue.key && session.has_capacity(consumer));
            if let Some((tag, ..)) = idle {
                ensure!(ready == 0, "{ready} messages wait in {name}, and {tag} for them");
            }
        }
        self.check_names()
    }

    /// The running sums are the sums.
    fn check_sums(&self) -> Checked<()> {
        let broker = &self.world().broker;
        let topology = broker.topology().read();
        let queues = topology.queues_of("/").filter_map(|record| broker.queue(record));
        let walked = queues.fold(Sums::default(), |sum, queue| sum.plus(queue.look().1));
        // What queues have counted that are gone stays.
        let Sums { disk_reads, disk_writes, .. } = walked;
        let kept = Sums { disk_reads, disk_writes, ..broker.sums(&name("/")) };
        ensure!(kept == walked, "the running sums are {kept:?}, not {walked:?}");
        Ok(())
    }

    /// The queues and bindings are those of the model.
    pub(crate) fn check_names(&self) -> Checked<()> {
        let topology = self.world().broker.topology().read();
        let found: BTreeSet<&str> = topology.queues_of("/").map(|queue| queue.name.as_str()).collect();
        let wanted: BTreeSet<&str> = self.model.queues.keys().map(String::as_str).collect();
        ensure!(found == wanted, "queues {found:?}, not {wanted:?}");
        let found: BTreeSet<_> = topology
            .bindings("/")
            .map(|binding| (binding.source.clone(), binding.destination.clone(), binding.routing_key.clone()))
            .collect();
        let wanted: BTreeSet<_> =
            self.model.bindings.keys().map(|(from, to, key)| (name(from), name(to), name(key))).collect();
        ensure!(found == wanted, "bindings {found:?}, not {wanted:?}");
        Ok(())
    }

    /// Faults stop, and everything comes to its end.
    fn end(&mut self) -> Checked<()> {
        self.tell("the end".to_owned());
        self.world().disk.power_off_after(u64::MAX);
        self.world().broker.alarms().set_memory(false);
        self.flush()?;
        self.come_to_rest(&mut Vec::new())?;
        for actor in &self.actors {
            ensure!(!actor.peer.client.is_held_back(), "{} is held back for nothing", actor.id);
            ensure!(!actor.peer.client.is_waiting(), "{} waits for nothing", actor.id);
            ensure!(actor.is_up_to_date(), "{} has not heard everything", actor.id);
        }
        self.is_eager = true;
        self.is_mixed = true;
        self.check(&[])?;
        for actor in std::mem::take(&mut self.actors) {
            actor.lost(&mut self.model, true);
        }
        let names: Vec<String> = self.model.queues.keys().cloned().collect();
        let mut peer = self.world().peer();
        for queue in &names {
            peer.ask(crate::wish::delete(queue));
        }
        self.flush()?;
        self.world().keep_house();
        drop(peer);
        let resident = self.world().broker.memory().resident();
        ensure!(resident == 0, "{resident} bytes are remembered of queues that are gone");
        let usage = self.world().engine.usage();
        ensure!(usage.spill_bytes == 0, "{} spilled bytes are left", usage.spill_bytes);
        ensure!(usage.logs == 1, "{} logs are left beside that of the metadata", usage.logs - 1);
        Ok(())
    }
}

//! Messages on their way through queues with rules, while the power goes again and again.
//!
//! `w0` gives up into `w1`, that into `w2`, that into `dead`. With each seed these have other rules: times to live, lengths,
//! what happens beyond them, priorities, a limit of returns (quorum queues). Clients publish with confirms or in
//! transactions, get, consume, give verdicts of every kind, and go without a word; time passes, the log is flushed, tidied
//! up and read whenever. Which rule moves a message when is the broker's business; checked by a [`ledger`] is that it is
//! moved and nothing else:
//!
//! - what was confirmed or committed and not taken is in one queue, after every power cut and at the end;
//! - nothing is in two queues, or delivered to two at once;
//! - what was refused, rolled back, or taken before a flush, is nowhere;
//! - a power cut leaves all of a transaction or nothing;
//! - no queue is longer than it may be, and nothing outlives its time.
//!
//! `TRAVEL_SEEDS=1000..5000` runs others than the usual seeds.

mod ledger;
mod road;
mod traveller;

use std::{env, time::Duration};

use broker::Settings;
use ledger::Ledger;
use road::{QUEUES, Rules};
use traveller::Traveller;

use crate::{
    simulation::Dice,
    wish::{consume_no_ack, get_no_ack},
    world::{World, text, tight},
};

const SEEDS: std::ops::Range<u64> = 0..150;
const STEPS: u64 = 250;
const TRAVELLERS_MAX: usize = 3;
/// Longer than anything may live, in milliseconds.
const LONG: u64 = 100_000;

fn seeds() -> std::ops::Range<u64> {
    let Ok(wanted) = env::var("TRAVEL_SEEDS") else { return SEEDS };
    let (from, to) = wanted.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

#[test]
fn whatever_moves_a_message_it_is_in_one_place() {
    for seed in seeds() {
        let mut journey = Journey::new(seed);
        if let Err(error) = journey.run() {
            let from = journey.ledger.trace.len().saturating_sub(70);
            panic!("seed {seed}: {error}\n{:#?}\n{}", journey.rules, journey.ledger.trace[from..].join("\n"));
        }
    }
}

struct Journey {
    dice: Dice,
    /// None only while one world follows another.
    world: Option<World>,
    rules: [Rules; 3],
    ledger: Ledger,
    travellers: Vec<Traveller>,
    now_ms: u64,
}

impl Journey {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let world = World::with(if dice.one_in(2) { tight() } else { Settings::default() });
        let rules = [0, 1, 2].map(|at| Rules::any(&mut dice, at));
        let mut peer = world.peer();
        peer.ask_all(road::declarations(&rules));
        world.flush();
        assert_eq!(peer.hear().len(), QUEUES.len());
        drop(peer);
        Self { dice, world: Some(world), rules, ledger: Ledger::default(), travellers: Vec::new(), now_ms: 0 }
    }

    fn run(&mut self) -> Result<(), String> {
        for _ in 0..STEPS {
            if self.world().disk.is_off() {
                self.crash()?;
            }
            self.step()?;
            self.hear()?;
        }
        if self.world().disk.is_off() {
            self.crash()?;
        }
        self.end()
    }

    fn world(&self) -> &World {
        self.world.as_ref().unwrap()
    }

    fn step(&mut self) -> Result<(), String> {
        match self.dice.below(40) {
            0..=2 => self.flush(),
            3..=5 => {
                // What fails here fails for want of power: the next step finds that out.
                let _ = self.world().broker.keep_house();
            }
            6..=8 => {
                self.now_ms += self.dice.below(25);
                self.ledger.tell(format!("it is {}", self.now_ms));
                self.world().pass_to(self.now_ms);
            }
            9..=11 => {
                self.world().broker.read_one(Duration::ZERO, || self.now_ms);
            }
            12 if self.dice.one_in(4) => {
                let operations = self.dice.below(8);
                self.ledger.tell(format!("the power goes after {operations} operations"));
                self.world().disk.power_off_after(operations);
            }
            13 if self.dice.one_in(3) => {
                if let Some(traveller) = self.travellers.pop() {
                    traveller.go(&mut self.ledger);
                }
            }
            _ if self.travellers.len() < TRAVELLERS_MAX && self.dice.one_in(6) => {
                let traveller =
                    Traveller::new(self.world.as_ref().unwrap(), &mut self.dice, &mut self.ledger);
                self.travellers.push(traveller);
            }
            _ => {
                let count = self.travellers.len() as u64;
                if count > 0 {
                    let at = self.dice.below(count) as usize;
                    self.travellers[at].act(&mut self.dice, &mut self.ledger, &self.rules, self.now_ms);
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) {
        self.ledger.tell("flush".to_owned());
        match self.world().try_flush() {
            Ok(()) => self.ledger.flushed(),
            Err(fault) => assert!(self.world().disk.is_off(), "{fault}"),
        }
    }

    fn hear(&mut self) -> Result<(), String> {
        for traveller in &mut self.travellers {
            traveller.hear(&mut self.ledger, &self.rules)?;
        }
        Ok(())
    }

    /// The power is gone, and comes back.
    fn crash(&mut self) -> Result<(), String> {
        self.ledger.tell("the power is gone".to_owned());
        self.hear()?;
        for traveller in self.travellers.drain(..) {
            traveller.go(&mut self.ledger);
        }
        let world = self.world.take().unwrap();
        let settings = world.settings.clone();
        let image = world.disk.reboot(self.dice.below(u64::MAX), 512);
        drop(world);
        let look = World::open(image.reboot(0, 512), settings.clone()).map_err(|fault| fault.to_string())?;
        if !look.recovered.damaged.is_empty() {
            return Err(format!("damage: {:?}", look.recovered.damaged));
        }
        look.broker.start_clock(self.now_ms);
        look.read_at(self.now_ms);
        self.check_lengths(&look)?;
        let found = self.contents(&look)?;
        self.ledger.woken_up_with(&found)?;
        let world = World::open(image.reboot(0, 512), settings).map_err(|fault| fault.to_string())?;
        world.broker.start_clock(self.now_ms);
        self.world = Some(world);
        Ok(())
    }

    fn check_lengths(&self, world: &World) -> Result<(), String> {
        for (rules, queue) in self.rules.iter().zip(QUEUES) {
            let (ready, _) = world.counts(queue);
            if let Some(length) = rules.length.filter(|_| rules.overflow == "drop-head")
                && ready > length
            {
                return Err(format!("{ready} in {queue}, where {length} may be"));
            }
        }
        Ok(())
    }

    /// Which messages are in which queue; takes them out.
    fn contents(&self, world: &World) -> Result<Vec<(&'static str, u64)>, String> {
        let mut found = Vec::new();
        for queue in QUEUES {
            let mut peer = world.peer();
            // The first by itself, the others as they come.
            peer.ask_all([get_no_ack(queue), consume_no_ack(queue, "c")]);
            let mut events = peer.events();
            while world.broker.read_one(Duration::ZERO, || self.now_ms) || peer.is_rung() {
                events.extend(peer.events());
            }
            for event in events {
                if let Some(message) = traveller::message_of(&event) {
                    let id = text(message).parse().map_err(|_| format!("what is {}", text(message)))?;
                    found.push((queue, id));
                }
            }
            let left = world.counts(queue);
            if left != (0, 0) {
                return Err(format!("{left:?} left in {queue}"));
            }
        }
        Ok(found)
    }

    /// Everybody goes, and everything comes to where it belongs.
    fn end(&mut self) -> Result<(), String> {
        self.ledger.tell("the end".to_owned());
        self.world().disk.power_off_after(u64::MAX);
        self.world().keep_house();
        self.hear()?;
        for traveller in std::mem::take(&mut self.travellers) {
            traveller.go(&mut self.ledger);
        }
        self.flush();
        self.world().read_at(self.now_ms);
        self.check_lengths(self.world())?;
        // What has lived its time in one queue may live as long in the next.
        for _ in QUEUES {
            self.now_ms += LONG;
            self.world().pass_to(self.now_ms);
        }
        for (rules, queue) in self.rules.iter().zip(QUEUES) {
            let (ready, _) = self.world().counts(queue);
            if rules.lives_ms.is_some() && ready > 0 {
                return Err(format!("{ready} in {queue} live too long"));
            }
        }
        let found = self.contents(self.world())?;
        self.ledger.woken_up_with(&found)?;
        self.world().flush();
        let resident = self.world().broker.memory().resident();
        if resident != 0 {
            return Err(format!("{resident} bytes are remembered of empty queues"));
        }
        Ok(())
    }
}

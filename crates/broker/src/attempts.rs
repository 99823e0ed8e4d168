//! Who has tried to log in and failed, and for how long they have to wait.
//!
//! What is held back is a user's name tried from one place, so that nobody locks a user out from elsewhere; and a place as
//! a whole that tries many names, but for users who have logged in from there lately: behind one address there may be many.
//! From the machine itself waits are short: an operator there is never locked out. A place is an address of IPv4 or the
//! first 64 bits of one of IPv6. Everything is bounded; time is an argument.

use core::net::IpAddr;
use std::{collections::HashMap, hash::Hash};

use model::Name;
use parking_lot::Mutex;

use crate::counts::Counter;

/// Failures that are forgiven without a wait.
const FREE: u32 = 5;
/// From the machine itself, where scripts try.
const FREE_LOOPBACK: u32 = 20;
/// Of a place, whatever the names.
const FREE_PLACE: u32 = 50;
/// The longest wait.
const WAIT_MAX_MS: u64 = 60_000;
/// The longest wait on the machine itself.
const WAIT_LOOPBACK_MAX_MS: u64 = 1_000;
/// After so long without another failure they are forgotten.
const FORGET_MS: u64 = 10 * 60_000;
/// So long somebody who has logged in is known.
const KNOWN_MS: u64 = 24 * 3_600_000;
/// Entries of each table.
const ENTRIES_MAX: usize = 10_000;

/// By which protocol somebody comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// AMQP 0-9-1.
    Amqp,
    /// The HTTP API.
    Http,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denied {
    /// Unknown user, wrong password, or not from there.
    Wrong,
    /// Too many failures before: nobody has looked at the password.
    Later {
        /// How long to wait, in seconds.
        seconds: u64,
    },
}

/// Failures of somebody, as operators see them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failures {
    /// From where; of IPv6 the network.
    pub place: IpAddr,
    /// Who they said they are.
    pub user: Name,
    /// How they came the last time.
    pub door: Door,
    /// How often, without a success in between.
    pub count: u32,
}

/// See the module's documentation.
#[derive(Default, Debug)]
pub(crate) struct Attempts {
    tables: Mutex<Tables>,
    /// Successes and failures by HTTP.
    pub(crate) http: (Counter, Counter),
    /// What was counted when somebody last set the counts to zero: HTTP, then AMQP.
    zero: Mutex<[(u64, u64); 2]>,
}

#[derive(Default, Debug)]
struct Tables {
    pairs: HashMap<(IpAddr, Name), Trouble>,
    places: HashMap<IpAddr, Trouble>,
    /// When they last logged in.
    known: HashMap<(IpAddr, Name), u64>,
}

#[derive(Clone, Copy, Debug)]
struct Trouble {
    door: Door,
    count: u32,
    last_ms: u64,
    until_ms: u64,
}

impl Attempts {
    /// Whether somebody has to wait before anybody looks at their password.
    pub(crate) fn check(&self, source: IpAddr, user: &Name, now_ms: u64) -> Result<(), Denied> {
        let place = place_of(source);
        let tables = self.tables.lock();
        let key = (place, user.clone());
        let is_known =
            tables.known.get(&key).is_some_and(|seen_ms| now_ms < seen_ms.saturating_add(KNOWN_MS));
        let of_place = tables.places.get(&place).filter(|_| !is_known);
        let until_ms = tables.pairs.get(&key).into_iter().chain(of_place).map(|one| one.until_ms).max();
        match until_ms {
            Some(until_ms) if now_ms < until_ms => {
                Err(Denied::Later { seconds: until_ms.saturating_sub(now_ms).div_ceil(1000) })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn fail(&self, door: Door, source: IpAddr, user: &Name, now_ms: u64) {
        let place = place_of(source);
        let (free, wait_max_ms) = match place.is_loopback() {
            true => (FREE_LOOPBACK, WAIT_LOOPBACK_MAX_MS),
            false => (FREE, WAIT_MAX_MS),
        };
        let tables = &mut *self.tables.lock();
        tables.known.remove(&(place, user.clone()));
        note(&mut tables.pairs, (place, user.clone()), door, now_ms, (free, wait_max_ms));
        if !place.is_loopback() {
            note(&mut tables.places, place, door, now_ms, (FREE_PLACE, WAIT_MAX_MS));
        }
    }

    pub(crate) fn succeed(&self, source: IpAddr, user: &Name, now_ms: u64) {
        let key = (place_of(source), user.clone());
        let tables = &mut *self.tables.lock();
        tables.pairs.remove(&key);
        if !tables.known.contains_key(&key) && tables.known.len() >= ENTRIES_MAX {
            tables.known.retain(|_, seen_ms| now_ms < seen_ms.saturating_add(KNOWN_MS));
            if tables.known.len() >= ENTRIES_MAX {
                return;
            }
        }
        tables.known.insert(key, now_ms);
    }

    /// Whose failures are remembered.
    pub(crate) fn failures(&self) -> Vec<Failures> {
        let tables = self.tables.lock();
        let show = |((place, user), one): (&(IpAddr, Name), &Trouble)| Failures {
            place: *place,
            user: user.clone(),
            door: one.door,
            count: one.count,
        };
        tables.pairs.iter().map(show).collect()
    }

    /// Successes and failures since the counts were last set to zero, where `amqp` is what there was since the start.
    pub(crate) fn counts(&self, amqp: (u64, u64)) -> [(Door, u64, u64); 2] {
        let zero = *self.zero.lock();
        let http = (self.http.0.get(), self.http.1.get());
        let since =
            |now: (u64, u64), zero: (u64, u64)| (now.0.wrapping_sub(zero.0), now.1.wrapping_sub(zero.1));
        let (http, amqp) = (since(http, zero[0]), since(amqp, zero[1]));
        [(Door::Http, http.0, http.1), (Door::Amqp, amqp.0, amqp.1)]
    }

    /// Sets the counts to zero. Who has to wait goes on waiting.
    pub(crate) fn reset(&self, amqp: (u64, u64)) {
        *self.zero.lock() = [(self.http.0.get(), self.http.1.get()), amqp];
    }
}

fn place_of(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(ip) if !ip.is_loopback() => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        other => other,
    }
}

/// One failure more. Beyond those that are free each doubles the wait.
fn note<K: Hash + Eq + Clone>(
    table: &mut HashMap<K, Trouble>,
    key: K,
    door: Door,
    now_ms: u64,
    (free, wait_max_ms): (u32, u64),
) {
    if table.len() >= ENTRIES_MAX && !table.contains_key(&key) {
        table.retain(|_, one| now_ms < one.last_ms.saturating_add(FORGET_MS));
        if table.len() >= ENTRIES_MAX {
            let oldest = table.iter().min_by_key(|(_, one)| one.last_ms).map(|(key, _)| key.clone());
            oldest.map(|key| table.remove(&key));
        }
    }
    let fresh = Trouble { door, count: 0, last_ms: now_ms, until_ms: 0 };
    let one = table.entry(key).or_insert(fresh);
    if one.last_ms.saturating_add(FORGET_MS) <= now_ms {
        *one = fresh;
    }
    one.door = door;
    one.count = one.count.saturating_add(1);
    one.last_ms = now_ms;
    if let Some(beyond) = one.count.checked_sub(free).and_then(|beyond| beyond.checked_sub(1)) {
        let wait_ms = 1000_u64.checked_shl(beyond.min(20)).unwrap_or(wait_max_ms).min(wait_max_ms);
        one.until_ms = now_ms.saturating_add(wait_ms);
    }
}

#[cfg(test)]
mod tests;

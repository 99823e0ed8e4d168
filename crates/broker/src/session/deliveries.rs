//! The unsettled deliveries of a session, by their number.

use std::{
    collections::{BTreeSet, VecDeque},
    ops::Range,
    sync::Arc,
};

use model::Message;

use crate::queue::{ConsumerKey, Entry, Queue, Settled, Ticket};

/// Bytes of unsettled messages that a session keeps in memory though they could be read again.
pub(super) const RESIDENT_BYTES_MAX: u64 = 1024 * 1024;

/// Deliveries that were taken back, and whose late verdicts are still let pass.
const TAKEN_BACK_MAX: usize = 10_000;

/// An unsettled delivery.
#[derive(Clone, Debug)]
pub(crate) struct Unsettled {
    pub(crate) queue: Arc<Queue>,
    pub(crate) consumer: Option<ConsumerKey>,
    pub(crate) ticket: Ticket,
    /// None if it can be read from storage and memory is better used.
    pub(crate) message: Option<Arc<Message>>,
}

impl Unsettled {
    pub(crate) fn settled(&self) -> Settled {
        Settled { consumer: self.consumer, ticket: self.ticket }
    }

    /// Its form on the way back into its queue.
    pub(crate) fn into_entry(self) -> (Arc<Queue>, Option<ConsumerKey>, Entry) {
        let Self { queue, consumer, ticket, message } = self;
        (queue, consumer, Entry::new(ticket, true, message))
    }
}

/// How many of them count against the session's limit: not what was got, nor what came from a stream.
pub(crate) fn consumed<'a>(deliveries: impl Iterator<Item = &'a Unsettled>) -> u32 {
    let counts = |delivery: &&Unsettled| delivery.consumer.is_some() && !delivery.queue.is_stream();
    u32::try_from(deliveries.filter(counts).count()).unwrap_or(u32::MAX)
}

/// The deliveries 1, 2, 3, … of a session, as far as they are unsettled.
#[derive(Debug)]
pub(crate) struct Deliveries {
    /// The number of the first entry in `open`.
    first: u64,
    open: VecDeque<Option<Unsettled>>,
    /// How many of them are there.
    count: u64,
    resident: u64,
    /// Taken back from the consumer, who may not know.
    taken_back: BTreeSet<u64>,
}

impl Default for Deliveries {
    fn default() -> Self {
        Self { first: 1, open: VecDeque::new(), count: 0, resident: 0, taken_back: BTreeSet::new() }
    }
}

impl Deliveries {
    /// The number of the next delivery.
    pub(crate) fn next(&self) -> u64 {
        self.first.saturating_add(self.open.len() as u64)
    }

    /// How many are unsettled.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// How many count against the session's limit.
    pub(crate) fn consumed(&self) -> u32 {
        consumed(self.open.iter().flatten())
    }

    /// Those below this number are all settled.
    pub(crate) fn first_open(&self) -> u64 {
        self.first
    }

    /// What is unsettled among these numbers.
    pub(crate) fn open_among(&self, numbers: Range<u64>) -> impl Iterator<Item = (u64, &Unsettled)> {
        let numbers = numbers.start.max(self.first)..numbers.end;
        numbers.filter_map(|number| Some((number, self.open.get(self.place(number)?)?.as_ref()?)))
    }

    /// This delivery was taken back: a verdict on it that comes late is no mistake.
    pub(crate) fn forgive(&mut self, number: u64) {
        self.taken_back.insert(number);
        if self.taken_back.len() > TAKEN_BACK_MAX {
            self.taken_back.pop_first();
        }
    }

    fn place(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    /// Gives a delivery its number, without anything to settle.
    pub(crate) fn pass(&mut self) -> u64 {
        let number = self.next();
        if self.open.is_empty() {
            self.first = self.first.saturating_add(1);
        } else {
            self.open.push_back(None);
        }
        number
    }

    /// Gives a delivery its number and remembers it.
    pub(crate) fn open(&mut self, mut unsettled: Unsettled, is_readable: bool) -> u64 {
        let number = self.next();
        if is_readable && self.resident >= RESIDENT_BYTES_MAX {
            unsettled.message = None;
        }
        if unsettled.message.is_some() {
            self.resident = self.resident.saturating_add(unsettled.ticket.bytes.into());
        }
        self.open.push_back(Some(unsettled));
        self.count = self.count.saturating_add(1);
        number
    }

    /// Takes out delivery `number`; with `multiple` all up to it, all of them if it is 0. `out` gets each with its number.
    /// None if there is none such.
    pub(crate) fn take(
        &mut self,
        number: u64,
        multiple: bool,
        mut out: impl FnMut(u64, Unsettled),
    ) -> Option<()> {
        if multiple {
            return self.take_up_to(number, out);
        }
        if self.taken_back.remove(&number) {
            return Some(());
        }
        let unsettled = self.open.get_mut(self.place(number)?)?.take()?;
        self.closed(&unsettled);
        out(number, unsettled);
        self.trim();
        Some(())
    }

    /// Puts back what was taken out as delivery `number`.
    pub(crate) fn reopen(&mut self, number: u64, unsettled: Unsettled) {
        while self.first > number {
            self.open.push_front(None);
            self.first = self.first.saturating_sub(1);
        }
        if unsettled.message.is_some() {
            self.resident = self.resident.saturating_add(unsettled.ticket.bytes.into());
        }
        if let Some(place) = self.place(number).and_then(|at| self.open.get_mut(at)) {
            *place = Some(unsettled);
            self.count = self.count.saturating_add(1);
        }
    }

    fn take_up_to(&mut self, number: u64, mut out: impl FnMut(u64, Unsettled)) -> Option<()> {
        let count = if number == 0 {
            self.open.len()
        } else {
            // RabbitMQ: a `multiple` whose own delivery is not open is an error, whatever is open below it.
            let is_open = self.place(number).is_some_and(|at| self.open.get(at).is_some_and(Option::is_some));
            if !is_open && !self.taken_back.contains(&number) {
                return None;
            }
            self.place(number).map_or(0, |at| at.saturating_add(1)).min(self.open.len())
        };
        self.taken_back.retain(|taken_back| number != 0 && *taken_back > number);
        for _ in 0..count {
            if let Some(unsettled) = self.open.pop_front().flatten() {
                self.closed(&unsettled);
                out(self.first, unsettled);
            }
            self.first = self.first.saturating_add(1);
        }
        self.trim();
        Some(())
    }

    fn closed(&mut self, unsettled: &Unsettled) {
        self.count = self.count.saturating_sub(1);
        if unsettled.message.is_some() {
            self.resident = self.resident.saturating_sub(unsettled.ticket.bytes.into());
        }
    }

    fn trim(&mut self) {
        while self.open.front().is_some_and(Option::is_none) {
            self.open.pop_front();
            self.first = self.first.saturating_add(1);
        }
        if self.open.is_empty() && self.open.capacity() > 1024 {
            self.open.shrink_to(64);
        }
    }
}

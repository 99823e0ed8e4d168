//! Messages on their way to a confirm: at most so many, each with the time it was sent.
//!
//! Invariants: every number below `floor` is confirmed, none from `next` on is sent; `open` counts those between that are
//! not confirmed; no number is confirmed twice.

use anyhow::{bail, ensure};

use crate::histogram::Histogram;

/// The unconfirmed messages of a channel.
#[derive(Clone, Debug)]
pub(super) struct Window {
    size: u64,
    floor: u64,
    next: u64,
    open: u64,
    /// When each message was sent, by its number in a ring; `None` once confirmed.
    sent: Vec<Option<u64>>,
}

impl Window {
    /// For at most `size` unconfirmed messages, numbered from 1 as AMQP numbers them.
    pub(super) fn new(size: u32) -> Self {
        // Confirms may come out of order: a ring of four windows lets the others go on for a while.
        let ring = (size.max(1) as usize * 4).next_power_of_two();
        Self { size: u64::from(size.max(1)), floor: 1, next: 1, open: 0, sent: vec![None; ring] }
    }

    /// Takes as many places as are free, at most `wanted`, for messages that are sent now.
    pub(super) fn take(&mut self, wanted: u64, now: u64) -> u64 {
        let ring_free = (self.sent.len() as u64).saturating_sub(self.next - self.floor);
        let taken = wanted.min(self.size - self.open).min(ring_free);
        for number in self.next..self.next + taken {
            let place = self.place(number);
            if let Some(sent) = self.sent.get_mut(place) {
                *sent = Some(now);
            }
        }
        self.next += taken;
        self.open += taken;
        taken
    }

    /// The broker confirms one message, or all up to it; gives how many that were.
    pub(super) fn confirm(
        &mut self,
        number: u64,
        is_multiple: bool,
        now: u64,
        mut record: Option<&mut Histogram>,
    ) -> anyhow::Result<u64> {
        // RabbitMQ: 0 with `multiple` is everything.
        let last = if number == 0 && is_multiple { self.next.saturating_sub(1) } else { number };
        ensure!(last < self.next, "a confirm for message {last}, of which {} is the next", self.next);
        let first = if is_multiple { self.floor } else { last };
        let mut confirmed = 0;
        for number in first..=last {
            let place = self.place(number);
            let sent =
                if number < self.floor { None } else { self.sent.get_mut(place).and_then(Option::take) };
            match sent {
                Some(sent) => {
                    confirmed += 1;
                    if let Some(record) = record.as_deref_mut() {
                        record.record(now.saturating_sub(sent));
                    }
                }
                None if is_multiple => {}
                None => bail!("message {number} is confirmed twice"),
            }
        }
        self.open -= confirmed;
        while self.floor < self.next && self.sent.get(self.place(self.floor)).is_some_and(Option::is_none) {
            self.floor += 1;
        }
        Ok(confirmed)
    }

    fn place(&self, number: u64) -> usize {
        // The ring's length is a power of two.
        (number & (self.sent.len() as u64 - 1)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_sent_than_the_window_has_places() {
        let mut window = Window::new(3);
        assert_eq!(window.take(u64::MAX, 0), 3);
        assert_eq!(window.take(1, 0), 0);
        assert_eq!(window.confirm(2, true, 5, None).unwrap(), 2);
        assert_eq!(window.take(1, 6), 1);
        assert_eq!(window.take(9, 6), 1);
        assert_eq!(window.take(9, 6), 0);
    }

    #[test]
    fn confirms_out_of_order_are_counted_once() {
        let mut window = Window::new(4);
        assert_eq!(window.take(4, 100), 4);
        let mut times = Histogram::default();
        assert_eq!(window.confirm(3, false, 110, Some(&mut times)).unwrap(), 1);
        assert_eq!(window.confirm(4, true, 120, Some(&mut times)).unwrap(), 3);
        assert_eq!(times.count(), 4);
        assert_eq!(window.take(9, 0), 4);
        assert!(window.confirm(3, false, 0, None).is_err());
        assert!(window.confirm(9, true, 0, None).is_err());
        assert_eq!(window.confirm(0, true, 0, None).unwrap(), 4);
    }

    #[test]
    fn a_message_that_is_never_confirmed_stops_the_ring_before_it_is_overwritten() {
        let mut window = Window::new(2);
        assert_eq!(window.take(2, 0), 2);
        let mut number = 1;
        let mut taken = 2;
        loop {
            number += 1;
            assert_eq!(window.confirm(number, false, 0, None).unwrap(), 1);
            let more = window.take(1, 0);
            taken += more;
            if more == 0 {
                break;
            }
        }
        assert_eq!(taken, 8);
        assert_eq!(window.confirm(1, false, 0, None).unwrap(), 1);
        assert!(window.take(9, 0) > 0);
    }
}

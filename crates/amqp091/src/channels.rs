//! The channels of a connection by number: few, mostly numbered from 1 on, so a sorted list finds them fastest.

use crate::channel::{Channel, State};

#[derive(Debug, Default)]
pub(crate) struct Channels {
    /// Sorted by number.
    sorted: Vec<Channel>,
    /// Those that are not `Free`.
    in_use: u32,
}

impl Channels {
    /// Channels that count against the limit.
    pub(crate) fn in_use(&self) -> u32 {
        self.in_use
    }

    /// Its place in the list, or where it would be.
    fn place(&self, number: u16) -> Result<usize, usize> {
        let dense = usize::from(number).saturating_sub(1);
        match self.sorted.get(dense) {
            Some(channel) if channel.number == number => Ok(dense),
            _ => self.sorted.binary_search_by_key(&number, |channel| channel.number),
        }
    }

    /// The channel `number`, if anything is known of it.
    pub(crate) fn find(&mut self, number: u16) -> Option<&mut Channel> {
        let place = self.place(number).ok()?;
        self.sorted.get_mut(place)
    }

    /// The state of `number`.
    pub(crate) fn state(&self, number: u16) -> State {
        let place = self.place(number).ok();
        place.and_then(|place| self.sorted.get(place)).map_or(State::Free, |channel| channel.state)
    }

    /// Opens `number`, which is free or on its way out.
    pub(crate) fn open(&mut self, number: u16) {
        match self.place(number) {
            Ok(place) => self.set_state_at(place, State::Open),
            Err(place) => {
                if self.sorted.capacity() == 0 {
                    // Most connections have one channel.
                    self.sorted.reserve_exact(1);
                }
                self.sorted.insert(place, Channel::new(number));
                self.in_use = self.in_use.saturating_add(1);
            }
        }
    }

    /// Sets the state of a known channel, and forgets it when it can be.
    pub(crate) fn set_state(&mut self, number: u16, state: State) {
        if let Ok(place) = self.place(number) {
            self.set_state_at(place, state);
            self.forget_at(place);
        }
    }

    /// Forgets `number` when nothing of it has to be remembered.
    pub(crate) fn forget(&mut self, number: u16) {
        if let Ok(place) = self.place(number) {
            self.forget_at(place);
        }
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn set_state_at(&mut self, place: usize, state: State) {
        let Some(channel) = self.sorted.get_mut(place) else { return };
        let (was, is) = (u32::from(channel.state != State::Free), u32::from(state != State::Free));
        channel.state = state;
        channel.content = None;
        self.in_use = self.in_use.saturating_sub(was).saturating_add(is);
    }

    fn forget_at(&mut self, place: usize) {
        if self.sorted.get(place).is_some_and(Channel::is_forgotten) {
            self.sorted.remove(place);
            if self.sorted.is_empty() {
                self.sorted = Vec::new();
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! The past of one number, by steps of equal length: changes only, as differences in a ring of bytes.
//!
//! A busy count takes about four bytes a step, an idle one nothing. What is older than the range is folded into `floor`.

use std::collections::VecDeque;

use super::Level;

/// The steps of one length.
#[derive(Debug)]
struct Steps {
    /// The value before the first change, and the step that differences begin at.
    floor: (u32, u64),
    /// Changes, the oldest first: steps since the one before, and the difference.
    changes: VecDeque<u8>,
    /// Where the changes end.
    noted: (u32, u64),
    /// The last change, which may still move within its step.
    newest: (u32, u64),
}

impl Steps {
    fn new(step: u32, before: u64) -> Self {
        let begin = (step.saturating_sub(1), before);
        Self { floor: begin, changes: VecDeque::new(), noted: begin, newest: begin }
    }

    fn push(&mut self, step: u32, value: u64, kept: u32) {
        if step > self.newest.0 {
            if self.newest.0 > self.noted.0 {
                write(&mut self.changes, (self.newest.0 - self.noted.0).into());
                write(&mut self.changes, zigzag(self.newest.1.wrapping_sub(self.noted.1)));
                self.noted = self.newest;
            }
            self.newest.0 = step;
            self.trim(step, kept);
        }
        // A clock that goes back moves what came last.
        self.newest.1 = value;
    }

    /// Forgets what is more than `kept` steps ago.
    fn trim(&mut self, step: u32, kept: u32) {
        loop {
            let mut reader = self.changes.iter().copied();
            let Some(change) = read_change(&mut reader, self.floor) else { return };
            if change.0 + kept >= step {
                return;
            }
            let left = reader.len();
            self.changes.drain(..self.changes.len() - left);
            self.floor = change;
        }
    }

    /// The value at the end of each of these steps, which ascend.
    fn at(&self, steps: impl Iterator<Item = u32>) -> Vec<u64> {
        let mut reader = self.changes.iter().copied();
        let mut current = self.floor;
        let mut next = read_change(&mut reader, current);
        steps
            .map(|step| {
                if step >= self.newest.0 {
                    return self.newest.1;
                }
                while let Some(change) = next.filter(|change| change.0 <= step) {
                    current = change;
                    next = read_change(&mut reader, current);
                }
                current.1
            })
            .collect()
    }
}

fn read_change(bytes: &mut impl Iterator<Item = u8>, before: (u32, u64)) -> Option<(u32, u64)> {
    let gap = u32::try_from(read(bytes)?).ok()?;
    let difference = unzigzag(read(bytes)?);
    Some((before.0.saturating_add(gap), before.1.wrapping_add(difference)))
}

/// Small differences of either sign become small numbers.
fn zigzag(difference: u64) -> u64 {
    (difference << 1) ^ (difference >> 63).wrapping_neg()
}

fn unzigzag(number: u64) -> u64 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

/// Seven bits a byte, the lowest first.
fn write(bytes: &mut VecDeque<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push_back((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push_back(number as u8);
}

fn read(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes.next()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Series {
    /// By the levels of its retention.
    levels: Box<[Steps]>,
}

impl Series {
    /// Of a number that was `before` until this tick.
    pub(crate) fn new(retention: &[Level], tick: u32, before: u64) -> Self {
        Self { levels: retention.iter().map(|(unit, _)| Steps::new(tick.div_ceil(*unit), before)).collect() }
    }

    /// The number is this now.
    pub(crate) fn push(&mut self, retention: &[Level], tick: u32, value: u64) {
        for (steps, (unit, kept)) in self.levels.iter_mut().zip(retention) {
            steps.push(tick.div_ceil(*unit), value, *kept);
        }
    }

    /// When it changed last.
    pub(crate) fn changed_at(&self) -> u32 {
        self.levels.first().map_or(0, |steps| steps.newest.0)
    }

    /// The values at these ticks, which ascend, by the steps of one level.
    pub(crate) fn at(&self, level: usize, retention: &[Level], ticks: impl Iterator<Item = u32>) -> Vec<u64> {
        let (Some(steps), Some((unit, _))) = (self.levels.get(level), retention.get(level)) else {
            return Vec::new();
        };
        steps.at(ticks.map(|tick| tick / unit))
    }
}

#[cfg(test)]
mod tests;

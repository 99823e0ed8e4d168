//! How much a connection reads and writes at once. Much at once is cheap: fewer calls of the system, and fewer wakings of
//! whoever is at the other end. But nobody else is served meanwhile, it has to fit into the processor's caches, and what a
//! socket does not take stays in memory. So it is more where it goes quickly, as with large bodies.

use std::time::Duration;

/// Bytes read at once, at most.
pub(super) const READ_BYTES_MAX: usize = 1024 * 1024;
/// Bytes read at once to begin with, and where little comes. Twice as many each time that as many were there: a thousand
/// publishers who all begin at once are not a flood before anybody can hold them back.
pub(super) const READ_BYTES_MIN: usize = 16 * 1024;
/// Bytes waiting to be written above which no further event is asked for, and nothing is read: for a peer that takes all
/// it is given, and has still more to come.
const OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// The most bytes, of either, that are dealt with at once although it takes its time; more are only if it is quick.
const SLOW_BYTES_MAX: usize = 256 * 1024;
/// What is quick.
const QUICK: Duration = Duration::from_micros(250);

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Portions {
    read_bytes: usize,
    output_bytes: usize,
}

impl Default for Portions {
    fn default() -> Self {
        Self { read_bytes: READ_BYTES_MIN, output_bytes: SLOW_BYTES_MAX }
    }
}

impl Portions {
    /// Bytes to be read at once.
    pub(super) fn read_bytes(&self) -> usize {
        self.read_bytes
    }

    /// Bytes waiting to be written above which no more is put there.
    pub(super) fn output_bytes(&self) -> usize {
        self.output_bytes
    }

    /// So many bytes were there to be read; to act on them took so long.
    pub(super) fn note_read(&mut self, bytes: usize, took: Duration) {
        let next = if bytes < self.read_bytes { bytes } else { after(self.read_bytes, took) };
        self.read_bytes = next.clamp(READ_BYTES_MIN, READ_BYTES_MAX);
    }

    /// The peer was told as much as may be, which took so long; `is_stuck` if it did not take it all.
    pub(super) fn note_written(&mut self, is_stuck: bool, took: Duration) {
        self.output_bytes =
            if is_stuck { SLOW_BYTES_MAX } else { after(self.output_bytes, took).min(OUTPUT_BYTES_MAX) };
    }
}

/// What comes after so many bytes, all of which there were.
fn after(bytes: usize, took: Duration) -> usize {
    if bytes < SLOW_BYTES_MAX || took <= QUICK {
        bytes.saturating_mul(2)
    } else if took > QUICK * 2 {
        (bytes / 2).max(SLOW_BYTES_MAX)
    } else {
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    fn reads(portions: &mut Portions, took: Duration, count: usize) -> Vec<usize> {
        let full = |_| {
            portions.note_read(portions.read_bytes(), took);
            portions.read_bytes() / KIB
        };
        (0..count).map(full).collect()
    }

    #[test]
    fn reads_grow_with_what_comes_and_largely_where_it_goes_quickly() {
        let mut portions = Portions::default();
        assert_eq!(reads(&mut portions, QUICK, 8), [32, 64, 128, 256, 512, 1024, 1024, 1024]);
        assert_eq!(reads(&mut portions, QUICK * 2, 2), [1024, 1024]);
        assert_eq!(reads(&mut portions, QUICK * 3, 3), [512, 256, 256]);
        portions.note_read(20_000, QUICK * 3);
        assert_eq!(portions.read_bytes(), 20_000);
        portions.note_read(10, Duration::ZERO);
        assert_eq!(portions.read_bytes(), READ_BYTES_MIN);
    }

    #[test]
    fn reads_grow_to_what_they_always_were_however_slow() {
        let mut portions = Portions::default();
        assert_eq!(reads(&mut portions, QUICK * 9, 6), [32, 64, 128, 256, 256, 256]);
    }

    #[test]
    fn who_takes_everything_is_given_more_and_who_does_not_less() {
        let mut portions = Portions::default();
        let mut write = |is_stuck, took| {
            portions.note_written(is_stuck, took);
            portions.output_bytes() / KIB
        };
        assert_eq!(write(false, QUICK * 2), 256);
        assert_eq!([(); 3].map(|()| write(false, QUICK)), [512, 1024, 1024]);
        assert_eq!(write(true, Duration::ZERO), 256);
    }
}

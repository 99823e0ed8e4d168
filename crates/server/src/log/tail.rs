//! The last lines of the log, for operators who ask a running node for them.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// Lines that are kept.
const LINES_MAX: usize = 1000;
/// Bytes of lines that are kept.
const BYTES_MAX: usize = 1024 * 1024;

/// See the module's documentation. Lines are numbered from 0 on as they come.
#[derive(Default, Debug)]
pub(crate) struct Tail(Mutex<Kept>);

#[derive(Default, Debug)]
struct Kept {
    lines: VecDeque<String>,
    bytes: usize,
    /// The number of the next line.
    next: u64,
}

impl Tail {
    /// A line without its end.
    pub(super) fn push(&self, line: &str) {
        let kept = &mut *self.0.lock();
        kept.bytes = kept.bytes.saturating_add(line.len());
        kept.lines.push_back(line.to_owned());
        kept.next = kept.next.saturating_add(1);
        while kept.lines.len() > LINES_MAX || (kept.bytes > BYTES_MAX && kept.lines.len() > 1) {
            let gone = kept.lines.pop_front().map_or(0, |line| line.len());
            kept.bytes = kept.bytes.saturating_sub(gone);
        }
    }

    /// At most `max` of the last lines with a number of at least `from`, the oldest first, and the number of the next line.
    pub(crate) fn lines(&self, from: u64, max: usize) -> (Vec<String>, u64) {
        let kept = self.0.lock();
        let wanted = usize::try_from(kept.next.saturating_sub(from)).unwrap_or(usize::MAX).min(max);
        let skipped = kept.lines.len().saturating_sub(wanted);
        (kept.lines.iter().skip(skipped).cloned().collect(), kept.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_within_bounds() {
        let tail = Tail::default();
        for number in 0..LINES_MAX + 10 {
            tail.push(&number.to_string());
        }
        let (lines, next) = tail.lines(0, 2);
        assert_eq!((lines, next), (vec!["1008".to_owned(), "1009".to_owned()], 1010));
        assert_eq!(tail.lines(1009, 50).0, ["1009"]);
        assert!(tail.lines(1010, 50).0.is_empty());
        assert_eq!(tail.lines(0, usize::MAX).0.len(), LINES_MAX);
        tail.push(&"x".repeat(2 * BYTES_MAX));
        assert_eq!(tail.lines(0, usize::MAX).0.len(), 1);
    }
}

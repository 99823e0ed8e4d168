//! How long a consumer takes to accept: one delivery of a session at a time is watched.
//!
//! A note per delivery would cost every message; a session that is watched so tells of as many deliveries as it takes
//! time for, and at most of one in a millisecond.

/// See the module's documentation.
#[derive(Default, Debug)]
pub(crate) struct Watched {
    /// The delivery; 0: none.
    number: u64,
    /// When the last that was watched was delivered.
    since_ms: u64,
}

impl Watched {
    /// This is delivered now: it is watched, unless another one is.
    pub(crate) fn begin(&mut self, number: u64, now_ms: u64) {
        if self.number == 0 && self.since_ms != now_ms {
            (self.number, self.since_ms) = (number, now_ms);
        }
    }

    /// There is a verdict on this one. When it was delivered, if it was watched.
    pub(crate) fn end(&mut self, number: u64) -> Option<u64> {
        if self.number != number {
            return None;
        }
        self.number = 0;
        Some(self.since_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::Watched;

    #[test]
    fn one_is_watched_at_a_time_and_one_in_a_millisecond() {
        let mut watched = Watched::default();
        watched.begin(1, 10);
        watched.begin(2, 11);
        assert_eq!(watched.end(2), None);
        assert_eq!(watched.end(1), Some(10));
        watched.begin(3, 10);
        assert_eq!(watched.end(3), None, "there was one in this millisecond");
        watched.begin(4, 12);
        assert_eq!(watched.end(4), Some(12));
        assert_eq!(watched.end(4), None);
    }
}

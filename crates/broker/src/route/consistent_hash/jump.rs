//! Jump consistent hashing: from a number to one of `buckets`, so that with one bucket more only as many numbers move as
//! it gets, and all of them to it.
//!
//! The numbers in between come from the generator that RabbitMQ uses (Erlang's `exs1024`, an xorshift), so that both
//! choose the same bucket. It looks at the lowest 21 bits of the number only.

const SEED_BITS: u64 = (1 << 21) - 1;
const FACTORS: [u64; 3] = [2_097_131, 2_097_133, 2_097_143];

/// The bucket of `number`; 0 if there is at most one.
pub(super) fn bucket(number: u64, buckets: u64) -> u64 {
    if buckets <= 1 {
        return 0;
    }
    let mut random = Random::new(number);
    let mut bucket: u64 = 0;
    loop {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "there are far fewer buckets than 2^53, and what is beyond the last one may be anything"
        )]
        let next = (bucket.saturating_add(1) as f64 / random.draw()) as u64;
        if next >= buckets {
            return bucket;
        }
        bucket = next;
    }
}

struct Random {
    state: [u64; 16],
    at: usize,
}

impl Random {
    fn new(number: u64) -> Self {
        let part = |factor: u64| (number & SEED_BITS).wrapping_add(1).wrapping_mul(factor) & SEED_BITS;
        let [a, b, c] = FACTORS.map(part);
        let mut seed = (a << 43) | (b << 22) | (c << 1) | 1;
        let mut state = [0; 16];
        for word in state.iter_mut().rev() {
            seed ^= seed >> 12;
            seed ^= seed << 25;
            seed ^= seed >> 27;
            *word = seed.wrapping_mul(2_685_821_657_736_338_717);
        }
        Self { state, at: 0 }
    }

    /// At least 0, at most 1.
    fn draw(&mut self) -> f64 {
        let next = (self.at.wrapping_add(1)) % self.state.len();
        let (zero, one) = (self.word(self.at), self.word(next));
        let one = one ^ (one << 31);
        let word = (one ^ (one >> 11)) ^ (zero ^ (zero >> 30));
        if let Some(place) = self.state.get_mut(next) {
            *place = word;
        }
        self.at = next;
        let drawn = word.wrapping_mul(1_181_783_497_276_652_981);
        #[expect(clippy::cast_precision_loss, reason = "as in the original")]
        let scaled = drawn as f64 / (1_u128 << 64) as f64;
        scaled
    }

    fn word(&self, at: usize) -> u64 {
        self.state.get(at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;

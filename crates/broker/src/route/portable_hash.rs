//! The hash that Erlang calls portable (`phash2`), for the terms that choose a queue in RabbitMQ: a message that a hash
//! led to one of the queues there is led to the same one here.
//!
//! Inside it is Bob Jenkins' hash of 1996: three words are mixed with the input, twelve bytes at a time. A hash is 27 bits.

/// The golden ratio; what kind of term is hashed is a multiple of it.
const GOLDEN: u32 = 0x9e37_79b9;
const NIL: u32 = 2;

/// Of the atoms `true`, `false` and `undefined`.
pub(super) const TRUE: u32 = 506_293;
pub(super) const FALSE: u32 = 7_111_573;
pub(super) const UNDEFINED: u32 = 45_914_356;

/// Of a byte string.
pub(super) fn of_bytes(bytes: &[u8]) -> u32 {
    shortened(with_bytes(0, bytes))
}

/// Of a list of byte strings.
pub(super) fn of_list<'a>(items: impl Iterator<Item = &'a [u8]>) -> u32 {
    let hash = items.fold(0, with_bytes);
    shortened(with_words(hash, NIL, 0, GOLDEN.wrapping_mul(2)))
}

/// Of a float; both zeros are one.
pub(super) fn of_float(value: f64) -> u32 {
    let bits = (value + 0.0).to_bits();
    let [high, low] = [bits >> 32, bits & 0xffff_ffff].map(|word| u32::try_from(word).unwrap_or_default());
    shortened(with_words(0, high, low, GOLDEN.wrapping_mul(12)))
}

fn shortened(hash: u32) -> u32 {
    hash & 0x07ff_ffff
}

fn with_words(hash: u32, one: u32, other: u32, kind: u32) -> u32 {
    mixed([kind.wrapping_add(one), kind.wrapping_add(other), hash])[2]
}

fn with_bytes(hash: u32, bytes: &[u8]) -> u32 {
    let start = GOLDEN.wrapping_mul(13).wrapping_add(hash);
    if bytes.is_empty() {
        return start;
    }
    let mut words = [GOLDEN, GOLDEN, start];
    let (whole, rest) = bytes.as_chunks::<12>();
    for chunk in whole {
        words = mixed(sum(words, *chunk));
    }
    // The lowest byte of the last word is the length.
    let mut last = [0; 12];
    for (at, byte) in rest.iter().enumerate() {
        let at = if at < 8 { at } else { at.saturating_add(1) };
        if let Some(place) = last.get_mut(at) {
            *place = *byte;
        }
    }
    let [a, b, c] = sum(words, last);
    #[expect(clippy::cast_possible_truncation, reason = "lengths count modulo 2^32 there too")]
    mixed([a, b, c.wrapping_add(bytes.len() as u32)])[2]
}

fn sum([a, b, c]: [u32; 3], bytes: [u8; 12]) -> [u32; 3] {
    let [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3] = bytes;
    [
        a.wrapping_add(u32::from_le_bytes([a0, a1, a2, a3])),
        b.wrapping_add(u32::from_le_bytes([b0, b1, b2, b3])),
        c.wrapping_add(u32::from_le_bytes([c0, c1, c2, c3])),
    ]
}

fn mixed([mut a, mut b, mut c]: [u32; 3]) -> [u32; 3] {
    for [right, left, again] in [[13, 8, 13], [12, 16, 5], [3, 10, 15]] {
        a = a.wrapping_sub(b).wrapping_sub(c) ^ (c >> right);
        b = b.wrapping_sub(c).wrapping_sub(a) ^ (a << left);
        c = c.wrapping_sub(a).wrapping_sub(b) ^ (b >> again);
    }
    [a, b, c]
}

#[cfg(test)]
mod tests;

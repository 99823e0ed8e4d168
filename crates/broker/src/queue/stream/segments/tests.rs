//! Segments against a list of all chunks.

use proptest::prelude::*;

use super::*;

/// A chunk: number, first offset, messages, bytes, time.
type Plain = (u64, u64, u32, u64, u64);

struct Both {
    segments: Segments,
    /// All chunks that were appended, and the number of their segment.
    chunks: Vec<(Plain, u64)>,
}

impl Both {
    fn append(&mut self, messages: u32, bytes: u64, at_ms: u64, segment_bytes_max: u64) {
        let number = self.chunks.len() as u64;
        let offset =
            self.chunks.last().map_or(0, |((_, first, messages, ..), _)| first + u64::from(*messages));
        let segment = self.segments.next_membership(number, offset, segment_bytes_max);
        let head = Head { messages, first_offset: offset, appended_ms: at_ms, segment };
        let begins = self.segments.append(&head, bytes);
        assert_eq!(begins, segment.first_chunk == number);
        self.chunks.push(((number, offset, messages, bytes, at_ms), segment.first_chunk));
    }

    fn bytes_of(&self, segment: u64) -> u64 {
        self.chunks.iter().filter(|(_, of)| *of == segment).map(|((.., bytes, _), _)| bytes).sum()
    }
}

proptest! {
    #[test]
    fn whole_segments_go_and_what_is_looked_for_is_found(
        appends in proptest::collection::vec((1..50_u32, 1..9000_u64, 0..100_u64), 1..80),
        segment_bytes_max in 0..20_000_u64,
        bytes_max in proptest::option::of(0..100_000_u64),
        age_max_ms in proptest::option::of(0..2000_u64),
        wanted in 0..5000_u64,
    ) {
        let mut both = Both { segments: Segments::default(), chunks: Vec::new() };
        let mut now_ms = 0;
        for (messages, bytes, later) in appends {
            now_ms += later;
            both.append(messages, bytes, now_ms, segment_bytes_max);
        }
        let retention = Retention { bytes_max, age_max_ms, ..Retention::default() };
        let gone = both.segments.retain(&retention, now_ms);
        let first = gone.map_or(0, |gone| { assert_eq!(*gone.start(), 0); gone.end() + 1 });
        let last = both.chunks.last().unwrap().1;
        prop_assert!(first <= last, "the last segment stays");
        prop_assert_eq!(both.chunks[usize::try_from(first).unwrap()].1, first, "a segment begins where it goes on");
        // What stays must; what went had to.
        let mut starts: Vec<u64> = both.chunks.iter().map(|(_, segment)| *segment).collect();
        starts.dedup();
        for start in starts {
            let left: u64 = both.chunks.iter().filter(|(_, segment)| *segment >= start).map(|((.., bytes, _), _)| bytes).sum();
            let ends_ms = both.chunks.iter().filter(|(_, segment)| *segment == start).map(|((.., at), _)| *at).max().unwrap();
            let is_over = bytes_max.is_some_and(|max| left > max) || age_max_ms.is_some_and(|max| now_ms - ends_ms > max);
            prop_assert_eq!(start < first, is_over && start < last, "segment {}", start);
            let bytes = both.bytes_of(start);
            prop_assert!(start == last || bytes >= segment_bytes_max.max(4096), "{} is ended early", start);
        }
        let kept = both.chunks.iter().filter(|(_, segment)| *segment >= first);
        prop_assert_eq!(both.segments.bytes(), kept.map(|((.., bytes, _), _)| bytes).sum::<u64>());
        let end = both.chunks.len() as u64;
        let stays = || both.chunks.iter().map(|(chunk, _)| chunk).filter(|(number, ..)| *number >= first);
        let naive = stays().find(|(_, offset, messages, ..)| offset + u64::from(*messages) > wanted).map(|chunk| chunk.0);
        let among = both.segments.around_offset(wanted, end);
        prop_assert!(naive.is_none_or(|number| among.contains(&number)), "{naive:?} in {among:?}");
        let naive = stays().find(|(.., at)| *at >= wanted).map(|chunk| chunk.0);
        let among = both.segments.around_time(wanted, end);
        prop_assert!(naive.map_or(among.is_empty(), |number| among.contains(&number)), "{naive:?} in {among:?}");
    }
}

//! The bytes of a chunk, as the document of the formats shows them, and what is refused.

use model::Message;

use super::*;

const DOCUMENT: &str = include_str!("../../../../../../docs/internals/storage-format.md");

fn head(messages: u32) -> Head {
    let segment = Membership { first_chunk: 2, first_offset: 500, bytes_before: 4660 };
    Head { messages, first_offset: 515, appended_ms: 1_700_000_000_000, segment }
}

fn message(body: &str) -> Message {
    Message::new(b"", b"q", &[0, 0], body.as_bytes()).unwrap()
}

/// Adds a message as a chunk holds it.
pub(in crate::queue::stream) fn put_message(out: &mut Vec<u8>, message: &Message) {
    let at = begin_message(out);
    out.extend_from_slice(message.head());
    out.extend_from_slice(message.body());
    end_message(out, at);
}

fn payload(filter: &[u8], bodies: &[&str]) -> Vec<u8> {
    let mut payload = head(u32::try_from(bodies.len()).unwrap()).encode(filter);
    for body in bodies {
        put_message(&mut payload, &message(body));
    }
    payload
}

fn decode(payload: Vec<u8>) -> Result<Chunk, ChunkError> {
    Chunk::decode(7, Lsn(3), payload.into())
}

#[test]
fn the_document_shows_a_chunk() {
    let block = DOCUMENT.split("```hex-chunk\n").nth(1).unwrap().split("```").next().unwrap();
    let bytes = block.lines().flat_map(|line| line.split('|').next().unwrap().split_whitespace());
    let shown: Vec<u8> = bytes.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    assert_eq!(payload(&[0xaa; 16], &["hi"]), shown);
}

#[test]
fn what_is_written_is_read() {
    let filter = [1_u8; 255];
    let chunk = decode(payload(&filter, &["a", "", "ccc"])).unwrap();
    assert_eq!((chunk.head, chunk.filter()), (head(3), &filter[..]));
    assert_eq!(chunk.head.end_offset(), 518);
    let mut at = chunk.messages_at();
    let mut bodies = Vec::new();
    while let Some((bytes, next)) = chunk.message_at(at) {
        bodies.push(String::from_utf8(Message::decode(bytes).unwrap().body().to_vec()).unwrap());
        at = next;
    }
    assert_eq!(bodies, ["a", "", "ccc"]);
    assert_eq!(decode(payload(&[], &["a"])).unwrap().filter(), [0_u8; 0]);
}

#[test]
fn nonsense_is_refused_and_nothing_is_read_beyond_the_end() {
    let whole = payload(&[9; 16], &["hello"]);
    for length in 0..HEAD_BYTES + 16 {
        assert_eq!(decode(whole[..length].to_vec()).unwrap_err(), ChunkError::CutOff, "{length}");
    }
    for length in HEAD_BYTES + 16..whole.len() {
        let chunk = decode(whole[..length].to_vec()).unwrap();
        assert!(chunk.message_at(chunk.messages_at()).is_none(), "{length}");
    }
    let changed = |at: usize, byte: u8| {
        let mut payload = whole.clone();
        payload[at] = byte;
        decode(payload).unwrap_err()
    };
    assert_eq!(changed(0, 2), ChunkError::UnknownVersion(2));
    assert_eq!(changed(4, 0), ChunkError::Nonsense, "no messages");
    assert_eq!(changed(24, 8), ChunkError::Nonsense, "a segment that begins later");
    assert_eq!(changed(39, 1), ChunkError::Nonsense, "a segment whose offsets begin later");
}

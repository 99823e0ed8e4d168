//! The output: what goes in comes out in order, however it is written.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop where something is not as it should be"
)]

use std::sync::Arc;

use proptest::prelude::*;

use model::Name;

use super::*;
use crate::codec::Short;

fn collected(output: &Output) -> Vec<u8> {
    let mut slices = Vec::new();
    output.io_slices(&mut slices);
    slices.iter().flat_map(|slice| slice.to_vec()).collect()
}

fn message(body_bytes: usize) -> Arc<Message> {
    let body: Vec<u8> = (0..body_bytes).map(|at| at.to_le_bytes()[0]).collect();
    Arc::new(Message::new(b"", b"q", &[0, 0], &body).unwrap())
}

fn put_all(output: &mut Output, bodies: &[usize]) {
    for &body in bodies {
        output.method(1, &Method::BasicGetEmpty { cluster_id: Short(b"") });
        output.content(1, 8184, &message(body));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// However a socket takes the bytes, they are the same and in order.
    #[test]
    fn any_partial_write_gives_the_same(
        bodies in prop::collection::vec(prop_oneof![0..100_usize, 4_000..5_000_usize, 8_000..40_000_usize], 1..30),
        writes in prop::collection::vec(1..30_000_usize, 1..50),
    ) {
        let mut whole = Output::default();
        put_all(&mut whole, &bodies);
        let mut expected = Vec::new();
        while whole.bytes() > 0 {
            let part = collected(&whole);
            prop_assert!(!part.is_empty());
            expected.extend_from_slice(&part);
            whole.transmitted(part.len());
        }
        let mut output = Output::default();
        let (mut written, mut writes) = (Vec::new(), writes.iter().cycle());
        let mut bodies = bodies.iter();
        loop {
            // A body is put in after every write, so that the buffer grows while it is being sent.
            let next = bodies.next();
            put_all(&mut output, next.map(std::slice::from_ref).unwrap_or_default());
            if output.bytes() == 0 && next.is_none() {
                break;
            }
            let waiting = collected(&output);
            let sent = waiting.len().min(*writes.next().unwrap());
            written.extend_from_slice(&waiting[..sent]);
            let before = output.bytes();
            output.transmitted(sent);
            prop_assert_eq!(output.bytes(), before - sent);
        }
        prop_assert!(written == expected);
    }
}

#[test]
fn large_bodies_are_not_copied() {
    let message = message(100_000);
    let mut output = Output::default();
    output.content(1, 1 << 20, &message);
    let mut slices = Vec::new();
    output.io_slices(&mut slices);
    let body = slices.iter().find(|slice| slice.len() == 100_000).unwrap();
    assert_eq!(body.as_ptr(), message.body().as_ptr());
    assert_eq!(output.bytes(), 7 + 14 + 1 + 7 + 100_000 + 1);
}

#[test]
fn a_delivery_is_the_method_and_its_content() {
    for (body_bytes, number, redelivered) in [(0, 1, false), (100, u64::MAX, true), (10_000, 7, false)] {
        let message = Message::new(b"exchange", b"key", b"\x10\x00\x02", &vec![b'b'; body_bytes]).unwrap();
        let (consumer, message) = (Name::parse("tag").unwrap(), Arc::new(message));
        let (mut one, mut other) = (Output::default(), Output::default());
        let delivery = DeliveryId(number);
        let delivered = Delivered { consumer: &consumer, delivery, redelivered, message: &message };
        one.delivery(3, 8184, delivered);
        let method = Method::BasicDeliver {
            consumer_tag: Short(b"tag"),
            delivery_tag: number,
            redelivered,
            exchange: Short(b"exchange"),
            routing_key: Short(b"key"),
        };
        other.method(3, &method);
        other.content(3, 8184, &message);
        assert_eq!(collected(&one), collected(&other));
        assert!(one.take_has_spoken());
    }
}

#[test]
fn an_idle_output_holds_nothing() {
    let (mut output, mut spare) = (Output::default(), Vec::with_capacity(10));
    output.borrow(&mut spare);
    put_all(&mut output, &[5000; 50]);
    output.transmitted(output.bytes());
    output.give_back(&mut spare);
    assert_eq!((output.buffer.capacity(), output.shared.capacity()), (0, 0));
    assert!(spare.is_empty() && spare.capacity() > 10);
}

#[test]
fn what_waits_keeps_no_more_than_its_own_size() {
    let (mut output, mut spare) = (Output::default(), Vec::with_capacity(100_000));
    output.borrow(&mut spare);
    assert_eq!(spare.capacity(), 0);
    put_all(&mut output, &[1000, 5000, 1000]);
    let whole = collected(&output);
    output.transmitted(2000);
    output.give_back(&mut spare);
    assert!(spare.capacity() >= 100_000 && output.buffer.capacity() < 2000);
    assert_eq!(collected(&output), whole[2000..]);
    // Whoever has something in a buffer of its own goes on with that one.
    output.borrow(&mut spare);
    put_all(&mut output, &[10]);
    output.transmitted(output.bytes());
    output.give_back(&mut spare);
    assert_eq!(output.buffer.capacity(), 0);
    assert!(spare.capacity() >= 100_000);
}

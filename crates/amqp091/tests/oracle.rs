//! The codec against another one: what we encode, the crate `amq-protocol` reads as the same method with the same
//! values in the same fields, and writes again byte for byte; and what it writes, we read and write the same.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a test may stop where something is not as it should be"
)]

use amq_protocol::frame::{AMQPFrame, WriteContext, gen_frame, parsing::parse_frame};
use amqp091::codec::{
    FRAME_METHOD, Frame, Method,
    frame::{ContentHeader, put_body, put_header, put_heartbeat, put_method},
    methods::{Kind, SHAPES, Shape},
};
use bytes::Bytes;
use model::{Name, Table, Value, message::Properties};
use proptest::prelude::*;

/// Fields that `amq-protocol` does not have, because nobody uses them: it writes them as nothing.
const FIXED: &[(&str, &str)] = &[
    ("", "ticket"),
    ("connection.open", "capabilities"),
    ("connection.open", "insist"),
    ("connection.open-ok", "known_hosts"),
    ("channel.open", "out_of_band"),
    ("basic.qos", "prefetch_size"),
    ("channel.open-ok", "channel_id"),
    ("basic.get-empty", "cluster_id"),
];

fn is_fixed(shape: &Shape, field: &str) -> bool {
    FIXED.iter().any(|(method, fixed)| field == *fixed && (method.is_empty() || *method == shape.name))
}

fn name() -> impl Strategy<Value = Name> {
    "[a-z\u{e9}\u{4e2d}.*#-]{0,20}".prop_map(|text| Name::parse(&text).unwrap())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::I8),
        any::<u8>().prop_map(Value::U8),
        any::<i16>().prop_map(Value::I16),
        any::<u16>().prop_map(Value::U16),
        any::<i32>().prop_map(Value::I32),
        any::<u32>().prop_map(Value::U32),
        any::<i64>().prop_map(Value::I64),
        (-1e9_f32..1e9).prop_map(Value::F32),
        (-1e9_f64..1e9).prop_map(Value::F64),
        (any::<u8>(), any::<u32>()).prop_map(|(scale, value)| Value::Decimal { scale, value }),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Value::Text(Bytes::from(bytes))),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Value::Bytes(Bytes::from(bytes))),
        any::<u64>().prop_map(Value::Timestamp),
        Just(Value::Void),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            fields(inner).prop_map(Value::Table),
        ]
    })
}

/// `amq-protocol` keeps tables sorted, so these are.
fn fields(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Table> {
    prop::collection::btree_map(name(), value, 0..4).prop_map(|fields| Table(fields.into_iter().collect()))
}

/// One method's payload, and for each field with a plain value how `amq-protocol` shows it.
fn payload(shape: &Shape, seeds: &[u64], texts: &[Name], table: &Table) -> (Vec<u8>, Vec<String>) {
    let mut out = [shape.id.class.to_be_bytes(), shape.id.method.to_be_bytes()].concat();
    let (mut shown, mut bits, mut bit_at) = (Vec::new(), 0_u8, 0);
    for (at, &(field, kind)) in shape.fields.iter().enumerate() {
        let is_fixed = is_fixed(shape, field);
        // The ticket that is granted is always the first.
        let granted = u64::from(shape.name == "access.request-ok");
        let seed = if is_fixed { granted } else { seeds[at] };
        let text = if is_fixed { "" } else { &*texts[at] };
        if kind != Kind::Bit && bit_at > 0 {
            out.push(bits);
            (bits, bit_at) = (0, 0);
        }
        let [.., b1, b0] = seed.to_be_bytes();
        let value = match kind {
            Kind::Octet => {
                out.push(b0);
                b0.to_string()
            }
            Kind::Short16 => {
                out.extend([b1, b0]);
                u16::from_be_bytes([b1, b0]).to_string()
            }
            Kind::Long32 => {
                let number = seed as u32;
                out.extend(number.to_be_bytes());
                number.to_string()
            }
            Kind::LongLong64 => {
                out.extend(seed.to_be_bytes());
                seed.to_string()
            }
            Kind::ShortString => {
                out.push(u8::try_from(text.len()).unwrap());
                out.extend(text.as_bytes());
                format!("{text:?}")
            }
            Kind::LongString => {
                out.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
                out.extend(text.as_bytes());
                format!("LongString({:?})", text.as_bytes())
            }
            Kind::Table => {
                table.encode(&mut out);
                String::new()
            }
            Kind::Bit => {
                bits |= u8::from(seed & 1 == 1) << bit_at;
                bit_at += 1;
                (seed & 1 == 1).to_string()
            }
        };
        if !is_fixed && !value.is_empty() {
            shown.push(format!("{field}: {value}"));
        }
    }
    if bit_at > 0 {
        out.push(bits);
    }
    (out, shown)
}

fn theirs(frame: &[u8]) -> AMQPFrame {
    let (rest, parsed) = parse_frame(frame).expect("amq-protocol reads what we write");
    assert!(rest.is_empty());
    parsed
}

fn written_by_them(frame: &AMQPFrame) -> Vec<u8> {
    let context = WriteContext::from(Vec::new());
    gen_frame(frame)(context).expect("amq-protocol writes it").into_inner().0
}

/// How their Debug shows a string: without the wrapping of its type.
fn plain_debug(frame: &AMQPFrame) -> String {
    format!("{frame:?}").replace("ShortString(\"", "\"").replace("\")", "\"")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn methods_are_the_same_to_both(
        at in 0..SHAPES.len(),
        channel in any::<u16>(),
        seeds in prop::collection::vec(any::<u64>(), 9),
        texts in prop::collection::vec(name(), 9),
        table in fields(value()),
    ) {
        let shape = &SHAPES[at];
        let (payload, shown) = payload(shape, &seeds, &texts, &table);
        let method = Method::decode(&payload).expect("we read what the shape says");
        prop_assert_eq!(method.name(), shape.name);
        prop_assert_eq!(method.id(), shape.id);
        prop_assert_eq!(method.has_content(), shape.has_content);
        let mut frame = Vec::new();
        put_method(&mut frame, channel, &method);
        prop_assert_eq!(&frame[7..frame.len() - 1], &payload[..]);

        let parsed = theirs(&frame);
        prop_assert_eq!(written_by_them(&parsed), frame, "{} is written differently", shape.name);
        let debug = plain_debug(&parsed);
        for field in shown {
            prop_assert!(debug.contains(&field), "{} has no {field} in {debug}", shape.name);
        }
    }

    #[test]
    fn properties_are_the_same_to_both(
        flags in any::<u16>(),
        texts in prop::collection::vec(name(), 14),
        (mode, priority, timestamp) in any::<(u8, u8, u64)>(),
        headers in fields(value()),
        body_bytes in any::<u64>(),
    ) {
        let flags = flags & !0b11;
        let mut properties = flags.to_be_bytes().to_vec();
        for bit in (2..16).rev().filter(|bit| flags & (1 << bit) != 0) {
            match bit {
                13 => headers.encode(&mut properties),
                12 => properties.push(mode),
                11 => properties.push(priority),
                6 => properties.extend(timestamp.to_be_bytes()),
                _ => {
                    properties.push(u8::try_from(texts[bit - 2].len()).unwrap());
                    properties.extend(texts[bit - 2].as_bytes());
                }
            }
        }
        let ours = Properties::parse(&properties).expect("we read them");
        prop_assert_eq!(ours.headers().unwrap(), if flags & 1 << 13 == 0 { Table::default() } else { headers });
        let mut frame = Vec::new();
        put_header(&mut frame, 7, 60, body_bytes, &properties);
        let parsed = theirs(&frame);
        prop_assert_eq!(written_by_them(&parsed), frame.clone());
        let AMQPFrame::Header(7, header) = parsed else { panic!("not a header") };
        prop_assert_eq!(header.body_size, body_bytes);
        let text = |ours: Option<&[u8]>| ours.map(|text| String::from_utf8_lossy(text).into_owned());
        let theirs = &header.properties;
        prop_assert_eq!(theirs.content_type().as_ref().map(ToString::to_string), text(ours.content_type));
        prop_assert_eq!(theirs.app_id().as_ref().map(ToString::to_string), text(ours.app_id));
        prop_assert_eq!(theirs.expiration().as_ref().map(ToString::to_string), text(ours.expiration));
        prop_assert_eq!(*theirs.delivery_mode(), ours.delivery_mode);
        prop_assert_eq!(*theirs.timestamp(), ours.timestamp);
        let decoded = ContentHeader::decode(&frame[7..frame.len() - 1]).unwrap();
        prop_assert_eq!(decoded.properties, &properties[..]);
    }

    #[test]
    fn any_payload_is_read_or_refused(payload in prop::collection::vec(any::<u8>(), 0..200), at in 0..SHAPES.len()) {
        let mut payload = payload;
        if payload.len() >= 4 {
            payload[..2].copy_from_slice(&SHAPES[at].id.class.to_be_bytes());
            payload[2..4].copy_from_slice(&SHAPES[at].id.method.to_be_bytes());
        }
        if let Ok(method) = Method::decode(&payload) {
            let mut again = Vec::new();
            method.encode(&mut again);
            prop_assert_eq!(Method::decode(&again), Ok(method));
        }
    }
}

#[test]
fn bodies_and_heartbeats_are_the_same_to_both() {
    let mut frames = Vec::new();
    put_heartbeat(&mut frames);
    assert!(matches!(theirs(&frames), AMQPFrame::Heartbeat));
    frames.clear();
    put_body(&mut frames, 9, b"hello");
    assert_eq!(theirs(&frames), AMQPFrame::Body(9, b"hello".to_vec()));
    let frame = Frame::take(&mut &frames[..]).unwrap();
    assert_eq!((frame.kind, frame.channel, frame.payload), (3, 9, &b"hello"[..]));
    assert_ne!(frame.kind, FRAME_METHOD);
}

//! Bytes as methods, properties, tables, frames, and as what a server sends to a client.

#![no_main]

use amqp091::{
    client::{Client, Login},
    codec::{Frame, Method, frame::ContentHeader},
};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use model::{Message, Name, Secret, Table, message::Properties, table};

fuzz_target!(|input: &[u8]| {
    if let Ok(method) = Method::decode(input) {
        let mut written = Vec::new();
        method.encode(&mut written);
        assert_eq!(Method::decode(&written), Ok(method));
        // Bits that mean nothing are not written again; all else is.
        assert_eq!(written.len(), input.len());
    }
    tables(input);
    if let Some(header) = ContentHeader::decode(input)
        && let Ok(properties) = Properties::parse(header.properties)
    {
        let message = Message::new(b"x", b"k", header.properties, b"body").expect("they were read once");
        assert_eq!(message.properties(), properties);
    }
    let _ = Message::decode(Bytes::copy_from_slice(input));
    let mut rest = input;
    while let Some(frame) = Frame::take(&mut rest) {
        assert!(frame.payload.len() + 8 + rest.len() <= input.len());
    }
    client(input);
});

/// What passes the check is what can be built, but for names that are not UTF-8; and it is written as it was read.
fn tables(input: &[u8]) {
    let (mut checked, mut decoded) = (input, input);
    let check = table::check(&mut checked);
    if let Ok(table) = Table::decode(&mut decoded) {
        assert_eq!(check, Ok(()));
        assert_eq!(checked, decoded);
        let mut written = Vec::new();
        table.encode(&mut written);
        assert_eq!(written.len(), input.len() - decoded.len());
        let again = Table::decode(&mut &written[..]).expect("what was written is a table");
        // Compared as bytes: a float may be not a number.
        let mut twice = Vec::new();
        again.encode(&mut twice);
        assert_eq!(twice, written);
    }
}

/// A client that is talked to by whoever sends this.
fn client(input: &[u8]) {
    let guest = || Name::parse("guest").expect("it is short");
    let mut client = Client::new(Login::new(guest(), Secret::new(*b"guest"), guest()));
    for part in input.chunks(50) {
        client.receive(part);
        loop {
            match client.next_frame() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        let sent = client.output().len();
        client.transmitted(sent);
    }
}

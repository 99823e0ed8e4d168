//! The dialogues as inputs for the fuzz targets, which then know the protocol from the start.

use std::{fs, path::Path};

/// The most bytes that one step of `amqp091_connection` feeds as they are.
const STEP_BYTES_MAX: usize = 99;
/// The first byte of an input of `amqp091_connection` that begins logged in.
const LOGGED_IN: u8 = 3;

/// Writes what the client of one dialogue says: as a whole for the connection, frame by frame for the codec.
pub(crate) fn write(corpus: &Path, script: &str, is_logged_in: bool, said: &[Vec<u8>]) {
    let mut steps = vec![if is_logged_in { LOGGED_IN } else { 0 }];
    for line in said {
        for chunk in line.chunks(STEP_BYTES_MAX) {
            steps.push(chunk.len() as u8);
            steps.extend_from_slice(chunk);
        }
    }
    put(&corpus.join("amqp091_connection"), script, &steps);
    for (number, line) in said.iter().enumerate() {
        let payload = line.get(7..line.len().saturating_sub(1)).unwrap_or(line);
        put(&corpus.join("amqp091_codec"), &format!("{script}-{number}"), payload);
    }
}

#[expect(clippy::disallowed_methods, reason = "a folder that a developer asked for")]
fn put(folder: &Path, name: &str, bytes: &[u8]) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}

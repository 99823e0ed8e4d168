//! Definitions: everything that was declared, in one JSON file, out and in.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use serde_json::Value as Json;

use crate::{
    call::Call,
    command::{Command, Group, Opt},
    failure::Failure,
    output::Style,
    progress::Progress,
    tool::CTL,
};

/// As the API takes them, in bytes.
const BYTES_MAX: u64 = 50 * 1024 * 1024;
const FORMAT: Opt = Opt::value("--format", "<json>", "json; Erlang's own format is not known here");

pub(super) const COMMANDS: &[Command] = &[
    Command::new(
        "export_definitions",
        CTL,
        Group::Definitions,
        "<file_path | \"-\"> [--format <json | erlang>] [--timeout <timeout>]",
        "Writes what is declared into a file, or to the standard output",
        export,
    )
    .words(1, 1)
    .options(&[FORMAT]),
    Command::new(
        "import_definitions",
        CTL,
        Group::Definitions,
        "<file_path | \"-\"> [--format <json | erlang>] [--skip-if-unchanged] [--timeout <timeout>]",
        "Declares what a file, or the standard input, says: all of it, or nothing",
        import,
    )
    .words(0, 1)
    .options(&[
        FORMAT,
        Opt::flag("--skip-if-unchanged", "accepted: what is there already is left alone anyway"),
    ]),
];

fn require_json(call: &Call) -> Result<(), Failure> {
    match call.option("--format").as_deref() {
        None => Ok(()),
        Some(format) if format.eq_ignore_ascii_case("json") => Ok(()),
        Some(format) => {
            Err(Failure::argument(format!("format {format} is not supported here: only json is")))
        }
    }
}

fn export(call: &mut Call) -> Result<(), Failure> {
    require_json(call)?;
    let file = call.own_word(0);
    let is_file = file != "-";
    if is_file {
        let folder = Path::new(&file).parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(Failure::argument(format!("Directory {} does not exist", folder.display())));
        }
        call.announce(&format!("Exporting definitions in JSON to a file at \"{file}\" ..."))?;
    }
    let definitions = call.node()?.ask("GET", "definitions", None, |_| {})?.checked()?;
    if !is_file {
        let text = format!("{}\n", String::from_utf8_lossy(&definitions.body));
        return match call.out.style() {
            Style::Envelope => call.out.object(definitions.json()?, ""),
            _ => call.out.raw(&text),
        };
    }
    let mut bytes = definitions.body;
    bytes.push(b'\n');
    write_whole(Path::new(&file), &bytes)
        .map_err(|error| Failure::unavailable(format!("Failed to write {file}: {error}")))
}

/// So that there is the old file or the new one, never half of one. There are hashes of passwords in it: a new file is for its
/// owner alone.
fn write_whole(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let is_special = fs::metadata(file).is_ok_and(|is| !is.is_file());
    if is_special {
        return OpenOptions::new().write(true).open(file)?.write_all(bytes);
    }
    let mut name = file.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let new = file.with_file_name(name);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut into| {
            into.write_all(bytes)?;
            into.sync_all()
        })
        .and_then(|()| match fs::metadata(file) {
            Ok(known) => fs::set_permissions(&new, known.permissions()),
            Err(_) => Ok(()),
        })
        .and_then(|()| fs::rename(&new, file));
    if written.is_err() {
        fs::remove_file(&new).unwrap_or_default();
    }
    written
}

fn import(call: &mut Call) -> Result<(), Failure> {
    require_json(call)?;
    let file = call.line.words.first().cloned().filter(|file| file != "-");
    if let Some(file) = file.as_ref().filter(|file| !Path::new(file).exists()) {
        return Err(Failure::argument(format!("File {file} does not exist")));
    }
    let from = match &file {
        Some(file) => format!("from a file at \"{file}\""),
        None => "from standard input".to_owned(),
    };
    call.announce(&format!("Importing definitions in JSON {from} ..."))?;
    let mut bytes = Vec::new();
    let read = match &file {
        Some(file) => fs::File::open(file).and_then(|from| from.take(BYTES_MAX + 1).read_to_end(&mut bytes)),
        None => io::stdin().lock().take(BYTES_MAX + 1).read_to_end(&mut bytes),
    };
    read.map_err(|error| Failure::data(format!("cannot read definitions {from}: {error}")))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(Failure::data(format!("there are more than {BYTES_MAX} bytes of definitions")));
    }
    // A byte order mark, as Windows' editors write it, means nothing.
    let body = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    serde_json::from_slice::<Json>(body).map_err(|error| {
        Failure::data(format!("Failed to deserialise input (format: JSON) (error: {error})"))
    })?;
    let progress = Progress::new("sent", body.len() as u64);
    let answer = call.node()?.ask("POST", "definitions", Some(body), |sent| progress.show(sent as u64));
    drop(progress);
    answer?.checked()?;
    call.out.remark("Successfully imported the definitions: all of them are in effect and on disk.")
}

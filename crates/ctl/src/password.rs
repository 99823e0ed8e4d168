//! Passwords: asked for without echo, read from a pipe or a file, or taken from the arguments with a warning.

use std::{
    env, fs,
    io::{self, BufRead, IsTerminal, Read, Write},
};

use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};

use crate::{
    call::Call,
    failure::Failure,
    output::{self, warn},
};

/// Bytes of a password that is read.
const BYTES_MAX: u64 = 4096;
/// What Ctrl-C sends, where it is not turned into a signal.
const INTERRUPT: u8 = 3;
const END: u8 = 4;
const BACKSPACE: [u8; 2] = [8, 127];
/// Ctrl-U: all of it again.
const KILL: u8 = 21;

/// The argument at this place; else the first line of `--password-file`; else what is typed or piped. None: nothing was.
///
/// One that is new is asked for twice on a terminal.
pub(crate) fn of_user(call: &mut Call, at: usize, is_new: bool) -> Result<Option<String>, Failure> {
    if let Some(password) = call.line.words.get(at) {
        if !call.out.is_quiet() {
            warn(
                "a password as an argument can be seen by other users of the machine, and stays in the shell's history; leave it out, and it is asked for",
            );
        }
        return Ok(Some(password.clone()));
    }
    if let Some(file) = call.line.option("--password-file") {
        return of_file(file).map(Some);
    }
    if !io::stdin().is_terminal() {
        call.out.announce("Password: ")?;
        return first_line(&mut io::stdin().lock());
    }
    let password = ask("Password: ")?;
    if is_new && ask("The same again: ")? != password {
        return Err(Failure::data("The two passwords are not the same: nothing was changed"));
    }
    if password.is_empty() {
        return Err(Failure::data(
            "An empty password is none: nothing was changed. clear_password makes a user that cannot log in with one",
        ));
    }
    Ok(Some(password))
}

/// For the HTTP API over a URL.
pub(crate) fn of_login(user: &str) -> Result<String, Failure> {
    if let Ok(password) = env::var("HAREFOOT_PASSWORD") {
        return Ok(password);
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::config(format!(
            "no password of user \"{user}\": set HAREFOOT_PASSWORD, or be at a terminal to be asked"
        )));
    }
    ask(&format!("Password of {user}: "))
}

fn of_file(path: &str) -> Result<String, Failure> {
    let file = fs::File::open(path).map_err(|error| Failure::data(format!("cannot read {path}: {error}")))?;
    let line = first_line(&mut io::BufReader::new(file))?;
    line.ok_or_else(|| Failure::data(format!("there is no password in {path}")))
}

fn first_line(from: &mut impl BufRead) -> Result<Option<String>, Failure> {
    let mut line = Vec::new();
    let read = from.take(BYTES_MAX).read_until(b'\n', &mut line);
    read.map_err(|error| Failure::data(format!("cannot read the password: {error}")))?;
    let text = String::from_utf8(line).map_err(|_| Failure::data("the password is not UTF-8"))?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    Ok(Some(password.to_owned()).filter(|password| !password.is_empty()))
}

/// Keeps the terminal from echoing as long as it lives.
struct Hushed(Termios);

impl Hushed {
    fn new() -> io::Result<Self> {
        let was = termios::tcgetattr(io::stdin())?;
        let mut hushed = was.clone();
        // Signals too: else Ctrl-C would leave the terminal without an echo.
        hushed.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        hushed.special_codes[SpecialCodeIndex::VMIN] = 1;
        hushed.special_codes[SpecialCodeIndex::VTIME] = 0;
        termios::tcsetattr(io::stdin(), OptionalActions::Drain, &hushed)?;
        Ok(Self(was))
    }
}

impl Drop for Hushed {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        termios::tcsetattr(io::stdin(), OptionalActions::Drain, &self.0).unwrap_or_default();
    }
}

/// Asks on the terminal.
fn ask(prompt: &str) -> Result<String, Failure> {
    let cannot = |error: io::Error| Failure::software(format!("cannot ask for a password: {error}"));
    output::write(prompt)?;
    io::stdout().flush().map_err(cannot)?;
    let hushed = Hushed::new().map_err(cannot)?;
    let typed = typed(&mut io::stdin().lock()).map_err(cannot)?;
    drop(hushed);
    output::write("\n")?;
    let typed = typed.ok_or_else(|| Failure::software("Password is not provided via argument or stdin"))?;
    String::from_utf8(typed).map_err(|_| Failure::data("the password is not UTF-8"))
}

/// A line, letter by letter; none if it was given up.
fn typed(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut line: Vec<u8> = Vec::new();
    let mut byte = [0];
    while (line.len() as u64) < BYTES_MAX {
        if from.read(&mut byte)? == 0 {
            return Ok(None);
        }
        match byte[0] {
            b'\n' | b'\r' => break,
            INTERRUPT => return Ok(None),
            END if line.is_empty() => return Ok(None),
            END => break,
            KILL => line.clear(),
            byte if BACKSPACE.contains(&byte) => {
                // A letter may be several bytes; those after the first begin with 10.
                while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            byte => line.push(byte),
        }
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_typed_with_its_mistakes() {
        let line = |bytes: &[u8]| typed(&mut &*bytes).unwrap().map(|line| String::from_utf8(line).unwrap());
        assert_eq!(line(b"secret\r").as_deref(), Some("secret"));
        assert_eq!(line("sü\u{7f}e\n".as_bytes()).as_deref(), Some("se"));
        assert_eq!(line(b"wrong\x15right\n").as_deref(), Some("right"));
        assert_eq!(line(b"abc\x03"), None);
        assert_eq!(line(b"\x04"), None);
        assert_eq!(line(b""), None);
    }

    #[test]
    fn a_file_or_a_pipe_gives_its_first_line() {
        let line = |bytes: &[u8]| first_line(&mut &*bytes).unwrap();
        assert_eq!(line(b"secret\r\nmore\n").as_deref(), Some("secret"));
        assert_eq!(line(b"no line end").as_deref(), Some("no line end"));
        assert_eq!(line(b""), None);
        assert_eq!(line(b"\n"), None);
        assert!(first_line(&mut &b"\xff\n"[..]).is_err());
    }
}

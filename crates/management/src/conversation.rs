//! A connection of the API's own, in the name of whoever asks: what it does, a client could have done, with the same
//! permissions and the same refusals.
//!
//! Blocks until the core has answered, which for what changes anything is when that is on disk.

use std::{sync::Arc, time::Duration};

use broker::{Bell, Client};
use model::{Command, Event, Name, Refusal, SessionCommand, SessionEvent, SessionId, Table};
use parking_lot::{Condvar, Mutex};

use crate::{api::Api, login::Caller, problem::Problem};

const SESSION: SessionId = SessionId(1);
/// How often it is looked whether there is an answer, the bell aside.
const LOOK: Duration = Duration::from_millis(500);
/// How many looks without one before it is given up: publishers are blocked, or the disk stands still.
const LOOKS_MAX: u32 = 40;

/// Rung by the core when there may be an answer.
#[derive(Default)]
struct Latch {
    is_rung: Mutex<bool>,
    rung: Condvar,
}

impl Bell for Latch {
    fn ring(&self) {
        *self.is_rung.lock() = true;
        self.rung.notify_one();
    }
}

impl Latch {
    /// False if it was not rung in time.
    fn wait(&self, patience: Duration) -> bool {
        let mut is_rung = self.is_rung.lock();
        if !*is_rung {
            self.rung.wait_for(&mut is_rung, patience);
        }
        std::mem::take(&mut *is_rung)
    }
}

/// See the module's documentation.
pub(crate) struct Conversation<'a> {
    api: &'a Api,
    client: Client,
    latch: Arc<Latch>,
}

/// Why there is no answer.
pub(crate) enum Failure {
    /// The wish was denied, in the protocol's words.
    Refused { code: u16, text: String },
    /// Nobody answered.
    Silence,
}

impl Failure {
    /// As RabbitMQ tells it of publishing and getting: with the code.
    pub(crate) fn with_code(self) -> Problem {
        match self {
            Self::Refused { code: 404, text } if text.contains("no queue") => Problem::Missing(text),
            Self::Refused { code, text } => Problem::Bad(format!("{code} {text}")),
            Self::Silence => silence(),
        }
    }
}

/// What is told of a refusal here, as by RabbitMQ: without the name of its code.
pub(crate) fn reason(text: &str) -> &str {
    text.split_once(" - ").map_or(text, |(_, reason)| reason)
}

/// As RabbitMQ tells it of declaring and deleting.
impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let Failure::Refused { code, text } = failure else { return silence() };
        let reason = reason(&text).to_owned();
        match code {
            403 => Self::NotAuthorised(reason),
            404 => Self::Missing(reason),
            541 => Self::Internal,
            _ => Self::Bad(reason),
        }
    }
}

fn silence() -> Problem {
    Problem::Failed(serde_json::json!({
        "error": "timeout",
        "reason": "the broker did not answer in time: publishers may be blocked by an alarm, or the disk may stand still",
    }))
}

impl<'a> Conversation<'a> {
    /// Logs in, enters the vhost and opens a session.
    pub(crate) fn open(api: &'a Api, caller: &Caller, vhost: &Name) -> Result<Self, Problem> {
        let latch = Arc::new(Latch::default());
        let client = api.broker().connect(
            Arc::clone(&latch) as Arc<dyn Bell>,
            caller.is_loopback,
            api.world().random(),
        );
        let mut conversation = Self { api, client, latch };
        let (user, password) = (caller.user.clone(), caller.secret.clone());
        if caller.is_operator {
            conversation.client.authenticate_operator(user);
        } else {
            conversation.command(Command::Authenticate { mechanism: "PLAIN", user, password });
            conversation.connection_event()?;
        }
        conversation.command(Command::Open { vhost: vhost.clone(), client_properties: Table::default() });
        conversation.connection_event()?;
        conversation.ask(SessionCommand::Open)?;
        Ok(conversation)
    }

    fn connection_event(&mut self) -> Result<(), Problem> {
        match self.event() {
            Ok(Event::Authenticated { .. } | Event::Opened) => Ok(()),
            Ok(Event::AuthenticationRefused { .. }) => Err(Problem::LoginFailed),
            Ok(Event::Refused(Refusal::VhostNotFound { .. })) => {
                Err(Problem::Missing("vhost_not_found".to_owned()))
            }
            Ok(Event::Refused(Refusal::VhostRefused { .. })) => Err(no_vhost_access()),
            Ok(Event::Refused(refusal)) => Err(self.refused(&refusal).into()),
            Ok(_) => Err(Problem::Internal),
            Err(failure) => Err(failure.into()),
        }
    }

    fn command(&mut self, command: Command) {
        self.client.handle_command(self.api.world().now_ms(), command);
        self.client.hand_over();
    }

    /// Says something that is not answered.
    pub(crate) fn say(&mut self, command: SessionCommand) {
        self.command(Command::Session(SESSION, command));
    }

    /// Asks for something and waits for the answer.
    pub(crate) fn ask(&mut self, command: SessionCommand) -> Result<SessionEvent, Failure> {
        self.say(command);
        self.hear()
    }

    /// The next news of the session.
    pub(crate) fn hear(&mut self) -> Result<SessionEvent, Failure> {
        loop {
            match self.event()? {
                Event::Session(_, SessionEvent::Refused(refusal)) | Event::Refused(refusal) => {
                    return Err(self.refused(&refusal));
                }
                Event::Session(_, event) => return Ok(event),
                // An alarm: if it lasts, nobody answers.
                _ => {}
            }
        }
    }

    /// The next news of the session, if there is any before it has been quiet for so long.
    pub(crate) fn hear_within(&mut self, quiet: Duration) -> Result<Option<SessionEvent>, Failure> {
        loop {
            let Some(event) = self.client.poll_event() else {
                if self.latch.wait(quiet) {
                    continue;
                }
                return Ok(None);
            };
            match event {
                Event::Session(_, SessionEvent::Refused(refusal)) | Event::Refused(refusal) => {
                    return Err(self.refused(&refusal));
                }
                Event::Session(_, event) => return Ok(Some(event)),
                _ => {}
            }
        }
    }

    fn refused(&self, refusal: &Refusal) -> Failure {
        let (code, text) = self.api.explain(refusal);
        Failure::Refused { code, text }
    }

    fn event(&mut self) -> Result<Event, Failure> {
        let mut looks = 0;
        loop {
            if let Some(event) = self.client.poll_event() {
                return Ok(event);
            }
            if !self.latch.wait(LOOK) {
                looks += 1;
            }
            if looks > LOOKS_MAX {
                return Err(Failure::Silence);
            }
        }
    }
}

/// The user may not enter the vhost.
pub(crate) fn no_vhost_access() -> Problem {
    Problem::NotAuthorised("User not authorised to access virtual host".to_owned())
}

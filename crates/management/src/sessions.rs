//! Who has logged in by a form: a token that says nothing, in a cookie that no script can read, for what is kept here.
//!
//! What is kept is who it is and with what they came: each request is checked anew, so a changed password or a user that
//! is gone ends the session. Nothing outlives the process. Bounded, the oldest goes first.

use std::collections::HashMap;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use model::{Name, Secret};
use parking_lot::Mutex;

const COOKIE: &str = "harefoot-session";
/// Sessions of all users.
const SESSIONS_MAX: usize = 4096;
/// Sessions of one user.
const OF_USER_MAX: usize = 64;
/// Cookies of a request that are looked at.
const COOKIES_MAX: usize = 64;

type Token = [u8; 32];

/// See the module's documentation.
#[derive(Default, Debug)]
pub(crate) struct Sessions(Mutex<HashMap<Token, Session>>);

#[derive(Debug)]
struct Session {
    user: Name,
    secret: Secret,
    since_ms: u64,
    until_ms: u64,
}

impl Sessions {
    /// Begins one; the value of its cookie. `token` is random.
    pub(crate) fn begin(
        &self,
        token: Token,
        (user, secret): (Name, Secret),
        now_ms: u64,
        lasts_ms: u64,
    ) -> String {
        let mut sessions = self.0.lock();
        sessions.retain(|_, session| now_ms < session.until_ms);
        let of_user = sessions.values().filter(|session| session.user == user).count();
        if of_user >= OF_USER_MAX {
            drop_oldest(&mut sessions, |session| session.user == user);
        } else if sessions.len() >= SESSIONS_MAX {
            drop_oldest(&mut sessions, |_| true);
        }
        let until_ms = now_ms.saturating_add(lasts_ms);
        sessions.insert(token, Session { user, secret, since_ms: now_ms, until_ms });
        BASE64_URL_SAFE_NO_PAD.encode(token)
    }

    /// Whose it is, and with what they came.
    pub(crate) fn find(&self, value: &str, now_ms: u64) -> Option<(Name, Secret)> {
        let sessions = self.0.lock();
        let session = sessions.get(&token(value)?).filter(|session| now_ms < session.until_ms)?;
        Some((session.user.clone(), session.secret.clone()))
    }

    pub(crate) fn end(&self, value: &str) {
        if let Some(token) = token(value) {
            self.0.lock().remove(&token);
        }
    }
}

fn drop_oldest(sessions: &mut HashMap<Token, Session>, is_meant: impl Fn(&Session) -> bool) {
    let meant = sessions.iter().filter(|(_, session)| is_meant(session));
    let oldest = meant.min_by_key(|(_, session)| session.since_ms).map(|(token, _)| *token);
    oldest.map(|token| sessions.remove(&token));
}

fn token(value: &str) -> Option<Token> {
    BASE64_URL_SAFE_NO_PAD.decode(value).ok()?.try_into().ok()
}

/// The session's value in a `cookie` header.
pub(crate) fn of_cookies(header: &str) -> Option<&str> {
    let pairs = header.split(';').take(COOKIES_MAX).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value).next()
}

/// The `set-cookie` header for a value that lasts so long; 0 takes it away.
pub(crate) fn set_cookie(value: &str, lasts_ms: u64, is_secure: bool) -> String {
    let secure = if is_secure { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}", lasts_ms / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(user: &str) -> (Name, Secret) {
        (Name::parse(user).unwrap(), Secret::new("p"))
    }

    fn numbered(number: usize) -> Token {
        let mut token = [0; 32];
        token[..8].copy_from_slice(&number.to_be_bytes());
        token
    }

    #[test]
    fn a_session_is_found_until_it_is_over_or_ended() {
        let sessions = Sessions::default();
        let value = sessions.begin([7; 32], of("shop"), 1000, 60_000);
        assert_eq!(sessions.find(&value, 60_999), Some(of("shop")));
        assert_eq!(sessions.find(&value, 61_000), None);
        for wrong in ["", "x", &value[1..], &format!("{value}A"), "öäü", &"A".repeat(10_000)] {
            assert_eq!(sessions.find(wrong, 2000), None, "{wrong}");
        }
        sessions.end(&value);
        sessions.end("x");
        assert_eq!(sessions.find(&value, 2000), None);
    }

    #[test]
    fn the_oldest_of_a_user_goes_first_and_nobody_elses() {
        let sessions = Sessions::default();
        let other = sessions.begin(numbered(0), of("other"), 0, u64::MAX);
        let values: Vec<_> = (1..=OF_USER_MAX + 1)
            .map(|number| sessions.begin(numbered(number), of("shop"), number as u64, u64::MAX))
            .collect();
        let found: Vec<bool> = values.iter().map(|value| sessions.find(value, 100).is_some()).collect();
        assert_eq!((found[0], found.iter().filter(|found| **found).count()), (false, OF_USER_MAX));
        assert!(sessions.find(&other, 100).is_some());
        for number in 1000..1000 + SESSIONS_MAX {
            sessions.begin(numbered(number), of(&number.to_string()), 1000, u64::MAX);
        }
        assert_eq!(sessions.0.lock().len(), SESSIONS_MAX);
        assert!(sessions.find(&other, 100).is_none());
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let header = set_cookie("abc", 120_000, true);
        assert_eq!(header, "harefoot-session=abc; Path=/; Max-Age=120; HttpOnly; SameSite=Strict; Secure");
        assert_eq!(of_cookies("a=b; harefoot-session=abc;c=d"), Some("abc"));
        assert_eq!(of_cookies("xharefoot-session=abc; harefoot-session"), None);
    }
}

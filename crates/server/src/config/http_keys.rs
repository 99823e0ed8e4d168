//! The rows of the table of keys that say what the HTTP API tells browsers, and how long somebody stays logged in.

use super::{
    draft::rank,
    key::{Key, Kind, Range},
};

const MINUTE_MS: u64 = 60_000;
/// Ten years: longer than any browser keeps a cookie.
const SESSION_MINUTES_MAX: u64 = 10 * 365 * 24 * 60;

/// Every key of this kind that has an effect.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "management.login_session_timeout",
        default: "480",
        help: "Minutes for which somebody who has logged in by a form stays logged in.",
        kind: Kind::Integer {
            range: Range::from(1, SESSION_MINUTES_MAX),
            set: |draft, _, minutes| draft.settings.http.session_ms = minutes.saturating_mul(MINUTE_MS),
        },
    },
    Key {
        name: "management.cors.allow_origins.$n",
        default: "(none)",
        help: "Other sites whose pages may ask the HTTP API, by number, as `https://console.example`; `*` for all of them, but \
               without the cookies of whoever is logged in.",
        kind: Kind::Text {
            set: |draft, n, origin| {
                draft.cors_origins.insert(rank(n), origin.to_owned());
            },
        },
    },
    Key {
        name: "management.cors.max_age",
        default: "1800",
        help: "Seconds for which a browser may remember that they may.",
        kind: Kind::Integer {
            range: Range::from(0, u32::MAX as u64),
            set: |draft, _, seconds| draft.settings.http.cors_max_age_s = seconds,
        },
    },
    Key {
        name: "management.csp.policy",
        default: "(a strict one)",
        help: "The `content-security-policy` of every response.",
        kind: Kind::Text { set: |draft, _, policy| draft.settings.http.csp = Some(policy.to_owned()) },
    },
    Key {
        name: "management.hsts.policy",
        default: "(none)",
        help: "The `strict-transport-security` of every response, such as `max-age=31536000`.",
        kind: Kind::Text { set: |draft, _, policy| draft.settings.http.hsts = Some(policy.to_owned()) },
    },
];

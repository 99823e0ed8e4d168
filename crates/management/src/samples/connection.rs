//! The numbers of a connection and of its sessions. Of ten thousand connections most do nothing: those are hardly looked at.

use std::sync::Arc;

use broker::{Connected, counts::SessionView};
use model::SessionId;

use super::{BASIC, of_connection, of_session, session, taking::SessionTrack, track::Track};

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct ConnectionTrack {
    traffic: Track<4>,
    /// The turns of the connection after which its sessions were looked at.
    turns: u64,
    /// By their numbers.
    sessions: Vec<(SessionId, SessionTrack)>,
}

impl Default for ConnectionTrack {
    fn default() -> Self {
        Self { traffic: Track::new([0; 4]), turns: 0, sessions: Vec::new() }
    }
}

impl ConnectionTrack {
    /// Takes a sample.
    pub(crate) fn push(&mut self, tick: u32, connected: &Connected) {
        let turns = connected.traffic().turns();
        self.traffic.push(BASIC, tick, &of_connection(connected), 4);
        if turns != self.turns {
            self.turns = turns;
            self.push_sessions(tick, &connected.session_views());
        }
    }

    fn push_sessions(&mut self, tick: u32, views: &[Arc<SessionView>]) {
        self.sessions.reserve_exact(views.len().saturating_sub(self.sessions.len()));
        for view in views {
            let now = of_session(&view.totals());
            let place = self.sessions.binary_search_by_key(&view.id, |(id, _)| *id);
            let place = place.unwrap_or_else(|place| {
                self.sessions.insert(place, (view.id, Track::new([0; session::NUMBERS])));
                place
            });
            if let Some((_, track)) = self.sessions.get_mut(place) {
                track.push(BASIC, tick, &now, session::NUMBERS);
            }
        }
        self.sessions.retain(|(_, track)| track.seen == tick);
    }

    /// When it was there last.
    pub(crate) fn seen(&self) -> u32 {
        self.traffic.seen
    }

    /// Forgets its past.
    pub(crate) fn forget(&mut self) {
        self.traffic.forget();
        self.sessions.iter_mut().for_each(|(_, track)| track.forget());
    }

    /// Forgets series that have been flat since before `tick`.
    pub(crate) fn trim(&mut self, tick: u32) {
        self.traffic.trim(tick);
        self.sessions.iter_mut().for_each(|(_, track)| track.trim(tick));
    }

    /// Its own numbers.
    pub(crate) fn traffic(&self) -> &Track<4> {
        &self.traffic
    }

    /// Those of one of its sessions.
    pub(crate) fn session(&self, id: SessionId) -> Option<&SessionTrack> {
        let place = self.sessions.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.sessions.get(place).map(|(_, track)| track)
    }
}

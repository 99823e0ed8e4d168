//! The sessions of a connection by number: mostly one, numbered from 1 on. And which of them have something to be looked
//! at: there may be two thousand, of which a message concerns one.
//!
//! Each in a box of its own. A B-tree would have room for eleven of them where there is one, and a growing list of them
//! would move them all.

use model::SessionId;

use crate::session::Session;

/// See the module's documentation.
#[derive(Default, Debug)]
pub(super) struct Sessions {
    /// Sorted by number.
    sorted: Vec<Seat>,
    /// Those that are to be looked at, in no order.
    touched: Vec<SessionId>,
}

#[derive(Debug)]
struct Seat {
    id: SessionId,
    /// It is among those that are to be looked at.
    is_touched: bool,
    session: Box<Session>,
}

impl Sessions {
    /// Its place in the list, or where it would be.
    fn place(&self, id: SessionId) -> Result<usize, usize> {
        let dense = usize::from(id.0).saturating_sub(1);
        match self.sorted.get(dense) {
            Some(seat) if seat.id == id => Ok(dense),
            _ => self.sorted.binary_search_by_key(&id, |seat| seat.id),
        }
    }

    pub(super) fn get(&self, id: &SessionId) -> Option<&Session> {
        let place = self.place(*id).ok()?;
        self.sorted.get(place).map(|seat| &*seat.session)
    }

    /// To be changed, and looked at afterwards.
    pub(super) fn get_mut(&mut self, id: &SessionId) -> Option<&mut Session> {
        let place = self.place(*id).ok()?;
        let seat = self.sorted.get_mut(place)?;
        if !std::mem::replace(&mut seat.is_touched, true) {
            self.touched.push(*id);
        }
        Some(&mut seat.session)
    }

    /// It is to be looked at.
    pub(super) fn touch(&mut self, id: &SessionId) {
        let _ = self.get_mut(id);
    }

    /// To be changed in a way that need not be looked at.
    pub(super) fn get_quietly(&mut self, id: &SessionId) -> Option<&mut Session> {
        let place = self.place(*id).ok()?;
        self.sorted.get_mut(place).map(|seat| &mut *seat.session)
    }

    /// In place of one with the same number, if there is one.
    pub(super) fn insert(&mut self, session: Session) {
        let id = session.id;
        self.remove(&id);
        let (Ok(place) | Err(place)) = self.place(id);
        if self.sorted.capacity() == 0 {
            // Most connections have one.
            self.sorted.reserve_exact(1);
        }
        self.sorted.insert(place, Seat { id, is_touched: true, session: Box::new(session) });
        self.touched.push(id);
    }

    pub(super) fn remove(&mut self, id: &SessionId) {
        if let Ok(place) = self.place(*id)
            && self.sorted.remove(place).is_touched
        {
            self.touched.retain(|touched| touched != id);
        }
    }

    pub(super) fn clear(&mut self) {
        self.sorted.clear();
        self.touched.clear();
    }

    /// The numbers of all that are there now.
    pub(super) fn ids(&self) -> Vec<SessionId> {
        self.sorted.iter().map(|seat| seat.id).collect()
    }

    /// In the order of their numbers.
    pub(super) fn values(&self) -> impl Iterator<Item = &Session> {
        self.sorted.iter().map(|seat| &*seat.session)
    }

    /// Those that are to be looked at.
    pub(super) fn touched(&self) -> impl Iterator<Item = &Session> {
        self.touched.iter().filter_map(|id| self.get(id))
    }

    /// Looks at those that are to be looked at, and will be again only if `look` says so, or they are touched.
    pub(super) fn look(&mut self, mut look: impl FnMut(&mut Session) -> bool) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.retain(|id| {
            let Some(seat) = self.place(*id).ok().and_then(|place| self.sorted.get_mut(place)) else {
                return false;
            };
            seat.is_touched = look(&mut seat.session);
            seat.is_touched
        });
        self.touched = touched;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::Name;

    use super::*;
    use crate::{census::Census, counts::NodeCounts};

    fn session(census: &Arc<Census>, number: u16) -> Session {
        let (somebody, counts) = (Name::default(), Arc::new(NodeCounts::default()));
        let id = SessionId(number);
        let seat = census.open_session((&somebody, None), (&somebody, None), (id, None), &counts);
        Session::new(id, seat.unwrap(), None)
    }

    fn numbers(sessions: &Sessions) -> Vec<u16> {
        sessions.ids().into_iter().map(|id| id.0).collect()
    }

    #[test]
    fn sessions_are_found_by_number_whatever_the_numbers_are() {
        let (census, mut sessions) = (Arc::default(), Sessions::default());
        for number in [7, 1, 2047, 3, 2] {
            sessions.insert(session(&census, number));
        }
        assert_eq!(numbers(&sessions), [1, 2, 3, 7, 2047]);
        for number in 0..=2048 {
            let found = sessions.get(&SessionId(number)).map(|session| session.id.0);
            assert_eq!(found, numbers(&sessions).contains(&number).then_some(number));
        }
        sessions.remove(&SessionId(1));
        sessions.remove(&SessionId(4));
        assert_eq!(numbers(&sessions), [2, 3, 7, 2047]);
        assert!(sessions.get_mut(&SessionId(2)).is_some() && sessions.get(&SessionId(1)).is_none());
    }

    #[test]
    fn those_that_were_touched_are_looked_at_until_there_is_nothing_left() {
        let (census, mut sessions) = (Arc::default(), Sessions::default());
        for number in 1..=4 {
            sessions.insert(session(&census, number));
        }
        let looked_at = |sessions: &mut Sessions, again: u16| {
            let mut seen = Vec::new();
            sessions.look(|session| {
                seen.push(session.id.0);
                session.id.0 == again
            });
            seen
        };
        assert_eq!(looked_at(&mut sessions, 2), [1, 2, 3, 4], "they are new");
        assert_eq!(looked_at(&mut sessions, 0), [2]);
        assert_eq!(looked_at(&mut sessions, 0), [0; 0]);
        for _ in 0..2 {
            sessions.get_mut(&SessionId(3)).unwrap();
            sessions.get_quietly(&SessionId(1)).unwrap();
        }
        assert_eq!(sessions.touched().map(|session| session.id.0).collect::<Vec<_>>(), [3]);
        // One that is gone, and another with its number.
        sessions.remove(&SessionId(3));
        assert_eq!(sessions.touched().count(), 0);
        sessions.insert(session(&census, 3));
        assert_eq!(looked_at(&mut sessions, 0), [3]);
    }

    #[test]
    fn one_with_the_same_number_takes_its_place() {
        let (census, mut sessions) = (Arc::default(), Sessions::default());
        let mut later = session(&census, 1);
        later.has_failed = true;
        sessions.insert(session(&census, 1));
        sessions.insert(later);
        assert_eq!(numbers(&sessions), [1]);
        assert!(sessions.get(&SessionId(1)).is_some_and(|session| session.has_failed));
    }
}

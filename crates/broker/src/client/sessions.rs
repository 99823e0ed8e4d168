//! The sessions of a connection by number: mostly one, numbered from 1 on.
//!
//! Each in a box of its own. A B-tree would have room for eleven of them where there is one, and a growing list of them
//! would move them all.

use model::SessionId;

use crate::session::Session;

/// See the module's documentation.
#[derive(Default, Debug)]
pub(super) struct Sessions {
    /// Sorted by number.
    sorted: Vec<(SessionId, Box<Session>)>,
}

impl Sessions {
    /// Its place in the list, or where it would be.
    fn place(&self, id: SessionId) -> Result<usize, usize> {
        let dense = usize::from(id.0).saturating_sub(1);
        match self.sorted.get(dense) {
            Some((found, _)) if *found == id => Ok(dense),
            _ => self.sorted.binary_search_by_key(&id, |(id, _)| *id),
        }
    }

    pub(super) fn get(&self, id: &SessionId) -> Option<&Session> {
        let place = self.place(*id).ok()?;
        self.sorted.get(place).map(|(_, session)| &**session)
    }

    pub(super) fn get_mut(&mut self, id: &SessionId) -> Option<&mut Session> {
        let place = self.place(*id).ok()?;
        self.sorted.get_mut(place).map(|(_, session)| &mut **session)
    }

    /// In place of one with the same number, if there is one.
    pub(super) fn insert(&mut self, session: Session) {
        let (id, session) = (session.id, Box::new(session));
        match self.place(id) {
            Ok(place) => {
                if let Some((_, former)) = self.sorted.get_mut(place) {
                    *former = session;
                }
            }
            Err(place) => {
                if self.sorted.capacity() == 0 {
                    // Most connections have one.
                    self.sorted.reserve_exact(1);
                }
                self.sorted.insert(place, (id, session));
            }
        }
    }

    pub(super) fn remove(&mut self, id: &SessionId) {
        if let Ok(place) = self.place(*id) {
            self.sorted.remove(place);
        }
    }

    pub(super) fn clear(&mut self) {
        self.sorted.clear();
    }

    /// The numbers of all that are there now.
    pub(super) fn ids(&self) -> Vec<SessionId> {
        self.sorted.iter().map(|(id, _)| *id).collect()
    }

    /// In the order of their numbers.
    pub(super) fn values(&self) -> impl Iterator<Item = &Session> {
        self.sorted.iter().map(|(_, session)| &**session)
    }

    /// In the order of their numbers.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.sorted.iter_mut().map(|(_, session)| &mut **session)
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

//! What a queue has given up and that is on its way: letters leave in the order in which they were given up, whoever moves
//! them.

use std::{collections::VecDeque, mem, sync::Arc};

use super::{Effects, Queue, State};
use crate::dead_letter::Letter;

/// See the module's documentation.
#[derive(Default, Debug)]
pub(super) struct Outbox {
    letters: VecDeque<Letter>,
    /// Somebody is moving letters, and looks again when those are moved.
    is_posting: bool,
}

impl Queue {
    /// A letter is to leave.
    pub(super) fn send(self: &Arc<Self>, state: &mut State, letter: Letter, out: &mut Effects) {
        state.outbox.letters.push_back(letter);
        if !mem::replace(&mut state.outbox.is_posting, true) {
            out.posts.push(Arc::clone(self));
        }
    }

    /// The letters that are to be moved next, for whom the queue is in [`Effects::posts`]: until there are none.
    pub(crate) fn take_letters(&self) -> VecDeque<Letter> {
        let mut state = self.state.lock();
        let letters = mem::take(&mut state.outbox.letters);
        state.outbox.is_posting = !letters.is_empty();
        letters
    }
}

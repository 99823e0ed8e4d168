//! Lead: whoever stages writes and syncs it too, instead of the thread that flushes.
//!
//! That spares a lone writer the waking of that thread, and of its own afterwards. Whatever a lead leaves undone the
//! thread does: it is rung when the lead ends.

use super::Engine;
use crate::codec::wide;
use crate::fault::Fault;
use crate::{Lsn, frame};

/// Begun by [`Engine::lead`]. As long as it is there, staging does not ring the thread that flushes.
#[derive(Debug)]
pub struct Lead<'a> {
    engine: &'a Engine,
}

impl Engine {
    /// Begins a lead, unless somebody leads or waits for a flush. To be short: what others stage meanwhile waits for
    /// its end.
    pub fn lead(&self) -> Option<Lead<'_>> {
        let mut core = self.core.lock();
        if core.is_led || core.is_urgent {
            return None;
        }
        core.is_led = true;
        Some(Lead { engine: self })
    }
}

impl Lead<'_> {
    /// Writes and syncs what is staged, if somebody waits for it, and nothing but the write and the sync is in the way.
    /// Returns the last durable LSN, or None if nothing was done.
    ///
    /// # Errors
    /// Any fault poisons the engine: the node has to stop.
    pub fn flush(self) -> Result<Option<Lsn>, Fault> {
        let Some(mut writer) = self.engine.writer.try_lock() else { return Ok(None) };
        let is_easy = {
            let core = self.engine.core.lock();
            let needed = core.staged.front().map_or(0, |batch| frame::padded(wide(batch.buffer.len())));
            core.is_urgent && core.staged.len() == 1 && needed <= core.room
        };
        if !is_easy {
            return Ok(None);
        }
        self.engine.flush_as(&mut writer, false).map(Some)
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut core = self.engine.core.lock();
        core.is_led = false;
        if core.is_urgent || (core.has_staged() && !core.is_settling) {
            self.engine.work.notify_one();
        }
    }
}

//! The memory allocator, and how long it keeps what was freed.

use std::ffi::{c_int, c_long};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Milliseconds until freed memory goes back to the system. mimalloc's own second is long enough for a stream of large bodies
/// to pile up five of them that nobody needs; with a tenth, small messages are as fast as before.
const PURGE_DELAY_MS: c_long = 100;
/// `mi_option_purge_delay`, which the bindings have no name for.
const PURGE_DELAY: c_int = 15;

/// To be called before there is a second thread.
#[expect(
    unsafe_code,
    reason = "mimalloc is set up by its C interface or by the environment of the process, which is the user's"
)]
pub(crate) fn set_up() {
    // SAFETY: the option exists, takes a number, and no other thread is there yet to read it meanwhile.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, PURGE_DELAY_MS) }
}

/// Gives freed memory back to the system now. Without it an idle process may keep what it has freed for as long as nobody
/// asks for memory, which publishers who are held back by the alarm of memory do not.
#[expect(unsafe_code, reason = "as above")]
pub(crate) fn give_back() {
    // SAFETY: collecting may be asked for at any time, by any thread.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

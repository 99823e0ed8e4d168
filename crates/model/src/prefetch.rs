//! A hint to the processor, for loops that know what they will read next.
//!
//! What another core has written comes from far away: a message that is delivered was made by the task of its publisher. To
//! ask for the next ones while this one is dealt with hides most of the way.

/// Bytes that the processor fetches at once.
pub(crate) const LINE_BYTES: usize = 64;

/// Asks for the line of the caches in which `what` begins. On other processors than x86-64 it does nothing.
#[inline]
pub fn prefetch<T>(what: &T) {
    ask(std::ptr::from_ref(what).cast());
}

/// The same for all of it.
#[inline]
pub fn prefetch_whole<T>(what: &T) {
    let start: *const u8 = std::ptr::from_ref(what).cast();
    for offset in (0..size_of::<T>()).step_by(LINE_BYTES) {
        ask(start.wrapping_add(offset));
    }
}

#[inline]
fn ask(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "a hint about an address, which reads nothing")]
    // SAFETY: the instruction has no effect that a program can see, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

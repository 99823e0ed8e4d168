//! What a response carries: bytes that are there, or a list that is written while it is sent.

use bytes::Bytes;

use crate::list::Listing;

/// See the module's documentation.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// The first part of a list, and the rest of it.
    Parts(Bytes, Listing),
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }
}

impl From<Listing> for Body {
    /// Short lists are written at once, so that their length can be told.
    fn from(mut list: Listing) -> Self {
        let first = list.next().unwrap_or_default();
        if list.is_over() { Self::Whole(first) } else { Self::Parts(first, list) }
    }
}

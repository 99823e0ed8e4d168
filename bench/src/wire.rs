//! As much of AMQP 0-9-1 as a load driver needs, made to be cheap: methods appended to a buffer, frames looked at where
//! they lie, publishes encoded once and written again and again.
//!
//! Not here: sockets, and whether what the broker says is allowed (`link` and `load` decide that). Nothing is shared with
//! the broker's own codec, so that an error there is not mirrored here.

pub(crate) mod frame;
pub(crate) mod method;
pub(crate) mod tape;

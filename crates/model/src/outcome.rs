//! What a consumer decided about a delivery.

/// The consumer's verdict on a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Done with it: the message is gone (`basic.ack`).
    Accepted,
    /// Not wanted: dead-lettered, or gone (`basic.reject` and `basic.nack` without requeue).
    Rejected,
    /// Put back at its old place, marked redelivered (`requeue = true`, `basic.recover`).
    Requeued,
}

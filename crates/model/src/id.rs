//! Ids that cross the border between a protocol and the core.

/// A session within its connection: the channel number of AMQP 0-9-1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId(pub u16);

/// A delivery within its session: 1, 2, 3, … in the order in which deliveries were handed out.
///
/// AMQP 0-9-1 puts it on the wire as the delivery tag.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DeliveryId(pub u64);

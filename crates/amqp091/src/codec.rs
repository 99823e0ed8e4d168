//! Bytes ⇄ frames and methods, for both ends of a connection.
//!
//! ```text
//! frame  = kind:u8 channel:u16 size:u32 payload[size] 0xCE
//! method = class:u16 method:u16 fields            (kind 1; its fields are listed in `methods`)
//! header = class:u16 weight:u16 (0) body:u64 properties      (kind 2)
//! ```
//!
//! No state and no judgement live here: which frame may come when is the connection's business.

pub mod field;
pub mod frame;
pub mod methods;

pub use field::{Long, RawTable, Short};
pub use frame::{Frame, FrameHead, Snippet};
pub use methods::{Method, MethodId};

/// A frame that carries a method.
pub const FRAME_METHOD: u8 = 1;
/// A frame that carries the header of a content.
pub const FRAME_HEADER: u8 = 2;
/// A frame that carries a piece of a content's body.
pub const FRAME_BODY: u8 = 3;
/// A frame that says "I am still here".
pub const FRAME_HEARTBEAT: u8 = 8;
/// The last byte of every frame.
pub const FRAME_END: u8 = 0xCE;
/// Bytes of a frame before its payload.
pub const FRAME_HEAD_BYTES: usize = 7;
/// Bytes of a frame around its payload.
pub const FRAME_OVERHEAD_BYTES: usize = 8;
/// The class of methods that carry a content.
pub const CLASS_BASIC: u16 = 60;
/// What a client of 0-9-1 says first.
pub const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";
/// A larger body is refused before anything else is looked at.
pub const BODY_BYTES_LIMIT: u64 = 512 * 1024 * 1024;

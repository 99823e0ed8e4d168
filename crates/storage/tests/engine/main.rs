//! The engine as a whole, on a simulated disk: against a plain map, through crashes, faults and flipped bits.
//!
//! `world` drives an engine and knows what must be in it; the other files say what happens to it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    clippy::unnecessary_get_then_check,
    reason = "a test may stop where something is not as it should be"
)]

mod bounds;
mod crash;
mod faults;
mod flips;
mod format;
mod lead;
mod model;
mod os_disk;
mod overlay;
mod past;
mod space;
mod world;

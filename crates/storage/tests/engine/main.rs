//! The engine as a whole, on a simulated disk: against a plain map, through crashes, faults and flipped bits.
//!
//! `world` drives an engine and knows what must be in it; the other files say what happens to it.

mod bounds;
mod crash;
mod faults;
mod flips;
mod format;
mod model;
mod world;

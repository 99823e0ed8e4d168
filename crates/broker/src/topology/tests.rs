//! The machine as a whole. Texts of single arguments are in `argument`'s tests, routes in `route`'s.

pub(crate) mod arbitrary;
mod binding;
mod declare;
mod node_rules;
mod operate;
mod replay;
pub(crate) mod world;

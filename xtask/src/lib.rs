//! The project's own automation: everything that continuous integration runs, and the house rules that no compiler knows.
//!
//! ```text
//! cargo xtask test            formatting, tidy, lints, tests, build, packaged clients: what CI runs
//! cargo xtask tidy            the house rules alone
//! cargo xtask compat [ARG…]   the long suites of other people's clients
//! ```
//!
//! Not here: what the suites of clients do (`compat/`).

pub mod steps;
pub mod tidy;

//! Commands for operators that only look.

pub mod journal;
pub mod status;

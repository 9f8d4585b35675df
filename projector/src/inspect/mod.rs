//! Commands with which an operator looks at projections and the log, and changes nothing.

pub mod journal;
pub mod status;

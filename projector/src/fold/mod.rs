//! Folding a generation on. The order of calling is [`folding`] (batch by batch) -> [`write`] (one transaction) -> [`parked`] (what
//! the fold does not see) -> [`aggregate`] (what is held back together).

pub mod aggregate;
pub mod folding;
pub mod parked;
pub mod write;

//! What the services share of the drop-in contracts: which there are, and of each its words, its answers and its tokens.
//! docs/contracts.md says how each is served.

pub mod journal;
pub mod receipts;

/// The contracts `TILL_CONTRACTS` may name.
pub const NAMES: [&str; 1] = ["receipts"];

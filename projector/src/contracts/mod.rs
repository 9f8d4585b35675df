//! The drop-in contracts' reads, where `TILL_CONTRACTS` names them.

pub mod receipts;

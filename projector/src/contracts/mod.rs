//! The reads of drop-in contracts, each if `TILL_CONTRACTS` names it.

pub mod receipts;

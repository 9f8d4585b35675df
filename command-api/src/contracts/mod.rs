//! The drop-in contracts' writes: each a thin translation into the commands of `/v1`, where `TILL_CONTRACTS` names it.

pub mod receipts;

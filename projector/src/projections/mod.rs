//! What each projection makes of events; the tables stand beside in SQL.

pub mod accounts;
pub mod copy;
pub mod hours;
pub mod places;
pub mod receipts;

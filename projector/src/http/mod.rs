//! The handlers of reads. Each states who may call it, opens a snapshot that has seen what the client asks for, and answers rows.

pub mod accounts;
pub mod analytics;
mod app;
mod paging;
mod parameters;
pub mod places;
pub mod receipts;

pub use app::App;

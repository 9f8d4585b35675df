//! The handlers of reads. Each states who may call it, opens a snapshot that has seen what the client asks for, and answers rows.

pub mod accounts;
pub mod analytics;
mod app;
pub mod audit;
mod callers;
mod csv;
pub mod customers;
pub mod kitchen;
mod known;
pub mod orders;
mod paging;
mod parameters;
pub mod places;
pub mod products;
pub mod receipts;
pub mod revenue;
pub mod sellers;

pub use app::App;
pub use callers::Callers;

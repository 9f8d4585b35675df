//! HTTP. A handler parses, sends one command to its shard, and answers.

pub mod accounts;
mod amount;
mod answer;
mod app;
pub mod batch;
pub mod client_address;
mod error;
pub mod form;
pub mod forward;
pub mod internal;
pub mod login;
mod login_guard;
mod object;
mod origin;
mod pace;
mod prefer;
pub mod receipts;
mod room;
mod segment;
mod understood;

pub use app::App;
pub use error::ApiError;
pub use segment::Segment;

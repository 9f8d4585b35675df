//! Reads: [`reads`] waits for the [`needs`] of a read's [`consistency`], in its [`turns`], and opens the [`snapshot`] that answers.

mod consistency;
mod needs;
mod problems;
mod reads;
mod snapshot;
mod turns;

pub use consistency::Consistency;
pub use problems::failed;
pub use reads::Reads;
pub use snapshot::Snapshot;

//! Reads of the tables. [`reads`] waits for the [`needs`] of a read's [`consistency`] and opens the [`snapshot`] that answers it;
//! [`turns`] bound how many do so at once. What is sealed in rows, [`persons`] opens.

mod consistency;
mod needs;
mod persons;
mod problems;
mod reads;
mod snapshot;
mod turns;

pub use consistency::Consistency;
pub use persons::{Unopened, opened, with_another_look};
pub use problems::failed;
pub use reads::Reads;
pub use snapshot::Snapshot;

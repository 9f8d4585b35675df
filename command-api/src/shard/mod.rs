//! The shard engine: one writer a shard, one transaction for all commands that wait, and answers only after its commit.
//!
//! A command goes from [`Shards::submit`] through the shard's queue to its [`owner`], which decides, appends, commits,
//! applies and answers. A shard comes here by [`ownership`], then [`takeover`], then [`owner`]. Beside both, the
//! [`follower`] folds the partitions that nobody here owns into the [`store`]. A handler that relies on states of other homes
//! passes the [`barrier`] first.

mod assignment;
pub mod barrier;
mod batch;
pub mod declaration;
pub mod directory;
mod ended;
pub mod engine;
mod follower;
mod membership;
mod owner;
pub mod ownership;
mod secrets;
mod shards;
pub mod source;
pub mod store;
mod tail;
mod takeover;
mod todos;
pub mod topology;
mod transaction;
mod verify;
mod work;

pub use engine::Engine;
pub use shards::Shards;
pub use work::{Answer, Origin, Refusal};

//! The shard engine: one writer per shard, group commit, answers only after the commit.
//!
//! A command's way: [`Shards::submit`] -> the shard's queue -> [`owner`] decides, appends, commits, applies,
//! answers. How a shard comes here: [`ownership`] -> [`takeover`] -> [`owner`]. Beside both, [`follower`]
//! folds every partition nobody here owns into the [`store`].

mod assignment;
pub mod directory;
mod ended;
pub mod engine;
mod follower;
mod membership;
mod owner;
pub mod ownership;
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

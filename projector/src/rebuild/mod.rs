//! Changing which generation of a projection is live: to one that is folded anew, and back.

mod change;
mod meter;
mod rollback;
mod run;

pub use rollback::roll_back;
pub use run::rebuild;

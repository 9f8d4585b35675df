//! Changes which generation of a projection is live: [`run`] to one that it folds anew, [`rollback`] back to the one before.

mod change;
mod meter;
mod rollback;
mod run;

pub use rollback::roll_back;
pub use run::rebuild;

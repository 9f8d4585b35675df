//! One replica folds a projection and all others wait to. Each knows how far it has got.

pub mod leader;
pub mod progress;

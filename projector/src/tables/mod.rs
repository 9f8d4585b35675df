//! Each projection's tables in Postgres, generation by generation, and how far each has folded.

pub mod anew;
pub mod generation;
pub mod identity;
pub mod migrate;
pub mod positions;

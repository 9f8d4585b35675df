//! `/v1/analytics`: the figures, by business time and by arrival.

pub mod categories;
mod intervals;
pub mod places;
pub mod runs;
pub mod taxes_and_tips;

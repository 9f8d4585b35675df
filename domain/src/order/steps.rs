//! What follows from the rules for any order that is settled: its stage, and the kitchen's times.

use chrono::{DateTime, Utc};
use schemas::orders::Times;

use super::rejection::Rejection;
use super::rules::{Fulfilment, On, Rules, Stage};

/// The stage of an order that is placed and paid for.
pub(super) fn paid(rules: &Rules, fulfilment: &Fulfilment) -> Result<Stage, Rejection> {
    let row = rules.row(&rules.first, On::Paid, fulfilment, None);
    row.and_then(|row| row.to.clone()).ok_or(Rejection::MoveNotAllowed)
}

/// The kitchen's times, with that of a stage which is reached now.
pub(super) fn times(former: &Times, stage: &Stage, at: DateTime<Utc>) -> Times {
    let mut times = *former;
    match stage {
        Stage::Received => times.received_at = Some(at),
        Stage::Preparing => times.preparing_at = Some(at),
        Stage::Ready => times.ready_at = Some(at),
        Stage::Finished => times.finished_at = Some(at),
        Stage::Placed
        | Stage::Refused
        | Stage::Cancelled
        | Stage::Confirmed
        | Stage::Dispatched
        | Stage::Delivered
        | Stage::Removed
        | Stage::Other(_) => {}
    }
    times
}

//! Figures by business time: a place's, its hours' and its hours' categories'.

mod bulk;
mod changes;
mod fold;

use schemas::Topic;

use super::definition::{Definition, Projection};

/// Sums of receipts by place, hour of business time and category.
pub const PLACES: Projection = &Definition {
    name: "places",
    version: 3,
    topics: &[Topic::Receipts],
    tables: &["places", "place_hours", "place_hour_categories"],
    sql: include_str!("tables.sql"),
    unlogged: false,
    keeps_former: true,
    fold: |connection, events| Box::pin(fold::fold(connection, events)),
    bulk: Some(|| Box::new(bulk::Load::default())),
};

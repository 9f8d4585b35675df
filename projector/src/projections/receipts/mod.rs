//! The receipts: each is a row, as it was recorded, with its void.

mod bulk;
mod fold;

use schemas::Topic;

use super::definition::{Definition, Projection};

/// A row a receipt, as it was recorded, with its void.
pub const RECEIPTS: Projection = &Definition {
    name: "receipts",
    version: 2,
    topics: &[Topic::Receipts],
    tables: &["receipts"],
    sql: include_str!("tables.sql"),
    unlogged: false,
    keeps_former: true,
    fold: |connection, events| Box::pin(fold::fold(connection, events)),
    bulk: Some(|| Box::new(bulk::Load::default())),
};

//! Orders as last changed, with their lines, payments and refunds, and what happened to each. All events of a home are in one
//! partition, so an order is there before anything of it changes.

mod after;
mod changes;
mod kitchen;
mod lines;
mod payments;
mod rows;

use std::collections::BTreeSet;

use after::Place;
use changes::Changes;
pub use kitchen::KitchenLine;
use schemas::orders::Event as OrderEvent;
use schemas::{Event, Topic};
use sqlx::PgConnection;

use super::definition::{Definition, FoldError, Projection};
use crate::log::record::EventRecord;

/// A row an order, a line, a payment and a refund, and one for each event.
pub const ORDERS: Projection = &Definition {
    name: "orders",
    version: 1,
    topics: &[Topic::Orders],
    tables: &["orders", "order_lines", "order_history", "payments", "refunds"],
    sql: include_str!("tables.sql"),
    unlogged: false,
    keeps_former: true,
    fold: |connection, events| Box::pin(fold(connection, events)),
    bulk: None,
};

/// Reads the orders that the batch changes, works out in memory how they end up, and writes that.
async fn fold(connection: &mut PgConnection, events: &[EventRecord<'_>]) -> Result<(), FoldError> {
    let events: Vec<_> = events
        .iter()
        .filter_map(|folded| {
            let Event::Orders(event) = folded.event else { return None };
            Some((folded.record.offset, event))
        })
        .collect();
    let known = known(&events);
    let mut changes = Changes::of(rows::read(connection, &known).await?);
    for (offset, event) in events {
        changes.take(offset, event);
    }
    for (place, amount) in lines::delete(connection, &changes.lines_removed).await? {
        changes.take_off(place, amount);
    }
    rows::write(connection, &changes.orders).await?;
    lines::insert(connection, &changes.lines).await?;
    lines::update(connection, &changes.holds).await?;
    payments::write(connection, &changes.payments).await?;
    payments::write_refunds(connection, &changes.refunds).await?;
    rows::insert_history(connection, &changes.history).await
}

/// The orders that were there before the batch.
fn known<'e>(events: &[(i64, &'e OrderEvent)]) -> BTreeSet<Place<'e>> {
    let (mut known, mut begun) = (BTreeSet::new(), BTreeSet::new());
    for (_, event) in events {
        let place = after::after(event).place;
        if matches!(event, OrderEvent::OrderOpened(_) | OrderEvent::OrderPlaced(_)) {
            begun.insert(place);
        } else if !begun.contains(&place) {
            known.insert(place);
        }
    }
    known
}

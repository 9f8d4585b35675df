//! What sellers earn, by day, product and order: the sums of the shares that events of orders carry. A share is signed and is added as it
//! stands, each number to its own figure, on the day of its event; the kind of the event decides nothing. So a sale that is taken
//! back counts on the day on which it is, and no day that is over is rewritten. What each event's shares say:
//!
//! | event | adds | takes away |
//! |---|---|---|
//! | `OrderPlaced`, `OrderLineRequested` | orders, quantity, sold; approved where it is paid at once | |
//! | `OrderStockSettled` that holds all lines | approved where that pays the order | |
//! | `OrderStockSettled` that refuses a line, `OrderCancelled` | refunded where it was paid | orders, quantity, sold |
//! | `OrderLineRemoved` | refunded where it was paid | orders with its seller's last line, quantity, sold |
//! | `PaymentSettled` | approved | approved, where it is found not to have been paid |
//! | `RefundSettled` | refunded | |
//! | `OrderMoved`, `OrderAmended` | what money moves with them: none so far | |
//!
//! All other events move no money. An order that was removed from a contract's lists stays sold.

mod bulk;
mod changes;
mod fold;
mod zone;

use schemas::Topic;

use super::definition::{Definition, Projection};

/// Sums of shares by seller, day, product and order.
pub const REVENUE: Projection = &Definition {
    name: "revenue",
    version: 1,
    topics: &[Topic::Orders],
    tables: &["seller_totals", "seller_days", "product_days", "seller_entries", "revenue_zone"],
    sql: include_str!("tables.sql"),
    unlogged: false,
    keeps_former: true,
    fold: |connection, events| Box::pin(fold::fold(connection, events)),
    bulk: Some(|| Box::new(bulk::Load::default())),
};

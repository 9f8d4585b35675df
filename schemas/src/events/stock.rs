//! Stock: how much of a product can still be reserved.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Head, Ref};
use crate::Qty;

/// A stock was counted, or told how much there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockCounted {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The product.
    pub product: Ref,
    /// What can still be reserved after it.
    pub available: Qty,
    /// The product's revision that had the count.
    pub of_revision: i32,
}

/// A stock has more or less than was known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockAdjusted {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The product.
    pub product: Ref,
    /// What came, or went where it is negative.
    pub change: Qty,
    /// What can still be reserved after it.
    pub available: Qty,
    /// In words of whoever adjusted it.
    pub reason: String,
}

/// What a line of an order asks for was set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockReserved {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The product.
    pub product: Ref,
    /// The order.
    pub order: Ref,
    /// The line within the order.
    pub line: i32,
    /// What was set aside.
    pub quantity: Qty,
    /// What can still be reserved after it.
    pub available: Qty,
}

/// There was too little for a line of an order. It gets the same answer whenever it asks again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockRefused {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The product.
    pub product: Ref,
    /// The order.
    pub order: Ref,
    /// The line within the order.
    pub line: i32,
    /// What was asked for.
    pub quantity: Qty,
    /// What can still be reserved after it.
    pub available: Qty,
}

/// What was set aside for a line of an order came back. From here on nothing is set aside for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockReleased {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The product.
    pub product: Ref,
    /// The order.
    pub order: Ref,
    /// The line within the order.
    pub line: i32,
    /// What came back; 0 where nothing had been set aside.
    pub quantity: Qty,
    /// What can still be reserved after it.
    pub available: Qty,
}

stream! { Stock keyed by home, named id;
    StockCounted: "stock_counted/v1";
    StockAdjusted: "stock_adjusted/v1";
    StockReserved: "stock_reserved/v1";
    StockRefused: "stock_refused/v1";
    StockReleased: "stock_released/v1";
}

fn home(event: &Event) -> Cow<'_, str> {
    aggregate(event).home.as_str().into()
}

fn id(event: &Event) -> Cow<'_, str> {
    aggregate(event).id.as_str().into()
}

/// The aggregate that the event belongs to.
fn aggregate(event: &Event) -> &Ref {
    match event {
        Event::StockCounted(event) => &event.product,
        Event::StockAdjusted(event) => &event.product,
        Event::StockReserved(event) => &event.product,
        Event::StockRefused(event) => &event.product,
        Event::StockReleased(event) => &event.product,
    }
}

//! What the kitchen is to prepare of an order, as its queue shows it.

use schemas::orders::{Line, OrderPlaced};
use serde::Serialize;
use utoipa::ToSchema;

/// The orders that a kitchen prepares.
const KITCHEN: &str = "kitchen";

/// What is to be prepared.
#[derive(Serialize, ToSchema)]
#[schema(as = QueuedLine)]
pub struct KitchenLine<'e> {
    /// From 1.
    line: i32,
    #[schema(example = "Burger")]
    title: &'e str,
    #[schema(example = "burgers")]
    section: &'e str,
    #[schema(value_type = runtime::openapi::Quantity)]
    quantity: String,
    /// The buyer's wish.
    #[schema(required, example = "no onions")]
    note: Option<&'e str>,
}

impl<'e> From<&'e Line> for KitchenLine<'e> {
    fn from(line: &'e Line) -> Self {
        Self {
            line: line.line,
            title: &line.title,
            section: &line.section,
            quantity: line.quantity.to_string(),
            note: line.note.as_deref(),
        }
    }
}

/// The lines of an order in JSON; `None` where no kitchen prepares it.
pub fn lines(order: &OrderPlaced) -> Option<String> {
    let lines = || order.lines.iter().map(KitchenLine::from).collect::<Vec<_>>();
    (order.fulfilment == KITCHEN).then(|| serde_json::to_string(&lines()).expect("it has no maps"))
}

#[cfg(test)]
mod tests {
    use schemas::{Money, Qty, Ref};

    use super::*;

    #[test]
    fn a_line_is_shown_with_its_quantity_in_words() {
        let line = Line {
            line: 1,
            number: 7,
            product: Ref { home: "abe9998d".into(), id: String::new() },
            revision: 1,
            seller: None,
            title: "\"Cheese\" burger".into(),
            section: "burgers".into(),
            quantity: Qty::parse("1.5").unwrap(),
            unit_price: Money::parse("2.00").unwrap(),
            discount: Money::ZERO,
            amount: Money::parse("3.00").unwrap(),
            note: None,
            counts_stock: false,
        };
        let shown = serde_json::to_string(&KitchenLine::from(&line)).unwrap();
        let told =
            r#"{"line":1,"title":"\"Cheese\" burger","section":"burgers","quantity":"1.500","note":null}"#;
        assert_eq!(shown, told);
    }
}

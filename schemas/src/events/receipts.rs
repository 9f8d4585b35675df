//! Receipts, as they were recorded and voided.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::Money;

/// One line of a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What was bought.
    pub product_id: String,
    /// Pieces.
    pub quantity: i64,
    /// For one piece.
    pub price: Money,
    /// The category the shop puts the product in.
    pub category: String,
}

/// What a receipt says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Unique over all places: the aggregate's id.
    pub transaction_id: String,
    /// Business time: when the till wrote it.
    #[serde(with = "crate::time")]
    pub occurred_at: DateTime<Utc>,
    /// What was bought.
    pub items: Vec<Item>,
    /// Sum of price x quantity.
    pub total_amount: Money,
    /// Tax within the total.
    pub tax_amount: Money,
    /// Tips, on top of the total.
    pub tips_amount: Money,
    /// Free text.
    pub payment_method: String,
    /// The shop or restaurant.
    pub place_id: String,
    /// Its name on this receipt.
    pub place_name: String,
}

/// A receipt was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptRecorded {
    /// What it says.
    pub receipt: Receipt,
    /// `false`: a fact, recorded although its total is not the sum of its items.
    pub totals_match: bool,
    /// The account that sent it.
    pub recorded_by: String,
    /// Version byte and digest of the command's content.
    #[serde(with = "super::bytes")]
    pub fingerprint: Vec<u8>,
}

/// A receipt was taken out of every figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptVoided {
    /// The receipt as recorded: what folds must take out.
    pub receipt: Receipt,
    /// Why.
    pub reason: String,
    /// The account that asked for it.
    pub voided_by: String,
}

stream! { Receipts keyed by (receipt.transaction_id);
    ReceiptRecorded: "receipt_recorded/v1";
    ReceiptVoided: "receipt_voided/v1";
}

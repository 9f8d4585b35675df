//! Receipts as they were recorded, and their voids.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::Money;

/// One line of a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The id of the product, as the shop has it.
    pub product_id: String,
    /// The number of pieces.
    pub quantity: i64,
    /// The price of one piece.
    pub price: Money,
    /// The category the shop puts the product in.
    pub category: String,
}

/// The content of a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The receipt's id, which is unique over all places: the aggregate's id and its key.
    pub transaction_id: String,
    /// Business time: when the point of sale wrote the receipt, by its own clock.
    #[serde(with = "crate::time")]
    pub occurred_at: DateTime<Utc>,
    /// The lines of the receipt; their order counts.
    pub items: Vec<Item>,
    /// The sum of price x quantity over the lines, unless the event says that it is not.
    pub total_amount: Money,
    /// The tax, which is within the total.
    pub tax_amount: Money,
    /// The tips, which come on top of the total.
    pub tips_amount: Money,
    /// How it was paid, in the client's words.
    pub payment_method: String,
    /// The id of the shop or restaurant.
    pub place_id: String,
    /// The name of the place on this receipt.
    pub place_name: String,
}

/// A receipt was recorded, for the first time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptRecorded {
    /// The content of the receipt.
    pub receipt: Receipt,
    /// `false` where the total is not the sum of the lines. A contract records such a receipt as the fact it is.
    pub totals_match: bool,
    /// The name of the account that sent the receipt.
    pub recorded_by: String,
    /// A version byte and a digest of the content: see the fingerprint of `domain`.
    #[serde(with = "super::bytes")]
    pub fingerprint: Vec<u8>,
}

/// A receipt was voided: it is taken out of every figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptVoided {
    /// The receipt as it was recorded, because folds of this topic must know what to take out.
    pub receipt: Receipt,
    /// The reason, in the admin's words.
    pub reason: String,
    /// The name of the admin who voided it.
    pub voided_by: String,
}

stream! { Receipts keyed by (receipt.transaction_id);
    ReceiptRecorded: "receipt_recorded/v1";
    ReceiptVoided: "receipt_voided/v1";
}

//! What an answer says of a receipt's time and amounts.

use chrono::{DateTime, Utc};
use runtime::openapi;
use schemas::Money;
use schemas::receipts::Receipt;
use serde::Serialize;
use utoipa::ToSchema;

/// What a receipt's time and amounts were understood to be: they can be written in several ways.
#[derive(Clone, Copy, Serialize, ToSchema)]
pub struct Understood {
    /// In UTC.
    #[serde(with = "schemas::time")]
    pub timestamp: DateTime<Utc>,
    #[schema(value_type = openapi::Money)]
    pub total_amount: Money,
    #[schema(value_type = openapi::Money)]
    pub tax_amount: Money,
    #[schema(value_type = openapi::Money)]
    pub tips_amount: Money,
}

impl Understood {
    pub fn of(receipt: &Receipt) -> Self {
        let Receipt { occurred_at, total_amount, tax_amount, tips_amount, .. } = *receipt;
        Self { timestamp: occurred_at, total_amount, tax_amount, tips_amount }
    }
}

//! Bodies as the description shows them. Handlers read theirs field by field (see [`super::form`]), so that everything wrong is
//! told at once: what they ask of a field is said here again, for whoever writes requests.

#![allow(dead_code, reason = "they are described, not made")]
#![allow(unused_qualifications, reason = "utoipa writes the types of fields out")]

use runtime::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::amount::Amount;
use super::receipts::Understood;

/// A receipt. `total_amount` is the sum of price x quantity; `tax_amount` is within it, `tips_amount` on top of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "transaction_id": "demo-1",
    "timestamp": "2024-05-01T12:00:00Z",
    "items": [{"product_id": "espresso", "quantity": 2, "price": "2.50", "category": "coffee"}],
    "total_amount": "5.00",
    "tax_amount": "0.83",
    "tips_amount": "0.50",
    "payment_method": "card",
    "place_id": "cafe-1",
    "place_name": "Corner Cafe",
}))]
pub struct Receipt {
    /// The till's own id. It makes the receipt idempotent.
    #[schema(min_length = 1, max_length = 150, example = "demo-1")]
    transaction_id: String,
    /// Business time: RFC 3339, or a date and time without zone, read in the service's; years 0001 to 9999, at most a day ahead.
    #[schema(example = "2024-05-01T12:00:00Z")]
    timestamp: String,
    #[schema(min_items = 1, max_items = 1000)]
    items: Vec<Item>,
    total_amount: Amount,
    /// `nds_amount` is another name for it.
    tax_amount: Amount,
    tips_amount: Amount,
    #[schema(min_length = 1, max_length = 150, example = "card")]
    payment_method: String,
    /// More than spaces.
    #[schema(min_length = 1, max_length = 150, example = "cafe-1")]
    place_id: String,
    /// More than spaces.
    #[schema(min_length = 1, max_length = 150, example = "Corner Cafe")]
    place_name: String,
}

/// A line of a receipt.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Item {
    #[schema(min_length = 1, max_length = 150, example = "espresso")]
    product_id: String,
    #[schema(minimum = 1, maximum = 2_147_483_647, example = 2)]
    quantity: i64,
    price: Amount,
    #[schema(min_length = 1, max_length = 150, example = "coffee")]
    category: String,
}

/// Why a receipt is void.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Void {
    #[schema(min_length = 1, max_length = 500, example = "entered twice")]
    reason: String,
}

/// Who logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    #[schema(example = "ann")]
    username: String,
    #[schema(format = Password, example = "correct horse")]
    password: String,
}

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// No white space, control characters or `/`.
    #[schema(min_length = 1, max_length = 150, example = "ann")]
    username: String,
    #[schema(format = Password, min_length = 8, max_length = 200, example = "correct horse")]
    password: String,
}

/// An account's roles and places; both replace what was.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    #[schema(example = json!(["terminal"]))]
    roles: Vec<Role>,
    /// The places a terminal may send for; missing or empty: every place.
    #[schema(max_items = 1000, example = json!(["cafe-1"]))]
    places: Option<Vec<String>>,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Customer,
    Staff,
    Terminal,
    Analyst,
    Admin,
}

/// A line of a batch's answer.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum BatchLine {
    Recorded(RecordedLine),
    Refused(RefusedLine),
}

/// The receipt is recorded, now (`accepted`) or before (`duplicate`).
#[derive(Serialize, ToSchema)]
pub struct RecordedLine {
    /// Which receipt of the batch, from 0.
    index: u32,
    result: RecordedResult,
    transaction_id: String,
    /// Its place in the log; for `Till-Position` of a read.
    #[schema(example = "r4-17")]
    position: String,
    #[serde(flatten)]
    understood: Understood,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RecordedResult {
    Accepted,
    Duplicate,
}

/// The receipt is not recorded (`conflict`, `invalid`: 400, 403, 409, 413, 422), or must be sent again (`unavailable`: 503).
#[derive(Serialize, ToSchema)]
pub struct RefusedLine {
    /// Which receipt of the batch, from 0.
    index: u32,
    result: RefusedResult,
    #[serde(flatten)]
    problem: Problem,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RefusedResult {
    Conflict,
    Invalid,
    Unavailable,
}

/// How a body is read.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct BodyHeaders {
    /// `handling=lenient` (RFC 7240): fields that are not described are passed over, not refused.
    #[param(rename = "Prefer", nullable = false, example = "handling=lenient")]
    prefer: Option<String>,
}

/// Headers of every command.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct CommandHeaders {
    /// A UUID, or 16 to 32 hexadecimal digits: kept in the event's headers, and told with the answer. Another one, or none, is
    /// replaced by a new one.
    #[param(rename = "X-Request-Id", nullable = false, example = "0af7651916cd43dd8448eb211c80319c")]
    request_id: Option<String>,
    /// W3C trace context, kept in the event's headers.
    #[param(
        rename = "traceparent",
        nullable = false,
        max_length = 128,
        example = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    )]
    traceparent: Option<String>,
}

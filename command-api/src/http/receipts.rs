//! `POST /v1/receipts`, its validation alone, and voids.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::Utc;
use domain::names;
use domain::receipt::{self, RecordReceipt, VoidReceipt};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use runtime::Problem;
use runtime::auth::{Caller, Role};
use runtime::openapi::responses::{Invalid, OfBodies, OfCallers};
use schemas::Event;
use schemas::receipts::{self, Item, Receipt};
use serde::Serialize;
use utoipa::ToSchema;

use super::amount::Amount;
use super::error::overloaded;
use super::form::Form;
use super::object::fields;
use super::prefer::{CommandPreferences, Handling};
use super::understood::Understood;
use super::{ApiError, App, Segment};
use crate::blocking::Threads;
use crate::shard::{Answer, Origin};

/// How long a read from the log waits for a free thread.
const THREAD_WITHIN: Duration = Duration::from_secs(1);
/// Characters of a void's reason, at most.
const MAX_REASON_CHARS: usize = 500;
/// All but the unreserved characters of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Who may send receipts.
pub const WRITERS: [Role; 2] = [Role::Terminal, Role::Admin];

fields! {
    /// A receipt. `total_amount` is the sum of price x quantity; `tax_amount` is within it, `tips_amount` on top of it.
    #[schema(as = Receipt, example = json!({
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
    pub struct ReceiptBody {
        /// The till's own id. It makes the receipt idempotent.
        #[schema(min_length = 1, max_length = 150, example = "demo-1")]
        transaction_id: String,
        /// Business time: RFC 3339, or a date and time without zone, read in the service's; years 0001 to 9999, at most a day ahead.
        #[schema(example = "2024-05-01T12:00:00Z")]
        timestamp: String,
        #[schema(min_items = 1, max_items = 1000)]
        items: Vec<ItemBody>,
        total_amount: Amount,
        /// `nds_amount` is another name for it.
        tax_amount | "nds_amount": Amount,
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
}

fields! {
    /// A line of a receipt.
    #[schema(as = Item)]
    struct ItemBody {
        #[schema(min_length = 1, max_length = 150, example = "espresso")]
        product_id: String,
        #[schema(minimum = 1, maximum = 2_147_483_647, example = 2)]
        quantity: i64,
        price: Amount,
        #[schema(min_length = 1, max_length = 150, example = "coffee")]
        category: String,
    }
}

/// The receipt is recorded; its time and amounts as they were understood.
#[derive(Serialize, ToSchema)]
struct Recorded {
    #[schema(example = "demo-1")]
    transaction_id: String,
    /// Its place in the log; opaque.
    #[schema(example = "r9-0")]
    position: String,
    #[serde(flatten)]
    understood: Understood,
}

/// The receipt keeps all rules; its time and amounts as they were understood.
#[derive(Serialize, ToSchema)]
struct Valid {
    #[schema(example = "demo-1")]
    transaction_id: String,
    valid: bool,
    #[serde(flatten)]
    understood: Understood,
}

/// The receipt is void.
#[derive(Serialize, ToSchema)]
struct Voided {
    #[schema(example = "demo-1")]
    transaction_id: String,
    /// The void's place in the log; opaque.
    #[schema(example = "r9-2")]
    position: String,
    #[schema(value_type = String)]
    note: &'static str,
}

const VOID_NOTE: &str = "the transaction_id stays taken, because what is recorded is never changed: send the right receipt with another one";

/// Records a receipt: 201, or 200 where the same was recorded before.
#[utoipa::path(
    post,
    path = "/v1/receipts",
    tag = "Receipts",
    operation_id = "recordReceipt",
    params(Origin, CommandPreferences),
    request_body = ReceiptBody,
    responses(
        (status = 201, description = "Recorded: committed to the log.", body = Recorded,
            headers(
                ("Location" = String, description = "Where the projector has the receipt."),
                ("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."),
            )),
        (status = 200, description = "The same receipt was recorded before; this is the first answer.", body = Recorded,
            headers(
                ("Location" = String, description = "Where the projector has the receipt."),
                ("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."),
            )),
        (status = 409, description = "Another receipt has this `transaction_id`.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "urn:till:receipt-conflict", "title": "Another receipt has this id", "status": 409,
                "detail": "a receipt with this transaction_id and another content was recorded before"})),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn record(
    State(app): State<App>,
    caller: Caller,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let receipt = parse(&app, &caller, handling, &body)?;
    let (transaction_id, understood) = (receipt.transaction_id.clone(), Understood::of(&receipt));
    let command = RecordReceipt { receipt, totals_match: true, recorded_by: caller.account() };
    let answer = app.submit(command, &headers).await?;
    let location = location(&transaction_id);
    let position = answer.position.to_string();
    Ok(answered(&answer, &location, Recorded { transaction_id, position, understood }))
}

/// Checks a receipt and records nothing: 200. It does not look whether the id is taken.
#[utoipa::path(
    post,
    path = "/v1/receipts/validate",
    tag = "Receipts",
    operation_id = "validateReceipt",
    params(Handling),
    request_body = ReceiptBody,
    responses(
        (status = 200, description = "The receipt keeps all rules.", body = Valid),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn validate(
    State(app): State<App>,
    caller: Caller,
    handling: Handling,
    body: Bytes,
) -> Result<Response, ApiError> {
    let receipt = parse(&app, &caller, handling, &body)?;
    let fingerprint = receipt::fingerprint(&receipt);
    tracing::trace!(?fingerprint, "valid");
    let understood = Understood::of(&receipt);
    Ok(Json(Valid { transaction_id: receipt.transaction_id, valid: true, understood }).into_response())
}

fields! {
    /// Why a receipt is void.
    #[schema(as = Void)]
    struct VoidBody {
        #[schema(min_length = 1, max_length = 500, example = "entered twice")]
        reason: String,
    }
}

/// Takes a receipt out of every figure: 201, or 200 where it was voided for this reason before.
#[utoipa::path(
    post,
    path = "/v1/receipts/{transaction_id}/void",
    tag = "Receipts",
    operation_id = "voidReceipt",
    params(("transaction_id" = String, Path, example = "demo-1"), Origin, CommandPreferences),
    request_body = VoidBody,
    responses(
        (status = 201, description = "Void: committed to the log.", body = Voided,
            headers(
                ("Location" = String, description = "Where the projector has the receipt."),
                ("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."),
            )),
        (status = 200, description = "It was voided for this reason before; this is the first answer.", body = Voided,
            headers(
                ("Location" = String, description = "Where the projector has the receipt."),
                ("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."),
            )),
        (status = 404, description = "No such receipt was recorded.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "urn:till:receipt-unknown", "title": "No such receipt", "status": 404,
                "detail": "no receipt with this transaction_id was recorded"})),
        (status = 409, description = "It is void for another reason.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "urn:till:void-conflict", "title": "Voided before", "status": 409,
                "detail": "the receipt was voided before, for another reason"})),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn void(
    State(app): State<App>,
    caller: Caller,
    Segment(transaction_id): Segment,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    caller.require(&[Role::Admin])?;
    let mut form = Form::new(handling);
    let body: VoidBody<'_> = form.body(&body)?;
    let reason = form.text("reason", body.reason, reason);
    let reason = form.finish(reason)?;
    app.shards.served_here(&transaction_id).await?;
    let receipt = recorded(&app, &transaction_id, &app.reading).await?;
    let command =
        VoidReceipt { transaction_id: transaction_id.clone(), receipt, reason, voided_by: caller.account() };
    let answer = app.submit(command, &headers).await?;
    let location = location(&transaction_id);
    let position = answer.position.to_string();
    Ok(answered(&answer, &location, Voided { transaction_id, position, note: VOID_NOTE }))
}

/// The receipt as it was recorded, `None` where this replica knows of none. It may know of none because it was fenced and does
/// not see what its successor has recorded: so that is not answered here but left to the command, whose rejection takes a commit.
///
/// The state keeps a receipt's position alone. The rest is read from the log, on one of `threads`; 503 where none of them becomes
/// free in [`THREAD_WITHIN`].
pub async fn recorded(
    app: &App,
    transaction_id: &str,
    threads: &Threads,
) -> Result<Option<Receipt>, ApiError> {
    let Some(state) = receipt::load(&app.store.as_ref(), transaction_id) else { return Ok(None) };
    let thread = threads.wait(THREAD_WITHIN).await.ok_or_else(overloaded)?;
    let source = Arc::clone(&app.source);
    match thread.run(move || source.read(state.position)).await {
        Ok(Event::Receipts(receipts::Event::ReceiptRecorded(event))) => Ok(Some(event.receipt)),
        _ => Err(Problem::unavailable(
            "the receipt could not be read from the log: nothing happened, try again",
            1,
        )
        .into()),
    }
}

/// The receipt of a body that keeps all rules, from a caller who may send it.
pub fn parse(app: &App, caller: &Caller, handling: Handling, body: &[u8]) -> Result<Receipt, Problem> {
    caller.require(&WRITERS)?;
    let mut form = Form::new(handling);
    let body: ReceiptBody<'_> = form.body(body)?;
    let items: Vec<ItemBody<'_>> = form.list("items", body.items, receipt::MAX_ITEMS);
    let items = items.iter().enumerate().map(|(index, item)| parse_item(&mut form, index, item)).collect();
    form.leave();
    let now = Utc::now();
    let receipt = Receipt {
        transaction_id: form.text("transaction_id", body.transaction_id, names::identifier),
        occurred_at: form
            .text("timestamp", body.timestamp, |text| receipt::timestamp(text, app.zone.as_ref(), now)),
        items,
        total_amount: form.decimal("total_amount", body.total_amount, receipt::amount),
        tax_amount: form.decimal("tax_amount", body.tax_amount, receipt::amount),
        tips_amount: form.decimal("tips_amount", body.tips_amount, receipt::amount),
        payment_method: form.text("payment_method", body.payment_method, names::identifier),
        place_id: form.text("place_id", body.place_id, |text| names::not_blank(text, names::identifier)),
        place_name: form.text("place_name", body.place_name, |text| names::not_blank(text, names::label)),
    };
    // The rules between fields are checked only where each field is right by itself: one mistake would be told twice else.
    if !form.has_wrong(&["/items", "/total_amount", "/tax_amount"]) {
        for violation in receipt::violations(&receipt) {
            form.wrong(violation.pointer.trim_start_matches('/'), violation.detail);
        }
    }
    let receipt = form.finish(receipt)?;
    if !caller.places.is_empty()
        && !caller.places.contains(&receipt.place_id)
        && !caller.roles.contains(&Role::Admin)
    {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "this terminal is bound to other places; an admin binds terminals",
        ));
    }
    Ok(receipt)
}

fn parse_item(form: &mut Form, index: usize, item: &ItemBody<'_>) -> Item {
    form.enter("items", index);
    Item {
        product_id: form.text("product_id", item.product_id, names::identifier),
        quantity: form.integer("quantity", item.quantity, receipt::quantity),
        price: form.decimal("price", item.price, receipt::amount),
        category: form.text("category", item.category, names::label),
    }
}

fn reason(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() {
        return Err("must say why");
    }
    if text.chars().count() > MAX_REASON_CHARS {
        return Err("must have at most 500 characters");
    }
    if text.contains('\0') {
        return Err("must not contain the character U+0000");
    }
    Ok(text.to_owned())
}

fn answered(answer: &Answer, location: &str, body: impl Serialize) -> Response {
    let status = if answer.is_new { StatusCode::CREATED } else { StatusCode::OK };
    (status, answer, [(header::LOCATION, location)], Json(body)).into_response()
}

/// Where the projector has the receipt, its id as one segment of the path.
fn location(transaction_id: &str) -> String {
    format!("/v1/receipts/{}", percent_encoding::utf8_percent_encode(transaction_id, ESCAPED))
}

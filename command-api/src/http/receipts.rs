//! `POST /v1/receipts`, its validation alone, and voids.

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::Utc;
use domain::Command;
use domain::receipt::{self, RecordReceipt, VoidReceipt};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use runtime::Problem;
use runtime::auth::{Caller, Role};
use runtime::openapi::responses::{Invalid, OfBodies, OfCallers};
use schemas::{Event, Item, Receipt};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bodies::CommandHeaders;
use super::form::{Field, Form, object};
use super::{ApiError, App, Segment, bodies};
use crate::shard::{Answer, Origin};

/// Characters of a void's reason, at most.
const MAX_REASON_CHARS: usize = 500;
/// All but the unreserved characters of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Who may send receipts.
pub const WRITERS: [Role; 2] = [Role::Terminal, Role::Admin];

#[derive(Deserialize)]
struct ReceiptBody<'b> {
    #[serde(borrow)]
    transaction_id: Field<'b>,
    timestamp: Field<'b>,
    items: Field<'b>,
    total_amount: Field<'b>,
    #[serde(alias = "nds_amount")]
    tax_amount: Field<'b>,
    tips_amount: Field<'b>,
    payment_method: Field<'b>,
    place_id: Field<'b>,
    place_name: Field<'b>,
}

#[derive(Deserialize)]
struct ItemBody<'b> {
    #[serde(borrow)]
    product_id: Field<'b>,
    quantity: Field<'b>,
    price: Field<'b>,
    category: Field<'b>,
}

/// A receipt or void is recorded.
#[derive(Serialize, ToSchema)]
struct Recorded<'r> {
    #[schema(example = "demo-1")]
    transaction_id: &'r str,
    /// Its place in the log; opaque.
    #[schema(example = "r9-0")]
    position: String,
}

/// The receipt keeps all rules.
#[derive(Serialize, ToSchema)]
struct Valid<'r> {
    #[schema(example = "demo-1")]
    transaction_id: &'r str,
    valid: bool,
}

/// Records a receipt: 201, or 200 where the same was recorded before.
#[utoipa::path(
    post,
    path = "/v1/receipts",
    tag = "Receipts",
    operation_id = "recordReceipt",
    params(CommandHeaders),
    request_body = bodies::Receipt,
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
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let receipt = parse(&app, &caller, &body)?;
    let transaction_id = receipt.transaction_id.clone();
    let command = RecordReceipt { receipt, totals_match: true, recorded_by: caller.username };
    let answer = app.shards.submit(Command::RecordReceipt(command), Origin::of(&headers)).await?;
    let location = format!("/v1/receipts/{}", in_path(&transaction_id));
    Ok(answered(&transaction_id, answer, &location))
}

/// Checks a receipt and records nothing: 200. It does not look whether the id is taken.
#[utoipa::path(
    post,
    path = "/v1/receipts/validate",
    tag = "Receipts",
    operation_id = "validateReceipt",
    request_body = bodies::Receipt,
    responses(
        (status = 200, description = "The receipt keeps all rules.", body = Valid),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn validate(State(app): State<App>, caller: Caller, body: Bytes) -> Result<Response, ApiError> {
    let receipt = parse(&app, &caller, &body)?;
    let fingerprint = receipt::fingerprint(&receipt);
    tracing::trace!(?fingerprint, "valid");
    Ok(Json(Valid { transaction_id: &receipt.transaction_id, valid: true }).into_response())
}

#[derive(Deserialize)]
struct VoidBody<'b> {
    #[serde(borrow)]
    reason: Field<'b>,
}

/// Takes a receipt out of every figure: 201, or 200 where it was voided for this reason before.
#[utoipa::path(
    post,
    path = "/v1/receipts/{transaction_id}/void",
    tag = "Receipts",
    operation_id = "voidReceipt",
    params(("transaction_id" = String, Path, example = "demo-1"), CommandHeaders),
    request_body = bodies::Void,
    responses(
        (status = 201, description = "Void: committed to the log.", body = Recorded,
            headers(
                ("Location" = String, description = "Where the projector has the receipt."),
                ("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."),
            )),
        (status = 200, description = "It was voided for this reason before; this is the first answer.", body = Recorded,
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
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    caller.require(&[Role::Admin])?;
    let body: VoidBody<'_> = object(&body)?;
    let mut form = Form::default();
    let reason = form.text("reason", body.reason, reason);
    let reason = form.finish(reason)?;
    app.shards.served_here(&transaction_id).await?;
    let receipt = recorded(&app, &transaction_id).await?;
    let command =
        VoidReceipt { transaction_id: transaction_id.clone(), receipt, reason, voided_by: caller.username };
    let answer = app.shards.submit(Command::VoidReceipt(command), Origin::of(&headers)).await?;
    let location = format!("/v1/receipts/{}", in_path(&transaction_id));
    Ok(answered(&transaction_id, answer, &location))
}

/// The receipt as it was recorded, if it was: the state keeps its position only, the log has the rest. That there is none
/// may be a fenced owner's mistake, so it is not said here but decided, like any other no.
pub async fn recorded(app: &App, transaction_id: &str) -> Result<Option<Receipt>, ApiError> {
    let Some(state) = receipt::load(&app.store.as_ref(), transaction_id) else { return Ok(None) };
    let source = std::sync::Arc::clone(&app.source);
    let read = tokio::task::spawn_blocking(move || source.read(state.position)).await;
    match read {
        Ok(Ok(Event::ReceiptRecorded(event))) => Ok(Some(event.receipt)),
        _ => Err(Problem::unavailable(
            "the receipt could not be read from the log: nothing happened, try again",
            1,
        )
        .into()),
    }
}

/// The receipt of a body that keeps all rules, from a caller who may send it.
pub fn parse(app: &App, caller: &Caller, body: &[u8]) -> Result<Receipt, Problem> {
    caller.require(&WRITERS)?;
    let body: ReceiptBody<'_> = object(body)?;
    let mut form = Form::default();
    let items: Vec<ItemBody<'_>> = form.list("items", body.items, receipt::MAX_ITEMS);
    let items = items.iter().enumerate().map(|(index, item)| parse_item(&mut form, index, item)).collect();
    form.leave();
    let now = Utc::now();
    let receipt = Receipt {
        transaction_id: form.text("transaction_id", body.transaction_id, receipt::identifier),
        occurred_at: form.text("timestamp", body.timestamp, |text| receipt::timestamp(text, &app.zone, now)),
        items,
        total_amount: form.decimal("total_amount", body.total_amount, receipt::amount),
        tax_amount: form.decimal("tax_amount", body.tax_amount, receipt::amount),
        tips_amount: form.decimal_or_default("tips_amount", body.tips_amount, receipt::amount),
        payment_method: form.text("payment_method", body.payment_method, receipt::identifier),
        place_id: form.text("place_id", body.place_id, receipt::not_blank),
        place_name: form.text("place_name", body.place_name, receipt::not_blank),
    };
    // Between fields only where each by itself is right.
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
        product_id: form.text("product_id", item.product_id, receipt::identifier),
        quantity: form.integer("quantity", item.quantity, receipt::quantity),
        price: form.decimal("price", item.price, receipt::amount),
        category: form.text("category", item.category, receipt::identifier),
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

fn answered(transaction_id: &str, answer: Answer, location: &str) -> Response {
    let position = answer.position.to_string();
    let status = if answer.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let headers = [
        (header::LOCATION, HeaderValue::from_str(location)),
        (header::HeaderName::from_static("till-position"), HeaderValue::from_str(&position)),
    ];
    let mut response = (status, Json(Recorded { transaction_id, position })).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.expect("both are ASCII"));
    }
    response
}

/// An id as one segment of a path.
fn in_path(id: &str) -> Cow<'_, str> {
    percent_encoding::utf8_percent_encode(id, ESCAPED).into()
}

//! `/v1/orders`: placed, quoted, moved on, called off.
//!
//! Read in this order: [`place`] -> [`wanted`], what the body asks for -> [`buyer`], whom it is for -> the catalogue's barrier ->
//! the shard -> [`shown`]. What a refusal tells beside its kind is in [`told`].

mod buyer;
pub mod moves;
mod shown;
mod told;
mod wanted;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::TimeDelta;
use domain::order::{Payable, PlaceOrder, V1, priced};
use runtime::Problem;
use runtime::auth::{Caller, Role};
use runtime::openapi::responses::{Invalid, OfBodies, OfCallers};
use schemas::{Ref, place as named};

use super::asked::asked;
use super::drawn::new_id;
use super::idempotency::idempotency_id;
use super::prefer::{CommandPreferences, Handling};
use super::sellers::SCOPE;
use super::{ApiError, App};
use crate::shard::{Origin, Refusal};
use shown::{Order, Quote, shown};
use wanted::{OrderBody, Wanted};

/// Who may order: everybody who buys, and whoever sells.
const BUYERS: [Role; 4] = [Role::Customer, Role::Staff, Role::Terminal, Role::Admin];

/// Places an order: 201. What it costs is what the catalogue says at that moment.
#[utoipa::path(
    post,
    path = "/v1/orders",
    tag = "Orders",
    operation_id = "placeOrder",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, example = "0b1f7d3e",
            description = "Makes a retry of this request answer alike. ASCII. Without one, an order that is sent twice is two."),
        Origin,
        CommandPreferences,
    ),
    request_body = OrderBody,
    responses(
        (status = 201, description = "Placed: committed to the log. Where a stock is counted, the order is `placed` until that is reserved; \
            `Prefer: wait` waits for it.", body = Order,
            headers(
                ("Location" = String, description = "Where the projector has the order."),
                ("ETag" = String, description = "The revision, for `If-Match` of a change."),
                ("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."),
            )),
        (status = 200, description = "It was placed before, with this `Idempotency-Key`; as it is now.", body = Order),
        (status = 409, description = "A product is unknown, is not sold, or has another price than the one that was sent; or the customer may not order.",
            body = Problem, content_type = "application/problem+json",
            example = json!({"type": "urn:till:price-changed", "title": "Price changed", "status": 409,
                "detail": "a product has another price than the unit_price that was sent",
                "prices": {"/lines/0/unit_price": "26.00"}})),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn place(
    State(app): State<App>,
    caller: Caller,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    caller.require(&BUYERS)?;
    let wanted = wanted::read(handling, &body)?;
    let key = idempotency_id(&headers, "orders", &caller.account())?;
    let home = new_id(&headers, key).to_string();
    // The barrier is of the replica whose shard decides.
    app.shards.found_here(&home).await?;
    app.barrier.pass(wanted.homes()).await?;
    let (buyer, ship_to) = buyer::find(&app, &caller, &wanted)?;
    let asked = asked(&caller, key, &wanted.print());
    let cancel_at = asked.at + TimeDelta::seconds(app.own.order_deadline_s);
    let Wanted { fulfilment, lines, method, .. } = wanted;
    let command = PlaceOrder {
        home: home.clone(),
        id: Some(String::new()),
        scope: SCOPE.to_owned(),
        rules: V1.name.to_owned(),
        buyer: Some(buyer),
        fulfilment,
        currency: app.own.currency.clone(),
        ship_to,
        lines: lines.clone(),
        payment: Payable {
            id: format!("{home}_1"),
            method,
            provider: String::new(),
            cancel_at: Some(cancel_at),
        },
        is_imported: false,
        asked,
    };
    let answer = app.submit(command, &headers).await;
    let answer = answer.map_err(|refusal| told::of_lines(&app, refusal, &lines))?;
    let order = Ref { home, id: String::new() };
    let shown = shown(&app, &answer, &order)?;
    if !answer.is_new {
        return Ok(shown);
    }
    let location = [(header::LOCATION, format!("/v1/orders/{}", named::text(&order)))];
    Ok((StatusCode::CREATED, location, shown).into_response())
}

/// Says what an order would cost, and whether it would be taken. Nothing is recorded or reserved.
#[utoipa::path(
    post,
    path = "/v1/orders/quote",
    tag = "Orders",
    operation_id = "quoteOrder",
    params(Handling),
    request_body = OrderBody,
    responses(
        (status = 200, description = "The order would be taken, at this price.", body = Quote),
        (status = 409, description = "A product is unknown, is not sold, or has another price than the one that was sent; or the customer may not order.",
            body = Problem, content_type = "application/problem+json",
            example = json!({"type": "urn:till:product-not-sold", "title": "Not sold", "status": 409,
                "detail": "a product that is ordered is not sold now"})),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn quote(
    State(app): State<App>,
    caller: Caller,
    handling: Handling,
    body: Bytes,
) -> Result<Json<Quote>, ApiError> {
    caller.require(&BUYERS)?;
    let wanted = wanted::read(handling, &body)?;
    app.barrier.pass(wanted.homes()).await?;
    buyer::find(&app, &caller, &wanted)?;
    let priced = priced(&app.store.as_ref(), wanted.lines.clone());
    let (lines, total) = priced
        .map_err(|rejection| told::of_lines(&app, Refusal::Rejected(rejection.into()), &wanted.lines))?;
    Ok(Json(Quote::of(lines, total, app.own.currency.clone())))
}

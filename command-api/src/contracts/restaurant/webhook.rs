//! `POST /pedidos/status_pagamento/`: whoever takes the money tells what became of a payment. It is not signed, and believed, by
//! contract: `TILL_RESTAURANT_PAYMENTS` says so.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use contracts::answers::Refused;
use contracts::restaurant::HOME;
use contracts::restaurant::words::NO_ORDER;
use domain::order::{self, PaymentStatus, SettlePayment};
use serde::Serialize;

use super::fields::{Fields, Need, said_at};
use super::orders::{known, refused, shown};
use super::recorded::{asked, unknown};
use crate::http::App;

/// What is told.
#[derive(Serialize)]
struct Told {
    payment_id: String,
    action: String,
    /// When it happened; what cannot be read as a time counts as the newest.
    said_at: Option<DateTime<Utc>>,
}

/// Records what is told of a payment, and answers with its order. What is older than what was told already changes nothing, and
/// neither does an action that is none of the two.
pub async fn tell(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Response, Refused> {
    let told = parse(&body)?;
    app.shards.served_here(HOME).await?;
    let order = order::paid_by(&app.store.as_ref(), HOME, &told.payment_id);
    let order = order.ok_or_else(|| unknown(NO_ORDER))?;
    known(&app, &order)?;
    let status = match told.action.as_str() {
        "state_FINISHED" => PaymentStatus::Approved,
        "state_CANCELED" => PaymentStatus::Cancelled,
        _ => return shown(&app, &order),
    };
    let asked = asked(&headers, "pedidos/status_pagamento", &told)?;
    let command = SettlePayment {
        home: order.home.clone(),
        id: order.id.clone(),
        payment_id: told.payment_id,
        status,
        amount: None,
        code: String::new(),
        source: "contract".to_owned(),
        said_at: told.said_at,
        asked,
    };
    app.submit(command, &headers).await.map_err(refused)?;
    shown(&app, &order)
}

fn parse(body: &[u8]) -> Result<Told, Refused> {
    let mut fields = Fields::parse(body)?;
    let mut text = |name| fields.text(name, Need::Required).unwrap_or_default();
    let (payment_id, _, date, _, action) =
        (text("id"), text("type"), text("date_created"), text("api_version"), text("action"));
    let _ = fields.integer("user_id", Need::Required);
    fields.finish(Told { payment_id, action, said_at: said_at(&date) })
}

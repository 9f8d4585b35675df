//! `/pedidos/`: placed, corrected, removed. An order is placed whole or not at all; the original left an empty one behind where a
//! line failed.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use contracts::answers::{Refused, json};
use contracts::restaurant::fastapi::{Id, detail};
use contracts::restaurant::shown::{Item, Order};
use contracts::restaurant::words::{BAD_QUANTITY, NO_CLIENT, NO_ORDER, NO_PRODUCT};
use contracts::restaurant::{
    HOME, SCOPE, float, local_time, payment_number, payment_status, stage, stage_number,
};
use domain::order::{
    self, AmendOrder, Fulfilment, LineState, OrderState, Payable, PlaceOrder, Price, RESTAURANT, RemoveOrder,
    Stage, Wanted,
};
use domain::{Rejection, catalogue, people};
use rust_decimal::prelude::ToPrimitive;
use schemas::orders::{Buyer, Times};
use schemas::{Money, Qty, Ref};
use serde::Serialize;
use uuid::Uuid;

use super::fields::{Fields, Need};
use super::products;
use super::recorded::{asked, database, fits, reference, reused, unknown};
use crate::contracts::django::MAX_INTEGER;
use crate::http::App;
use crate::shard::Refusal;

const MAX_NOTE_CHARS: usize = 200;
const MAX_PAYMENT_ID_CHARS: usize = 150;

/// An order as it was sent.
#[derive(Serialize)]
struct Sent {
    client: i64,
    items: Vec<SentItem>,
}

/// A line as it was sent. The original takes a `valor` too, and ignores it.
#[derive(Serialize)]
struct SentItem {
    product: i64,
    quantity: i64,
    note: Option<String>,
}

/// A correction as it was sent. What is null stays as it is.
#[derive(Serialize)]
struct Correction {
    id: Option<i64>,
    status: Option<i64>,
    client: Option<i64>,
    times: [Option<DateTime<Utc>>; 4],
    payment_status: Option<i64>,
    payment_id: Option<String>,
}

/// Places an order, at the menu's prices.
pub async fn place(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Response, Refused> {
    let sent = parse(&body)?;
    app.shards.served_here(HOME).await?;
    let asked = asked(&headers, "pedidos/checkout", &sent)?;
    let buyer = buyer(&app, sent.client)?;
    let lines = wanted(&app, sent.items)?;
    // Of a request that is sent again the id is the first one's, so that it finds the order that the first one placed.
    let payment_id = asked.key.map_or_else(Uuid::now_v7, |key| Uuid::new_v5(&key, b"payment")).to_string();
    let command = PlaceOrder {
        home: HOME.to_owned(),
        id: None,
        scope: SCOPE.to_owned(),
        rules: RESTAURANT.name.to_owned(),
        buyer: Some(buyer),
        fulfilment: Fulfilment::Kitchen,
        currency: app.own.currency.clone(),
        ship_to: None,
        lines,
        payment: Payable {
            id: payment_id.clone(),
            method: "qr".to_owned(),
            provider: String::new(),
            cancel_at: None,
        },
        is_imported: false,
        asked,
    };
    app.submit(command, &headers).await.map_err(refused)?;
    let order = order::paid_by(&app.store.as_ref(), HOME, &payment_id);
    shown(&app, &order.ok_or_else(|| unknown(NO_ORDER))?)
}

/// Corrects an order, whatever its status: any status may follow any other, as there.
pub async fn amend(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Response, Refused> {
    let sent = parse_correction(&body)?;
    app.shards.served_here(HOME).await?;
    let order = reference(sent.id.ok_or_else(|| unknown(NO_ORDER))?);
    known(&app, &order)?;
    let asked = asked(&headers, "pedidos/put", &sent)?;
    let buyer = sent.client.map(|client| buyer(&app, client)).transpose()?;
    let [received_at, preparing_at, ready_at, finished_at] = sent.times;
    let command = AmendOrder {
        home: order.home.clone(),
        id: order.id.clone(),
        stage: sent.status.map(|number| stage(number).into()),
        buyer,
        times: Times { received_at, preparing_at, ready_at, finished_at },
        payment_id: sent.payment_id,
        payment_status: sent.payment_status.map(|number| payment_status(number).into()),
        asked,
    };
    app.submit(command, &headers).await.map_err(refused)?;
    shown(&app, &order)
}

/// Takes an order off the lists.
pub async fn remove(State(app): State<App>, Id(id): Id, headers: HeaderMap) -> Result<Response, Refused> {
    app.shards.served_here(HOME).await?;
    let Ref { home, id } = reference(id);
    let asked = asked(&headers, "pedidos/delete", &id)?;
    app.submit(RemoveOrder { home, id, asked }, &headers).await.map_err(refused)?;
    Ok(json(StatusCode::OK, &true))
}

fn parse(body: &[u8]) -> Result<Sent, Refused> {
    let mut fields = Fields::parse(body)?;
    let client = fields.integer("id_cliente", Need::Required).unwrap_or_default();
    let items = fields.list("itens", Need::Required, |fields| SentItem {
        product: fields.integer("produto", Need::Required).unwrap_or_default(),
        quantity: fields.integer("quantidade", Need::Required).unwrap_or_default(),
        note: fields.text("descricao", Need::Optional),
    });
    fields.finish(Sent { client, items })
}

fn parse_correction(body: &[u8]) -> Result<Correction, Refused> {
    let mut fields = Fields::parse(body)?;
    let mut integer = |name| fields.integer(name, Need::Optional);
    let (id, client) = (integer("id"), integer("cliente"));
    let (status, payment_status) = (integer("status_pedido"), integer("status_pagamento"));
    let names = ["datahora_recebido", "datahora_preparacao", "datahora_pronto", "datahora_finalizado"];
    let times = names.map(|name| fields.datetime(name, Need::Optional));
    let payment_id = fields.text("id_pagamento", Need::Optional);
    let sent = fields.finish(Correction { id, status, client, times, payment_status, payment_id })?;
    fits(sent.payment_id.as_deref(), MAX_PAYMENT_ID_CHARS)?;
    Ok(sent)
}

/// The client of an order.
fn buyer(app: &App, client: i64) -> Result<Buyer, Refused> {
    let party = reference(client);
    let customer = people::load(&app.store.as_ref(), &party.home, &party.id);
    let subject = customer.ok_or_else(|| unknown(NO_CLIENT))?.sealed.subject;
    Ok(Buyer { kind: "customer".to_owned(), party, subject: Some(subject) })
}

/// The lines of an order, in which the original's database took each product once.
fn wanted(app: &App, items: Vec<SentItem>) -> Result<Vec<Wanted>, Refused> {
    let mut seen = BTreeSet::new();
    let mut wanted = Vec::with_capacity(items.len());
    for SentItem { product, quantity, note } in items {
        products::known(app, product)?;
        if quantity <= 0 {
            return Err(detail(StatusCode::SERVICE_UNAVAILABLE, BAD_QUANTITY).into());
        }
        if quantity > MAX_INTEGER || !seen.insert(product) {
            return Err(database());
        }
        fits(note.as_deref(), MAX_NOTE_CHARS)?;
        let (product, quantity) = (reference(product), Qty::from(quantity));
        wanted.push(Wanted { product, quantity, price: Price::Present, note });
    }
    Ok(wanted)
}

/// The order, where it is on the lists.
pub fn known(app: &App, order: &Ref) -> Result<OrderState, Refused> {
    let state = order::load(&app.store.as_ref(), order).filter(|state| state.stage != Stage::Removed);
    state.ok_or_else(|| unknown(NO_ORDER))
}

/// The order as it is now, without lines of products that were removed.
pub fn shown(app: &App, order: &Ref) -> Result<Response, Refused> {
    let state = known(app, order)?;
    let is_listed = |line: &&LineState| catalogue::load_product(&app.store.as_ref(), &line.product).is_some();
    let lines: Vec<_> = state.lines.iter().filter(is_listed).collect();
    let total: Money = lines.iter().map(|line| line.amount).sum();
    let payment = state.payment.as_ref();
    let status = state.shown.status.clone().unwrap_or_else(|| state.payment_status());
    let order = Order {
        id: order.id.parse().unwrap_or_default(),
        status_pedido: stage_number(state.stage.as_str()),
        itens: lines.into_iter().map(item).collect(),
        datahora_recebido: state.times.received_at.map(local_time),
        datahora_preparacao: state.times.preparing_at.map(local_time),
        datahora_pronto: state.times.ready_at.map(local_time),
        datahora_finalizado: state.times.finished_at.map(local_time),
        status_pagamento: payment_number(status.as_str()),
        id_pagamento: state.shown.id.clone().or_else(|| payment.map(|payment| payment.id.clone())),
        valor_total: float(&total.to_string()),
        cliente: state.buyer.as_ref().and_then(|buyer| buyer.party.id.parse().ok()),
    };
    Ok(json(StatusCode::OK, &order))
}

fn item(line: &LineState) -> Item {
    Item {
        produto: line.product.id.parse().unwrap_or_default(),
        quantidade: line.quantity.decimal().to_i64().unwrap_or_default(),
        descricao: line.note.clone(),
    }
}

/// A refusal in the contract's words.
pub fn refused(refusal: Refusal) -> Refused {
    let Refusal::Rejected(Rejection::Order(rejection)) = &refusal else { return refusal.into() };
    match rejection {
        order::Rejection::Unknown | order::Rejection::PaymentUnknown => unknown(NO_ORDER),
        order::Rejection::NoBuyer => unknown(NO_CLIENT),
        order::Rejection::NoProduct | order::Rejection::NotSold => unknown(NO_PRODUCT),
        order::Rejection::IdempotencyKeyReused => reused(),
        _ => database(),
    }
}

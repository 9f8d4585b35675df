//! `POST /api/add_checks/` of the consumer: open to anyone, with weaker rules than the producer's. Nothing in it names the
//! check, so each call counts, unless it sends an `Idempotency-Key`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use contracts::answers::{Refused, json};
use contracts::django::detail;
use contracts::receipts::words::{BAD_KEY, KEY_REUSED};
use contracts::receipts::{CONSUMER, DIALECT};
use domain::Rejection;
use domain::receipt::{self, RecordReceipt};
use schemas::Money;
use schemas::receipts::{Item, Receipt};
use serde::Serialize;
use uuid::Uuid;

use super::check::{self, MAX_CHARS};
use super::contract::Contract;
use crate::contracts::django::{Decimals, Fields, MAX_INTEGER};
use crate::http::receipts::recorded;
use crate::shard::{Origin, Refusal, Shards};

/// So many that a replica with one shard of them all finds an id of it, but for once in ten million times.
const DRAWS_A_SHARD: i32 = 16;
/// An amount may be negative.
const AMOUNT: Decimals = Decimals { least: None, ..check::AMOUNT };

#[derive(Default, Serialize)]
struct Line {
    quantity: i64,
    price: Money,
    category: String,
}

/// The check as it came and as it is answered.
#[derive(Serialize)]
struct Check {
    place_id: String,
    place_name: String,
    total_amount: Money,
    nds_amount: Money,
    tips_amount: Option<Money>,
    items: Vec<Line>,
}

/// Records a check: 201 with what was taken.
pub async fn record(
    State(contract): State<Contract>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let mut fields = Fields::parse(&DIALECT, &body)?;
    let check = parse(&mut fields);
    let check = fields.finish(check)?;
    let transaction_id = transaction_id(&contract.app.shards, &headers)?;
    let receipt = as_receipt(&check, transaction_id, now());
    let command = RecordReceipt {
        totals_match: receipt::totals_match(&receipt),
        receipt: receipt.clone(),
        recorded_by: CONSUMER.to_owned(),
    };
    match contract.app.shards.submit(command, Origin::of(&headers)).await {
        Ok(_) => {}
        // The same key again: what it said must be the same, but for when it came.
        Err(Refusal::Rejected(Rejection::Receipt(receipt::Rejection::IdTaken))) => {
            let app = &contract.app;
            let first = recorded(app, &receipt.transaction_id, &app.strangers_reading).await?;
            let is_same =
                first.is_some_and(|first| first == Receipt { occurred_at: first.occurred_at, ..receipt });
            if !is_same {
                return Err(detail(StatusCode::UNPROCESSABLE_ENTITY, KEY_REUSED).into());
            }
        }
        Err(refusal) => return Err(refusal.into()),
    }
    Ok(json(StatusCode::CREATED, &check))
}

fn parse(fields: &mut Fields) -> Check {
    Check {
        place_id: fields.identifier("place_id", MAX_CHARS),
        place_name: fields.label("place_name", MAX_CHARS),
        total_amount: fields.amount("total_amount", &AMOUNT),
        nds_amount: fields.amount("nds_amount", &AMOUNT),
        tips_amount: fields.optional_amount("tips_amount", &AMOUNT),
        items: fields.list("items", receipt::MAX_ITEMS, |fields| Line {
            quantity: fields.integer("quantity", -MAX_INTEGER - 1..=MAX_INTEGER),
            price: fields.amount("price", &AMOUNT),
            category: fields.label("category", MAX_CHARS),
        }),
    }
}

/// What the contract leaves out stays empty; no tips count as 0.
fn as_receipt(check: &Check, transaction_id: String, occurred_at: DateTime<Utc>) -> Receipt {
    let items = check.items.iter().map(|line| Item {
        product_id: String::new(),
        quantity: line.quantity,
        price: line.price,
        category: line.category.clone(),
    });
    Receipt {
        transaction_id,
        occurred_at,
        items: items.collect(),
        total_amount: check.total_amount,
        tax_amount: check.nds_amount,
        tips_amount: check.tips_amount.unwrap_or_default(),
        payment_method: String::new(),
        place_id: check.place_id.clone(),
        place_name: check.place_name.clone(),
    }
}

/// Of the `Idempotency-Key`, where one was sent; else a new one.
fn transaction_id(shards: &Shards, headers: &HeaderMap) -> Result<String, Refused> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(draw(shards)) };
    let key = key.to_str().ok().filter(|key| (1..=255).contains(&key.len()));
    let key = key.ok_or_else(|| detail(StatusCode::BAD_REQUEST, BAD_KEY))?;
    let name = format!("{CONSUMER}\nadd_checks\n{key}");
    Ok(Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string())
}

/// A new id, of a shard that this replica serves, if it serves any. Any new id would be right; but the replica that a request
/// is forwarded to draws another one, which could be the next one's to record, and so on.
fn draw(shards: &Shards) -> String {
    let new = || Uuid::now_v7().to_string();
    let draws = DRAWS_A_SHARD * shards.count();
    (0..draws).map(|_| new()).find(|id| shards.serves(id)).unwrap_or_else(new)
}

/// In microseconds, as events keep it.
fn now() -> DateTime<Utc> {
    let now = Utc::now();
    DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
}

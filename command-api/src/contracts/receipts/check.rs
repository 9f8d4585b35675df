//! `POST /api/checks/` of the producer: open to anyone. A check is a fact: what does not add up is recorded and marked.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use contracts::answers::{Refused, json};
use contracts::receipts::words::{DUPLICATE_TRANSACTION, TOO_FAR_AHEAD};
use contracts::receipts::{DIALECT, PRODUCER, local_time};
use domain::Rejection;
use domain::receipt::{self, RecordReceipt};
use schemas::Money;
use schemas::receipts::{Item, Receipt};
use serde::Serialize;

use super::contract::Contract;
use crate::contracts::django::{Decimals, Fields, MAX_INTEGER};
use crate::shard::{Answer, Origin, Refusal};

/// Characters of ids and names, at most.
pub const MAX_CHARS: usize = 150;
const MAX_PAYMENT_CHARS: usize = 20;
/// Amounts are `decimal(9, 2)`, as in the original's columns.
pub const AMOUNT: Decimals = Decimals { digits: 9, places: 2, least: Some(0) };

/// The check as it was taken.
#[derive(Serialize)]
struct Echo<'r> {
    transaction_id: &'r str,
    timestamp: String,
    items: &'r [Item],
    total_amount: Money,
    nds_amount: Money,
    tips_amount: Money,
    payment_method: &'r str,
    place_id: &'r str,
    place_name: &'r str,
}

/// Records a check: 201 with what was taken, 400 where its id is known.
pub async fn record(
    State(contract): State<Contract>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let (app, origin) = (&contract.app, Origin::of(&headers));
    let mut fields = Fields::parse(&DIALECT, &body)?;
    let receipt = parse(&mut fields);
    if fields.are_wrong() && !receipt.transaction_id.is_empty() {
        app.shards.served_here(&receipt.transaction_id).await?;
        if receipt::load(&app.store.as_ref(), &receipt.transaction_id).is_some() {
            fields.wrong("transaction_id", DUPLICATE_TRANSACTION);
        }
    }
    let receipt = fields.finish(receipt)?;
    let command = RecordReceipt {
        totals_match: receipt::totals_match(&receipt),
        receipt: receipt.clone(),
        recorded_by: PRODUCER.to_owned(),
    };
    match submit(&contract, command, origin).await {
        Ok(answer) if answer.is_new => Ok(json(StatusCode::CREATED, &echo(&receipt))),
        Ok(_) | Err(Refusal::Rejected(Rejection::Receipt(receipt::Rejection::IdTaken))) => {
            let mut fields = Fields::none(&DIALECT);
            fields.wrong("transaction_id", DUPLICATE_TRANSACTION);
            Err(fields.refuse())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// Records the check and notes it. A client that hangs up ends its request but not this task, so that what is recorded is
/// noted.
async fn submit(contract: &Contract, command: RecordReceipt, origin: Origin) -> Result<Answer, Refusal> {
    let (contract, receipt) = (contract.clone(), command.receipt.clone());
    let noted = tokio::spawn(async move {
        let answer = contract.app.shards.submit(command, origin).await?;
        if answer.is_new {
            contract.journal.note(&receipt).await;
        }
        Ok(answer)
    });
    noted.await.expect("a check is recorded without a panic")
}

fn parse(fields: &mut Fields) -> Receipt {
    Receipt {
        transaction_id: fields.identifier("transaction_id", MAX_CHARS),
        occurred_at: timestamp(fields),
        items: fields.list("items", receipt::MAX_ITEMS, parse_item),
        total_amount: fields.amount("total_amount", &AMOUNT),
        tax_amount: fields.amount("nds_amount", &AMOUNT),
        tips_amount: fields.amount("tips_amount", &AMOUNT),
        payment_method: fields.identifier("payment_method", MAX_PAYMENT_CHARS),
        place_id: fields.identifier("place_id", MAX_CHARS),
        place_name: fields.label("place_name", MAX_CHARS),
    }
}

/// When it happened, at most a day ahead.
fn timestamp(fields: &mut Fields) -> DateTime<Utc> {
    let at = fields.datetime("timestamp");
    if receipt::is_too_far_ahead(at, Utc::now()) {
        fields.wrong("timestamp", TOO_FAR_AHEAD);
    }
    at
}

fn parse_item(fields: &mut Fields) -> Item {
    Item {
        product_id: fields.identifier("product_id", MAX_CHARS),
        quantity: fields.integer("quantity", 1..=MAX_INTEGER),
        price: fields.amount("price", &AMOUNT),
        category: fields.label("category", MAX_CHARS),
    }
}

fn echo(receipt: &Receipt) -> Echo<'_> {
    Echo {
        transaction_id: &receipt.transaction_id,
        timestamp: local_time(receipt.occurred_at),
        items: &receipt.items,
        total_amount: receipt.total_amount,
        nds_amount: receipt.tax_amount,
        tips_amount: receipt.tips_amount,
        payment_method: &receipt.payment_method,
        place_id: &receipt.place_id,
        place_name: &receipt.place_name,
    }
}

//! `GET /api/ch/` of the producer: all checks, open to anyone, by business time. Those of the consumer's `add_checks` are
//! left out: they have no id and no time of their own.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use contracts::answers::Refused;
use contracts::receipts::{CONSUMER, local_time};
use futures_util::TryStreamExt;
use runtime::Problem;
use serde::{Deserialize, Serialize};

use super::contract::Contract;
use crate::contracts::list::{Part, list as streamed};
use crate::projections::RECEIPTS;
use crate::read::failed;

/// The most checks of a part.
const MOST: i64 = 1000;

/// The caller whose turns reads of the list take, because anyone may read it without a token.
const ANYONE: &str = "readers of the receipts contract's open list";

#[derive(Serialize)]
struct Check {
    transaction_id: String,
    timestamp: String,
    items: Vec<Item>,
    total_amount: String,
    nds_amount: String,
    tips_amount: String,
    payment_method: String,
    place_id: String,
    place_name: String,
}

/// An item, with its fields in the order of the contract's document; the table's JSON has another.
#[derive(Serialize, Deserialize)]
struct Item {
    product_id: String,
    quantity: i64,
    price: String,
    category: String,
}

struct Row {
    transaction_id: String,
    occurred_at: DateTime<Utc>,
    items: String,
    total_amount: String,
    tax_amount: String,
    tips_amount: String,
    payment_method: String,
    place_id: String,
    place_name: String,
}

/// The last check of a part: the next part begins after it.
struct Cursor {
    occurred_at: DateTime<Utc>,
    transaction_id: String,
}

/// `GET /api/ch/`: all checks, by business time.
pub async fn list(State(contract): State<Contract>) -> Result<Response, Refused> {
    let part = move |after| part(contract.clone(), after);
    Ok(streamed(part).await?)
}

async fn part(contract: Contract, after: Option<Cursor>) -> Result<Part<Cursor>, Problem> {
    let mut snapshot = match after {
        None => contract.snapshot(&[RECEIPTS], ANYONE).await?,
        Some(_) => contract.eventual_snapshot(&[RECEIPTS], ANYONE).await?,
    };
    let mut rows = sqlx::query_as!(
        Row,
        r#"SELECT transaction_id, occurred_at, items::text AS "items!", total_amount::text AS "total_amount!",
               tax_amount::text AS "tax_amount!", tips_amount::text AS "tips_amount!", payment_method, place_id,
               place_name
           FROM receipts
           WHERE (occurred_at, transaction_id) > (coalesce($1, '-infinity'::timestamptz), $2::text)
               AND recorded_by <> $3
           ORDER BY occurred_at, transaction_id LIMIT $4"#,
        after.as_ref().map(|cursor| cursor.occurred_at),
        after.as_ref().map_or("", |cursor| cursor.transaction_id.as_str()),
        CONSUMER,
        MOST
    )
    .fetch(&mut *snapshot);
    let (mut part, mut count) = (Part::new(), 0);
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        count += 1;
        let cursor = Cursor { occurred_at: row.occurred_at, transaction_id: row.transaction_id.clone() };
        let has_room = part.push(&Check::from(row));
        if !has_room || count == MOST {
            return Ok(part.goes_on(cursor));
        }
    }
    Ok(part)
}

impl From<Row> for Check {
    fn from(row: Row) -> Self {
        Self {
            transaction_id: row.transaction_id,
            timestamp: local_time(row.occurred_at),
            items: serde_json::from_str(&row.items).expect("the table has items as events have them"),
            total_amount: row.total_amount,
            nds_amount: row.tax_amount,
            tips_amount: row.tips_amount,
            payment_method: row.payment_method,
            place_id: row.place_id,
            place_name: row.place_name,
        }
    }
}

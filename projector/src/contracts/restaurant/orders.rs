//! Orders: the kitchen's queue, those of a status or a client, one by its number. Lines of products that were removed are left out, as
//! there, where they went with their product.

use std::collections::HashMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use contracts::answers::{Refused, json};
use contracts::restaurant::fastapi::Id;
use contracts::restaurant::shown::{Item, Order};
use contracts::restaurant::words::NO_ORDER;
use contracts::restaurant::{HOME, SCOPE, float, local_time, payment_number, stage, stage_number};
use runtime::Problem;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use sqlx::PgConnection;

use super::contract::{Contract, unknown};
use crate::contracts::list::{Part, list as streamed};
use crate::projections::{CATALOGUE, ORDERS};
use crate::read::failed;

/// The most orders of a part: each may have 500 lines.
const MOST: i64 = 100;

/// An order. It is received when it is placed, so that it has that time.
struct Row {
    number: i64,
    rank: i32,
    stage: String,
    received_at: DateTime<Utc>,
    preparing_at: Option<DateTime<Utc>>,
    ready_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    payment_id: Option<String>,
    payment_status: String,
    buyer_id: Option<String>,
}

/// Lines of an order, and what they cost.
#[derive(Default)]
struct Lines {
    items: Vec<Item>,
    total: Decimal,
}

/// Which orders a list has. Each is in order of rank, then of the time at which they were received.
#[derive(Clone)]
enum Which {
    /// Those of the kitchen.
    Queue,
    /// Those of a stage.
    Of(String),
    /// Those of a client.
    Client(String),
}

/// The last order of a part: the next part begins after it.
struct Cursor {
    rank: i32,
    received_at: DateTime<Utc>,
    number: i64,
}

/// `GET /pedidos/`: what is ready, then what is prepared, then what was received, each oldest first. Finished orders are left out.
pub async fn queue(State(contract): State<Contract>) -> Result<Response, Refused> {
    Ok(streamed(move |after| part(contract.clone(), Which::Queue, true, after)).await?)
}

/// The orders of a status, oldest first.
pub async fn of_status(State(contract): State<Contract>, status: i64) -> Result<Response, Refused> {
    Ok(streamed(move |after| part(contract.clone(), Which::Of(stage(status)), true, after)).await?)
}

/// `GET /pedidos/fila/`: the orders that were received, without their lines, as there.
pub async fn line(State(contract): State<Contract>) -> Result<Response, Refused> {
    Ok(streamed(move |after| part(contract.clone(), Which::Of(stage(1)), false, after)).await?)
}

/// `GET /clientes/<id>/pedidos/`: the client's orders, by status.
pub async fn of_client(State(contract): State<Contract>, Id(id): Id) -> Result<Response, Refused> {
    let which = Which::Client(id.to_string());
    Ok(streamed(move |after| part(contract.clone(), which.clone(), true, after)).await?)
}

/// `GET /pedidos/<id>`.
pub async fn one(State(contract): State<Contract>, Id(id): Id) -> Result<Response, Refused> {
    let mut snapshot = contract.snapshot(&[ORDERS, CATALOGUE]).await?;
    let row = identified(&mut snapshot, id).await?;
    let lines = lines(&mut snapshot, &[id.to_string()]).await?.remove(&id);
    Ok(json(StatusCode::OK, &order(row, lines.unwrap_or_default())))
}

/// `GET /pedidos/<id>/status_pagamento/`: the number as a text.
pub async fn payment_status(State(contract): State<Contract>, Id(id): Id) -> Result<Response, Refused> {
    let mut snapshot = contract.snapshot(&[ORDERS]).await?;
    let row = identified(&mut snapshot, id).await?;
    Ok(json(StatusCode::OK, &payment_number(&row.payment_status).to_string()))
}

async fn identified(snapshot: &mut PgConnection, id: i64) -> Result<Row, Refused> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT number AS "number!", 0 AS "rank!", stage, received_at AS "received_at!", preparing_at, ready_at, finished_at,
               coalesce(shown_payment_id, payment_id) AS payment_id,
               coalesce(shown_payment_status, payment_status) AS "payment_status!", buyer_id
           FROM orders WHERE home = $1 AND id = $2 AND removed_at IS NULL"#,
        HOME,
        id.to_string()
    )
    .fetch_optional(snapshot)
    .await
    .map_err(failed)?;
    row.ok_or_else(|| unknown(NO_ORDER))
}

async fn part(
    contract: Contract,
    which: Which,
    with_lines: bool,
    after: Option<Cursor>,
) -> Result<Part<Cursor>, Problem> {
    let mut snapshot = contract.part(&[ORDERS, CATALOGUE], after.is_none()).await?;
    let rows = match which {
        Which::Queue => queued(&mut snapshot, after).await,
        Which::Of(stage) => staged(&mut snapshot, &stage, after).await,
        Which::Client(id) => bought(&mut snapshot, &id, after).await,
    };
    let rows = rows.map_err(failed)?;
    let ids: Vec<_> = rows.iter().map(|row| row.number.to_string()).collect();
    let mut lines = if with_lines { lines(&mut snapshot, &ids).await? } else { HashMap::new() };
    let (mut part, count) = (Part::new(), rows.len());
    for (index, row) in (1..).zip(rows) {
        let cursor = Cursor { rank: row.rank, received_at: row.received_at, number: row.number };
        let lines = lines.remove(&row.number).unwrap_or_default();
        let has_room = part.push(&order(row, lines));
        if !has_room || (index == count && i64::try_from(count) == Ok(MOST)) {
            return Ok(part.goes_on(cursor));
        }
    }
    Ok(part)
}

async fn queued(snapshot: &mut PgConnection, after: Option<Cursor>) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"SELECT number AS "number!", queue_rank::integer AS "rank!", stage, received_at AS "received_at!", preparing_at, ready_at,
               finished_at, coalesce(shown_payment_id, payment_id) AS payment_id,
               coalesce(shown_payment_status, payment_status) AS "payment_status!", buyer_id
           FROM orders
           WHERE scope = $1 AND queue_rank IS NOT NULL AND removed_at IS NULL
               AND (queue_rank, received_at, number) > ($2::integer, coalesce($3, '-infinity'::timestamptz), $4::bigint)
           ORDER BY queue_rank, received_at, number LIMIT $5"#,
        SCOPE,
        after.as_ref().map_or(0, |cursor| cursor.rank),
        after.as_ref().map(|cursor| cursor.received_at),
        after.as_ref().map_or(0, |cursor| cursor.number),
        MOST
    )
    .fetch_all(snapshot)
    .await
}

async fn staged(snapshot: &mut PgConnection, stage: &str, after: Option<Cursor>) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"SELECT number AS "number!", 0 AS "rank!", stage, received_at AS "received_at!", preparing_at, ready_at, finished_at,
               coalesce(shown_payment_id, payment_id) AS payment_id,
               coalesce(shown_payment_status, payment_status) AS "payment_status!", buyer_id
           FROM orders
           WHERE scope = $1 AND stage = $2 AND removed_at IS NULL
               AND (received_at, number) > (coalesce($3, '-infinity'::timestamptz), $4::bigint)
           ORDER BY received_at, number LIMIT $5"#,
        SCOPE,
        stage,
        after.as_ref().map(|cursor| cursor.received_at),
        after.as_ref().map_or(0, |cursor| cursor.number),
        MOST
    )
    .fetch_all(snapshot)
    .await
}

async fn bought(snapshot: &mut PgConnection, client: &str, after: Option<Cursor>) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"WITH ranked AS (
               SELECT *, CASE stage WHEN 'received' THEN 1 WHEN 'preparing' THEN 2 WHEN 'ready' THEN 3 WHEN 'finished' THEN 4
                   ELSE 5 END AS rank
               FROM orders WHERE buyer_home = $1 AND buyer_id = $2 AND scope = $3 AND removed_at IS NULL)
           SELECT number AS "number!", rank AS "rank!", stage, received_at AS "received_at!", preparing_at, ready_at, finished_at,
               coalesce(shown_payment_id, payment_id) AS payment_id,
               coalesce(shown_payment_status, payment_status) AS "payment_status!", buyer_id
           FROM ranked
           WHERE (rank, received_at, number) > ($4::integer, coalesce($5, '-infinity'::timestamptz), $6::bigint)
           ORDER BY rank, received_at, number LIMIT $7"#,
        HOME,
        client,
        SCOPE,
        after.as_ref().map_or(0, |cursor| cursor.rank),
        after.as_ref().map(|cursor| cursor.received_at),
        after.as_ref().map_or(0, |cursor| cursor.number),
        MOST
    )
    .fetch_all(snapshot)
    .await
}

/// The lines of these orders, by the orders' numbers.
async fn lines(snapshot: &mut PgConnection, ids: &[String]) -> Result<HashMap<i64, Lines>, Problem> {
    let rows = sqlx::query!(
        r#"SELECT l.id::bigint AS "number!", l.product_id, l.quantity, l.amount, l.note
           FROM order_lines AS l
           JOIN products AS p ON p.home = l.product_home AND p.id = l.product_id AND p.removed_at IS NULL
           WHERE l.home = $1 AND l.id = ANY($2)
           ORDER BY l.id, l.line"#,
        HOME,
        ids
    )
    .fetch_all(snapshot)
    .await
    .map_err(failed)?;
    let mut lines = HashMap::<i64, Lines>::new();
    for row in rows {
        let of_order = lines.entry(row.number).or_default();
        of_order.total += row.amount;
        of_order.items.push(Item {
            produto: row.product_id.parse().unwrap_or_default(),
            quantidade: row.quantity.to_i64().unwrap_or_default(),
            descricao: row.note,
        });
    }
    Ok(lines)
}

fn order(row: Row, lines: Lines) -> Order {
    Order {
        id: row.number,
        status_pedido: stage_number(&row.stage),
        itens: lines.items,
        datahora_recebido: Some(local_time(row.received_at)),
        datahora_preparacao: row.preparing_at.map(local_time),
        datahora_pronto: row.ready_at.map(local_time),
        datahora_finalizado: row.finished_at.map(local_time),
        status_pagamento: payment_number(&row.payment_status),
        id_pagamento: row.payment_id,
        valor_total: float(&lines.total.to_string()),
        cliente: row.buyer_id.and_then(|id| id.parse().ok()),
    }
}

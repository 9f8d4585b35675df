//! `/v1/orders`: what was ordered, and how far it has come. [`buyers`] says whose orders a caller may see.

mod buyers;
pub mod events;
mod shown;

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use runtime::openapi::responses::{OfCallers, OfReads};
use runtime::{Problem, etag};
use schemas::{Bytes, Ref, Sealed, place};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::paging::{self, Cursor};
use super::parameters::{NoQuery, PathId, Read, ReadHeaders, id};
use crate::projections::{CUSTOMERS, KEYS, ORDERS};
use crate::read::{Unopened, failed, opened, with_another_look};
use buyers::Buyers;
use shown::{Order, OrderLine, OrderSummary, Payment, Row, ShipTo};

/// The parameters of the list: `?stage&scope&buyer&cursor&limit`.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OrderQuery {
    /// The orders at one stage; at any where it is missing.
    #[param(min_length = 1, max_length = 150, example = "received")]
    stage: Option<String>,
    /// The orders of `v1`, or of a contract's own scope; of all where it is missing.
    #[param(min_length = 1, max_length = 150, example = "v1")]
    scope: Option<String>,
    /// The orders for one buyer: the id of a customer, or the number of an account. A customer's own list has its own in any case.
    #[param(example = "3")]
    buyer: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Rows of the page; 100 where it is missing.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

/// A page of the list.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderPage)]
struct Page {
    orders: Vec<OrderSummary>,
    /// `cursor` of the next page; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Queries orders. All parts are literals, so that sqlx checks the whole query against the tables.
macro_rules! query_orders {
    ($rows:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"SELECT o.home, o.id, scope, stage, buyer_kind, buyer_home, buyer_id, fulfilment, currency,
                   total::text AS "total!", payment_id, payment_status, received_at, preparing_at, ready_at, finished_at,
                   placed_at, updated_at, revision, (ship_to IS NOT NULL) AS "is_sent!"
               FROM orders AS o "# + $rows,
            $($argument),+
        )
    };
}

/// The orders, the newest first. A customer sees its own.
#[utoipa::path(
    get,
    path = "/v1/orders",
    tag = "Orders",
    operation_id = "listOrders",
    params(OrderQuery, ReadHeaders),
    responses((status = 200, description = "A page of them.", body = Page), OfCallers, OfReads)
)]
pub async fn list(read: Read<OrderQuery>) -> Result<Response, Problem> {
    buyers::require_reader(&read)?;
    let OrderQuery { stage, scope, buyer, cursor, limit } = &read.query;
    let (stage, scope) = (id("stage", stage.as_deref())?, id("scope", scope.as_deref())?);
    let asked_for = Buyers::asked_for(buyer.as_deref())?;
    let limit = paging::limit(limit.as_deref())?;
    let cursor = Cursor::parse(cursor.as_deref())?;
    let (home, id) = cursor.as_ref().map_or(Ok(("", "")), Cursor::place)?;
    let before = cursor.as_ref().map(|cursor| cursor.at);
    let wanted =
        Wanted { stage: stage.as_deref(), scope: scope.as_deref(), before, home, id, most: limit + 1 };
    let mut snapshot = read.snapshot(&[ORDERS, CUSTOMERS]).await?;
    let may_see = buyers::visible(&read, &mut snapshot).await?;
    let mut rows = match Buyers::common(may_see, asked_for) {
        Some(buyers) => of_buyers(&mut snapshot, &buyers, &wanted).await?,
        None => of_all(&mut snapshot, &wanted).await?,
    };
    let has_more = paging::cut(&mut rows, limit);
    let last = rows.last().filter(|_| has_more);
    let next_cursor = last.map(|last| Cursor::of_place(last.placed_at, &last.home, &last.id).text());
    let orders = rows.into_iter().map(OrderSummary::from).collect();
    Ok(Json(Page { orders, next_cursor }).into_response())
}

/// What orders are asked for.
struct Wanted<'q> {
    /// `None`: any.
    stage: Option<&'q str>,
    scope: Option<&'q str>,
    /// The order before which the page begins; `None`: it is the first page.
    before: Option<DateTime<Utc>>,
    home: &'q str,
    id: &'q str,
    most: i64,
}

async fn of_all(snapshot: &mut PgConnection, wanted: &Wanted<'_>) -> Result<Vec<Row>, Problem> {
    query_orders!(
        "WHERE (placed_at, o.home, o.id) < (coalesce($1, 'infinity'::timestamptz), $2::text, $3::text)
             AND ($4::text IS NULL OR stage = $4) AND ($5::text IS NULL OR scope = $5)
         ORDER BY placed_at DESC, o.home DESC, o.id DESC LIMIT $6",
        wanted.before,
        wanted.home,
        wanted.id,
        wanted.stage,
        wanted.scope,
        wanted.most
    )
    .fetch_all(snapshot)
    .await
    .map_err(failed)
}

async fn of_buyers(
    snapshot: &mut PgConnection,
    Buyers { kinds, homes, ids }: &Buyers,
    wanted: &Wanted<'_>,
) -> Result<Vec<Row>, Problem> {
    query_orders!(
        "JOIN UNNEST($1::text[], $2::text[], $3::text[]) AS b(kind, home, id)
             ON o.buyer_home = b.home AND o.buyer_id = b.id AND o.buyer_kind = b.kind
         WHERE (placed_at, o.home, o.id) < (coalesce($4, 'infinity'::timestamptz), $5::text, $6::text)
             AND ($7::text IS NULL OR stage = $7) AND ($8::text IS NULL OR scope = $8)
         ORDER BY placed_at DESC, o.home DESC, o.id DESC LIMIT $9",
        kinds,
        homes,
        ids,
        wanted.before,
        wanted.home,
        wanted.id,
        wanted.stage,
        wanted.scope,
        wanted.most
    )
    .fetch_all(snapshot)
    .await
    .map_err(failed)
}

/// One order: 404 where there is none of the id, or it is another customer's.
#[utoipa::path(
    get,
    path = "/v1/orders/{id}",
    tag = "Orders",
    operation_id = "readOrder",
    params(("id" = String, Path, example = "ad29a06d-f80b-5868-ab38-9265eaada00f"), ReadHeaders),
    responses(
        (status = 200, description = "The order.", body = Order,
            headers(("ETag" = String, description = "The revision, for `If-Match` of a change."))),
        (status = 404, description = "There is none of the id.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Not Found", "status": 404,
                "detail": "there is no order with this id"})),
        OfCallers,
        OfReads,
    )
)]
pub async fn one(read: Read<NoQuery>, PathId(id): PathId) -> Result<Response, Problem> {
    buyers::require_reader(&read)?;
    let order = id.as_deref().and_then(place::parse).ok_or_else(unknown)?;
    let mut snapshot = read.snapshot(&[ORDERS, CUSTOMERS]).await?;
    let row = visible(&read, &mut snapshot, &order).await?;
    let lines = lines(&mut snapshot, &order).await?;
    let payment = payment(&mut snapshot, &order, row.payment_id.as_deref()).await?;
    // What is personal is read from a snapshot of its own, and a caller has few at once.
    drop(snapshot);
    let ship_to = match row.is_sent && buyers::may_read_addresses(&read) {
        true => with_another_look(|| ship_to(&read, &order)).await?,
        false => None,
    };
    Ok((etag(row.revision), Json(Order { summary: row.into(), lines, payment, ship_to })).into_response())
}

fn unknown() -> Problem {
    Problem::not_found("there is no order with this id")
}

/// The order, where the caller may see it.
async fn visible<Q>(read: &Read<Q>, snapshot: &mut PgConnection, order: &Ref) -> Result<Row, Problem> {
    let may_see = buyers::visible(read, snapshot).await?;
    let row = query_orders!("WHERE o.home = $1 AND o.id = $2", order.home, order.id)
        .fetch_optional(snapshot)
        .await
        .map_err(failed)?;
    let buyer = |row: &Row| row.buyer_kind.clone().zip(row.buyer_home.clone()).zip(row.buyer_id.clone());
    let is_visible = |row: &Row| may_see.as_ref().is_none_or(|buyers| buyers.have(buyer(row)));
    row.filter(is_visible).ok_or_else(unknown)
}

async fn lines(snapshot: &mut PgConnection, order: &Ref) -> Result<Vec<OrderLine>, Problem> {
    let rows = sqlx::query!(
        r#"SELECT line, product_home, product_id, seller_home, seller_id, title, section, quantity::text AS "quantity!",
               unit_price::text AS "unit_price!", amount::text AS "amount!", note, hold
           FROM order_lines WHERE home = $1 AND id = $2 ORDER BY line"#,
        order.home,
        order.id
    )
    .fetch_all(snapshot)
    .await
    .map_err(failed)?;
    let lines = rows.into_iter().map(|row| OrderLine {
        line: row.line,
        product: place::text(&Ref { home: row.product_home, id: row.product_id }),
        seller: row.seller_home.zip(row.seller_id).map(|(home, id)| place::text(&Ref { home, id })),
        title: row.title,
        section: row.section,
        quantity: row.quantity,
        unit_price: row.unit_price,
        amount: row.amount,
        note: row.note,
        hold: row.hold,
    });
    Ok(lines.collect())
}

async fn payment(
    snapshot: &mut PgConnection,
    order: &Ref,
    payment: Option<&str>,
) -> Result<Option<Payment>, Problem> {
    sqlx::query_as!(
        Payment,
        r#"SELECT id, method, amount::text AS "amount!", refunded::text AS "refunded!", status
           FROM payments WHERE home = $1 AND order_id = $2 AND id = $3"#,
        order.home,
        order.id,
        payment
    )
    .fetch_optional(snapshot)
    .await
    .map_err(failed)
}

/// Where the order is sent; `None` where the person was erased.
async fn ship_to<Q>(read: &Read<Q>, order: &Ref) -> Result<Option<ShipTo>, Unopened> {
    let mut snapshot = read.strong_snapshot(&[ORDERS, CUSTOMERS, KEYS]).await?;
    let row = sqlx::query!(
        "SELECT ship_to_subject, ship_to
         FROM orders AS o LEFT JOIN erased AS e ON e.subject = o.ship_to_subject
         WHERE home = $1 AND id = $2 AND e.subject IS NULL",
        order.home,
        order.id
    )
    .fetch_optional(&mut *snapshot)
    .await
    .map_err(failed)?;
    let sealed = row.and_then(|row| row.ship_to_subject.zip(row.ship_to));
    let sealed = sealed.map(|(subject, sealed)| Sealed { subject, sealed: Bytes(sealed) });
    let personal = opened(read.vault(), &mut snapshot, &[sealed]).await?.pop().flatten();
    Ok(personal.map(ShipTo::from))
}

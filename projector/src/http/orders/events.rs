//! `/v1/orders/{id}/events`: what happened to an order.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use runtime::Problem;
use runtime::openapi::responses::{OfCallers, OfReads};
use schemas::place;
use serde::Serialize;
use utoipa::ToSchema;

use super::{buyers, unknown, visible};
use crate::http::paging::{self, Cursor, PageQuery};
use crate::http::parameters::{PathId, Read, ReadHeaders, refused};
use crate::projections::{CUSTOMERS, ORDERS};
use crate::read::failed;

/// Something that happened to an order.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderEvent)]
struct Happened {
    /// The order's after it.
    revision: i32,
    at: DateTime<Utc>,
    /// The type of the event.
    #[schema(example = "OrderMoved")]
    event: String,
    /// The order's after it.
    #[schema(example = "preparing")]
    stage: String,
    /// An account as `realm/number`, a contract as `contract:name`, or `todo` where Till itself did it.
    #[schema(example = "till/1")]
    by: String,
}

/// A page of the list.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderEventPage)]
struct Page {
    events: Vec<Happened>,
    /// `cursor` of the next page; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

struct Row {
    offset: i64,
    revision: i32,
    at: DateTime<Utc>,
    event: String,
    stage: String,
    by: String,
}

impl From<Row> for Happened {
    fn from(Row { revision, at, event, stage, by, .. }: Row) -> Self {
        Self { revision, at, event, stage, by }
    }
}

/// What happened to an order, in its order: 404 where there is none of the id, or it is another customer's.
#[utoipa::path(
    get,
    path = "/v1/orders/{id}/events",
    tag = "Orders",
    operation_id = "listOrderEvents",
    params(("id" = String, Path, example = "ad29a06d-f80b-5868-ab38-9265eaada00f"), PageQuery, ReadHeaders),
    responses(
        (status = 200, description = "A page of it.", body = Page),
        (status = 404, description = "There is none of the id.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Not Found", "status": 404,
                "detail": "there is no order with this id"})),
        OfCallers,
        OfReads,
    )
)]
pub async fn list(read: Read<PageQuery>, PathId(id): PathId) -> Result<Response, Problem> {
    buyers::require_reader(&read)?;
    let order = id.as_deref().and_then(place::parse).ok_or_else(unknown)?;
    let (after, limit) = read.query.bounds()?;
    let after = offset(&after)?;
    let mut snapshot = read.snapshot(&[ORDERS, CUSTOMERS]).await?;
    visible(&read, &mut snapshot, &order).await?;
    let mut rows = sqlx::query_as!(
        Row,
        r#"SELECT "offset", revision, at, event, stage, by
           FROM order_history WHERE home = $1 AND id = $2 AND "offset" > $3 ORDER BY "offset" LIMIT $4"#,
        order.home,
        order.id,
        after,
        limit + 1
    )
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    let has_more = paging::cut(&mut rows, limit);
    let last = rows.last().filter(|_| has_more);
    let next_cursor = last.map(|last| Cursor::of_id(&last.offset.to_string()).text());
    let events = rows.into_iter().map(Happened::from).collect();
    Ok(Json(Page { events, next_cursor }).into_response())
}

/// The offset that a cursor names; without one, what comes before all.
fn offset(id: &str) -> Result<i64, Problem> {
    if id.is_empty() { Ok(-1) } else { id.parse().map_err(|_| refused("`cursor` is of another list")) }
}

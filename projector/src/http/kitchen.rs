//! `/v1/kitchen/queue`: what the kitchen has to do.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use runtime::Problem;
use runtime::auth::Role;
use runtime::openapi::responses::{OfCallers, OfReads};
use schemas::{Ref, place};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::paging::{self, Cursor};
use super::parameters::{Read, ReadHeaders, id, refused};
use crate::projections::{KitchenLine, ORDERS};
use crate::read::failed;

/// Who may read the queue.
const COOKS: &[Role] = &[Role::Staff, Role::Admin];
/// Whose queue is meant where nothing is said.
const SCOPE: &str = "v1";
/// The orders of a page.
const PAGE: i64 = 50;

/// The parameters of the queue: `?scope&cursor`.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct QueueQuery {
    /// Whose kitchen: `v1`, which it is where the parameter is missing, or a contract's own scope.
    #[param(min_length = 1, max_length = 150, example = "v1")]
    scope: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// An order that the kitchen has.
#[derive(Serialize, ToSchema)]
#[schema(as = QueuedOrder)]
struct Queued {
    #[schema(example = "ad29a06d-f80b-5868-ab38-9265eaada00f")]
    id: String,
    /// `ready`, `preparing` or `received`, in this order.
    #[schema(example = "received")]
    stage: String,
    received_at: Option<DateTime<Utc>>,
    preparing_at: Option<DateTime<Utc>>,
    ready_at: Option<DateTime<Utc>>,
    /// The order's, for `If-Match` of a move.
    revision: i32,
    #[schema(value_type = Vec<KitchenLine<'static>>)]
    lines: Box<RawValue>,
}

/// A page of the queue.
#[derive(Serialize, ToSchema)]
#[schema(as = QueuePage)]
struct Page {
    orders: Vec<Queued>,
    /// `cursor` of the next page; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// A row of an order in the queue.
struct Row {
    home: String,
    id: String,
    number: Option<i64>,
    stage: String,
    queue_rank: i16,
    received_at: Option<DateTime<Utc>>,
    preparing_at: Option<DateTime<Utc>>,
    ready_at: Option<DateTime<Utc>>,
    revision: i32,
    lines: Option<String>,
}

/// The kitchen's orders: the ones that are ready, that are being prepared, that were received, each in the order in which they came.
/// A page has 50.
#[utoipa::path(
    get,
    path = "/v1/kitchen/queue",
    tag = "Orders",
    operation_id = "readKitchenQueue",
    params(QueueQuery, ReadHeaders),
    responses((status = 200, description = "A page of it.", body = Page), OfCallers, OfReads)
)]
pub async fn queue(read: Read<QueueQuery>) -> Result<Response, Problem> {
    read.require(COOKS)?;
    let scope = id("scope", read.query.scope.as_deref())?;
    let after = After::of(Cursor::parse(read.query.cursor.as_deref())?)?;
    let mut snapshot = read.snapshot(&[ORDERS]).await?;
    let mut rows = rows(&mut snapshot, scope.as_deref().unwrap_or(SCOPE), &after).await?;
    let has_more = paging::cut(&mut rows, PAGE);
    let next_cursor = rows.last().filter(|_| has_more).map(|last| After::row(last).text());
    let orders = rows.into_iter().map(Queued::from).collect();
    Ok(Json(Page { orders, next_cursor }).into_response())
}

/// The row after which a page begins. Orders of a scope have numbers, or homes of their own, which are in order of those.
#[derive(Debug, PartialEq, Eq)]
struct After {
    at: DateTime<Utc>,
    rank: i16,
    number: i64,
    home: String,
    id: String,
}

impl After {
    /// The row that a cursor `rank/number/home/id` names; without a cursor, what comes before all.
    fn of(cursor: Option<Cursor>) -> Result<Self, Problem> {
        let Some(Cursor { at, id }) = cursor else {
            let (home, id) = (String::new(), String::new());
            return Ok(Self { at: DateTime::UNIX_EPOCH, rank: 0, number: 0, home, id });
        };
        let row = || {
            let mut parts = id.splitn(4, '/');
            let (rank, number) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            Some(Self { at, rank, number, home: parts.next()?.to_owned(), id: parts.next()?.to_owned() })
        };
        row().ok_or_else(|| refused("`cursor` is of another list"))
    }

    /// Names a row.
    fn row(row: &Row) -> Cursor {
        let at = row.received_at.unwrap_or(DateTime::UNIX_EPOCH);
        let number = row.number.unwrap_or_default();
        Cursor::new(at, &format!("{}/{number}/{}/{}", row.queue_rank, row.home, row.id))
    }
}

async fn rows(snapshot: &mut PgConnection, scope: &str, after: &After) -> Result<Vec<Row>, Problem> {
    sqlx::query_as!(
        Row,
        r#"SELECT home, id, number, stage, queue_rank AS "queue_rank!", received_at, preparing_at, ready_at, revision,
               kitchen_lines AS lines
           FROM orders
           WHERE scope = $1 AND queue_rank IS NOT NULL AND removed_at IS NULL
               AND (queue_rank, received_at) >= ($2::smallint, $3::timestamptz)
               AND ((queue_rank, received_at) > ($2, $3) OR (coalesce(number, 0), home, id) > ($4::bigint, $5::text, $6::text))
           ORDER BY queue_rank, received_at, number, home, id LIMIT $7"#,
        scope,
        after.rank,
        after.at,
        after.number,
        after.home,
        after.id,
        PAGE + 1
    )
    .fetch_all(snapshot)
    .await
    .map_err(failed)
}

impl From<Row> for Queued {
    fn from(row: Row) -> Self {
        let lines = row.lines.and_then(|lines| RawValue::from_string(lines).ok());
        Self {
            id: place::text(&Ref { home: row.home, id: row.id }),
            stage: row.stage,
            received_at: row.received_at,
            preparing_at: row.preparing_at,
            ready_at: row.ready_at,
            revision: row.revision,
            lines: lines.unwrap_or_else(no_lines),
        }
    }
}

fn no_lines() -> Box<RawValue> {
    RawValue::from_string("[]".to_owned()).expect("it is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_after_the_last_row_of_the_one_before() {
        let row = |number, home: &str, id: &str| Row {
            home: home.into(),
            id: id.into(),
            number,
            stage: "ready".into(),
            queue_rank: 1,
            received_at: Some(DateTime::UNIX_EPOCH),
            preparing_at: None,
            ready_at: None,
            revision: 1,
            lines: None,
        };
        for (number, home, id) in
            [(Some(15), "restaurant.004", "15"), (None, "ad29a06d-f80b-5868-ab38-9265eaada00f", "")]
        {
            let after = After::of(Some(After::row(&row(number, home, id)))).unwrap();
            let (rank, at, number) = (1, DateTime::UNIX_EPOCH, number.unwrap_or_default());
            assert_eq!(after, After { at, rank, number, home: home.into(), id: id.into() });
        }
        assert_eq!(After::of(None).unwrap().rank, 0);
        assert!(After::of(Some(Cursor::of_id("cafe-1"))).is_err());
    }
}

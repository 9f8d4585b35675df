//! `/v1/revenue/{seller}/entries`: what each purchase has brought a seller, in pages of JSON or as one CSV.

use std::sync::Arc;

use axum::Json;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use runtime::Problem;
use runtime::openapi::Money;
use runtime::openapi::responses::{OfCallers, OfReads};
use schemas::{Ref, place};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::{named, require_reader};
use crate::http::csv;
use crate::http::paging::{self, Cursor};
use crate::http::parameters::{Interval, PathId, Read, ReadHeaders, interval, refused};
use crate::projections::{CATALOGUE, REVENUE};
use crate::read::failed;

/// The names of the columns of a CSV.
const COLUMNS: &str = "order,at,sold,approved,refunded";
/// The lines of a part of it.
const PART: i64 = 1000;

/// The parameters of the list: `?from&to&cursor&limit`.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EntriesQuery {
    /// First instant within: RFC 3339, or a date, whose first instant in the service's time zone is meant.
    #[param(example = "2024-05-01T00:00:00Z")]
    from: Option<String>,
    /// First instant after.
    #[param(example = "2034-05-01")]
    to: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Rows of the page; 100 where it is missing. CSV has no pages.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

/// What a purchase has brought its seller so far.
#[derive(Serialize, ToSchema)]
#[schema(as = RevenueEntry)]
struct Entry {
    /// The order's id.
    #[schema(example = "ad29a06d-f80b-5868-ab38-9265eaada00f")]
    order: String,
    /// When it was placed.
    at: DateTime<Utc>,
    /// The amount of the seller's lines; 0 where the order ended unsold.
    #[schema(value_type = Money)]
    sold: String,
    /// What was paid of it.
    #[schema(value_type = Money)]
    approved: String,
    /// What was paid back: it is still within `approved`.
    #[schema(value_type = Money)]
    refunded: String,
}

impl Entry {
    /// The entry as a line of a CSV.
    fn line(&self) -> String {
        let Self { order, at, sold, approved, refunded } = self;
        let at = at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        format!("{},{at},{sold},{approved},{refunded}\r\n", csv::field(order))
    }
}

/// A page of the list.
#[derive(Serialize, ToSchema)]
#[schema(as = RevenueEntryPage)]
struct Page {
    entries: Vec<Entry>,
    /// `cursor` of the next page; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

struct Row {
    order_home: String,
    order_id: String,
    at: DateTime<Utc>,
    sold: String,
    approved: String,
    refunded: String,
}

impl From<Row> for Entry {
    fn from(row: Row) -> Self {
        Self {
            order: place::text(&Ref { home: row.order_home, id: row.order_id }),
            at: row.at,
            sold: row.sold,
            approved: row.approved,
            refunded: row.refunded,
        }
    }
}

/// Whose entries are asked for, and when they were placed.
struct EntriesOf {
    read: Read<EntriesQuery>,
    seller: Ref,
    within: Interval,
}

/// What each purchase has brought a seller, the newest first; with `Accept: text/csv` all of it after the cursor, as lines under a header
/// line.
#[utoipa::path(
    get,
    path = "/v1/revenue/{seller}/entries",
    tag = "Revenue",
    operation_id = "listRevenueEntries",
    params(("seller" = String, Path, example = "329ce237-e49f-538f-a97a-908d75624009"), EntriesQuery, ReadHeaders),
    responses(
        (status = 200, description = "A page of them, or all as CSV.", content(
            (Page = "application/json"),
            (String = "text/csv", example = "order,at,sold,approved,refunded\r\nad29a06d-f80b-5868-ab38-9265eaada00f,2024-05-01T12:00:00Z,52.00,52.00,0.00\r\n"),
        )),
        (status = 404, description = "There is no seller of the id.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Not Found", "status": 404,
                "detail": "there is no seller with this id"})),
        OfCallers,
        OfReads,
    )
)]
pub async fn list(
    read: Read<EntriesQuery>,
    PathId(id): PathId,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let seller = named(&read, id.as_deref())?;
    let within = interval(read.query.from.as_deref(), read.query.to.as_deref(), read.zone())?;
    let after = Cursor::parse(read.query.cursor.as_deref())?;
    let limit = read.query.limit.clone();
    let of = EntriesOf { read, seller, within };
    if csv::is_asked_for(&headers) {
        if limit.is_some() {
            return Err(refused("`limit` is of pages, and CSV has none: it is the whole list"));
        }
        return of.csv(after).await;
    }
    let (entries, next) = of.page(after.as_ref(), paging::limit(limit.as_deref())?).await?;
    Ok(Json(Page { entries, next_cursor: next.as_ref().map(Cursor::text) }).into_response())
}

impl EntriesOf {
    /// All entries after the one that the cursor names.
    async fn csv(self, after: Option<Cursor>) -> Result<Response, Problem> {
        let of = Arc::new(self);
        let part = move |after: Option<Cursor>| {
            let of = Arc::clone(&of);
            async move { of.part(after.as_ref()).await }
        };
        csv::list(COLUMNS, after, part).await
    }

    async fn part(&self, after: Option<&Cursor>) -> Result<csv::Part<Cursor>, Problem> {
        let (entries, next) = self.page(after, PART).await?;
        Ok((entries.iter().map(Entry::line).collect(), next))
    }

    /// Entries after the one that the cursor names, and the cursor of what follows them, where anything does.
    async fn page(
        &self,
        after: Option<&Cursor>,
        limit: i64,
    ) -> Result<(Vec<Entry>, Option<Cursor>), Problem> {
        let mut snapshot = self.read.snapshot(&[REVENUE, CATALOGUE]).await?;
        require_reader(&self.read, &mut snapshot, &self.seller).await?;
        let mut rows = self.rows(&mut snapshot, after, limit + 1).await?;
        let has_more = paging::cut(&mut rows, limit);
        let last = rows.last().filter(|_| has_more);
        let next = last.map(|last| Cursor::of_place(last.at, &last.order_home, &last.order_id));
        Ok((rows.into_iter().map(Entry::from).collect(), next))
    }

    async fn rows(
        &self,
        snapshot: &mut PgConnection,
        after: Option<&Cursor>,
        limit: i64,
    ) -> Result<Vec<Row>, Problem> {
        // Without a cursor the list begins at the end of the interval, before the first home that there can be.
        let before = after.map_or(self.within.to, |after| Some(after.at));
        let (home, id) = after.map_or(Ok(("", "")), Cursor::place)?;
        sqlx::query_as!(
            Row,
            r#"SELECT order_home, order_id, at, sold::text AS "sold!", approved::text AS "approved!",
                   refunded::text AS "refunded!"
               FROM seller_entries
               WHERE seller_home = $1 AND seller_id = $2 AND at >= coalesce($3, '-infinity'::timestamptz)
                   AND (at, order_home, order_id) < (coalesce($4, 'infinity'::timestamptz), $5::text, $6::text)
               ORDER BY at DESC, order_home DESC, order_id DESC LIMIT $7"#,
            self.seller.home,
            self.seller.id,
            self.within.from,
            before,
            home,
            id,
            limit
        )
        .fetch_all(snapshot)
        .await
        .map_err(failed)
    }
}

//! `/v1/analytics/runs`: the windows the analytics worker has closed, with the slices of the log they are.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use runtime::Problem;
use runtime::openapi::responses::{OfCallers, OfReads};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::http::app::ANALYSTS;
use crate::http::paging::{self, Cursor};
use crate::http::parameters::{Read, ReadHeaders, interval};
use crate::projections::HOURS;
use crate::read::failed;

/// The parameters of the list: `?from&to&cursor&limit`.
#[derive(serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RunsQuery {
    /// First instant within: RFC 3339, or a date, whose first instant in the service's time zone is meant.
    #[param(example = "2024-05-01T00:00:00Z")]
    from: Option<String>,
    /// First instant after.
    #[param(example = "2024-05-02")]
    to: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Rows of the page; 100 where it is missing.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

/// A closed window. `slices` are `[{partition, start, end}]` of the receipts topic; each start is the end of the
/// window before.
#[derive(Serialize, ToSchema)]
struct Run {
    window_start: DateTime<Utc>,
    window_end: DateTime<Utc>,
    recorded: i64,
    voided: i64,
    places: i64,
    closed_at: DateTime<Utc>,
    #[schema(value_type = Vec<Slice>)]
    slices: Box<RawValue>,
}

/// The offsets of a partition from `start` on, before `end`.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is described, not made")]
struct Slice {
    partition: i32,
    start: i64,
    end: i64,
}

/// A page of the list.
#[derive(Serialize, ToSchema)]
#[schema(as = RunPage)]
struct Page {
    runs: Vec<Run>,
    /// `cursor` of the next page; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The closed windows that begin in the interval, newest first.
#[utoipa::path(
    get,
    path = "/v1/analytics/runs",
    tag = "Figures",
    operation_id = "listRuns",
    params(RunsQuery, ReadHeaders),
    responses(
        (status = 200, description = "A page of them.", body = Page),
        OfCallers,
        OfReads,
    )
)]
pub async fn list(read: Read<RunsQuery>) -> Result<Response, Problem> {
    read.require(ANALYSTS)?;
    let within = interval(read.query.from.as_deref(), read.query.to.as_deref(), read.zone())?;
    let limit = paging::limit(read.query.limit.as_deref())?;
    let after = Cursor::parse(read.query.cursor.as_deref())?;
    let before = after.map(|cursor| cursor.at).or(within.to);
    let mut snapshot = read.snapshot(&[HOURS]).await?;
    let mut rows = sqlx::query!(
        r#"SELECT window_start, window_end, recorded, voided, places, closed_at, slices::text AS "slices!"
           FROM hours
           WHERE ($1::timestamptz IS NULL OR window_start >= $1) AND ($2::timestamptz IS NULL OR window_start < $2)
           ORDER BY window_start DESC LIMIT $3"#,
        within.from,
        before,
        limit + 1
    )
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    let has_more = paging::cut(&mut rows, limit);
    let next_cursor = rows.last().filter(|_| has_more).map(|row| Cursor::new(row.window_start, "").text());
    let runs = rows.into_iter().map(|row| Run {
        window_start: row.window_start,
        window_end: row.window_end,
        recorded: row.recorded,
        voided: row.voided,
        places: row.places,
        closed_at: row.closed_at,
        slices: RawValue::from_string(row.slices).expect("jsonb is JSON"),
    });
    Ok(Json(Page { runs: runs.collect(), next_cursor }).into_response())
}

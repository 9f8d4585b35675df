//! `/v1/audit`: who did what to accounts and persons. Nothing in it is personal.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use runtime::Problem;
use runtime::auth::Role;
use runtime::openapi::responses::{OfCallers, OfReads};
use schemas::{Position, Topic};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paging::{self, Cursor};
use super::parameters::{Read, ReadHeaders, interval, refused};
use crate::projections::AUDIT;
use crate::read::failed;

/// The parameters of the list: `?from&to&cursor&limit`.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
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

/// What somebody did.
#[derive(Serialize, ToSchema)]
struct Act {
    at: DateTime<Utc>,
    /// An account as `realm/number`, a contract as `contract:name`, or `todo` where Till itself did it.
    #[schema(example = "till/1")]
    by: String,
    /// The type of the event.
    #[schema(example = "AccountDisabled")]
    act: String,
    subject: Subject,
    /// Why, where it was said.
    #[schema(required, example = "left the company")]
    reason: Option<String>,
    /// The event's place in the log.
    #[schema(example = "a3-17")]
    position: String,
}

/// Whom or what it was done to.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditSubject)]
struct Subject {
    /// The realm of an account, or the home of a customer.
    #[schema(example = "till")]
    home: String,
    /// An account's number, or a customer's id; of an erasure the first subject that was erased.
    #[schema(example = "4")]
    id: String,
}

/// A page of the list.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditPage)]
struct Page {
    acts: Vec<Act>,
    /// `cursor` of the next page; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

struct Row {
    topic: String,
    partition: i32,
    offset: i64,
    at: DateTime<Utc>,
    by: String,
    act: String,
    subject_home: String,
    subject_id: String,
    reason: Option<String>,
}

/// The row before which a page begins.
struct Before {
    at: Option<DateTime<Utc>>,
    topic: &'static str,
    partition: i32,
    offset: i64,
}

/// Who did what to accounts and persons, the newest first.
#[utoipa::path(
    get,
    path = "/v1/audit",
    tag = "Accounts",
    operation_id = "listAudit",
    params(AuditQuery, ReadHeaders),
    responses(
        (status = 200, description = "A page of it.", body = Page),
        OfCallers,
        OfReads,
    )
)]
pub async fn list(read: Read<AuditQuery>) -> Result<Response, Problem> {
    read.require(&[Role::Admin])?;
    let within = interval(read.query.from.as_deref(), read.query.to.as_deref(), read.zone())?;
    let limit = paging::limit(read.query.limit.as_deref())?;
    let before = before(Cursor::parse(read.query.cursor.as_deref())?, within.to)?;
    let mut snapshot = read.snapshot(&[AUDIT]).await?;
    let mut rows = sqlx::query_as!(
        Row,
        r#"SELECT topic, partition, "offset", at, by, act, subject_home, subject_id, reason
           FROM audit
           WHERE at >= coalesce($1, '-infinity'::timestamptz)
               AND (at, topic, partition, "offset") < (coalesce($2, 'infinity'::timestamptz), $3::text, $4::integer, $5::bigint)
           ORDER BY at DESC, topic DESC, partition DESC, "offset" DESC LIMIT $6"#,
        within.from,
        before.at,
        before.topic,
        before.partition,
        before.offset,
        limit + 1
    )
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    let has_more = paging::cut(&mut rows, limit);
    let acts: Vec<_> = rows.into_iter().map(Act::from).collect();
    let last = acts.last().filter(|_| has_more);
    let next_cursor = last.map(|last| Cursor::new(last.at, &last.position).text());
    Ok(Json(Page { acts, next_cursor }).into_response())
}

/// The row of the cursor, or without one the end of the interval.
fn before(cursor: Option<Cursor>, to: Option<DateTime<Utc>>) -> Result<Before, Problem> {
    let Some(Cursor { at, id }) = cursor else {
        return Ok(Before { at: to, topic: "", partition: 0, offset: 0 });
    };
    let Position { topic, partition, offset } =
        id.parse().map_err(|_| refused("`cursor` is of another list"))?;
    Ok(Before { at: Some(at), topic: topic.short_name(), partition, offset })
}

impl From<Row> for Act {
    fn from(row: Row) -> Self {
        let topic = Topic::named(&row.topic).expect("the fold writes the names of topics");
        let position = Position { topic, partition: row.partition, offset: row.offset };
        Self {
            at: row.at,
            by: row.by,
            act: row.act,
            subject: Subject { home: row.subject_home, id: row.subject_id },
            reason: row.reason,
            position: position.to_string(),
        }
    }
}

//! `/v1/customers`: who buys. Tables hold boxes; they are opened here, for the answer alone.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use runtime::auth::Role;
use runtime::openapi::responses::{Invalid, OfBodies, OfCallers, OfReads};
use runtime::{Problem, etag};
use schemas::keys::{DOCUMENT, EMAIL};
use schemas::{Clear, Personal, Sealed};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::paging::{self, Cursor, PageQuery};
use super::parameters::{NoQuery, PathId, Read, ReadHeaders, body, invalid};
use crate::projections::{CUSTOMERS, KEYS};
use crate::read::{Unopened, failed, opened, with_another_look};

/// The home of `/v1`'s customers, in which names are unique.
const HOME: &str = "till";
/// Who may read customers.
const KEEPERS: &[Role] = &[Role::Staff, Role::Admin];
/// The largest body of a search, and how long it may take to come.
const MAX_BODY_BYTES: usize = 16 * 1024;
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// A customer. What is personal of one who was erased is `null`.
#[derive(Serialize, ToSchema)]
struct Customer {
    #[schema(example = "42c45e41-5062-5665-92d9-63d7ab695d59")]
    id: String,
    /// Whose customer it is: `v1`, or a contract's own scope.
    #[schema(example = "v1")]
    scope: String,
    /// Whether what is personal was erased, for good.
    erased: bool,
    #[schema(example = "Ann Ohara")]
    name: Option<String>,
    #[schema(example = "ann@example.com")]
    email: Option<String>,
    #[schema(example = "529.982.247-25")]
    document: Option<String>,
    #[schema(example = "+55 82 99999-0000")]
    phone: Option<String>,
    #[schema(example = "Rua do Sol 1, Maceió")]
    address: Option<String>,
    /// Whether the customer may place orders.
    active: bool,
    /// The account that the customer logs in with, if it has one.
    account: Option<i64>,
    /// Counts the customer's changes; also its `ETag`.
    revision: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A page of the list.
#[derive(Serialize, ToSchema)]
#[schema(as = CustomerPage)]
struct Page {
    customers: Vec<Customer>,
    /// `cursor` of the next page; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// What is looked for: one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CustomerSearch, example = json!({"email": "ann@example.com"}))]
pub struct Search {
    #[schema(example = "ann@example.com")]
    email: Option<String>,
    /// However it is written.
    #[schema(example = "52998224725")]
    document: Option<String>,
}

/// Customers that were found.
#[derive(Serialize, ToSchema)]
struct Found {
    customers: Vec<Customer>,
}

/// A row of a customer.
struct Row {
    id: String,
    scope: String,
    subject: Uuid,
    sealed: Vec<u8>,
    active: bool,
    account_id: Option<String>,
    revision: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    is_erased: bool,
}

/// The customers, by the time at which they were recorded.
#[utoipa::path(
    get,
    path = "/v1/customers",
    tag = "Customers",
    operation_id = "listCustomers",
    params(PageQuery, ReadHeaders),
    responses((status = 200, description = "A page of them.", body = Page), OfCallers, OfReads)
)]
pub async fn list(read: Read<PageQuery>) -> Result<Response, Problem> {
    read.require(KEEPERS)?;
    let (after, limit) = read.query.after()?;
    let page = with_another_look(|| page(&read, &after, limit)).await?;
    Ok(Json(page).into_response())
}

async fn page<Q>(read: &Read<Q>, after: &Cursor, limit: i64) -> Result<Page, Unopened> {
    let mut snapshot = read.strong_snapshot(&[CUSTOMERS, KEYS]).await?;
    let mut rows = sqlx::query_as!(
        Row,
        r#"SELECT id, scope, c.subject, sealed, active, account_id, revision, created_at, updated_at,
               (e.subject IS NOT NULL) AS "is_erased!"
           FROM customers AS c LEFT JOIN erased AS e ON e.subject = c.subject
           WHERE scope = 'v1' AND removed_at IS NULL AND (created_at, id) > ($1, $2)
           ORDER BY created_at, id LIMIT $3"#,
        after.at,
        after.id,
        limit + 1
    )
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    let has_more = paging::cut(&mut rows, limit);
    let next_cursor = rows.last().filter(|_| has_more).map(|row| Cursor::new(row.created_at, &row.id).text());
    let customers = customers(read, &mut snapshot, rows).await?;
    Ok(Page { customers, next_cursor })
}

/// One customer: 404 where none of the id is on the lists.
#[utoipa::path(
    get,
    path = "/v1/customers/{id}",
    tag = "Customers",
    operation_id = "readCustomer",
    params(("id" = String, Path, example = "42c45e41-5062-5665-92d9-63d7ab695d59"), ReadHeaders),
    responses(
        (status = 200, description = "The customer.", body = Customer,
            headers(("ETag" = String, description = "The revision, for `If-Match` of a change."))),
        (status = 404, description = "There is none of the id.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Not Found", "status": 404,
                "detail": "there is no customer with this id"})),
        OfCallers,
        OfReads,
    )
)]
pub async fn one(read: Read<NoQuery>, PathId(id): PathId) -> Result<Response, Problem> {
    read.require(KEEPERS)?;
    let (revision, customer) = with_another_look(|| identified(&read, id.as_deref())).await?;
    Ok((etag(revision), Json(customer)).into_response())
}

/// The customer of the id, with its revision.
async fn identified<Q>(read: &Read<Q>, id: Option<&str>) -> Result<(i32, Option<Customer>), Unopened> {
    let mut snapshot = read.strong_snapshot(&[CUSTOMERS, KEYS]).await?;
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, scope, c.subject, sealed, active, account_id, revision, created_at, updated_at,
               (e.subject IS NOT NULL) AS "is_erased!"
           FROM customers AS c LEFT JOIN erased AS e ON e.subject = c.subject
           WHERE home = $1 AND id = $2 AND removed_at IS NULL"#,
        HOME,
        id
    )
    .fetch_optional(&mut *snapshot)
    .await
    .map_err(failed)?;
    let row = row.ok_or_else(|| Problem::not_found("there is no customer with this id"))?;
    let revision = row.revision;
    Ok((revision, customers(read, &mut snapshot, vec![row]).await?.pop()))
}

/// The customers with this e-mail address or this document: none or one. What is looked for stands in the body, because paths
/// are logged.
#[utoipa::path(
    post,
    path = "/v1/customers/search",
    tag = "Customers",
    operation_id = "searchCustomers",
    params(ReadHeaders),
    request_body = Search,
    responses(
        (status = 200, description = "Who was found.", body = Found),
        (status = 422, response = Invalid),
        OfCallers,
        OfReads,
        OfBodies,
    )
)]
pub async fn search(read: Read<NoQuery>, sent: Body) -> Result<Response, Problem> {
    read.require(KEEPERS)?;
    let bytes = whole(sent).await?;
    let (kind, value) = looked_for(&bytes)?;
    let Some(index) = read.vault().index(HOME, kind, value.expose()) else {
        return Ok(Json(Found { customers: Vec::new() }).into_response());
    };
    let customers = with_another_look(|| found(&read, kind, &index.value)).await?;
    Ok(Json(Found { customers }).into_response())
}

async fn found<Q>(read: &Read<Q>, kind: &str, value: &[u8]) -> Result<Vec<Customer>, Unopened> {
    let mut snapshot = read.strong_snapshot(&[CUSTOMERS, KEYS]).await?;
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, scope, c.subject, sealed, active, account_id, revision, created_at, updated_at,
               (e.subject IS NOT NULL) AS "is_erased!"
           FROM person_indexes AS i JOIN customers AS c ON c.subject = i.subject
           LEFT JOIN erased AS e ON e.subject = c.subject
           WHERE i.home = $1 AND i.kind = $2 AND i.value = $3 AND c.removed_at IS NULL AND e.subject IS NULL"#,
        HOME,
        kind,
        value
    )
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    customers(read, &mut snapshot, rows).await
}

/// The body of a search: 408 where it comes too slowly, 413 where it is larger than any search.
async fn whole(body: Body) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(BODY_WITHIN, axum::body::to_bytes(body, MAX_BODY_BYTES)).await;
    let read = read.map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body came too slowly"))?;
    read.map_err(|_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body of a search may have at most 16 KiB")
            .kind("urn:till:too-large", "Body too large")
    })
}

/// The kind of name that a body looks for, and the name.
fn looked_for(bytes: &[u8]) -> Result<(&'static str, Clear), Problem> {
    match body(bytes, "must be an object with the text `email` or `document`")? {
        Search { email: Some(email), document: None } => Ok((EMAIL, email.into())),
        Search { email: None, document: Some(document) } => Ok((DOCUMENT, document.into())),
        Search { .. } => Err(invalid("must have either `email` or `document`")),
    }
}

/// The customers of rows, each with what its box holds.
async fn customers<Q>(
    read: &Read<Q>,
    snapshot: &mut PgConnection,
    mut rows: Vec<Row>,
) -> Result<Vec<Customer>, Unopened> {
    let boxes: Vec<_> = rows.iter_mut().map(Row::take_box).collect();
    let personal = opened(read.vault(), snapshot, &boxes).await?;
    Ok(rows.into_iter().zip(personal).map(|(row, personal)| Customer::new(row, personal)).collect())
}

impl Row {
    /// Takes the box out, unless its person was erased.
    fn take_box(&mut self) -> Option<Sealed> {
        let sealed = schemas::Bytes(std::mem::take(&mut self.sealed));
        (!self.is_erased).then_some(Sealed { subject: self.subject, sealed })
    }
}

impl Customer {
    fn new(row: Row, personal: Option<Personal>) -> Self {
        let Personal { name, email, document, phone, address, .. } = personal.unwrap_or_default();
        let text = |field: Option<Clear>| field.map(|clear| clear.expose().to_owned());
        Self {
            id: row.id,
            scope: row.scope,
            erased: row.is_erased,
            name: text(name),
            email: text(email),
            document: text(document),
            phone: text(phone),
            address: text(address),
            active: row.active,
            account: row.account_id.and_then(|id| id.parse().ok()),
            revision: row.revision,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

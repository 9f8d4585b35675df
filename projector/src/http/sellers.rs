//! `/v1/sellers`: who sells.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use runtime::openapi::responses::{OfCallers, OfReads};
use runtime::{Problem, etag};
use schemas::{Ref, place};
use serde::Serialize;
use utoipa::ToSchema;

use super::paging::{self, Cursor, PageQuery};
use super::parameters::{NoQuery, PathId, Read, ReadHeaders};
use crate::projections::CATALOGUE;
use crate::read::failed;

/// A seller.
#[derive(Serialize, ToSchema)]
struct Seller {
    #[schema(example = "329ce237-e49f-538f-a97a-908d75624009")]
    id: String,
    /// Whose seller it is: `v1`, or a contract's own scope.
    #[schema(example = "v1")]
    scope: String,
    #[schema(example = "Corner Kitchen")]
    name: String,
    #[schema(example = "Burgers and more")]
    description: String,
    #[schema(example = "Rua do Sol 1, Maceió")]
    address: String,
    /// The numbers of the accounts that may change it and its products.
    #[schema(example = json!([2]))]
    managers: Vec<i64>,
    /// Counts the seller's changes; also its `ETag`.
    revision: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A page of the list.
#[derive(Serialize, ToSchema)]
#[schema(as = SellerPage)]
struct Page {
    sellers: Vec<Seller>,
    /// `cursor` of the next page; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// A row of a seller.
struct Row {
    home: String,
    id: String,
    scope: String,
    name: String,
    description: String,
    address: String,
    managers: Vec<String>,
    revision: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Seller {
    fn from(row: Row) -> Self {
        Self {
            id: place::text(&Ref { home: row.home, id: row.id }),
            scope: row.scope,
            name: row.name,
            description: row.description,
            address: row.address,
            managers: row.managers.iter().filter_map(|account| number(account)).collect(),
            revision: row.revision,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// The number of an account that is named `realm/number`.
fn number(account: &str) -> Option<i64> {
    account.rsplit_once('/').and_then(|(_, number)| number.parse().ok())
}

/// The sellers, by the time at which they were listed.
#[utoipa::path(
    get,
    path = "/v1/sellers",
    tag = "Catalogue",
    operation_id = "listSellers",
    params(PageQuery, ReadHeaders),
    responses((status = 200, description = "A page of them.", body = Page), OfCallers, OfReads)
)]
pub async fn list(read: Read<PageQuery>) -> Result<Response, Problem> {
    let (after, limit) = read.query.after()?;
    let (home, id) = after.place()?;
    let mut snapshot = read.snapshot(&[CATALOGUE]).await?;
    let mut rows = sqlx::query_as!(
        Row,
        "SELECT home, id, scope, name, description, address, managers, revision, created_at, updated_at
         FROM sellers
         WHERE removed_at IS NULL AND (created_at, home, id) > ($1, $2::text, $3::text)
         ORDER BY created_at, home, id LIMIT $4",
        after.at,
        home,
        id,
        limit + 1
    )
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    let has_more = paging::cut(&mut rows, limit);
    let last = rows.last().filter(|_| has_more);
    let next_cursor = last.map(|last| Cursor::of_place(last.created_at, &last.home, &last.id).text());
    let sellers = rows.into_iter().map(Seller::from).collect();
    Ok(Json(Page { sellers, next_cursor }).into_response())
}

/// One seller: 404 where none of the id is on the lists.
#[utoipa::path(
    get,
    path = "/v1/sellers/{id}",
    tag = "Catalogue",
    operation_id = "readSeller",
    params(("id" = String, Path, example = "329ce237-e49f-538f-a97a-908d75624009"), ReadHeaders),
    responses(
        (status = 200, description = "The seller.", body = Seller,
            headers(("ETag" = String, description = "The revision, for `If-Match` of a change."))),
        (status = 404, description = "There is none of the id.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Not Found", "status": 404,
                "detail": "there is no seller with this id"})),
        OfCallers,
        OfReads,
    )
)]
pub async fn one(read: Read<NoQuery>, PathId(id): PathId) -> Result<Response, Problem> {
    let none = || Problem::not_found("there is no seller with this id");
    let seller = id.as_deref().and_then(place::parse).ok_or_else(none)?;
    let mut snapshot = read.snapshot(&[CATALOGUE]).await?;
    let row = sqlx::query_as!(
        Row,
        "SELECT home, id, scope, name, description, address, managers, revision, created_at, updated_at
         FROM sellers WHERE home = $1 AND id = $2 AND removed_at IS NULL",
        seller.home,
        seller.id
    )
    .fetch_optional(&mut *snapshot)
    .await
    .map_err(failed)?;
    let row = row.ok_or_else(none)?;
    Ok((etag(row.revision), Json(Seller::from(row))).into_response())
}

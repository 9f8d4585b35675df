//! `/v1/products`: what is for sale, and how much of it is left.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use runtime::openapi::responses::{OfCallers, OfReads};
use runtime::openapi::{Money, Quantity};
use runtime::{Problem, etag};
use schemas::{Ref, place};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paging::{self, Cursor};
use super::parameters::{NoQuery, PathId, Read, ReadHeaders, aggregate, id};
use crate::projections::CATALOGUE;
use crate::read::failed;

/// The parameters of the list: `?seller&section&scope&cursor&limit`.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ProductQuery {
    /// The products of one seller; of all where it is missing.
    #[param(example = "329ce237-e49f-538f-a97a-908d75624009")]
    seller: Option<String>,
    /// The products of one section; of all where it is missing.
    #[param(min_length = 1, max_length = 150, example = "burgers")]
    section: Option<String>,
    /// The products of `v1`, or of a contract's own scope; of all where it is missing.
    #[param(min_length = 1, max_length = 150, example = "v1")]
    scope: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Rows of the page; 100 where it is missing.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

/// A product.
#[derive(Serialize, ToSchema)]
struct Product {
    #[schema(example = "abe9998d-a9fa-5989-a9f6-93b468432d62")]
    id: String,
    /// Whose product it is: `v1`, or a contract's own scope.
    #[schema(example = "v1")]
    scope: String,
    /// The id of the seller whose product it is, if it has one.
    #[schema(required, example = "329ce237-e49f-538f-a97a-908d75624009")]
    seller: Option<String>,
    #[schema(example = "Burger")]
    title: String,
    #[schema(required, example = "With onions")]
    description: Option<String>,
    /// The part of the menu or the shop that it is in; may be empty.
    #[schema(example = "burgers")]
    section: String,
    /// Of one unit; `null`: it has none, and cannot be ordered.
    #[schema(required, value_type = Option<Money>)]
    price: Option<String>,
    /// Three letters (ISO 4217).
    #[schema(example = "BRL")]
    currency: String,
    /// Whether it is sold now.
    active: bool,
    /// Whether its stock is counted, so that orders reserve it.
    counts_stock: bool,
    /// Whether the last piece is not sold.
    keep_one: bool,
    /// How much can still be reserved; `null` where stock is not counted.
    #[schema(required, value_type = Option<Quantity>)]
    available: Option<String>,
    /// Counts the product's changes; also its `ETag`. A changed stock is none.
    revision: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A page of the list.
#[derive(Serialize, ToSchema)]
#[schema(as = ProductPage)]
struct Page {
    products: Vec<Product>,
    /// `cursor` of the next page; `null` at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// A row of a product, with its stock. The two are folded from topics of their own, so either may be there before the other.
struct Row {
    home: String,
    id: String,
    scope: String,
    seller_home: Option<String>,
    seller_id: Option<String>,
    title: String,
    description: Option<String>,
    section: String,
    price: Option<String>,
    currency: String,
    active: bool,
    counts_stock: bool,
    keep_one: bool,
    available: Option<String>,
    revision: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Product {
    fn from(row: Row) -> Self {
        let seller = row.seller_home.zip(row.seller_id);
        Self {
            id: place::text(&Ref { home: row.home, id: row.id }),
            scope: row.scope,
            seller: seller.map(|(home, id)| place::text(&Ref { home, id })),
            title: row.title,
            description: row.description,
            section: row.section,
            price: row.price,
            currency: row.currency,
            active: row.active,
            counts_stock: row.counts_stock,
            keep_one: row.keep_one,
            available: row.available,
            revision: row.revision,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// The products, by the time at which they were listed.
#[utoipa::path(
    get,
    path = "/v1/products",
    tag = "Catalogue",
    operation_id = "listProducts",
    params(ProductQuery, ReadHeaders),
    responses((status = 200, description = "A page of them.", body = Page), OfCallers, OfReads)
)]
pub async fn list(read: Read<ProductQuery>) -> Result<Response, Problem> {
    let ProductQuery { seller, section, scope, cursor, limit } = &read.query;
    let (seller_home, seller_id) = seller_of(seller.as_deref())?;
    let (section, scope) = (id("section", section.as_deref())?, id("scope", scope.as_deref())?);
    let limit = paging::limit(limit.as_deref())?;
    let after = Cursor::parse(cursor.as_deref())?.unwrap_or_else(|| Cursor::of_id(""));
    let (home, id) = after.place()?;
    let mut snapshot = read.snapshot(&[CATALOGUE]).await?;
    let mut rows = sqlx::query_as!(
        Row,
        r#"SELECT p.home, p.id, scope, seller_home, seller_id, title, description, section, price::text, currency, active,
               counts_stock, keep_one, revision, created_at, p.updated_at,
               CASE WHEN counts_stock THEN coalesce(s.available, 0.000)::text END AS available
           FROM products AS p LEFT JOIN stock AS s ON s.home = p.home AND s.id = p.id
           WHERE removed_at IS NULL AND (created_at, p.home, p.id) > ($1, $2::text, $3::text)
               AND ($4::text IS NULL OR seller_home = $4 AND seller_id = $5)
               AND ($6::text IS NULL OR section = $6) AND ($7::text IS NULL OR scope = $7)
           ORDER BY created_at, p.home, p.id LIMIT $8"#,
        after.at,
        home,
        id,
        seller_home,
        seller_id,
        section,
        scope,
        limit + 1
    )
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    let has_more = paging::cut(&mut rows, limit);
    let last = rows.last().filter(|_| has_more);
    let next_cursor = last.map(|last| Cursor::of_place(last.created_at, &last.home, &last.id).text());
    let products = rows.into_iter().map(Product::from).collect();
    Ok(Json(Page { products, next_cursor }).into_response())
}

/// The home and the id of the seller whose products are asked for.
fn seller_of(text: Option<&str>) -> Result<(Option<String>, Option<String>), Problem> {
    let seller = aggregate("seller", text)?;
    Ok(seller.map(|Ref { home, id }| (home, id)).unzip())
}

/// One product: 404 where none of the id is on the lists.
#[utoipa::path(
    get,
    path = "/v1/products/{id}",
    tag = "Catalogue",
    operation_id = "readProduct",
    params(("id" = String, Path, example = "abe9998d-a9fa-5989-a9f6-93b468432d62"), ReadHeaders),
    responses(
        (status = 200, description = "The product.", body = Product,
            headers(("ETag" = String, description = "The revision, for `If-Match` of a change."))),
        (status = 404, description = "There is none of the id.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Not Found", "status": 404,
                "detail": "there is no product with this id"})),
        OfCallers,
        OfReads,
    )
)]
pub async fn one(read: Read<NoQuery>, PathId(id): PathId) -> Result<Response, Problem> {
    let none = || Problem::not_found("there is no product with this id");
    let product = id.as_deref().and_then(place::parse).ok_or_else(none)?;
    let mut snapshot = read.snapshot(&[CATALOGUE]).await?;
    let row = sqlx::query_as!(
        Row,
        r#"SELECT p.home, p.id, scope, seller_home, seller_id, title, description, section, price::text, currency, active,
               counts_stock, keep_one, revision, created_at, p.updated_at,
               CASE WHEN counts_stock THEN coalesce(s.available, 0.000)::text END AS available
           FROM products AS p LEFT JOIN stock AS s ON s.home = p.home AND s.id = p.id
           WHERE p.home = $1 AND p.id = $2 AND removed_at IS NULL"#,
        product.home,
        product.id
    )
    .fetch_optional(&mut *snapshot)
    .await
    .map_err(failed)?;
    let row = row.ok_or_else(none)?;
    Ok((etag(row.revision), Json(Product::from(row))).into_response())
}

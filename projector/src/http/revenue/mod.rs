//! `/v1/revenue/{seller}`: what a seller earns, and what each purchase has brought it. Its managers read it, analysts and admins that
//! of all sellers. A seller that was taken off the lists keeps its figures.

pub mod entries;

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use runtime::Problem;
use runtime::openapi::responses::{OfCallers, OfReads};
use runtime::openapi::{Money, Quantity};
use schemas::{Ref, place};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::app::ANALYSTS;
use super::parameters::{Days, PathId, Read, ReadHeaders, days};
use crate::projections::{CATALOGUE, REVENUE};
use crate::read::failed;

/// The most products that an answer lists.
const MOST_PRODUCTS: i64 = 1000;

/// The parameters of a seller's figures: `?from&to`.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RevenueQuery {
    /// First day within, a date in the service's time zone; without it, and without `to`, the figures are of all time.
    #[param(value_type = Option<NaiveDate>, example = "2024-05-01")]
    from: Option<String>,
    /// First day after.
    #[param(value_type = Option<NaiveDate>, example = "2034-05-01")]
    to: Option<String>,
}

/// What a seller has earned. A sale that is taken back counts on the day on which it is, so the figures of an interval can be below
/// zero.
#[derive(Serialize, ToSchema)]
struct Revenue {
    #[schema(example = "329ce237-e49f-538f-a97a-908d75624009")]
    seller: String,
    #[schema(required)]
    from: Option<NaiveDate>,
    #[schema(required)]
    to: Option<NaiveDate>,
    /// Orders with something of the seller, less those that ended unsold.
    orders: i64,
    #[schema(value_type = Quantity)]
    quantity: String,
    /// The amounts of what was ordered, less those of orders that ended unsold.
    #[schema(value_type = Money)]
    sold: String,
    /// What was paid.
    #[schema(value_type = Money)]
    approved: String,
    /// What was paid back: it is still within `approved`.
    #[schema(value_type = Money)]
    refunded: String,
    /// The most sold first, 1,000 at most.
    products: Vec<ProductRevenue>,
}

/// What a seller has earned with a product.
#[derive(Serialize, ToSchema)]
struct ProductRevenue {
    #[schema(example = "abe9998d-a9fa-5989-a9f6-93b468432d62")]
    product: String,
    #[schema(value_type = Quantity)]
    quantity: String,
    #[schema(value_type = Money)]
    sold: String,
    #[schema(value_type = Money)]
    approved: String,
    #[schema(value_type = Money)]
    refunded: String,
}

/// The totals of an interval.
struct Totals {
    orders: i64,
    quantity: String,
    sold: String,
    approved: String,
    refunded: String,
}

struct ProductRow {
    product_home: String,
    product_id: String,
    quantity: String,
    sold: String,
    approved: String,
    refunded: String,
}

impl From<ProductRow> for ProductRevenue {
    fn from(row: ProductRow) -> Self {
        Self {
            product: place::text(&Ref { home: row.product_home, id: row.product_id }),
            quantity: row.quantity,
            sold: row.sold,
            approved: row.approved,
            refunded: row.refunded,
        }
    }
}

/// A seller's figures, in all and by product: 404 where there never was a seller of the id.
#[utoipa::path(
    get,
    path = "/v1/revenue/{seller}",
    tag = "Revenue",
    operation_id = "readRevenue",
    params(("seller" = String, Path, example = "329ce237-e49f-538f-a97a-908d75624009"), RevenueQuery, ReadHeaders),
    responses(
        (status = 200, description = "The figures.", body = Revenue),
        (status = 404, description = "There is none of the id.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Not Found", "status": 404,
                "detail": "there is no seller with this id"})),
        OfCallers,
        OfReads,
    )
)]
pub async fn one(read: Read<RevenueQuery>, PathId(id): PathId) -> Result<Response, Problem> {
    let seller = named(&read, id.as_deref())?;
    let within = days(read.query.from.as_deref(), read.query.to.as_deref())?;
    let mut snapshot = read.snapshot(&[REVENUE, CATALOGUE]).await?;
    require_reader(&read, &mut snapshot, &seller).await?;
    let Totals { orders, quantity, sold, approved, refunded } =
        totals(&mut snapshot, &seller, within).await.map_err(failed)?;
    let products = products(&mut snapshot, &seller, within).await.map_err(failed)?;
    let revenue = Revenue {
        seller: place::text(&seller),
        from: within.from,
        to: within.to,
        orders,
        quantity,
        sold,
        approved,
        refunded,
        products: products.into_iter().map(ProductRevenue::from).collect(),
    };
    Ok(Json(revenue).into_response())
}

/// The seller that the path names. An id that nobody can have is unknown to those who may read of every seller.
fn named<Q>(read: &Read<Q>, id: Option<&str>) -> Result<Ref, Problem> {
    let Some(seller) = id.and_then(place::parse) else {
        read.require(ANALYSTS)?;
        return Err(unknown());
    };
    Ok(seller)
}

/// Refuses with 403 who is neither an analyst nor a manager of the seller, who has logged in. 404 where there is no such seller.
async fn require_reader<Q>(read: &Read<Q>, snapshot: &mut PgConnection, seller: &Ref) -> Result<(), Problem> {
    let managers = sqlx::query_scalar!(
        "SELECT managers FROM sellers WHERE home = $1 AND id = $2",
        seller.home,
        seller.id
    )
    .fetch_optional(snapshot)
    .await
    .map_err(failed)?;
    let (caller, account) = (read.caller(), read.caller().account());
    let manages = managers.as_ref().is_some_and(|managers| managers.contains(&account));
    if caller.is_terminal_key || !manages {
        read.require(ANALYSTS)?;
    }
    managers.map(drop).ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::not_found("there is no seller with this id")
}

async fn totals(snapshot: &mut PgConnection, seller: &Ref, within: Days) -> sqlx::Result<Totals> {
    if within == Days::ALL {
        return all_time(snapshot, seller).await;
    }
    sqlx::query_as!(
        Totals,
        r#"SELECT coalesce(sum(orders), 0)::bigint AS "orders!", coalesce(sum(quantity), 0.000)::text AS "quantity!",
               coalesce(sum(sold), 0.00)::text AS "sold!", coalesce(sum(approved), 0.00)::text AS "approved!",
               coalesce(sum(refunded), 0.00)::text AS "refunded!"
           FROM seller_days
           WHERE seller_home = $1 AND seller_id = $2
               AND day >= coalesce($3, '-infinity'::date) AND day < coalesce($4, 'infinity'::date)"#,
        seller.home,
        seller.id,
        within.from,
        within.to
    )
    .fetch_one(snapshot)
    .await
}

async fn all_time(snapshot: &mut PgConnection, seller: &Ref) -> sqlx::Result<Totals> {
    sqlx::query_as!(
        Totals,
        r#"SELECT coalesce(sum(orders), 0)::bigint AS "orders!", coalesce(sum(quantity), 0.000)::text AS "quantity!",
               coalesce(sum(sold), 0.00)::text AS "sold!", coalesce(sum(approved), 0.00)::text AS "approved!",
               coalesce(sum(refunded), 0.00)::text AS "refunded!"
           FROM seller_totals WHERE seller_home = $1 AND seller_id = $2"#,
        seller.home,
        seller.id
    )
    .fetch_one(snapshot)
    .await
}

async fn products(snapshot: &mut PgConnection, seller: &Ref, within: Days) -> sqlx::Result<Vec<ProductRow>> {
    sqlx::query_as!(
        ProductRow,
        r#"SELECT product_home, product_id, sum(quantity)::text AS "quantity!", sum(sold)::text AS "sold!",
               sum(approved)::text AS "approved!", sum(refunded)::text AS "refunded!"
           FROM product_days
           WHERE seller_home = $1 AND seller_id = $2
               AND day >= coalesce($3, '-infinity'::date) AND day < coalesce($4, 'infinity'::date)
           GROUP BY product_home, product_id
           ORDER BY sum(sold) DESC, product_home, product_id LIMIT $5"#,
        seller.home,
        seller.id,
        within.from,
        within.to,
        MOST_PRODUCTS
    )
    .fetch_all(snapshot)
    .await
}

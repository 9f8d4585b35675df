//! A product in an answer.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::catalogue::{ProductContent, Rejection, load_product};
use domain::stock;
use runtime::{etag, openapi};
use schemas::{Money, Qty, Ref, place};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{ApiError, App};
use crate::shard::{Answer, Refusal};

/// A product, as it is now.
#[derive(Serialize, ToSchema)]
pub struct Product {
    #[schema(example = "abe9998d-a9fa-5989-a9f6-93b468432d62")]
    id: String,
    /// Whose product it is: `v1`, or a contract's own scope.
    #[schema(example = "v1")]
    scope: String,
    /// The id of its seller, if it has one.
    seller: Option<String>,
    title: String,
    description: Option<String>,
    section: String,
    #[schema(value_type = Option<openapi::Money>)]
    price: Option<Money>,
    #[schema(example = "BRL")]
    currency: String,
    active: bool,
    counts_stock: bool,
    keep_one: bool,
    /// What can still be reserved of it; `null` where its stock is not counted.
    #[schema(value_type = Option<openapi::Quantity>)]
    available: Option<Qty>,
    /// Counts the product's changes; also its `ETag`.
    revision: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// The answer that shows the product.
pub fn shown(app: &App, answer: &Answer, product: &Ref) -> Result<Response, ApiError> {
    let unknown = || Refusal::Rejected(Rejection::ProductUnknown.into());
    let states = app.store.as_ref();
    let state = load_product(&states, product).ok_or_else(unknown)?;
    let available = state.content.counts_stock.then(|| stock::load(&states, product).available);
    let ProductContent { seller, title, description, section, price, currency, .. } = state.content;
    let body = Product {
        id: place::text(product),
        scope: state.scope,
        seller: seller.as_ref().map(place::text),
        title,
        description,
        section,
        price,
        currency,
        active: state.content.active,
        counts_stock: state.content.counts_stock,
        keep_one: state.content.keep_one,
        available,
        revision: state.version.revision,
        created_at: state.version.created_at,
        updated_at: state.version.updated_at,
    };
    Ok((etag(body.revision), answer, Json(body)).into_response())
}

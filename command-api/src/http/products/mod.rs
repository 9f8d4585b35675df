//! `/v1/products`: listed, changed, counted, taken off the lists.

mod shown;
pub mod stock;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::catalogue::{
    ChangeProduct, ListProduct, ProductChange, ProductContent, RemoveProduct, load_product,
};
use runtime::Problem;
use runtime::auth::Caller;
use runtime::openapi::responses::{Invalid, OfBodies, OfCallers, Stale};
use schemas::{Qty, Ref, Topic, place};

use super::amount::{self, Amount, Count};
use super::asked::asked;
use super::drawn::new_id;
use super::form::{Form, clearable, is_missing};
use super::idempotency::idempotency_id;
use super::managers::require_manager;
use super::object::{Field, fields};
use super::prefer::{CommandPreferences, Handling};
use super::revision::expected_revision;
use super::sellers::SCOPE;
use super::{ApiError, App, Named, texts};
use crate::shard::Origin;
use shown::{Product, shown};

fields! {
    /// A product. A field that is missing in a change stays as it is; `null` clears it.
    #[schema(as = ProductFields)]
    pub struct ProductBody {
        /// The id of the seller whose product it is.
        #[schema(example = "329ce237-e49f-538f-a97a-908d75624009")]
        seller: Option<String>,
        /// It cannot be cleared.
        #[schema(min_length = 1, max_length = 255, example = "Burger")]
        title: Option<String>,
        #[schema(max_length = 2000, example = "With onions")]
        description: Option<String>,
        /// The part of the menu or the shop that it is in.
        #[schema(max_length = 255, example = "burgers")]
        section: Option<String>,
        /// Of one unit. Without a price it is not sold.
        price: Option<Amount>,
        /// Whether it is sold now. `true` where it is missing at first.
        #[schema(example = true)]
        active: Option<bool>,
        /// Whether its stock is counted, so that orders reserve it. `false` where it is missing at first.
        #[schema(example = true)]
        counts_stock: Option<bool>,
        /// Whether the last piece is not sold. `false` where it is missing at first.
        #[schema(example = false)]
        keep_one: Option<bool>,
        /// How much of it there is, where its stock is counted.
        available: Option<Count>,
    }
}

/// Lists a product: 201.
#[utoipa::path(
    post,
    path = "/v1/products",
    tag = "Catalogue",
    operation_id = "listProduct",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, example = "0b1f7d3e",
            description = "Makes a retry of this request answer alike. ASCII."),
        Origin,
        CommandPreferences,
    ),
    request_body = ProductBody,
    responses(
        (status = 201, description = "Listed: committed to the log. The stock is told its count a moment later; `Prefer: wait` waits for that.",
            body = Product,
            headers(
                ("Location" = String, description = "Where the projector has the product."),
                ("ETag" = String, description = "The revision, for `If-Match` of a change."),
                ("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."),
            )),
        (status = 200, description = "It was listed before, with this `Idempotency-Key`.", body = Product),
        (status = 409, description = "There is no such seller, or the stock of a product that does not count it was given.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "urn:till:product-seller-unknown", "title": "No such seller", "status": 409,
                "detail": "the seller that the product shall belong to is unknown or was removed"})),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let mut form = Form::new(handling);
    let body: Result<ProductBody<'_>, Problem> = form.body(&body);
    // Whoever may not list for the seller that is named is told that alone, and not what else is wrong with the body.
    let seller = body.as_ref().ok().and_then(|body| named(body.seller));
    require_manager(&app, &caller, seller.as_ref()).await?;
    let read = read_new(&app, &mut form, &body?);
    let (content, count) = form.finish(read)?;
    let key = idempotency_id(&headers, "products", &caller.account())?;
    let product = Ref { home: new_id(&headers, key).to_string(), id: String::new() };
    app.shards.found_here(&product.home).await?;
    know(&app, content.seller.as_ref()).await?;
    let command = ListProduct {
        home: product.home.clone(),
        id: Some(String::new()),
        scope: SCOPE.to_owned(),
        asked: asked(&caller, key, &(&content, count)),
        content,
        count,
    };
    let answer = app.submit(command, &headers).await?;
    let shown = shown(&app, &answer, &product)?;
    if !answer.is_new {
        return Ok(shown);
    }
    let location = [(header::LOCATION, format!("/v1/products/{}", place::text(&product)))];
    Ok((StatusCode::CREATED, location, shown).into_response())
}

/// Changes a product: 200.
#[utoipa::path(
    patch,
    path = "/v1/products/{id}",
    tag = "Catalogue",
    operation_id = "changeProduct",
    params(
        ("id" = String, Path, example = "abe9998d-a9fa-5989-a9f6-93b468432d62"),
        ("If-Match" = Option<String>, Header, example = "*",
            description = "The `ETag` that the change was made from: another one is 412. Without it the change is made to whatever is there."),
        Origin,
        CommandPreferences,
    ),
    request_body = ProductBody,
    responses(
        (status = 200, description = "The product, as it is now.", body = Product,
            headers(
                ("ETag" = String, description = "The revision, for `If-Match` of a change."),
                ("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."),
            )),
        (status = 404, description = "There is no such product.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "urn:till:product-unknown", "title": "No such product", "status": 404,
                "detail": "there is no product with this id"})),
        (status = 409, description = "There is no such seller, or the stock of a product that does not count it was given.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "urn:till:stock-not-counted", "title": "Stock not counted", "status": 409,
                "detail": "the product does not count its stock: set counts_stock first"})),
        (status = 412, response = Stale),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    Named(product): Named,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    require_manager_of(&app, &caller, &product).await?;
    let revision = expected_revision(&headers)?;
    let mut form = Form::new(handling);
    let body: ProductBody<'_> = form.body(&body)?;
    let read = read(&mut form, &body);
    let (change, count) = form.finish(read)?;
    if let Some(seller) = &change.seller {
        // Who gives a product away must act for the one who gets it, too.
        require_manager(&app, &caller, seller.as_ref()).await?;
        know(&app, seller.as_ref()).await?;
    }
    let Ref { home, id } = product.clone();
    let command = ChangeProduct { home, id, revision, change, count, asked: asked(&caller, None, &()) };
    let answer = app.submit(command, &headers).await?;
    shown(&app, &answer, &product)
}

/// Takes a product off the lists: 204, also where it was before. It is not sold any more; orders keep its title and price.
#[utoipa::path(
    delete,
    path = "/v1/products/{id}",
    tag = "Catalogue",
    operation_id = "removeProduct",
    params(("id" = String, Path, example = "abe9998d-a9fa-5989-a9f6-93b468432d62"), Origin, CommandPreferences),
    responses(
        (status = 204, description = "It is on no list any more.",
            headers(("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."))),
        (status = 404, description = "There is no such product.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "urn:till:product-unknown", "title": "No such product", "status": 404,
                "detail": "there is no product with this id"})),
        OfCallers,
        OfBodies,
    )
)]
pub async fn remove(
    State(app): State<App>,
    caller: Caller,
    Named(product): Named,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    require_manager_of(&app, &caller, &product).await?;
    let Ref { home, id } = product;
    let answer = app.submit(RemoveProduct { home, id, asked: asked(&caller, None, &()) }, &headers).await?;
    Ok((StatusCode::NO_CONTENT, &answer, ()).into_response())
}

/// Refuses a caller who may not change the product. It waits until the product's shard is here, which knows its seller.
async fn require_manager_of(app: &App, caller: &Caller, product: &Ref) -> Result<(), ApiError> {
    app.shards.found_here(&product.home).await?;
    let seller = load_product(&app.store.as_ref(), product).and_then(|product| product.content.seller);
    require_manager(app, caller, seller.as_ref()).await
}

/// Waits until the store has all that was recorded of a seller, which is of another home.
async fn know(app: &App, seller: Option<&Ref>) -> Result<(), ApiError> {
    Ok(app.barrier.pass(seller.map(|seller| (Topic::Catalogue, seller.home.as_str()))).await?)
}

/// The seller that a field names; `None` where it names none, whatever it is.
fn named(field: Field<'_>) -> Option<Ref> {
    place::parse(&serde_json::from_str::<String>(field?.get()).ok()?)
}

/// What a body says of the product, and of its stock.
fn read(form: &mut Form, body: &ProductBody<'_>) -> (ProductChange, Option<Qty>) {
    let seller = |form: &mut Form, field: Field<'_>| {
        form.text("seller", field, |text| {
            place::parse(text).map(Some).ok_or("must be the id of a seller, such as restaurant-15 or a UUID")
        })
    };
    let change = ProductChange {
        seller: clearable(body.seller, |field| seller(form, field)).map(Option::flatten),
        title: body.title.map(|_| form.text("title", body.title, texts::title)),
        description: clearable(body.description, |field| form.text("description", field, texts::description)),
        section: clearable(body.section, |field| form.text("section", field, texts::section))
            .map(Option::unwrap_or_default),
        price: clearable(body.price, |field| form.decimal("price", field, amount::price)),
        active: form.flag("active", body.active),
        counts_stock: form.flag("counts_stock", body.counts_stock),
        keep_one: form.flag("keep_one", body.keep_one),
    };
    let count =
        (!is_missing(body.available)).then(|| form.decimal("available", body.available, amount::stock));
    (change, count)
}

/// What a body says of a new product, and of its stock.
pub fn read_new(app: &App, form: &mut Form, body: &ProductBody<'_>) -> (ProductContent, Option<Qty>) {
    if body.title.is_none() {
        form.wrong("title", "is required");
    }
    let (change, count) = read(form, body);
    let content = ProductContent {
        seller: change.seller.flatten(),
        title: change.title.unwrap_or_default(),
        description: change.description.flatten(),
        section: change.section.unwrap_or_default(),
        price: change.price.flatten(),
        currency: app.own.currency.clone(),
        active: change.active.unwrap_or(true),
        counts_stock: change.counts_stock.unwrap_or(false),
        keep_one: change.keep_one.unwrap_or(false),
    };
    (content, count)
}

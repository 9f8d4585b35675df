//! `/v1/sellers`: listed, changed, taken off the lists.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::account::REALM;
use domain::catalogue::{
    ChangeSeller, ListSeller, Rejection, RemoveSeller, SellerChange, SellerContent, load_seller,
};
use runtime::auth::Caller;
use runtime::openapi::responses::{Invalid, OfBodies, OfCallers, Stale};
use runtime::{Problem, etag};
use schemas::{Ref, place};
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::asked;
use super::drawn::new_id;
use super::form::{Form, clearable};
use super::idempotency::idempotency_id;
use super::managers::{KEEPERS, require_manager};
use super::object::{Field, fields};
use super::prefer::{CommandPreferences, Handling};
use super::revision::expected_revision;
use super::{ApiError, App, Named, texts};
use crate::shard::{Answer, Origin, Refusal};

/// Whose sellers, products and orders are listed and placed by `/v1`.
pub const SCOPE: &str = "v1";
/// Accounts that may change a seller, at most.
const MAX_MANAGERS: usize = 100;

fields! {
    /// A seller. A field that is missing in a change stays as it is; `null` clears it.
    #[schema(as = SellerFields)]
    pub struct SellerBody {
        /// It cannot be cleared.
        #[schema(min_length = 1, max_length = 255, example = "Corner Kitchen")]
        name: Option<String>,
        #[schema(max_length = 2000, example = "Burgers and more")]
        description: Option<String>,
        /// Where the shop is.
        #[schema(max_length = 2000, example = "Rua do Sol 1, Maceió")]
        address: Option<String>,
        /// The numbers of the accounts that may change it and its products.
        #[schema(max_items = 100, example = json!([2]))]
        managers: Option<Vec<i64>>,
    }
}

/// A seller, as it is now.
#[derive(Serialize, ToSchema)]
struct Seller {
    #[schema(example = "329ce237-e49f-538f-a97a-908d75624009")]
    id: String,
    /// Whose seller it is: `v1`, or a contract's own scope.
    #[schema(example = "v1")]
    scope: String,
    name: String,
    description: String,
    address: String,
    /// The numbers of the accounts that may change it and its products.
    managers: Vec<i64>,
    /// Counts the seller's changes; also its `ETag`.
    revision: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// Lists a seller: 201.
#[utoipa::path(
    post,
    path = "/v1/sellers",
    tag = "Catalogue",
    operation_id = "listSeller",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, example = "0b1f7d3e",
            description = "Makes a retry of this request answer alike. ASCII."),
        Origin,
        CommandPreferences,
    ),
    request_body = SellerBody,
    responses(
        (status = 201, description = "Listed: committed to the log.", body = Seller,
            headers(
                ("Location" = String, description = "Where the projector has the seller."),
                ("ETag" = String, description = "The revision, for `If-Match` of a change."),
                ("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."),
            )),
        (status = 200, description = "It was listed before, with this `Idempotency-Key`.", body = Seller),
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
    caller.require(&KEEPERS)?;
    let mut form = Form::new(handling);
    let body: SellerBody<'_> = form.body(&body)?;
    let content = read_new(&mut form, &body);
    let content = form.finish(content)?;
    let key = idempotency_id(&headers, "sellers", &caller.account())?;
    let seller = Ref { home: new_id(&headers, key).to_string(), id: String::new() };
    let command = ListSeller {
        home: seller.home.clone(),
        id: Some(String::new()),
        scope: SCOPE.to_owned(),
        asked: asked(&caller, key, &content),
        content,
    };
    let answer = app.submit(command, &headers).await?;
    let shown = shown(&app, &answer, &seller)?;
    if !answer.is_new {
        return Ok(shown);
    }
    let location = [(header::LOCATION, format!("/v1/sellers/{}", place::text(&seller)))];
    Ok((StatusCode::CREATED, location, shown).into_response())
}

/// Changes a seller: 200.
#[utoipa::path(
    patch,
    path = "/v1/sellers/{id}",
    tag = "Catalogue",
    operation_id = "changeSeller",
    params(
        ("id" = String, Path, example = "329ce237-e49f-538f-a97a-908d75624009"),
        ("If-Match" = Option<String>, Header, example = "\"1\"",
            description = "The `ETag` that the change was made from: another one is 412. Without it the change is made to whatever is there."),
        Origin,
        CommandPreferences,
    ),
    request_body = SellerBody,
    responses(
        (status = 200, description = "The seller, as it is now.", body = Seller,
            headers(
                ("ETag" = String, description = "The revision, for `If-Match` of a change."),
                ("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."),
            )),
        (status = 404, description = "There is no such seller.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "urn:till:seller-unknown", "title": "No such seller", "status": 404,
                "detail": "there is no seller with this id"})),
        (status = 412, response = Stale),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    Named(seller): Named,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    require_manager(&app, &caller, Some(&seller)).await?;
    let revision = expected_revision(&headers)?;
    let mut form = Form::new(handling);
    let body: SellerBody<'_> = form.body(&body)?;
    let change = read(&mut form, &body);
    let change = form.finish(change)?;
    let Ref { home, id } = seller.clone();
    let command = ChangeSeller { home, id, revision, change, asked: asked(&caller, None, &()) };
    let answer = app.submit(command, &headers).await?;
    shown(&app, &answer, &seller)
}

/// Takes a seller off the lists: 204, also where it was before. Its products stay.
#[utoipa::path(
    delete,
    path = "/v1/sellers/{id}",
    tag = "Catalogue",
    operation_id = "removeSeller",
    params(("id" = String, Path, example = "329ce237-e49f-538f-a97a-908d75624009"), Origin, CommandPreferences),
    responses(
        (status = 204, description = "It is on no list any more.",
            headers(("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."))),
        (status = 404, description = "There is no such seller.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "urn:till:seller-unknown", "title": "No such seller", "status": 404,
                "detail": "there is no seller with this id"})),
        OfCallers,
        OfBodies,
    )
)]
pub async fn remove(
    State(app): State<App>,
    caller: Caller,
    Named(seller): Named,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    require_manager(&app, &caller, Some(&seller)).await?;
    let Ref { home, id } = seller;
    let answer = app.submit(RemoveSeller { home, id, asked: asked(&caller, None, &()) }, &headers).await?;
    Ok((StatusCode::NO_CONTENT, &answer, ()).into_response())
}

/// What a body says of a new seller.
pub fn read_new(form: &mut Form, body: &SellerBody<'_>) -> SellerContent {
    if body.name.is_none() {
        form.wrong("name", "is required");
    }
    let SellerChange { name, description, address, managers } = read(form, body);
    SellerContent {
        name: name.unwrap_or_default(),
        description: description.unwrap_or_default(),
        address: address.unwrap_or_default(),
        managers: managers.unwrap_or_default(),
    }
}

/// What a body says of the seller.
fn read(form: &mut Form, body: &SellerBody<'_>) -> SellerChange {
    let text = |form: &mut Form, name: &str, field: Field<'_>| {
        clearable(field, |field| form.text(name, field, texts::description)).map(Option::unwrap_or_default)
    };
    SellerChange {
        name: body.name.map(|_| form.text("name", body.name, texts::title)),
        description: text(form, "description", body.description),
        address: text(form, "address", body.address),
        managers: body.managers.map(|_| {
            let numbers = form.integers("managers", body.managers);
            managers(form, numbers)
        }),
    }
}

/// The accounts of these numbers, each once.
fn managers(form: &mut Form, mut numbers: Vec<i64>) -> Vec<Ref> {
    if numbers.len() > MAX_MANAGERS {
        form.wrong("managers", format!("must have at most {MAX_MANAGERS} numbers"));
    }
    if numbers.iter().any(|number| *number < 1) {
        form.wrong("managers", "must be numbers of accounts: 1 or more");
    }
    numbers.sort_unstable();
    numbers.dedup();
    numbers.into_iter().map(|number| Ref { home: REALM.to_owned(), id: number.to_string() }).collect()
}

fn shown(app: &App, answer: &Answer, seller: &Ref) -> Result<Response, ApiError> {
    let unknown = || Refusal::Rejected(Rejection::SellerUnknown.into());
    let state = load_seller(&app.store.as_ref(), seller).ok_or_else(unknown)?;
    let SellerContent { name, description, address, managers } = state.content;
    let body = Seller {
        id: place::text(seller),
        scope: state.scope,
        name,
        description,
        address,
        managers: managers.iter().filter_map(|account| account.id.parse().ok()).collect(),
        revision: state.version.revision,
        created_at: state.version.created_at,
        updated_at: state.version.updated_at,
    };
    Ok((etag(body.revision), answer, Json(body)).into_response())
}

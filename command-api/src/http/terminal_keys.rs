//! `/v1/accounts/{number}/keys`: keys that terminals send receipts with. A key is told once, and lives until it is revoked.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::account::{IssueTerminalKey, REALM, RevokeTerminalKey};
use domain::names;
use runtime::Problem;
use runtime::auth::{self, Caller, Role, digest};
use runtime::openapi::responses::{AccountUnknown, Invalid, OfBodies, OfCallers};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::accounts::{asked, places};
use super::form::Form;
use super::object::fields;
use super::prefer::{CommandPreferences, Handling};
use super::{AccountKey, ApiError, App, Number};
use crate::shard::Origin;

fields! {
    /// A key for a terminal.
    #[schema(as = TerminalKeyFields)]
    struct KeyBody {
        /// What people call it.
        #[schema(min_length = 1, max_length = 150, example = "Till at the door")]
        label: String,
        /// The places whose receipts it may send; missing or empty: those of its account.
        #[schema(max_items = 1000, example = json!(["cafe-1"]))]
        places: Option<Vec<String>>,
    }
}

/// A key that was issued.
#[derive(Serialize, ToSchema)]
struct TerminalKey {
    #[schema(value_type = String, example = "0198c7a0-5b1e-7c3a-9a41-1f0e6d2b7c55")]
    id: Uuid,
    label: String,
    places: Vec<String>,
    /// What to send as `Authorization: Bearer`. It is told here, and never again.
    #[schema(example = "till-key-…")]
    key: String,
}

/// Issues a key for a terminal: 201.
#[utoipa::path(
    post,
    path = "/v1/accounts/{number}/keys",
    tag = "Accounts",
    operation_id = "issueTerminalKey",
    params(("number" = i64, Path, example = 3), Origin, CommandPreferences),
    request_body = KeyBody,
    responses(
        (status = 201, description = "The key, which is told this once.", body = TerminalKey),
        (status = 404, response = AccountUnknown),
        (status = 409, description = "The account has 100 keys.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "urn:till:terminal-keys-full", "title": "Too many terminal keys", "status": 409,
                "detail": "the account has 100 terminal keys: revoke one that is not used any more first"})),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn issue(
    State(app): State<App>,
    caller: Caller,
    Number(number): Number,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    caller.require(&[Role::Admin])?;
    let mut form = Form::new(handling);
    let body: KeyBody<'_> = form.body(&body)?;
    let label = form.text("label", body.label, |text| names::not_blank(text, names::label));
    let places = places(&mut form, body.places);
    let (label, places) = form.finish((label, places))?;
    let (id, secret) = (Uuid::now_v7(), super::secrets::draw());
    let command = IssueTerminalKey {
        realm: REALM.to_owned(),
        number,
        key: id,
        digest: schemas::Bytes(digest(&secret).to_vec()),
        places: places.clone(),
        label: label.clone(),
        asked: asked(&caller),
    };
    let answer = app.submit(command, &headers).await?;
    let key = auth::TerminalKey::text(&secret, answer.position);
    Ok((StatusCode::CREATED, &answer, Json(TerminalKey { id, label, places, key })).into_response())
}

/// Revokes a key, at once: 204, and 404 where it was revoked before.
#[utoipa::path(
    delete,
    path = "/v1/accounts/{number}/keys/{key}",
    tag = "Accounts",
    operation_id = "revokeTerminalKey",
    params(
        ("number" = i64, Path, example = 3),
        ("key" = String, Path, example = "0198c7a0-5b1e-7c3a-9a41-1f0e6d2b7c55"),
        Origin,
        CommandPreferences,
    ),
    responses(
        (status = 204, description = "The key is worth nothing any more."),
        (status = 404, description = "The account has no such key.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "urn:till:terminal-key-unknown", "title": "No such terminal key", "status": 404,
                "detail": "the account has no terminal key with this id, or had it revoked"})),
        OfCallers,
    )
)]
pub async fn revoke(
    State(app): State<App>,
    caller: Caller,
    AccountKey(number, key): AccountKey,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.require(&[Role::Admin])?;
    let command = RevokeTerminalKey { realm: REALM.to_owned(), number, key, asked: asked(&caller) };
    let answer = app.submit(command, &headers).await?;
    Ok((StatusCode::NO_CONTENT, &answer, ()).into_response())
}

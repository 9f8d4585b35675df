//! The routes that only processes of this deployment may ask. A to-do of one shard tells a command, and the owner of the
//! command's own shard decides it here; `command-api keys rewrap` has each shard's owner tend the keys of its persons.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::Command;
use runtime::Problem;

use super::error::{misdirected, unknown_command};
use super::{ApiError, App};
use crate::effects::tell::{self, Told, Untold};
use crate::effects::tend::{self, Page};
use crate::shard::Refusal;

/// The largest body of a request between replicas.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// `POST /internal/commands`: decides a told command here, or says that its shard is elsewhere. The answer is its event
/// in Avro single-object encoding; 501 for a command that this binary does not know, which a newer replica will.
///
/// # Errors
/// 401 to anybody but a replica of this deployment; 421 where the shard is elsewhere.
pub async fn decide(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    only_replicas(&app, &headers)?;
    let body = whole(body).await?;
    let told: Told = serde_json::from_slice(&body).map_err(|_| unknown_command())?;
    let command = Command::from_json(told.command).ok_or_else(unknown_command)?;
    match app.teller.decide(command, told.cause).await {
        Ok(event) => Ok(([(header::CONTENT_TYPE, "avro/binary")], tell::body_of(&event)).into_response()),
        Err(Untold::Refused(Refusal::Elsewhere(_))) => Err(misdirected().into()),
        Err(Untold::Refused(refusal)) => Err(refusal.into()),
        Err(other) => {
            tracing::error!(error = %other, "a told command has no answer");
            Err(Refusal::Unknown.into())
        }
    }
}

/// `POST /internal/keys`: puts a page of a shard's keys under the first of this replica's master keys, and deletes those
/// that no living person has.
///
/// # Errors
/// 401 to anybody but a process of this deployment; 421 where the shard is elsewhere.
pub async fn tend(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    only_replicas(&app, &headers)?;
    let body = whole(body).await?;
    let page: Page = serde_json::from_slice(&body)
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body must name a shard"))?;
    match tend::page(&app, page).await {
        Ok(tended) => Ok(Json(tended).into_response()),
        Err(Refusal::Elsewhere(_)) => Err(misdirected().into()),
        Err(refusal) => Err(refusal.into()),
    }
}

fn only_replicas(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let secret =
        headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    if secret.is_some_and(|secret| app.teller.knows(secret)) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::UNAUTHORIZED, "only replicas of this deployment may ask this"))
}

async fn whole(body: Body) -> Result<Bytes, Problem> {
    let body = axum::body::to_bytes(body, MAX_BODY_BYTES).await;
    body.map_err(|_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "what replicas ask has 1 MiB at most"))
}

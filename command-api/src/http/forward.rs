//! Reads bodies, within limits, and forwards a request whose shard is served elsewhere: one hop.
//!
//! A request is sent again only where nobody took it: the owner's address refuses connections, or the replica
//! there says that it is not the owner. Where the owner may have taken it, its record may be committed or
//! be fenced off; the client is told that the outcome is unknown, and the same request, sent again to whoever
//! owns the shard by then, tells.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use runtime::Problem;
use schemas::ShardAnnounced;
use tokio::time::Instant;

use super::error::{Elsewhere, NotTaken, overloaded};
use super::{ApiError, App};
use crate::shard::Refusal;

/// A request's body, at most.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Of a body that is larger, as much is read and thrown away: a client that sends all before it listens would
/// otherwise meet a closed connection instead of the answer (RFC 9112, 9.6).
const DISCARDED_BYTES: usize = 16 * MAX_BODY_BYTES;
/// A request's body must be there by then: while it comes it takes room that others need.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Marks a request that another replica sends on: it makes no second hop.
pub const FORWARDED: HeaderName = HeaderName::from_static("till-forwarded");
/// Set on the answer to one that must be sent elsewhere: nothing happened.
const NOT_TAKEN: HeaderName = HeaderName::from_static("till-not-taken");
/// Between two tries while nobody takes a request and nobody else is announced.
const RETRY: Duration = Duration::from_millis(250);
/// What a former owner has answered may be on its way when its successor is announced.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// They belong to one connection (RFC 9110, 7.6.1), or are set anew.
const HOP_BY_HOP: [HeaderName; 5] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::HOST, header::EXPECT];

/// Lets the handler answer, or the shard's owner where the handler finds that it is elsewhere.
pub async fn to_owner(State(app): State<App>, request: Request, next: Next) -> Response {
    match answer(&app, request, next).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn answer(app: &App, request: Request, next: Next) -> Result<Response, ApiError> {
    let declared = declared_length(request.headers()).unwrap_or(MAX_BODY_BYTES);
    let kib = u32::try_from(declared.min(MAX_BODY_BYTES) / 1024 + 1).expect("at most 1 MiB");
    let _room = app.bodies_in_flight.try_acquire_many(kib).map_err(|_| ApiError::Problem(overloaded()))?;
    let (parts, body) = request.into_parts();
    let body = tokio::time::timeout(BODY_TIMEOUT, read(body)).await.map_err(|_| too_slow())??;
    let deadline = Instant::now() + app.shards.move_timeout();
    loop {
        let request = Request::from_parts(parts.clone(), Body::from(body.clone()));
        let mut response = next.clone().run(request).await;
        if parts.headers.contains_key(FORWARDED) {
            // A second hop would chase a shard that is moving: whoever forwarded it looks again.
            if response.extensions().get::<NotTaken>().is_some() {
                response.headers_mut().insert(NOT_TAKEN, HeaderValue::from_static("1"));
            }
            return Ok(response);
        }
        let Some(Elsewhere(owner)) = response.extensions_mut().remove() else { return Ok(response) };
        if let Some(response) = forward(app, &owner, &parts, body.clone()).await? {
            return Ok(response);
        }
        if Instant::now() >= deadline || app.shards.is_ending() {
            return Err(Refusal::Moving.into());
        }
        let _ = tokio::time::timeout(RETRY, app.shards.succeeded(&owner)).await;
    }
}

async fn read(mut body: Body) -> Result<Bytes, ApiError> {
    let mut kept = BytesMut::new();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| cut_short())?.into_data() else { continue };
        bytes += data.len();
        if bytes <= MAX_BODY_BYTES {
            kept.extend_from_slice(&data);
        } else if bytes > MAX_BODY_BYTES + DISCARDED_BYTES {
            break;
        }
    }
    if bytes <= MAX_BODY_BYTES { Ok(kept.freeze()) } else { Err(too_large()) }
}

/// The owner's answer; `None` where nobody took the request.
async fn forward(
    app: &App,
    owner: &ShardAnnounced,
    parts: &Parts,
    body: Bytes,
) -> Result<Option<Response>, ApiError> {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut headers = parts.headers.clone();
    HOP_BY_HOP.iter().for_each(|name| drop(headers.remove(name)));
    headers.insert(FORWARDED, HeaderValue::from_static("1"));
    let request = app
        .replicas
        .request(parts.method.clone(), format!("{}{path}", owner.url))
        .headers(headers)
        .body(body)
        .timeout(Duration::from_millis(app.own.answer_timeout_ms));
    let exchange = async {
        let answered = request.send().await?;
        let (status, headers) = (answered.status(), answered.headers().clone());
        Ok::<_, reqwest::Error>((status, headers, answered.bytes().await?))
    };
    let answered = tokio::select! {
        answered = exchange => answered,
        // A stopped process keeps its connections open. Its successor has fenced it: what it had begun
        // is in the log by now, or never will be.
        () = replaced(app, owner) => return Err(Refusal::Unknown.into()),
    };
    match answered {
        Ok((_, headers, _)) if headers.contains_key(NOT_TAKEN) => Ok(None),
        Ok((status, mut headers, body)) => {
            HOP_BY_HOP.iter().for_each(|name| drop(headers.remove(name)));
            let mut response = (status, body).into_response();
            *response.headers_mut() = headers;
            Ok(Some(response))
        }
        Err(error) if error.is_connect() => Ok(None),
        Err(_) => Err(Refusal::Unknown.into()),
    }
}

/// Waits until another than `owner` is announced, and what it may have answered before has come.
pub async fn replaced(app: &App, owner: &ShardAnnounced) {
    app.shards.succeeded(owner).await;
    tokio::time::sleep(LAST_WORDS).await;
}

/// `Content-Length`.
pub fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_slow() -> ApiError {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "the request's body did not come within 10 s").into()
}

fn cut_short() -> ApiError {
    Problem::new(StatusCode::BAD_REQUEST, "the request's body broke off").into()
}

fn too_large() -> ApiError {
    let detail = "a request's body may have at most 1 MiB";
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).kind("urn:till:too-large", "Body too large").into()
}

//! Reads bodies into the room there is for them, and forwards a request whose shard is served elsewhere: one hop.
//!
//! A request is sent again only where nobody took it: the owner's address refuses connections, or the replica
//! there says that it is not the owner. Where the owner may have taken it, its record may be committed or
//! be fenced off; the client is told that the outcome is unknown, and the same request, sent again to whoever
//! owns the shard by then, tells.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use runtime::auth::Caller;
use schemas::shards::ShardAnnounced;
use tokio::time::Instant;

use super::client_address::{ClientAddress, REAL_IP};
use super::error::{Elsewhere, NotTaken};
use super::form::Handling;
use super::{ApiError, App, room};
use crate::shard::Refusal;

/// A request's body, at most, KiB.
const MAX_BODY_KIB: usize = 1024;
/// A body of names and passwords, at most, KiB: many of these wait for a slow hash at once.
const MAX_CREDENTIALS_KIB: usize = 16;
/// Marks a request that another replica sends on: it makes no second hop.
pub const FORWARDED: HeaderName = HeaderName::from_static("till-forwarded");
/// Set on the answer to one that must be sent elsewhere: nothing happened.
const NOT_TAKEN: HeaderName = HeaderName::from_static("till-not-taken");
/// Between two tries while nobody takes a request and nobody else is announced.
const RETRY: Duration = Duration::from_millis(250);
/// What a former owner has answered may be on its way when its successor is announced.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// They belong to one connection (RFC 9110, 7.6.1), are set anew, or were looked at where the request came in.
const NOT_PASSED_ON: [HeaderName; 7] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::CONTENT_LENGTH,
    header::HOST,
    header::EXPECT,
    header::ORIGIN,
    HeaderName::from_static("sec-fetch-site"),
];

/// Whose bodies a route reads, and how large they may be.
#[derive(Clone)]
pub struct Intake {
    app: App,
    max_kib: usize,
    token_first: bool,
}

impl Intake {
    /// The bodies of callers: a request without a valid token is refused before its body takes any room.
    pub fn of_callers(app: &App) -> Self {
        Self { app: app.clone(), max_kib: MAX_BODY_KIB, token_first: true }
    }

    /// Anyone's bodies; the route itself looks for a token, if it wants one.
    pub fn of_anyone(app: &App) -> Self {
        Self { app: app.clone(), max_kib: MAX_BODY_KIB, token_first: false }
    }

    /// Anyone's names and passwords.
    pub fn of_credentials(app: &App) -> Self {
        Self { app: app.clone(), max_kib: MAX_CREDENTIALS_KIB, token_first: false }
    }

    /// The caller, where the route has callers; the handler finds it among the request's extensions.
    async fn caller(&self, parts: &mut Parts) -> Result<Option<Caller>, ApiError> {
        if !self.token_first {
            return Ok(None);
        }
        let caller = Caller::from_request_parts(parts, &self.app).await?;
        parts.extensions.insert(caller.clone());
        Ok(Some(caller))
    }
}

/// Lets the handler answer, or the shard's owner where the handler finds that it is elsewhere.
pub async fn to_owner(State(intake): State<Intake>, request: Request, next: Next) -> Response {
    let handling = Handling::of(request.headers());
    let mut response = answer(&intake, request, next).await.unwrap_or_else(ApiError::into_response);
    handling.tell(response.headers_mut());
    response
}

async fn answer(intake: &Intake, request: Request, next: Next) -> Result<Response, ApiError> {
    let app = &intake.app;
    let (mut parts, body) = request.into_parts();
    let caller = intake.caller(&mut parts).await?;
    let held = room::read(body, app.rooms.of(caller.as_ref()), intake.max_kib).await?;
    let body = held.bytes.clone();
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

/// The owner's answer; `None` where nobody took the request.
async fn forward(
    app: &App,
    owner: &ShardAnnounced,
    parts: &Parts,
    body: Bytes,
) -> Result<Option<Response>, ApiError> {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut headers = parts.headers.clone();
    NOT_PASSED_ON.iter().for_each(|name| drop(headers.remove(name)));
    headers.insert(FORWARDED, HeaderValue::from_static("1"));
    let ClientAddress(client) = ClientAddress::of(app, parts);
    headers.insert(REAL_IP, HeaderValue::try_from(client.to_string()).expect("an address is ASCII"));
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
            NOT_PASSED_ON.iter().for_each(|name| drop(headers.remove(name)));
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

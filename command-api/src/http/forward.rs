//! Reads bodies, within limits, and forwards a request whose shard is served elsewhere: one hop.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use runtime::Problem;

use super::error::{Elsewhere, overloaded};
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
    let (method, uri, headers) = (parts.method.clone(), parts.uri.clone(), parts.headers.clone());
    let response = next.run(Request::from_parts(parts, Body::from(body.clone()))).await;
    match response.extensions().get::<Elsewhere>() {
        // A second hop would chase a shard that is moving: its problem is the answer.
        Some(Elsewhere(url)) if !headers.contains_key(FORWARDED) => {
            forward(app, url, method, &uri, headers, body).await
        }
        _ => Ok(response),
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

async fn forward(
    app: &App,
    url: &str,
    method: Method,
    uri: &Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    HOP_BY_HOP.iter().for_each(|name| drop(headers.remove(name)));
    headers.insert(FORWARDED, header::HeaderValue::from_static("1"));
    let timeout = Duration::from_millis(app.own.answer_timeout_ms);
    let sent = app
        .replicas
        .request(method, format!("{url}{path}"))
        .headers(headers)
        .body(body)
        .timeout(timeout)
        .send()
        .await;
    let answered = sent.map_err(|error| {
        // Nobody took it: it is as if the shard were moving. Otherwise it may have happened.
        ApiError::from(if error.is_connect() { Refusal::Moving } else { Refusal::Unknown })
    })?;
    let status = answered.status();
    let mut answer_headers = answered.headers().clone();
    let body = answered.bytes().await.map_err(|_| ApiError::from(Refusal::Unknown))?;
    HOP_BY_HOP.iter().for_each(|name| drop(answer_headers.remove(name)));
    let mut response = (status, body).into_response();
    *response.headers_mut() = answer_headers;
    Ok(response)
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

//! `POST /v1/receipts/batch`: receipts by the thousand, a line of the answer for each, in the batch's order.
//!
//! Read in this order: [`record`] -> [`progress`], which takes receipts from [`incoming`] (cut by a [`framer`] into [`lines`]
//! or elements of an [`array`]) into the [`window`], submits each to its shard or hands it to the [`relay`], and writes [`line`]s to
//! [`outgoing`] in order. Each waits for the next to have room, so that memory is the window's, whatever the batch has.

mod array;
mod framed;
mod framer;
mod incoming;
pub mod line;
pub mod lines;
mod outgoing;
mod progress;
mod relay;
mod turns;
mod window;

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use runtime::Problem;
use runtime::auth::Caller;
use runtime::openapi::responses::{OfBodies, OfCallers};
use tokio::sync::mpsc;

use super::client_address::Peer;
use super::forward::{FORWARDED, declared_length};
use super::prefer::Handling;
use super::receipts::{ReceiptBody, WRITERS};
use super::{ApiError, App};
use crate::shard::{Origin, Refusal};
use array::Array;
use framer::Framer;
use incoming::{Incoming, batch_too_large};
pub use line::{BatchLine, RecordedResult};
use lines::{Lines, NDJSON};
use outgoing::{Answers, Piece};
use progress::{Asked, Progress};
use relay::Relay;
use turns::Turn;
pub use turns::Turns;

/// Records each receipt of a batch as `POST /v1/receipts` would: 200, and a line for each.
#[utoipa::path(
    post,
    path = "/v1/receipts/batch",
    tag = "Receipts",
    operation_id = "recordBatch",
    params(Origin, Handling),
    request_body(
        description = "Up to 10,000 receipts and 32 MiB, a receipt 1 MiB at most: a `Receipt` a line, or an array of them.",
        content(
            (String = "application/x-ndjson", example = "{\"transaction_id\":\"demo-1\",\"timestamp\":\"2024-05-01T12:00:00Z\",\"items\":[{\"product_id\":\"espresso\",\"quantity\":2,\"price\":\"2.50\",\"category\":\"coffee\"}],\"total_amount\":\"5.00\",\"tax_amount\":\"0.83\",\"tips_amount\":\"0.50\",\"payment_method\":\"card\",\"place_id\":\"cafe-1\",\"place_name\":\"Corner Cafe\"}\n"),
            (Vec<ReceiptBody> = "application/json"),
        )
    ),
    responses(
        (status = 200, description = "A `BatchLine` for each receipt, in the order of the body. Where the body breaks off or is \
            above its limit, one last line stands for the first receipt that was not taken and all after it.",
            body = String, content_type = "application/x-ndjson",
            example = "{\"index\":0,\"result\":\"accepted\",\"transaction_id\":\"demo-2\",\"position\":\"r4-17\",\"timestamp\":\"2024-05-01T12:01:00Z\",\"total_amount\":\"2.00\",\"tax_amount\":\"0.33\",\"tips_amount\":\"0.00\"}\n{\"index\":1,\"result\":\"duplicate\",\"transaction_id\":\"demo-1\",\"position\":\"r9-0\",\"timestamp\":\"2024-05-01T12:00:00Z\",\"total_amount\":\"5.00\",\"tax_amount\":\"0.83\",\"tips_amount\":\"0.50\"}\n"),
        (status = 415, description = "The body is neither `application/x-ndjson` nor `application/json`.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "about:blank", "title": "Unsupported Media Type", "status": 415,
                "detail": "send `Content-Type: application/x-ndjson` with a receipt a line, or `application/json` with an array of receipts"})),
        OfCallers,
        OfBodies,
    )
)]
pub async fn record(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    peer: Peer,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let (caller, framer, turn) = match admit(&app, caller, peer, &headers).await {
        Ok(admitted) => admitted,
        Err(error) => {
            // A client that sends its whole body before it reads would not find the answer on a closed connection: its body is
            // read and dropped. One that sent `Expect` waits for the answer first, and sends no body.
            if !headers.contains_key(header::EXPECT) {
                tokio::spawn(Incoming::new(body, Framer::Lines(Lines::default())).drop_all());
            }
            return Err(error);
        }
    };
    let (answers, pieces) = Answers::channel();
    let incoming = Incoming::new(body, framer);
    let handling = Handling::of(&headers);
    let request = Asked { caller, handling, origin: Origin::of(&headers) };
    let progress = Progress::new(app, request, Relay::new(&headers), incoming, answers);
    tokio::spawn(async move {
        if progress.run().await.is_err() {
            tracing::debug!("the client of a batch has gone");
        }
        drop(turn);
    });
    let mut response = answer(pieces).await;
    handling.tell(response.headers_mut());
    Ok(response)
}

async fn admit(
    app: &App,
    caller: Result<Caller, Problem>,
    peer: Peer,
    headers: &HeaderMap,
) -> Result<(Caller, Framer, Turn), ApiError> {
    let caller = caller?;
    caller.require(&WRITERS)?;
    let framer = framer(headers)?;
    if declared_length(headers).is_some_and(|bytes| bytes > incoming::MAX_BODY_BYTES) {
        return Err(batch_too_large("a batch may have at most 32 MiB: send it as several").into());
    }
    let turn = turn(&app.turns, &caller, peer, headers).await?;
    Ok((caller, framer, turn))
}

/// The batch's turn, or its memory where another replica has forwarded it. Only a trusted peer is believed that it forwards, or
/// clients could pass over the turns.
async fn turn(turns: &Turns, caller: &Caller, peer: Peer, headers: &HeaderMap) -> Result<Turn, ApiError> {
    if peer.is_trusted && headers.contains_key(FORWARDED) {
        turns.take_forwarded(declared_length(headers))
    } else {
        turns.take(&caller.account()).await
    }
}

fn framer(headers: &HeaderMap) -> Result<Framer, Problem> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    match media_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase().as_str() {
        NDJSON => Ok(Framer::Lines(Lines::default())),
        "application/json" => Ok(Framer::Array(Array::default())),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send `Content-Type: application/x-ndjson` with a receipt a line, or `application/json` with an array of receipts",
        )),
    }
}

/// The answer as its first piece wants it: lines that go on, none at all, or a problem instead.
async fn answer(mut pieces: mpsc::Receiver<Piece>) -> Response {
    let body = match pieces.recv().await {
        Some(Piece::Lines(first)) => lines(first, pieces),
        Some(Piece::End) => Body::empty(),
        Some(Piece::Refused(problem)) => return problem.into_response(),
        None => return ApiError::from(Refusal::Unknown).into_response(),
    };
    ([(header::CONTENT_TYPE, NDJSON)], body).into_response()
}

fn lines(first: Bytes, pieces: mpsc::Receiver<Piece>) -> Body {
    let rest = stream::unfold(pieces, |mut pieces| async move {
        match pieces.recv().await {
            Some(Piece::Lines(lines)) => Some((Ok(lines), pieces)),
            Some(Piece::End) => None,
            // The transfer breaks off: the client must not take fewer lines for the whole answer.
            Some(Piece::Refused(_)) | None => {
                Some((Err(io::Error::other("the batch was not answered to its end")), pieces))
            }
        }
    });
    Body::from_stream(stream::once(async { Ok(first) }).chain(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_trusted_peer_forwards_batches_past_the_turns() {
        let (turns, mut headers) = (Turns::default(), HeaderMap::new());
        headers.insert(FORWARDED, "1".parse().unwrap());
        headers.insert("content-length", "1000".parse().unwrap());
        let caller = Caller {
            realm: "till".into(),
            number: 1,
            roles: Vec::new(),
            places: Vec::new(),
            is_terminal_key: false,
        };
        let take = async |is_trusted| turn(&turns, &caller, Peer { is_trusted }, &headers).await.ok();
        let mut taken = Vec::new();
        while let Some(turn) = take(false).await {
            taken.push(turn);
        }
        assert!(!taken.is_empty(), "a stranger's batch has a turn like any other");
        assert!(take(true).await.is_some(), "its batch has a turn at the replica that forwards it");
    }
}

//! `POST /v1/import`: what another system has had, taken over with its numbers and its dates, one command after the other.
//!
//! Read in this order: [`import`] -> [`told`], which answers the lines in order -> [`line`], which makes a command of each ->
//! the shard, or [`relay`], where the shard is served by another replica.

mod line;
mod order;
mod relay;

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use runtime::Problem;
use runtime::auth::{Caller, Role};
use runtime::openapi::responses::{OfBodies, OfCallers};
use schemas::place;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc::{self, Receiver, Sender};
use utoipa::ToSchema;

use super::batch::lines::NDJSON;
use super::batch::{RecordedResult, line as answered};
use super::form::without_byte_order_mark;
use super::prefer::Handling;
use super::{ApiError, App};
use crate::shard::{Answer, Origin};
pub use line::ImportLine;
use line::Imported;
use relay::Relay;

/// Lines of an import, at most.
const MAX_LINES: usize = 10_000;
/// Lines of the answer that may wait until the client takes them.
const AHEAD: usize = 64;

/// What a line told is recorded, now (`accepted`) or before (`duplicate`).
#[derive(Serialize, ToSchema)]
pub struct ImportedLine {
    /// Which line of the import, from 0.
    index: u32,
    result: RecordedResult,
    #[schema(example = "restaurant-1")]
    id: String,
    /// Its place in the log; for `Till-Position` of a read.
    #[schema(example = "c4-17")]
    position: String,
}

/// Takes over what another system has had: 200, and a line for each line. The lines are recorded one after the other, each once,
/// however often it is sent. What is imported asks nobody for anything: no stock is reserved, and no payment asked for.
#[utoipa::path(
    post,
    path = "/v1/import",
    tag = "Import",
    operation_id = "import",
    params(Origin, Handling),
    request_body(
        description = "Up to 10,000 lines and 1 MiB: an `ImportLine` a line, or an array of them.",
        content(
            (String = "application/x-ndjson", example = "{\"id\":\"cashback-1\",\"at\":\"2024-05-01T12:00:00Z\",\"seller\":{\"name\":\"Corner Kitchen\"}}\n{\"id\":\"cashback-1\",\"at\":\"2024-05-01T12:00:00Z\",\"product\":{\"seller\":\"cashback-1\",\"title\":\"Burger\",\"price\":\"25.50\"}}\n"),
            (Vec<ImportLine> = "application/json", example = json!([{"id": "cashback-1", "at": "2024-05-01T12:00:00Z", "seller": {"name": "Corner Kitchen"}}])),
        )
    ),
    responses(
        (status = 200, description = "An `ImportedLine` for each line that is recorded, now or before, and a `RefusedLine` for any other, in the \
            order of the body.",
            body = String, content_type = "application/x-ndjson",
            example = "{\"index\":0,\"result\":\"accepted\",\"id\":\"cashback-1\",\"position\":\"c4-17\"}\n{\"index\":1,\"result\":\"duplicate\",\"id\":\"cashback-1\",\"position\":\"c4-3\"}\n"),
        OfCallers,
        OfBodies,
    )
)]
pub async fn import(
    State(app): State<App>,
    caller: Caller,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    caller.require(&[Role::Admin])?;
    let lines = lines(&body)?;
    let (answers, told) = mpsc::channel(AHEAD);
    let relay = Relay::new(&headers);
    let import = Import { app, caller, handling, origin: Origin::of(&headers), relay };
    tokio::spawn(async move {
        if import.tell(lines, &answers).await.is_err() {
            tracing::debug!("the client of an import has gone");
        }
    });
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, NDJSON)], streamed(told)).into_response())
}

/// The client has gone.
struct Gone;

struct Import {
    app: App,
    caller: Caller,
    handling: Handling,
    origin: Origin,
    relay: Relay,
}

impl Import {
    /// Records line after line, and answers each.
    async fn tell(&self, lines: Vec<Bytes>, answers: &Sender<Bytes>) -> Result<(), Gone> {
        for (index, line) in lines.into_iter().enumerate() {
            let tail = match self.record(&line).await {
                Ok(tail) => tail,
                Err(ApiError::Elsewhere(owner)) => self.relay.ask(&self.app, &owner, line).await,
                Err(error) => answered::refused(error.into_problem()),
            };
            let mut text = BytesMut::new();
            answered::write(&mut text, index, &tail);
            answers.send(text.freeze()).await.map_err(|_| Gone)?;
        }
        Ok(())
    }

    async fn record(&self, line: &[u8]) -> Result<Bytes, ApiError> {
        let Imported { id, command } = line::read(&self.app, &self.caller, self.handling, line).await?;
        let answer = self.app.shards.submit(command, self.origin.clone()).await?;
        Ok(recorded(place::text(&id), &answer))
    }
}

fn recorded(id: String, answer: &Answer) -> Bytes {
    let result = if answer.is_new { RecordedResult::Accepted } else { RecordedResult::Duplicate };
    let position = answer.position.to_string();
    answered::tail(&ImportedLine { index: 0, result, id, position })
}

/// The lines of a body: the elements of an array, or else what stands on each line.
fn lines(body: &Bytes) -> Result<Vec<Bytes>, Problem> {
    let text = without_byte_order_mark(body).trim_ascii();
    let lines: Vec<Bytes> = if text.first() == Some(&b'[') {
        let elements = serde_json::from_slice::<Vec<&RawValue>>(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let detail = format!("the body is no JSON array: see line {line}, column {column}");
            Problem::new(StatusCode::BAD_REQUEST, detail).kind("urn:till:malformed", "Malformed JSON")
        })?;
        elements.into_iter().map(|element| Bytes::copy_from_slice(element.get().as_bytes())).collect()
    } else {
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        lines.filter(|line| !line.is_empty()).map(Bytes::copy_from_slice).collect()
    };
    if lines.len() > MAX_LINES {
        let detail = format!("an import has at most {MAX_LINES} lines: send it as several");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
            .kind("urn:till:import-too-large", "Import too large"));
    }
    Ok(lines)
}

fn streamed(told: Receiver<Bytes>) -> Body {
    Body::from_stream(stream::unfold(told, |mut told| async move {
        let line = told.recv().await?;
        Some((Ok::<_, Infallible>(line), told))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_lines_or_an_array() {
        let lines = |body: &'static str| lines(&Bytes::from_static(body.as_bytes()));
        assert_eq!(lines("{\"a\": 1}\r\n\n {\"a\": 2}").unwrap(), ["{\"a\": 1}", "{\"a\": 2}"]);
        assert_eq!(lines("\u{FEFF}[{\"a\":\n1}, 2]").unwrap(), ["{\"a\":\n1}", "2"]);
        assert!(lines("").unwrap().is_empty() && lines("[1").is_err());
        let many = "1\n".repeat(MAX_LINES + 1);
        assert!(super::lines(&Bytes::from(many)).is_err());
    }
}

//! A line whose shard another replica serves: that replica is sent an import of this one line.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Bytes;
use schemas::shards::ShardAnnounced;

use crate::http::batch::line as answered;
use crate::http::batch::lines::NDJSON;
use crate::http::forward::FORWARDED;
use crate::http::{ApiError, App};
use crate::shard::Refusal;

const PATH: &str = "/v1/import";
/// Headers of the import that each of its lines is sent with.
const PASSED_ON: [&str; 4] = ["authorization", "prefer", "x-request-id", "traceparent"];

/// Sends lines to other replicas, unless another one has sent them here.
pub struct Relay {
    headers: HeaderMap,
    is_forwarded: bool,
}

impl Relay {
    pub fn new(request: &HeaderMap) -> Self {
        let mut headers = HeaderMap::new();
        for name in PASSED_ON {
            if let Some(value) = request.get(name) {
                headers.insert(name, value.clone());
            }
        }
        headers.insert(FORWARDED, HeaderValue::from_static("1"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(NDJSON));
        Self { headers, is_forwarded: request.contains_key(FORWARDED) }
    }

    /// What the owner answers the line with, without its index. A line makes one hop: a second would chase a shard that moves.
    pub async fn ask(&self, app: &App, owner: &ShardAnnounced, line: Bytes) -> Bytes {
        if self.is_forwarded {
            return refused(Refusal::Moving);
        }
        let request = app
            .replicas
            .post(format!("{}{PATH}", owner.url))
            .headers(self.headers.clone())
            .body(line)
            .timeout(Duration::from_millis(app.own.answer_timeout_ms));
        let exchange = async { request.send().await?.bytes().await };
        match exchange.await {
            Ok(body) => match answered::read(body.trim_ascii()) {
                Some((_, tail)) => tail,
                None => refused(Refusal::Unknown),
            },
            Err(error) if error.is_connect() => refused(Refusal::Moving),
            Err(_) => refused(Refusal::Unknown),
        }
    }
}

fn refused(refusal: Refusal) -> Bytes {
    answered::refused(ApiError::from(refusal).into_problem())
}

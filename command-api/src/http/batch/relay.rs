//! Receipts whose shards other replicas serve: sent to them together, as batches of their own, one hop.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;
use schemas::shards::ShardAnnounced;

use super::framed::Framed;
use super::line;
use super::lines::{Lines, NDJSON};
use crate::http::forward::{FORWARDED, replaced};
use crate::http::prefer::Handling;
use crate::http::{ApiError, App};
use crate::shard::Refusal;

/// Receipts sent together, at most.
pub const CHUNK_RECEIPTS: usize = 500;
/// Bytes sent together, at most. A single receipt may have as many.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Chunks of a batch that one replica has at once. Further receipts for it gather meanwhile, so that the next chunk is larger.
const CHUNKS_AT_ONCE: usize = 4;
/// Headers of the client's request that the owner gets too.
const PASSED_ON: [HeaderName; 3] =
    [AUTHORIZATION, HeaderName::from_static("x-request-id"), HeaderName::from_static("traceparent")];

pub struct Relay {
    headers: HeaderMap,
    owners: HashMap<String, Owner>,
}

struct Owner {
    /// What this replica announced last. Where another one announces the same shard, the chunks on their way to this one are given
    /// up: a stopped process keeps its connections open and would be waited for in vain. The client may send again the
    /// receipts that were not answered.
    announced: ShardAnnounced,
    waiting: VecDeque<(usize, Bytes)>,
    chunks: usize,
}

/// Receipts for one replica, a line each, and their indexes in the batch.
pub struct Chunk {
    pub owner: ShardAnnounced,
    indexes: Vec<usize>,
    body: Vec<u8>,
}

impl Relay {
    /// `None` for a request that was forwarded itself: it makes no second hop.
    pub fn new(request: &HeaderMap) -> Option<Self> {
        if request.contains_key(FORWARDED) {
            return None;
        }
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED, HeaderValue::from_static("1"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(NDJSON));
        // The owner must read as leniently as this replica. The client may send the header in several lines, so that its
        // meaning is passed on and not its text.
        if Handling::of(request) == Handling::Lenient {
            headers.insert("prefer", HeaderValue::from_static("handling=lenient"));
        }
        for name in PASSED_ON {
            if let Some(value) = request.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        Some(Self { headers, owners: HashMap::new() })
    }

    /// Takes in a receipt for the replica that announced its shard.
    pub fn add(&mut self, announced: ShardAnnounced, index: usize, receipt: Bytes) {
        let owner = self.owners.entry(announced.url.clone()).or_insert_with(|| Owner {
            announced: announced.clone(),
            waiting: VecDeque::new(),
            chunks: 0,
        });
        owner.announced = announced;
        owner.waiting.push_back((index, receipt));
    }

    /// Takes a chunk that may go now, of at least so many receipts.
    pub fn next(&mut self, at_least: usize) -> Option<Chunk> {
        let owner = self
            .owners
            .values_mut()
            .find(|owner| owner.chunks < CHUNKS_AT_ONCE && owner.waiting.len() >= at_least)?;
        owner.chunks += 1;
        let mut chunk = Chunk { owner: owner.announced.clone(), indexes: Vec::new(), body: Vec::new() };
        while let Some((index, receipt)) = owner.waiting.pop_front() {
            if !chunk.has_room(receipt.len()) {
                owner.waiting.push_front((index, receipt));
                break;
            }
            chunk.add(index, &receipt);
        }
        Some(chunk)
    }

    /// Notes that a chunk of the replica at `url` is answered.
    pub fn answered(&mut self, url: &str) {
        if let Some(owner) = self.owners.get_mut(url) {
            owner.chunks -= 1;
        }
    }

    /// The headers that [`Chunk::forward`] sends.
    pub fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }
}

impl Chunk {
    fn has_room(&self, bytes: usize) -> bool {
        self.indexes.is_empty()
            || (self.indexes.len() < CHUNK_RECEIPTS && self.body.len() + bytes < CHUNK_BYTES)
    }

    fn add(&mut self, index: usize, receipt: &[u8]) {
        self.indexes.push(index);
        // Within JSON a line feed can only be white space.
        self.body.extend(receipt.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
        self.body.push(b'\n');
    }

    /// Sends the chunk, and gives the index of each receipt and the tail of its line.
    pub async fn forward(self, app: App, headers: HeaderMap) -> Vec<(usize, Bytes)> {
        let Self { owner, indexes, body } = self;
        let mut tails = vec![None; indexes.len()];
        let missing = tokio::select! {
            missing = exchange(&app, &owner.url, headers, body, &mut tails) => missing,
            () = replaced(&app, &owner) => Refusal::Unknown,
        };
        let missing = line::refused(ApiError::from(missing).into_problem());
        indexes.into_iter().zip(tails).map(|(index, tail)| (index, tail.unwrap_or(missing.clone()))).collect()
    }
}

/// Sends the receipts and reads the tails of their lines. Gives the refusal of the receipts whose lines do not come.
async fn exchange(
    app: &App,
    url: &str,
    headers: HeaderMap,
    body: Vec<u8>,
    tails: &mut [Option<Bytes>],
) -> Refusal {
    let sent = app
        .replicas
        .post(format!("{url}/v1/receipts/batch"))
        .headers(headers)
        .body(body)
        .timeout(Duration::from_millis(app.own.answer_timeout_ms))
        .send()
        .await;
    match sent {
        Ok(response) if response.status() == StatusCode::OK => {
            read(response, tails).await;
            Refusal::Unknown
        }
        Ok(response) if response.status() == StatusCode::SERVICE_UNAVAILABLE => Refusal::Overloaded,
        // Nobody took the chunk, as if the shard were moving.
        Err(error) if error.is_connect() => Refusal::Moving,
        Ok(_) | Err(_) => Refusal::Unknown,
    }
}

/// The lines that come, until the answer ends or breaks off.
async fn read(mut response: reqwest::Response, tails: &mut [Option<Bytes>]) {
    let mut lines = Lines::default();
    while let Ok(Some(part)) = response.chunk().await {
        lines.push(part);
        while let Some(framed) = lines.next() {
            let Framed::Receipt(text) = framed else { continue };
            // A line whose index is past the last receipt speaks of the chunk, not of a receipt.
            if let Some((index, tail)) = line::read(&text)
                && let Some(place) = tails.get_mut(index)
            {
                *place = Some(tail);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_reads_as_leniently_as_the_replica_that_was_asked() {
        let lenient = |lines: &[&'static str]| {
            let mut request = HeaderMap::new();
            for line in lines {
                request.append("prefer", HeaderValue::from_static(line));
            }
            let sent = Relay::new(&request).unwrap().headers();
            assert_eq!(Handling::of(&sent), Handling::of(&request), "{lines:?}");
            Handling::of(&sent) == Handling::Lenient
        };
        assert!(lenient(&["wait=10", "handling=lenient"]));
        assert!(!lenient(&["handling=strict", "handling=lenient"]));
        assert!(!lenient(&[]));
    }
}

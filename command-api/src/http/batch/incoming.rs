//! The body of a batch, read as far as there is room for it.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::StreamExt;
use runtime::Problem;
use tokio::time::{Instant, timeout_at};

use super::framed::Framed;
use super::framer::Framer;
use crate::http::pace::{Pace, TOO_SLOW, TooSlow};

/// The largest body of a batch.
pub const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;
/// The whole body must have come in this time.
const MAX_LENGTH: Duration = Duration::from_secs(300);
/// The rest of a body is read and dropped for so long after an early end: most clients send everything before they read why.
const DISCARD_FOR: Duration = Duration::from_secs(10);

/// Why no more receipts are taken.
pub enum End {
    /// The body ended, and all of it is taken.
    Whole,
    /// This problem came before the body's end.
    Early(Problem),
}

/// What [`Incoming::next`] finds.
pub enum Next {
    Receipt(Framed),
    /// All that was read is taken: [`Incoming::read`] must be called first.
    Unread,
    End(End),
}

pub struct Incoming {
    body: BodyDataStream,
    framer: Framer,
    bytes: usize,
    until: Instant,
    pace: Pace,
    /// Why nothing follows the bytes that were read; `None` while more may come.
    after: Option<End>,
    /// Whether bytes that are read are dropped.
    discards: bool,
    /// Whether nothing is read any more.
    over: bool,
}

impl Incoming {
    pub fn new(body: Body, framer: Framer) -> Self {
        let (body, until) = (body.into_data_stream(), Instant::now() + MAX_LENGTH);
        Self {
            body,
            framer,
            bytes: 0,
            until,
            pace: Pace::default(),
            after: None,
            discards: false,
            over: false,
        }
    }

    /// Takes the next receipt of the bytes that were read.
    pub fn next(&mut self) -> Next {
        match self.framer.next() {
            Ok(Some(framed)) => return Next::Receipt(framed),
            Ok(None) => {}
            Err(error) => return Next::End(End::Early(malformed(error.0))),
        }
        match self.after.take() {
            None => Next::Unread,
            Some(End::Whole) => match self.framer.finish() {
                Ok(Some(framed)) => {
                    self.after = Some(End::Whole);
                    Next::Receipt(framed)
                }
                Ok(None) => Next::End(End::Whole),
                Err(error) => Next::End(End::Early(malformed(error.0))),
            },
            Some(early) => Next::End(early),
        }
    }

    /// Reads a part of the body. The future may be dropped while it waits: nothing is lost.
    pub async fn read(&mut self) {
        let read = timeout_at(self.until, self.pace.wait(self.body.next())).await;
        match read {
            Ok(Ok(Some(Ok(chunk)))) => self.take(chunk),
            Ok(Ok(Some(Err(_)))) => self.end(End::Early(malformed("the body broke off".to_owned()))),
            Ok(Ok(None)) => self.end(End::Whole),
            Ok(Err(TooSlow)) => self.end(End::Early(late(TOO_SLOW))),
            Err(_) => self.end(End::Early(late("the whole batch did not come within 300 s"))),
        }
    }

    /// Reads and drops the rest of the body. A connection that is closed while the client still sends takes the answer with it.
    pub async fn drop_all(mut self) {
        self.discard();
        while !self.is_over() {
            self.read().await;
        }
    }

    /// From here on bytes that are read are dropped, and only for [`DISCARD_FOR`].
    pub fn discard(&mut self) {
        self.discards = true;
        self.until = Instant::now() + DISCARD_FOR;
    }

    /// Whether no more of the body will be read.
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn take(&mut self, mut chunk: Bytes) {
        self.bytes += chunk.len();
        self.pace.came(chunk.len());
        let surplus = self.bytes.saturating_sub(MAX_BODY_BYTES);
        if self.discards {
            self.over |= surplus > MAX_BODY_BYTES;
            return;
        }
        if surplus > 0 {
            chunk.truncate(chunk.len() - surplus);
            self.after = Some(End::Early(too_large()));
        }
        self.framer.push(chunk);
    }

    fn end(&mut self, end: End) {
        self.after = Some(end);
        self.over = true;
    }
}

fn malformed(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail).kind("urn:till:malformed", "Malformed batch")
}

fn late(detail: &str) -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, format!("{detail}: send the rest again"))
}

fn too_large() -> Problem {
    batch_too_large("a batch may have at most 32 MiB: send this receipt and those after it as another")
}

/// 413, for a whole batch or for the rest of one.
pub fn batch_too_large(detail: &'static str) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).kind("urn:till:batch-too-large", "Batch too large")
}

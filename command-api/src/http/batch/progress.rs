//! A batch under way: one task takes its receipts, has them decided, and writes the answer, all at the pace of the
//! slowest.

use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use domain::receipt::RecordReceipt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use runtime::Problem;
use runtime::auth::Caller;
use schemas::shards::ShardAnnounced;
use tokio::task::unconstrained;

use super::framed::Framed;
use super::incoming::{End, Incoming, Next, batch_too_large};
use super::line;
use super::outgoing::{Answers, Gone, Piece};
use super::relay::{CHUNK_RECEIPTS, Relay};
use super::window::Window;
use crate::http::prefer::Handling;
use crate::http::receipts;
use crate::http::understood::Understood;
use crate::http::{ApiError, App};
use crate::shard::{Origin, Refusal};

/// Receipts of a batch, at most.
const MAX_RECEIPTS: usize = 10_000;
/// Receipts parsed before others get their turn on the thread: about a millisecond.
const AT_ONCE: usize = 256;
/// A client that sends nothing for so long may be waiting for answers.
const PAUSE: Duration = Duration::from_millis(200);

pub struct Progress {
    app: App,
    asked: Asked,
    /// `None` in a batch that was forwarded, which makes no second hop.
    relay: Option<Relay>,
    incoming: Incoming,
    window: Window,
    running: FuturesUnordered<BoxFuture<'static, Done>>,
    answers: Answers,
    /// Whether no more receipts are taken.
    ended: bool,
    /// The problem of the last line, where the batch was not taken as a whole.
    last_word: Option<Problem>,
}

/// What the request says of all receipts of its batch.
pub struct Asked {
    pub caller: Caller,
    pub handling: Handling,
    pub origin: Origin,
}

/// What came of a receipt, or of a chunk of them.
enum Done {
    Answered {
        index: usize,
        tail: Bytes,
    },
    /// Another replica serves its shard.
    Elsewhere {
        owner: ShardAnnounced,
        index: usize,
        receipt: Bytes,
    },
    Forwarded {
        url: String,
        tails: Vec<(usize, Bytes)>,
    },
}

/// Why [`Progress::take`] stopped.
#[derive(PartialEq, Eq)]
enum Stopped {
    /// It took [`AT_ONCE`] receipts: other tasks have their turn.
    AtOnce,
    /// The window or the answer has no room.
    Full,
    /// All receipts that were read are taken.
    Unread,
    Ended,
}

impl Progress {
    pub fn new(app: App, asked: Asked, relay: Option<Relay>, incoming: Incoming, answers: Answers) -> Self {
        let (window, running) = (Window::default(), FuturesUnordered::new());
        Self { app, asked, relay, incoming, window, running, answers, ended: false, last_word: None }
    }

    /// Answers the batch to its end.
    pub async fn run(mut self) -> Result<(), Gone> {
        loop {
            let stopped = self.take();
            self.settle_all_done();
            self.write_answered();
            let goes_on = stopped == Stopped::AtOnce || (stopped == Stopped::Full && self.has_room());
            self.forward(if goes_on { CHUNK_RECEIPTS } else { 1 });
            if goes_on {
                tokio::task::yield_now().await;
                continue;
            }
            if self.ended && self.window.is_empty() && self.answers.is_empty() {
                return self.end().await;
            }
            self.wait(stopped == Stopped::Unread).await?;
        }
    }

    /// Takes receipts that were read, while there is room.
    fn take(&mut self) -> Stopped {
        for _ in 0..AT_ONCE {
            if self.ended {
                return Stopped::Ended;
            }
            if !self.has_room() {
                return Stopped::Full;
            }
            match self.incoming.next() {
                Next::Receipt(_) if self.window.taken() == MAX_RECEIPTS => self.end_with(too_many()),
                Next::Receipt(framed) => self.begin(framed),
                Next::Unread => return Stopped::Unread,
                Next::End(End::Whole) => self.ended = true,
                Next::End(End::Early(problem)) => self.end_with(problem),
            }
        }
        Stopped::AtOnce
    }

    fn has_room(&self) -> bool {
        self.window.has_room() && !self.answers.is_full()
    }

    fn end_with(&mut self, problem: Problem) {
        self.ended = true;
        self.last_word = Some(problem);
        self.incoming.discard();
    }

    fn begin(&mut self, framed: Framed) {
        let bytes = match framed {
            Framed::Receipt(bytes) => bytes,
            Framed::TooLong => {
                let index = self.window.open(0);
                return self.window.answer(index, line::refused(too_long()));
            }
        };
        let index = self.window.open(bytes.len());
        let Asked { caller, handling, origin } = &self.asked;
        match receipts::parse(&self.app, caller, *handling, &bytes) {
            Ok(receipt) => {
                // The bytes are a slice of a much larger chunk, all of which they would keep in memory: so they are copied.
                let bytes = self.relay.as_ref().map(|_| Bytes::copy_from_slice(&bytes)).unwrap_or_default();
                let command = RecordReceipt { receipt, totals_match: true, recorded_by: caller.account() };
                self.running.push(submit(self.app.clone(), index, command, origin.clone(), bytes).boxed());
            }
            Err(problem) => self.window.answer(index, line::refused(problem)),
        }
    }

    /// Polls new receipts and settles those that are done. Its first poll sends a receipt to its shard, so that they go in the
    /// batch's order. Under tokio's budget some would be passed over and overtaken: it is lifted here, and [`Self::run`] yields
    /// the thread itself.
    fn settle_all_done(&mut self) {
        while let Some(Some(done)) = unconstrained(self.running.next()).now_or_never() {
            self.settle(done);
        }
    }

    fn settle(&mut self, done: Done) {
        match done {
            Done::Answered { index, tail } => self.window.answer(index, tail),
            Done::Elsewhere { owner, index, receipt } => match &mut self.relay {
                Some(relay) => relay.add(owner, index, receipt),
                None => self.window.answer(index, refused(Refusal::Moving)),
            },
            Done::Forwarded { url, tails } => {
                if let Some(relay) = &mut self.relay {
                    relay.answered(&url);
                }
                for (index, tail) in tails {
                    self.window.answer(index, tail);
                }
            }
        }
    }

    fn write_answered(&mut self) {
        while !self.answers.is_full()
            && let Some((index, tail)) = self.window.next_answered()
        {
            self.answers.write(index, &tail);
        }
        if self.window.is_empty()
            && self.window.taken() > 0
            && let Some(problem) = self.last_word.take()
        {
            self.answers.write(self.window.taken(), &line::refused(problem));
        }
        if self.answers.is_full() || self.incoming.is_over() || self.ended {
            self.answers.begin();
        }
    }

    /// Forwards the chunks that may go now and have at least so many receipts.
    fn forward(&mut self, at_least: usize) {
        let Some(relay) = &mut self.relay else { return };
        while let Some(chunk) = relay.next(at_least) {
            let (app, headers, url) = (self.app.clone(), relay.headers(), chunk.owner.url.clone());
            let forwarded = async move { Done::Forwarded { url, tails: chunk.forward(app, headers).await } };
            self.running.push(forwarded.boxed());
        }
    }

    /// Waits until a receipt is answered, the client takes a part of the answer or, where it is wanted, more of the body came.
    async fn wait(&mut self, wants_more: bool) -> Result<(), Gone> {
        let reads = (wants_more || self.ended) && !self.incoming.is_over();
        let begins = wants_more && self.answers.are_held_back();
        tokio::select! {
            Some(done) = unconstrained(self.running.next()), if !self.running.is_empty() => self.settle(done),
            () = self.incoming.read(), if reads => {}
            taken = self.answers.progress() => taken?,
            () = tokio::time::sleep(PAUSE), if begins => self.answers.begin(),
        }
        Ok(())
    }

    /// Ends the answer, once every receipt that was taken has its line.
    async fn end(self) -> Result<(), Gone> {
        // It is still here only where no receipt was taken, so that it is the whole answer.
        if let Some(problem) = self.last_word {
            self.answers.end(Piece::Refused(problem)).await?;
            self.incoming.drop_all().await;
            return Ok(());
        }
        self.incoming.drop_all().await;
        self.answers.end(Piece::End).await
    }
}

async fn submit(app: App, index: usize, command: RecordReceipt, origin: Origin, receipt: Bytes) -> Done {
    let (transaction_id, understood) =
        (command.receipt.transaction_id.clone(), Understood::of(&command.receipt));
    let room = app.batch_commands.acquire().await;
    let answer = app.shards.submit(command, origin).await;
    drop(room);
    let tail = match answer {
        Ok(answer) => line::recorded(&transaction_id, understood, &answer),
        Err(Refusal::Elsewhere(owner)) => return Done::Elsewhere { owner, index, receipt },
        Err(refusal) => refused(refusal),
    };
    Done::Answered { index, tail }
}

fn refused(refusal: Refusal) -> Bytes {
    line::refused(ApiError::from(refusal).into_problem())
}

fn too_long() -> Problem {
    let detail = "a receipt may have at most 1 MiB; the others of the batch are taken";
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).kind("urn:till:too-large", "Receipt too large")
}

fn too_many() -> Problem {
    batch_too_large("a batch may have at most 10000 receipts: send this one and those after it as another")
}

//! What requests and to-dos ask of a shard, and what it answers.

use std::sync::Arc;

use domain::{Command, Rejection, TodoKey};
use schemas::shards::ShardAnnounced;
use schemas::{Event, Position};
use tokio::sync::oneshot;
use uuid::Uuid;

/// What caused a command, as its event's headers tell it.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The client's `X-Request-Id`.
    pub correlation_id: Option<String>,
    /// The request's W3C trace context.
    pub traceparent: Option<String>,
    /// The id of the event whose to-do sends the command.
    pub causation_id: Option<Uuid>,
}

/// Work that waits in a shard's queue.
pub struct Job {
    pub work: Work,
    pub partition: i32,
    pub origin: Origin,
    pub asker: Asker,
}

/// Who has asked for the work, and how to answer.
pub enum Asker {
    Request(Reply),
    /// A to-do of the shard itself. It is put off where the work does not settle it.
    Todo(TodoKey),
}

/// What a shard can be asked for.
pub enum Work {
    /// To decide a command, and if asked, to tell when the to-dos of its event are settled.
    Decide { command: Box<Command>, and_tell_when_settled: bool },
    /// To commit a batch, which only the shard's present owner can.
    Prove,
}

/// Takes the answer to a job; a proof has none. It is dropped without an answer where the outcome is unknown.
pub type Reply = oneshot::Sender<Result<Option<Answer>, Returned>>;

/// What a request gets back instead of an answer.
pub enum Returned {
    /// A rule refuses the command. A commit has proven that the shard's owner said so.
    Rejected(Rejection),
    /// The shard left this replica before the work was begun.
    Moved(Work),
    /// The command belongs to another shard. No caller of this engine sends one, so this is a fault.
    NotMine,
}

/// A command's event, which is committed.
#[derive(Debug)]
pub struct Answer {
    /// The position of the event.
    pub position: Position,
    /// `false` where the event had been recorded before, by an earlier command.
    pub is_new: bool,
    /// The event; `None` where it had been recorded before: then [`super::source`] reads it.
    pub event: Option<Arc<Event>>,
    /// Whether the to-dos that the event raised are settled; `None` where nobody asked. To-dos that are not done in
    /// time go on.
    pub is_settled: Option<bool>,
    /// Told when those to-dos are settled; `None` where nobody asked or all are. It fails where the shard has left this
    /// replica.
    pub settling: Option<oneshot::Receiver<()>>,
}

impl Answer {
    /// The answer with a new event, at a position of the log or of its batch.
    pub fn recorded(position: Position, event: Arc<Event>) -> Self {
        Self { position, is_new: true, event: Some(event), is_settled: None, settling: None }
    }

    /// The answer to a command that changed keys alone, with the position of its first record.
    pub fn of_keys(position: Position) -> Self {
        Self { position, is_new: true, event: None, is_settled: None, settling: None }
    }

    /// The answer with the position at which the event had been recorded before.
    pub fn already(position: Position) -> Self {
        Self { position, is_new: false, event: None, is_settled: None, settling: None }
    }
}

/// Why a command has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A rule refuses the command.
    Rejected(Rejection),
    /// The replica named serves the shard.
    Elsewhere(ShardAnnounced),
    /// The shard's queue is full.
    Overloaded,
    /// No replica serves the shard yet, or it did not come in time.
    Moving,
    /// The command may have happened or not. The same command, sent again, tells.
    Unknown,
}

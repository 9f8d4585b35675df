//! What is asked of a shard, and what it answers.

use std::sync::Arc;

use domain::{Command, Rejection, TodoKey};
use schemas::shards::ShardAnnounced;
use schemas::{Event, Position};
use tokio::sync::oneshot;
use uuid::Uuid;

/// What the client's request said of itself.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// `X-Request-Id`.
    pub correlation_id: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// The event whose to-do sends the command.
    pub causation_id: Option<Uuid>,
}

/// Work that waits for its shard.
pub struct Job {
    pub work: Work,
    pub partition: i32,
    pub origin: Origin,
    pub asker: Asker,
}

/// Who wants the work done.
pub enum Asker {
    Request(Reply),
    /// A to-do of the shard itself: it is put off where the work does not settle it.
    Todo(TodoKey),
}

/// What a shard is asked for.
pub enum Work {
    /// To decide a command; then perhaps to tell when the to-dos of its event are settled.
    Decide { command: Box<Command>, and_tell_when_settled: bool },
    /// To commit, which only its present owner can.
    Prove,
}

/// `None` of a proof. Dropped without a word where the outcome is unknown.
pub type Reply = oneshot::Sender<Result<Option<Answer>, Returned>>;

/// What a shard gives back instead of an answer.
pub enum Returned {
    /// A rule says no; committed as such.
    Rejected(Rejection),
    /// The shard left before the work was begun.
    Moved(Work),
    /// A command of another shard came here, which no caller of this engine sends.
    NotMine,
}

/// The command's event is committed.
#[derive(Debug)]
pub struct Answer {
    /// Where it stands.
    pub position: Position,
    /// `false`: it stood there before.
    pub is_new: bool,
    /// The event; `None` where it stood there before: [`super::source`] reads it.
    pub event: Option<Arc<Event>>,
    /// Whether the to-dos that the event raised are settled, where that was asked for: what is not done in time goes on.
    pub is_settled: Option<bool>,
    /// Told when they are, where that was asked for and any are not. An error: the shard has left.
    pub settling: Option<oneshot::Receiver<()>>,
}

impl Answer {
    /// The event stands at a position of the log, or of its batch.
    pub fn recorded(position: Position, event: Arc<Event>) -> Self {
        Self { position, is_new: true, event: Some(event), is_settled: None, settling: None }
    }

    /// The event stood at the position before.
    pub fn already(position: Position) -> Self {
        Self { position, is_new: false, event: None, is_settled: None, settling: None }
    }
}

/// Why a command has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A rule says no.
    Rejected(Rejection),
    /// Another replica serves the shard.
    Elsewhere(ShardAnnounced),
    /// Too many commands wait.
    Overloaded,
    /// Nobody serves the shard yet.
    Moving,
    /// It may have happened or not: the same key, sent again, tells.
    Unknown,
}

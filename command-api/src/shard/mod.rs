//! The shard engine: one writer per shard, group commit, answers only after the commit.
//!
//! A command's way: [`Shards::submit`] -> the shard's queue -> [`owner`] decides, appends, commits, applies,
//! answers. How a shard comes here: [`ownership`] -> [`takeover`] -> [`owner`]. Beside both, [`follower`]
//! folds every partition nobody here owns into the [`store`].

pub mod directory;
pub mod follower;
mod owner;
pub mod ownership;
mod record;
pub mod source;
pub mod store;
mod takeover;
mod todos;
pub mod topology;
mod transaction;
pub mod verify;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{Command, Rejection};
use schemas::{Position, partition_of};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use uuid::Uuid;

use directory::Directory;
pub use takeover::Engine;

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

/// A command that waits for its shard.
pub struct Job {
    command: Command,
    partition: i32,
    origin: Origin,
    reply: Reply,
}

/// Dropped without a word where the outcome is unknown.
type Reply = oneshot::Sender<Result<Answer, Returned>>;

/// What a shard gives back instead of an answer.
enum Returned {
    /// A rule says no; committed as such.
    Rejected(Rejection),
    /// The shard left before the command was begun.
    Moved(Box<Command>),
}

/// The command's event is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Where it stands.
    pub position: Position,
    /// `false`: it stood there before.
    pub is_new: bool,
}

/// Why a command has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A rule says no.
    Rejected(Rejection),
    /// Another replica serves the shard, under this URL.
    Elsewhere(String),
    /// Too many commands wait.
    Overloaded,
    /// Nobody serves the shard yet.
    Moving,
    /// It may have happened or not: the same key, sent again, tells.
    Unknown,
}

/// The shards as requests see them.
pub struct Shards {
    slots: Vec<Slot>,
    partitions: i32,
    directory: Directory,
    url: String,
    answer_timeout: Duration,
    move_timeout: Duration,
}

struct Slot {
    queue: SyncSender<Job>,
    /// Held by the thread that serves the shard.
    inbox: Arc<Mutex<Receiver<Job>>>,
    serving: watch::Sender<bool>,
    /// The group gave it to this replica, which may still be taking it over.
    assigned: AtomicBool,
}

/// Where a shard is served.
enum Place {
    Here,
    At(String),
}

/// Limits of [`Shards`].
pub struct Limits {
    /// Commands that may wait for one shard.
    pub queue: usize,
    /// How long a request waits for its answer.
    pub answer_timeout: Duration,
    /// How long a request waits while its shard moves.
    pub move_timeout: Duration,
}

impl Shards {
    pub fn new(shards: i32, partitions: i32, url: String, directory: Directory, limits: &Limits) -> Self {
        let slots = (0..shards).map(|_| Slot::new(limits.queue)).collect();
        let Limits { answer_timeout, move_timeout, .. } = *limits;
        Self { slots, partitions, directory, url, answer_timeout, move_timeout }
    }

    /// Sends the command to its shard and waits until its outcome is committed.
    pub async fn submit(&self, command: Command, origin: Origin) -> Result<Answer, Refusal> {
        let partition = partition_of(command.home().as_bytes(), self.partitions);
        let deadline = Instant::now() + self.answer_timeout;
        let mut command = command;
        loop {
            match self.locate(partition).await? {
                Place::At(url) => return Err(Refusal::Elsewhere(url)),
                Place::Here => {}
            }
            let (reply, answer) = oneshot::channel();
            let job = Job { command, partition, origin: origin.clone(), reply };
            self.slot(partition).queue.try_send(job).map_err(|error| match error {
                TrySendError::Full(_) => Refusal::Overloaded,
                TrySendError::Disconnected(_) => Refusal::Moving,
            })?;
            match tokio::time::timeout_at(deadline, answer).await {
                Ok(Ok(Ok(answer))) => return Ok(answer),
                Ok(Ok(Err(Returned::Rejected(rejection)))) => return Err(Refusal::Rejected(rejection)),
                Ok(Ok(Err(Returned::Moved(back)))) => command = *back,
                Ok(Err(_)) | Err(_) => return Err(Refusal::Unknown),
            }
        }
    }

    /// Waits until the shard of `home` is served here; fails where it is served elsewhere.
    pub async fn served_here(&self, home: &str) -> Result<(), Refusal> {
        match self.locate(partition_of(home.as_bytes(), self.partitions)).await? {
            Place::Here => Ok(()),
            Place::At(url) => Err(Refusal::Elsewhere(url)),
        }
    }

    /// The shards that have no owner, neither here nor elsewhere.
    pub fn unserved(&self) -> Vec<i32> {
        let is_served = |shard| self.is_serving(shard) || self.elsewhere(shard).is_some();
        (0..self.count()).filter(|shard| !is_served(*shard)).collect()
    }

    /// K.
    pub fn count(&self) -> i32 {
        i32::try_from(self.slots.len()).expect("K was an i32")
    }

    async fn locate(&self, partition: i32) -> Result<Place, Refusal> {
        let shard = partition % self.count();
        let mut serving = self.slots[index(shard)].serving.subscribe();
        let deadline = Instant::now() + self.move_timeout;
        while !*serving.borrow_and_update() {
            if let Some(url) = self.elsewhere(shard) {
                return Ok(Place::At(url));
            }
            if Instant::now() >= deadline {
                return Err(Refusal::Moving);
            }
            // The directory has no notification: an announcement elsewhere is looked for again.
            let _ = tokio::time::timeout(Duration::from_millis(20), serving.changed()).await;
        }
        Ok(Place::Here)
    }

    /// The URL of the shard's owner, if another replica announced it last and has not lost it to this one since.
    fn elsewhere(&self, shard: i32) -> Option<String> {
        if self.slots[index(shard)].assigned.load(Ordering::Relaxed) {
            return None;
        }
        self.directory.owner(shard).map(|owner| owner.url).filter(|url| *url != self.url)
    }

    fn slot(&self, partition: i32) -> &Slot {
        &self.slots[index(partition % self.count())]
    }

    fn set_serving(&self, shard: i32, serving: bool) {
        self.slots[index(shard)].serving.send_replace(serving);
    }

    fn set_assigned(&self, is_assigned: impl Fn(i32) -> bool) {
        for shard in 0..self.count() {
            self.slots[index(shard)].assigned.store(is_assigned(shard), Ordering::Relaxed);
        }
    }

    fn is_serving(&self, shard: i32) -> bool {
        *self.slots[index(shard)].serving.borrow()
    }

    fn inbox(&self, shard: i32) -> Arc<Mutex<Receiver<Job>>> {
        Arc::clone(&self.slots[index(shard)].inbox)
    }
}

impl Slot {
    fn new(queue: usize) -> Self {
        let (queue, inbox) = sync_channel(queue);
        Self {
            queue,
            inbox: Arc::new(Mutex::new(inbox)),
            serving: watch::channel(false).0,
            assigned: AtomicBool::new(false),
        }
    }
}

fn index(shard: i32) -> usize {
    usize::try_from(shard).expect("shards count from 0")
}

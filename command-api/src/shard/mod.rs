//! The shard engine: one writer per shard, group commit, answers only after the commit.
//!
//! A command's way: [`Shards::submit`] -> the shard's queue -> [`owner`] decides, appends, commits, applies,
//! answers. How a shard comes here: [`ownership`] -> [`takeover`] -> [`owner`]. Beside both, [`follower`]
//! folds every partition nobody here owns into the [`store`].

mod assignment;
pub mod directory;
pub mod follower;
mod owner;
pub mod ownership;
pub mod source;
pub mod store;
mod tail;
mod takeover;
mod todos;
pub mod topology;
mod transaction;
pub mod verify;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use domain::{Command, Rejection, TodoKey};
use schemas::shards::ShardAnnounced;
use schemas::{Event, Position, partition_of};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
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

/// Work that waits for its shard.
pub struct Job {
    work: Work,
    partition: i32,
    origin: Origin,
    asker: Asker,
}

/// Who wants the work done.
enum Asker {
    Request(Reply),
    /// A to-do of the shard itself: it is put off where the work does not settle it.
    Todo(TodoKey),
}

/// What a shard is asked for.
enum Work {
    /// To decide a command; then perhaps to tell when the to-dos of its event are settled.
    Decide { command: Box<Command>, and_tell_when_settled: bool },
    /// To commit, which only its present owner can.
    Prove,
}

/// `None` of a proof. Dropped without a word where the outcome is unknown.
type Reply = oneshot::Sender<Result<Option<Answer>, Returned>>;

/// What a shard gives back instead of an answer.
enum Returned {
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
    /// The event; `None` where it stood there before, which [`source`] reads.
    pub event: Option<Arc<Event>>,
    /// Whether the to-dos that the event raised are settled, where that was asked for: what is not done in time goes on.
    pub is_settled: Option<bool>,
    /// Told when they are, where that was asked for and any are not. An error: the shard has left.
    settling: Option<oneshot::Receiver<()>>,
}

impl Answer {
    /// The event stands at a position of the log, or of its batch.
    fn recorded(position: Position, event: Arc<Event>) -> Self {
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

/// The shards as requests see them.
pub struct Shards {
    slots: Vec<Slot>,
    partitions: i32,
    directory: Directory,
    url: String,
    answer_timeout: Duration,
    move_timeout: Duration,
    /// Nobody waits for a shard any more.
    ending: CancellationToken,
}

struct Slot {
    queue: Sender<Job>,
    /// Held by the thread that serves the shard.
    inbox: Arc<Mutex<Receiver<Job>>>,
    /// The same queue, for what no thread will take.
    waiting: Receiver<Job>,
    serving: watch::Sender<bool>,
    /// The group gave it to this replica, which may still be taking it over.
    assigned: AtomicBool,
}

/// Where a shard is served.
enum Place {
    Here,
    At(ShardAnnounced),
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
        let ending = CancellationToken::new();
        Self { slots, partitions, directory, url, answer_timeout, move_timeout, ending }
    }

    /// Sends the command to its shard and waits until its outcome is committed.
    pub async fn submit(&self, command: impl Into<Command>, origin: Origin) -> Result<Answer, Refusal> {
        let command = command.into();
        let partition = partition_of(command.home().as_bytes(), self.partitions);
        let work = Work::Decide { command: Box::new(command), and_tell_when_settled: false };
        let answer = self.ask(work, partition, origin).await?;
        Ok(answer.expect("a decision has an answer"))
    }

    /// As [`Self::submit`], and then waits until the to-dos that the event raised are settled, other shards' answers
    /// included, but no longer than `within`.
    pub async fn submit_settled(
        &self,
        command: impl Into<Command>,
        origin: Origin,
        within: Duration,
    ) -> Result<Answer, Refusal> {
        let command = command.into();
        let deadline = Instant::now() + within;
        let partition = partition_of(command.home().as_bytes(), self.partitions);
        let work = Work::Decide { command: Box::new(command), and_tell_when_settled: true };
        let mut answer = self.ask(work, partition, origin).await?.expect("a decision has an answer");
        answer.is_settled = Some(match answer.settling.take() {
            Some(settling) => matches!(tokio::time::timeout_at(deadline, settling).await, Ok(Ok(()))),
            None => true,
        });
        Ok(answer)
    }

    /// Waits until the shard of `home` is served here, proven by a commit begun after this call: what the
    /// store says of the home from then on is no memory of a former owner. Fails where it is served elsewhere.
    pub async fn served_here(&self, home: &str) -> Result<(), Refusal> {
        let partition = partition_of(home.as_bytes(), self.partitions);
        self.ask(Work::Prove, partition, Origin::default()).await.map(drop)
    }

    async fn ask(&self, mut work: Work, partition: i32, origin: Origin) -> Result<Option<Answer>, Refusal> {
        let deadline = Instant::now() + self.answer_timeout;
        loop {
            match self.locate(partition).await? {
                Place::At(owner) => return Err(Refusal::Elsewhere(owner)),
                Place::Here => {}
            }
            let (reply, answer) = oneshot::channel();
            let job = Job { work, partition, origin: origin.clone(), asker: Asker::Request(reply) };
            self.slot(partition).queue.try_send(job).map_err(|error| match error {
                TrySendError::Full(_) => Refusal::Overloaded,
                TrySendError::Disconnected(_) => Refusal::Moving,
            })?;
            match tokio::time::timeout_at(deadline, answer).await {
                Ok(Ok(Ok(answer))) => return Ok(answer),
                Ok(Ok(Err(Returned::Rejected(rejection)))) => return Err(Refusal::Rejected(rejection)),
                Ok(Ok(Err(Returned::Moved(back)))) => work = back,
                Ok(Ok(Err(Returned::NotMine)) | Err(_)) | Err(_) => return Err(Refusal::Unknown),
            }
        }
    }

    /// Whether the shard of `home` is served here at this moment.
    pub fn serves(&self, home: &str) -> bool {
        self.is_serving(partition_of(home.as_bytes(), self.partitions) % self.count())
    }

    /// Waits until another than `former` is announced for its shard.
    pub async fn succeeded(&self, former: &ShardAnnounced) {
        let mut known = self.directory.changes();
        loop {
            known.mark_unchanged();
            let owner = self.directory.owner(former.shard);
            if owner.is_some_and(|owner| owner.instance != former.instance) {
                return;
            }
            // The directory lives as long as the process.
            let _ = known.changed().await;
        }
    }

    /// Those who wait for a shard are refused from here on: nobody follows.
    pub fn stop_waiting(&self) {
        self.ending.cancel();
    }

    /// Whether [`Self::stop_waiting`] was called.
    pub fn is_ending(&self) -> bool {
        self.ending.is_cancelled()
    }

    /// How long a request waits while its shard moves.
    pub fn move_timeout(&self) -> Duration {
        self.move_timeout
    }

    /// Gives what waits for shards that are not served here back to [`Self::ask`], which looks where they are by then. A
    /// request that saw its shard served a moment ago may still put a job into the queue of one that has left.
    fn return_what_waits(&self) {
        for slot in self.slots.iter().filter(|slot| !*slot.serving.borrow()) {
            for job in slot.waiting.try_iter() {
                if let Asker::Request(reply) = job.asker {
                    let _ = reply.send(Err(Returned::Moved(job.work)));
                }
            }
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
        if self.is_serving(shard) {
            return Ok(Place::Here);
        }
        let mut serving = self.slots[index(shard)].serving.subscribe();
        let mut known = self.directory.changes();
        let deadline = tokio::time::sleep(self.move_timeout);
        tokio::pin!(deadline);
        loop {
            if *serving.borrow_and_update() {
                return Ok(Place::Here);
            }
            known.mark_unchanged();
            if let Some(owner) = self.elsewhere(shard) {
                return Ok(Place::At(owner));
            }
            tokio::select! {
                _ = serving.changed() => {}
                _ = known.changed() => {}
                () = &mut deadline => return Err(Refusal::Moving),
                () = self.ending.cancelled() => return Err(Refusal::Moving),
            }
        }
    }

    /// The shard's owner, if another replica announced it last and has not lost it to this one since.
    fn elsewhere(&self, shard: i32) -> Option<ShardAnnounced> {
        if self.slots[index(shard)].assigned.load(Ordering::Relaxed) {
            return None;
        }
        self.directory.owner(shard).filter(|owner| owner.url != self.url)
    }

    fn slot(&self, partition: i32) -> &Slot {
        &self.slots[index(partition % self.count())]
    }

    fn set_serving(&self, shard: i32, serving: bool) {
        self.slots[index(shard)].serving.send_replace(serving);
    }

    fn set_assigned(&self, is_assigned: impl Fn(i32) -> bool) {
        for shard in 0..self.count() {
            let slot = &self.slots[index(shard)];
            let is_assigned = is_assigned(shard);
            if slot.assigned.swap(is_assigned, Ordering::Relaxed) != is_assigned {
                // Whoever waits in `locate` looks again.
                slot.serving.send_modify(|_| {});
            }
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
        let (queue, inbox) = bounded(queue);
        Self {
            queue,
            waiting: inbox.clone(),
            inbox: Arc::new(Mutex::new(inbox)),
            serving: watch::channel(false).0,
            assigned: AtomicBool::new(false),
        }
    }
}

fn index(shard: i32) -> usize {
    usize::try_from(shard).expect("shards count from 0")
}

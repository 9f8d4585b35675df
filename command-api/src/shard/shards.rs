//! The shards as requests see them: each is served here, served elsewhere, or on its way from one replica to another.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use domain::Command;
use runtime::Common;
use schemas::partition_of;
use schemas::shards::ShardAnnounced;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::directory::Directory;
use super::work::{Answer, Asker, Job, Origin, Refusal, Returned, Work};
use crate::settings::Own;

/// The shards, with a queue for each; requests reach their owner by it.
pub struct Shards {
    slots: Vec<Slot>,
    partitions: i32,
    directory: Directory,
    url: String,
    answer_timeout: Duration,
    move_timeout: Duration,
    /// Cancelled when the process ends: from then on no request waits for a shard.
    ending: CancellationToken,
}

struct Slot {
    queue: Sender<Job>,
    /// The queue's receiver. The thread that serves the shard holds its lock.
    inbox: Arc<Mutex<Receiver<Job>>>,
    /// A second receiver of the same queue, which empties it while no thread serves the shard.
    waiting: Receiver<Job>,
    serving: watch::Sender<bool>,
    /// Whether the group has given the shard to this replica, which may still be taking it over.
    assigned: AtomicBool,
}

/// The replica that serves a shard.
enum Place {
    Here,
    At(ShardAnnounced),
}

impl Shards {
    pub fn new(common: &Common, own: &Own, directory: Directory) -> Self {
        Self {
            slots: (0..common.shards).map(|_| Slot::new(own.shard_queue)).collect(),
            partitions: common.partitions,
            directory,
            url: own.advertised_url(),
            answer_timeout: Duration::from_millis(own.answer_timeout_ms),
            move_timeout: Duration::from_millis(own.move_timeout_ms),
            ending: CancellationToken::new(),
        }
    }

    /// Sends a command to its shard, and waits until its outcome is committed.
    pub async fn submit(&self, command: impl Into<Command>, origin: Origin) -> Result<Answer, Refusal> {
        let command = command.into();
        let partition = partition_of(command.home().as_bytes(), self.partitions);
        let work = Work::Decide { command: Box::new(command), and_tell_when_settled: false };
        let answer = self.ask(work, partition, origin).await?;
        Ok(answer.expect("a decision has an answer"))
    }

    /// Does what [`Self::submit`] does, and then waits until the to-dos that the event raised are settled, with the
    /// answers of other shards. It waits no longer than `within`.
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

    /// Waits until the shard of `home` has committed, on this replica, a batch that began after this call. From then on
    /// the store says of the home what is so, and not what a former owner remembers. Fails where the shard is served
    /// elsewhere.
    pub async fn served_here(&self, home: &str) -> Result<(), Refusal> {
        self.prove(partition_of(home.as_bytes(), self.partitions)).await
    }

    /// Does what [`Self::served_here`] does, for the home of a partition.
    pub async fn prove(&self, partition: i32) -> Result<(), Refusal> {
        self.ask(Work::Prove, partition, Origin::default()).await.map(drop)
    }

    /// Waits until the shard of `home` is served here, as far as this replica knows. Fails where it is served elsewhere.
    /// Unlike [`Self::served_here`] it proves nothing, and costs no commit.
    pub async fn found_here(&self, home: &str) -> Result<(), Refusal> {
        match self.locate(partition_of(home.as_bytes(), self.partitions)).await? {
            Place::Here => Ok(()),
            Place::At(owner) => Err(Refusal::Elsewhere(owner)),
        }
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

    /// Whether this replica serves the shard of `home` at this moment.
    pub fn serves(&self, home: &str) -> bool {
        self.is_serving(self.shard_of(home))
    }

    /// The shard of a home.
    pub fn shard_of(&self, home: &str) -> i32 {
        partition_of(home.as_bytes(), self.partitions) % self.count()
    }

    /// Waits until another process than `former` is announced as the owner of its shard.
    pub async fn succeeded(&self, former: &ShardAnnounced) {
        let mut known = self.directory.changes();
        loop {
            known.mark_unchanged();
            let owner = self.directory.owner(former.shard);
            if owner.is_some_and(|owner| owner.instance != former.instance) {
                return;
            }
            // The sender lives as long as the process, so waiting does not fail.
            let _ = known.changed().await;
        }
    }

    /// Refuses all requests that wait for a shard, now and from here on: the process ends, and no shard comes here any
    /// more.
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

    /// Gives the jobs that wait for shards not served here back to [`Self::ask`], which looks again where their shards
    /// are. A request that saw its shard served a moment ago may put a job into the queue just after the shard has
    /// left.
    pub fn return_what_waits(&self) {
        for slot in self.slots.iter().filter(|slot| !*slot.serving.borrow()) {
            for job in slot.waiting.try_iter() {
                if let Asker::Request(reply) = job.asker {
                    let _ = reply.send(Err(Returned::Moved(job.work)));
                }
            }
        }
    }

    /// The shards that no replica serves, as far as this one knows.
    pub fn unserved(&self) -> Vec<i32> {
        let is_served = |shard| self.is_serving(shard) || self.elsewhere(shard).is_some();
        (0..self.count()).filter(|shard| !is_served(*shard)).collect()
    }

    /// K, the number of shards.
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

    /// The shard's owner, where another replica was the last to announce it. `None` where the group has given the shard
    /// to this one since.
    fn elsewhere(&self, shard: i32) -> Option<ShardAnnounced> {
        if self.slots[index(shard)].assigned.load(Ordering::Relaxed) {
            return None;
        }
        self.directory.owner(shard).filter(|owner| owner.url != self.url)
    }

    fn slot(&self, partition: i32) -> &Slot {
        &self.slots[index(partition % self.count())]
    }

    pub fn set_serving(&self, shard: i32, serving: bool) {
        self.slots[index(shard)].serving.send_replace(serving);
    }

    pub fn set_assigned(&self, is_assigned: impl Fn(i32) -> bool) {
        for shard in 0..self.count() {
            let slot = &self.slots[index(shard)];
            let is_assigned = is_assigned(shard);
            if slot.assigned.swap(is_assigned, Ordering::Relaxed) != is_assigned {
                // Wakes the requests that wait in `locate`, which then look again.
                slot.serving.send_modify(|_| {});
            }
        }
    }

    pub fn is_serving(&self, shard: i32) -> bool {
        *self.slots[index(shard)].serving.borrow()
    }

    pub fn inbox(&self, shard: i32) -> Arc<Mutex<Receiver<Job>>> {
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

//! The follower: in every replica, one thread folds all event partitions into the local store, except the partitions of
//! shards that this replica serves. Those are folded by their owner.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::time::{Duration, Instant};

use chrono::Utc;
use domain::{Recorded, evolve};
use rdkafka::error::{KafkaError, KafkaResult};
use runtime::kafka::{
    Attendance, Away, Cluster, Ends, Isolation, LogError, LogReader, Positions, Standstill, Unreadable,
    WatchedEnds,
};
use schemas::{Position, Topic};

use super::store::{Advance, FoldedTo, Overlay, Overtaken, Store};

/// The most events that are folded before they are written.
const BATCH_EVENTS: usize = 5_000;
/// How long a batch gathers before it is written, at most. A takeover's release waits for that too.
const BATCH_TIME: Duration = Duration::from_millis(20);
/// How many offsets a replica may be behind the end of the log when it joins the group.
const NEAR_OFFSETS: i64 = 1_000;

/// The partitions, of all topics that shards write, that belong to a shard.
pub fn partitions_of(shard: i32, shards: i32, partitions: i32) -> impl Iterator<Item = (Topic, i32)> + Clone {
    let mine = (0..partitions).filter(move |partition| partition % shards == shard);
    mine.flat_map(|partition| Topic::OWNED.map(|topic| (topic, partition)))
}

/// A request to the follower's thread.
enum Request {
    /// Fold these partitions up to these ends, then leave them to the shard's owner, and say so.
    Release { ends: HashMap<(Topic, i32), i64>, done: SyncSender<()> },
    /// Fold these partitions again, from where the store stands.
    Resume { partitions: Vec<(Topic, i32)> },
    /// End the thread.
    Stop,
}

/// A handle by which other threads ask the follower's thread.
#[derive(Clone)]
pub struct Follower {
    requests: Sender<Request>,
    near_the_end: Arc<AtomicBool>,
    stands_still: Arc<AtomicBool>,
}

/// Why the follower's thread ended.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error(transparent)]
    Overtaken(#[from] Overtaken),
    #[error("this process ends, and the next start rebuilds the local store: {0}")]
    Away(#[from] Away),
    #[error(
        "the log does not reach the store's position any more: it was recreated or truncated while this process ran"
    )]
    OutsideTheLog,
}

impl Follower {
    /// Begins to follow, on a thread of its own. An error that ends the thread is given to `failed`.
    pub fn start(
        cluster: &Cluster,
        prefix: &str,
        partitions: i32,
        store: Arc<Store>,
        ends: Arc<Ends>,
        failed: impl FnOnce(Broken) + Send + 'static,
    ) -> KafkaResult<Self> {
        let (requests, inbox) = mpsc::channel();
        let names = Topic::OWNED.map(|topic| (topic, topic.name(prefix)));
        let topics = names.iter().map(|(_, name)| (name.clone(), partitions)).collect();
        let near_the_end = Arc::new(AtomicBool::new(false));
        let stands_still = Arc::new(AtomicBool::new(false));
        let mut following = Following {
            reader: LogReader::new(cluster, prefix, Isolation::Committed)?,
            cluster: cluster.clone(),
            prefix: prefix.to_owned(),
            watched: WatchedEnds::start(Arc::clone(&ends), topics),
            ends,
            names,
            partitions,
            attendance: Attendance::new(store.seen_at()),
            store,
            inbox,
            near_the_end: Arc::clone(&near_the_end),
            stands_still: Arc::clone(&stands_still),
            replay: Standstill::default(),
            standstill: Standstill::default(),
            assigned: HashSet::new(),
            releases: Vec::new(),
            progress: Progress::default(),
        };
        let follow = move || {
            if let Err(error) = following.run() {
                failed(error);
            }
        };
        std::thread::Builder::new().name("follower".into()).spawn(follow).expect("a thread can be started");
        Ok(Self { requests, near_the_end, stands_still })
    }

    /// Whether the store has been near the end of the log at least once.
    pub fn is_near_the_end(&self) -> bool {
        self.near_the_end.load(Ordering::Acquire)
    }

    /// Whether the log goes on and the store does not, although the reader was made anew.
    pub fn stands_still(&self) -> bool {
        self.stands_still.load(Ordering::Acquire)
    }

    /// Has the partitions folded up to their ends and left to the caller. `false` where that takes longer than
    /// `at_most`.
    pub fn release(&self, ends: HashMap<(Topic, i32), i64>, at_most: Duration) -> bool {
        let (done, finished) = mpsc::sync_channel(1);
        self.requests.send(Request::Release { ends, done }).is_ok() && finished.recv_timeout(at_most).is_ok()
    }

    /// Gives partitions back to the follower, which goes on with them from where the store stands.
    pub fn resume(&self, partitions: Vec<(Topic, i32)>) {
        // A follower's thread that has ended ends the process too, so a request that nobody takes does no harm.
        let _ = self.requests.send(Request::Resume { partitions });
    }

    /// Ends the thread, once its batch is written.
    pub fn stop(&self) {
        let _ = self.requests.send(Request::Stop);
    }
}

struct Release {
    ends: HashMap<(Topic, i32), i64>,
    done: SyncSender<()>,
}

struct Following {
    reader: LogReader,
    cluster: Cluster,
    prefix: String,
    ends: Arc<Ends>,
    watched: WatchedEnds,
    names: [(Topic, String); Topic::OWNED.len()],
    partitions: i32,
    store: Arc<Store>,
    inbox: Receiver<Request>,
    near_the_end: Arc<AtomicBool>,
    stands_still: Arc<AtomicBool>,
    /// The standstill of the first replay, which looks at all partitions as if they were one.
    replay: Standstill<()>,
    /// Says when the store was at the end of the persons' keys, of which the log forgets what is deleted.
    attendance: Attendance,
    standstill: Standstill<(Topic, i32)>,
    assigned: HashSet<(Topic, i32)>,
    releases: Vec<Release>,
    progress: Progress,
}

impl Following {
    fn run(&mut self) -> Result<(), Broken> {
        let all = (0..self.partitions).flat_map(|partition| Topic::OWNED.map(|topic| (topic, partition)));
        self.assign(all.collect())?;
        loop {
            while let Ok(request) = self.inbox.try_recv() {
                match request {
                    Request::Release { ends, done } => self.releases.push(Release { ends, done }),
                    Request::Resume { partitions } => {
                        // An owner that gives partitions back has given up waiting for their release.
                        self.releases.retain(|release| {
                            !partitions.iter().any(|place| release.ends.contains_key(place))
                        });
                        self.assign(partitions)?;
                    }
                    Request::Stop => return Ok(()),
                }
            }
            self.fold_batch()?;
            self.finish_releases()?;
            self.notice_the_end();
            self.notice_a_standstill()?;
        }
    }

    fn assign(&mut self, partitions: Vec<(Topic, i32)>) -> KafkaResult<()> {
        let (assigned, store) = (&mut self.assigned, &self.store);
        let added = partitions.into_iter().filter(|place| assigned.insert(*place));
        self.reader.add(added.map(|place @ (topic, partition)| (place, store.folded(topic, partition).next)))
    }

    /// Gathers, folds and writes one batch, together with the positions that it reaches.
    fn fold_batch(&mut self) -> Result<(), Broken> {
        let store = Arc::clone(&self.store);
        let mut overlay = Overlay::new(&store);
        let mut last = HashMap::new();
        let until = Instant::now() + BATCH_TIME;
        let mut events = 0;
        while events < BATCH_EVENTS {
            let wait = until.saturating_duration_since(Instant::now());
            // The wait is cut to whole milliseconds: librdkafka spins until the time is over where it is asked to wait
            // for less.
            let wait = Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or_default());
            let message = match self.reader.poll(wait) {
                Ok(Some(message)) => message,
                Err(LogError::OutsideTheLog) => return Err(Broken::OutsideTheLog),
                // The error passes when brokers come back, and librdkafka's own log lines tell of it.
                Err(LogError::Passing(_) | LogError::Kafka(_)) => continue,
                Ok(None) => break,
            };
            let position @ Position { topic, partition, .. } = message.position();
            if !self.assigned.contains(&(topic, partition)) {
                continue;
            }
            events += 1;
            let record = message.record();
            let recorded = Recorded { position, event_id: record.event_id };
            let Some(event) = record.into_event()? else { continue };
            evolve(&mut overlay, &event, &recorded);
            last.insert((topic, partition), recorded);
        }
        let writes = overlay.writes;
        let advances = self.advances(&last)?;
        if !advances.is_empty() {
            store.write(writes, &advances)?;
        }
        self.progress.folded += events as u64;
        Ok(())
    }

    /// How far the batch moves each partition. The reader's positions pass control records too, so a partition moves on
    /// even where only those came.
    fn advances(&self, last: &HashMap<(Topic, i32), Recorded>) -> KafkaResult<Vec<Advance>> {
        let mut advances = Vec::new();
        for ((topic, partition), next) in self.reader.positions()? {
            let before = self.store.folded(topic, partition);
            if next > before.next {
                let newest = last
                    .get(&(topic, partition))
                    .map(|recorded| (recorded.position.offset, recorded.event_id));
                let to = FoldedTo { next, last: newest.or(before.last) };
                advances.push(Advance { topic, partition, from: before.next, to });
            }
        }
        Ok(advances)
    }

    fn finish_releases(&mut self) -> KafkaResult<()> {
        let store = &self.store;
        let mut removed = Vec::new();
        let assigned = &mut self.assigned;
        self.releases.retain(|release| {
            let reached = release
                .ends
                .iter()
                .all(|((topic, partition), end)| store.folded(*topic, *partition).next >= *end);
            if reached {
                removed.extend(release.ends.keys().filter(|place| assigned.remove(place)));
                // The owner that asked may have given up waiting. The partitions stay released all the same, until it
                // gives them back.
                let _ = release.done.try_send(());
            }
            !reached
        });
        self.reader.remove(removed)
    }

    fn notice_the_end(&mut self) {
        if self.near_the_end.load(Ordering::Relaxed) || !self.progress.is_due() {
            return;
        }
        let asked: Vec<_> = self.names.iter().map(|(_, name)| (name.as_str(), self.partitions)).collect();
        let Ok(ends) = self.ends.ask(&asked) else { return };
        let behind: i64 = ends
            .iter()
            .map(|((name, partition), end)| end - self.store.folded(self.topic(name), *partition).next)
            .sum();
        self.progress.tell(behind);
        if behind <= NEAR_OFFSETS {
            self.near_the_end.store(true, Ordering::Release);
        }
    }

    /// Fails where the store was not at the end of the persons' keys for so long that it may have missed that one was
    /// forgotten.
    fn attend(&mut self, ends: &HashMap<(String, i32), i64>) -> Result<(), Away> {
        let name = name_in(&self.names, Topic::Keys);
        let keys = || (0..self.partitions).map(|partition| (Topic::Keys, partition));
        let folded: Positions =
            keys().map(|place| (place, self.store.folded(place.0, place.1).next)).collect();
        let end = |partition| ends.get(&(name.to_owned(), partition)).copied().unwrap_or_default();
        let ends = keys().map(|place| (place, end(place.1))).collect();
        if let Some(at) = self.attendance.see(Utc::now(), &folded, ends)? {
            self.store.note_seen(at);
        }
        Ok(())
    }

    fn notice_a_standstill(&mut self) -> Result<(), Broken> {
        let Some(ends) = self.watched.news().map(|ends| ends.clone()) else { return Ok(()) };
        self.attend(&ends)?;
        let place = |&(topic, partition): &(Topic, i32)| {
            let end = ends.get(&(name_in(&self.names, topic).to_owned(), partition));
            ((topic, partition), self.store.folded(topic, partition).next, end.copied().unwrap_or_default())
        };
        let places: Vec<_> = self.assigned.iter().map(place).collect();
        if !self.near_the_end.load(Ordering::Relaxed) {
            // In a long replay a partition rests while others are read, so only all of them together can stand still.
            let next = places.iter().map(|(_, next, _)| next).sum();
            let end = places.iter().map(|(_, _, end)| end).sum();
            if self.replay.note([((), next, end)]).is_some() {
                tracing::warn!("the log is not followed any more: its reader is made anew");
                self.renew()?;
            }
            return Ok(());
        }
        if let Some((topic, partition)) = self.standstill.note(places) {
            tracing::warn!(
                topic = topic.short_name(),
                partition,
                "the log is not followed any more: its reader is made anew"
            );
            self.renew()?;
        }
        self.stands_still.store(self.standstill.lasts(), Ordering::Release);
        Ok(())
    }

    /// Makes a reader that begins where the store stands. The former one may take long to end, so another thread ends
    /// it.
    fn renew(&mut self) -> KafkaResult<()> {
        let reader = LogReader::new(&self.cluster, &self.prefix, Isolation::Committed)?;
        let former = std::mem::replace(&mut self.reader, reader);
        runtime::kafka::end(former);
        let assigned = std::mem::take(&mut self.assigned);
        self.assign(assigned.into_iter().collect())
    }

    fn topic(&self, name: &str) -> Topic {
        let known = self.names.iter().find(|(_, known)| known == name);
        known.expect("only these topics are assigned").0
    }
}

fn name_in(names: &[(Topic, String)], topic: Topic) -> &str {
    &names.iter().find(|(known, _)| *known == topic).expect("only these topics are followed").1
}

/// How far the first replay has come, for the log line that tells it.
struct Progress {
    begun: Instant,
    asked: Option<Instant>,
    folded: u64,
}

impl Default for Progress {
    fn default() -> Self {
        Self { begun: Instant::now(), asked: None, folded: 0 }
    }
}

impl Progress {
    fn is_due(&mut self) -> bool {
        let due = self.asked.is_none_or(|asked| asked.elapsed() > Duration::from_millis(500));
        if due {
            self.asked = Some(Instant::now());
        }
        due
    }

    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate for people"
    )]
    fn tell(&self, behind: i64) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let rate = (self.folded as f64 / seconds) as u64;
        tracing::info!(
            follower.events = self.folded,
            follower.seconds = seconds,
            follower.events_per_s = rate,
            follower.offsets_behind = behind,
            "followed"
        );
    }
}

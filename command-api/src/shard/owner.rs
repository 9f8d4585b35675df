//! Serving a shard: decide all that wait, append in one transaction, commit, apply, answer.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use chrono::Utc;
use crossbeam_channel::Receiver;
use domain::{Command, Decision, Recorded, decide, evolve};
use rdkafka::error::{KafkaError, KafkaResult};
use schemas::codec::{self, Encoded};
use schemas::{Event, EventHeaders, Position, Topic};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::assignment::Assignment;
use super::follower::partitions_of;
use super::store::{Advance, Folded, Overlay, Writes};
use super::tail::Tail;
use super::takeover::{Engine, Producers, TakeoverError, take_over};
use super::todos::Todos;
use super::transaction::{Append, Transactions};
use super::{Answer, Job, Origin, Reply, Returned, Shards, Work, record};

/// How long the thread sleeps at most before it looks for a stop or a due to-do.
const IDLE: Duration = Duration::from_millis(50);
/// Between two looks at the queue while commands gather.
const GATHERING_STEP: Duration = Duration::from_micros(150);

/// Why a shard is no longer served.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The group gave it to somebody else, or the process stops.
    #[error("it was given back")]
    GivenBack,
    /// It could not be taken over.
    #[error("it could not be taken over: {0}")]
    NotTakenOver(#[from] TakeoverError),
    /// A transaction did not end cleanly.
    #[error("a transaction's outcome is unknown: {0}")]
    Unknown(KafkaError),
    /// librdkafka may have sent an EndTxn twice.
    #[error(
        "a broker connection broke or a commit was slow: its producer is fenced before the next transaction"
    )]
    Doubtful,
    /// Somebody else folded its partitions.
    #[error(transparent)]
    Overtaken(#[from] super::store::Overtaken),
    /// Somebody else appended to its partitions.
    #[error(
        "{topic:?}/{partition}: the batch's event is at {offset}, which is not where this owner's next one belongs: somebody else wrote"
    )]
    NotAlone {
        /// The topic.
        topic: Topic,
        /// Its partition.
        partition: i32,
        /// Where the event stands.
        offset: i64,
    },
}

/// Takes the shard over and serves it until the assignment ends, or until something went wrong.
pub fn serve(engine: &Engine, shards: &Shards, shard: i32, assignment: &Assignment) -> Ended {
    let inbox = shards.inbox(shard);
    // A former thread of this shard may still be on its way out.
    let inbox = inbox.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let begun = Instant::now();
    let ended = match take_over(engine, shard, assignment) {
        Ok(producers) => {
            let mut serving = Serving::new(engine, shard, producers);
            tracing::info!(shard.id = shard, takeover.ms = begun.elapsed().as_millis(), "serving");
            shards.set_serving(shard, true);
            // `Rebalances::give_back` clears it too where it ends the assignment, but may have done so just before the line above.
            if assignment.has_ended() {
                shards.set_serving(shard, false);
            }
            let ended = serving.run(assignment, &inbox);
            // The shard is given up here, before the producers are dropped: that may take seconds.
            shards.set_serving(shard, false);
            ended
        }
        Err(TakeoverError::GivenBack) => Ended::GivenBack,
        Err(error) => Ended::NotTakenOver(error),
    };
    let mine = partitions_of(shard, engine.shards, engine.partitions);
    engine.follower.resume(mine.collect());
    shards.return_what_waits();
    ended
}

struct Serving<'e> {
    engine: &'e Engine,
    shard: i32,
    producers: Producers,
    /// Whose turn it is.
    turn: usize,
    todos: Todos,
    committed: Instant,
    /// The commands just answered, and those that waited then: as many may wait soon.
    expected: usize,
    names: HashMap<Topic, String>,
    tails: HashMap<(Topic, i32), Tail>,
}

/// An event of the batch on its way into the log.
struct Pending {
    event: Event,
    key: String,
    partition: i32,
    headers: EventHeaders,
    encoded: Encoded,
}

/// What a command comes to, once the batch is committed. A position in the batch itself is provisional.
struct Outcome {
    reply: Reply,
    result: Result<Option<Answer>, Returned>,
}

impl<'e> Serving<'e> {
    fn new(engine: &'e Engine, shard: i32, producers: Producers) -> Self {
        let mine = partitions_of(shard, engine.shards, engine.partitions);
        let tail = |place: (Topic, i32)| (place, Tail::new(engine.store.folded(place.0, place.1).next));
        let tails = mine.clone().map(tail).collect();
        let todos = Todos::load(&engine.store, mine);
        let names = Topic::COMMANDED.map(|topic| (topic, topic.name(&engine.prefix))).into();
        Self {
            engine,
            shard,
            producers,
            turn: 0,
            todos,
            committed: Instant::now(),
            expected: 0,
            names,
            tails,
        }
    }

    fn run(&mut self, assignment: &Assignment, inbox: &Receiver<Job>) -> Ended {
        loop {
            // What waits when the assignment ends is still answered here.
            let stopping = assignment.has_ended();
            let batch = self.gather(inbox, if stopping { Duration::ZERO } else { IDLE });
            if !batch.is_empty() {
                if let Err(ended) = self.work(batch, inbox) {
                    return ended;
                }
                if self.producers.iter().any(Transactions::is_doubtful) {
                    return Ended::Doubtful;
                }
            }
            if stopping {
                return Ended::GivenBack;
            }
        }
    }

    /// All that wait, and the to-dos that are due.
    fn gather(&self, inbox: &Receiver<Job>, wait: Duration) -> Vec<Job> {
        let mut batch = self.due_todos();
        if batch.is_empty() {
            batch.extend(inbox.recv_timeout(wait).ok());
        }
        // A transaction costs much the same with one record or hundreds, and the answers just given bring the next commands.
        while batch.len() + inbox.len() < self.expected && self.committed.elapsed() < self.engine.pause {
            std::thread::sleep(GATHERING_STEP);
        }
        batch.extend(inbox.try_iter().take(self.engine.batch.saturating_sub(batch.len())));
        // Whoever gave up waiting was told that the outcome is unknown.
        batch.retain(|job| job.origin.causation_id.is_some() || !job.reply.is_closed());
        batch
    }

    fn due_todos(&self) -> Vec<Job> {
        let job = |(command, cause): (Command, Uuid)| {
            let partition = schemas::partition_of(command.home().as_bytes(), self.engine.partitions);
            let origin = Origin { causation_id: Some(cause), ..Origin::default() };
            let work = Work::Decide(Box::new(command));
            Job { work, partition, origin, reply: oneshot::channel().0 }
        };
        self.todos.due(Utc::now()).into_iter().map(job).collect()
    }

    fn work(&mut self, batch: Vec<Job>, inbox: &Receiver<Job>) -> Result<(), Ended> {
        let (pending, outcomes) = self.decide(batch);
        // Dropping the outcomes tells everybody that theirs is unknown.
        let offsets = self.commit(&pending).map_err(Ended::Unknown)?;
        self.apply(&pending, &offsets)?;
        self.expected = (inbox.len() + outcomes.len()).min(self.engine.batch);
        for outcome in outcomes {
            let result = outcome.result.map(|answer| answer.map(|answer| settled(answer, &offsets)));
            let _ = outcome.reply.send(result);
        }
        Ok(())
    }

    /// Decides each command against the state with the batch's earlier events.
    fn decide(&self, batch: Vec<Job>) -> (Vec<Pending>, Vec<Outcome>) {
        let mut states = Overlay::new(&self.engine.store);
        let mut pending = Vec::with_capacity(batch.len());
        let mut outcomes = Vec::with_capacity(batch.len());
        for Job { work, partition, origin, reply } in batch {
            let Work::Decide(command) = work else {
                outcomes.push(Outcome { reply, result: Ok(None) });
                continue;
            };
            let topic = command.topic();
            let result = match decide(&states, *command) {
                Ok(Decision::Append(event)) => {
                    let position = Position { topic, partition, offset: provisional(pending.len()) };
                    let headers = headers(origin);
                    evolve(&mut states, &event, &Recorded { position, event_id: headers.event_id });
                    let encoded = codec::encode(&event, &self.engine.framing);
                    let key = event.key().into_owned();
                    pending.push(Pending { event: *event, key, partition, headers, encoded });
                    Ok(Some(Answer { position, is_new: true }))
                }
                Ok(Decision::Already(position)) => Ok(Some(Answer { position, is_new: false })),
                Err(rejection) => Err(Returned::Rejected(rejection)),
            };
            outcomes.push(Outcome { reply, result });
        }
        (pending, outcomes)
    }

    /// Appends the events in one transaction; the next one begins only when its outcome is known. A batch without any
    /// commits an offset instead, so that a fenced owner cannot even say no.
    fn commit(&mut self, pending: &[Pending]) -> KafkaResult<Vec<i64>> {
        let begun = Instant::now();
        let offsets = if pending.is_empty() {
            let offset = self.engine.shard_offset(self.shard)?;
            self.producers[self.turn].begin_with_offsets(&offset, &self.engine.refusals)?;
            Vec::new()
        } else {
            self.producers[self.turn].append(pending.iter().map(|pending| self.record(pending)).collect())?
        };
        let appended = begun.elapsed();
        self.producers[self.turn].commit()?;
        tracing::debug!(
            shard.id = self.shard,
            batch.events = pending.len(),
            append_us = appended.as_micros(),
            commit_us = (begun.elapsed() - appended).as_micros(),
            "committed"
        );
        self.turn = (self.turn + 1) % self.producers.len();
        self.committed = Instant::now();
        Ok(offsets)
    }

    fn record<'p>(&'p self, pending: &'p Pending) -> Append<'p> {
        Append {
            topic: &self.names[&pending.event.topic()],
            partition: pending.partition,
            key: pending.key.as_bytes(),
            value: &pending.encoded.value,
            headers: record::write_headers(&pending.event, &pending.encoded.fingerprint, &pending.headers),
        }
    }

    /// Folds the committed events, at their true offsets, into the store. Where one of them is not where this owner's next
    /// event belongs, the batch was decided without what stands before it: nothing is written, and the follower folds it.
    fn apply(&mut self, pending: &[Pending], offsets: &[i64]) -> Result<(), Ended> {
        self.follow_tails(pending, offsets)?;
        let store = &self.engine.store;
        let mut states = Overlay::new(store);
        let mut advances: HashMap<(Topic, i32), Advance> = HashMap::new();
        for (Pending { event, partition, headers, .. }, offset) in pending.iter().zip(offsets) {
            let (topic, partition, offset) = (event.topic(), *partition, *offset);
            let position = Position { topic, partition, offset };
            evolve(&mut states, event, &Recorded { position, event_id: headers.event_id });
            let to = Folded { next: offset + 1, last: Some((offset, headers.event_id)) };
            let advance = advances.entry((topic, partition)).or_insert_with(|| {
                let from = store.folded(topic, partition).next;
                Advance { topic, partition, from, to }
            });
            advance.to = to;
        }
        let writes: Writes = states.writes;
        self.todos.follow(&writes);
        let advances: Vec<_> = advances.into_values().collect();
        Ok(store.write(writes, &advances)?)
    }

    fn follow_tails(&mut self, pending: &[Pending], offsets: &[i64]) -> Result<(), Ended> {
        let mut written = HashSet::new();
        for (pending, offset) in pending.iter().zip(offsets.iter().copied()) {
            let place @ (topic, partition) = (pending.event.topic(), pending.partition);
            if !self.tails.get_mut(&place).is_some_and(|tail| tail.append(offset)) {
                return Err(Ended::NotAlone { topic, partition, offset });
            }
            written.insert(place);
        }
        self.tails
            .iter_mut()
            .filter(|(place, _)| written.contains(place))
            .for_each(|(_, tail)| tail.commit());
        Ok(())
    }
}

fn headers(origin: Origin) -> EventHeaders {
    EventHeaders {
        event_id: Uuid::now_v7(),
        causation_id: origin.causation_id,
        correlation_id: origin.correlation_id,
        traceparent: origin.traceparent,
    }
}

/// The place of the batch's event `index` before Kafka has given it an offset: -1, -2, ….
fn provisional(index: usize) -> i64 {
    -1 - i64::try_from(index).expect("a batch is small")
}

/// The answer with the offset Kafka gave, where it was provisional.
fn settled(answer: Answer, offsets: &[i64]) -> Answer {
    let offset = match usize::try_from(-1 - answer.position.offset) {
        Ok(index) if answer.position.offset < 0 => offsets[index],
        _ => answer.position.offset,
    };
    Answer { position: Position { offset, ..answer.position }, ..answer }
}

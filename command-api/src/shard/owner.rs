//! The owner serves a shard: it decides all commands that wait, appends their events in one transaction, commits,
//! applies them to the store, and answers.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use chrono::Utc;
use crossbeam_channel::{Receiver, Sender, select, unbounded};
use domain::account::{self, SealAccount};
use domain::vault::USERNAME;
use domain::{Act, Asked, Sort, TodoKey, decide, evolve};
use rdkafka::error::KafkaResult;
use schemas::{Clear, Position, Topic};
use uuid::Uuid;

use super::assignment::Assignment;
use super::batch::{Pending, Step, Written, placed};
use super::ended::{Ended, TakeoverError};
use super::engine::Engine;
use super::store::{Advance, FoldedTo, Overlay, Writes};
use super::tail::Tail;
use super::takeover::{Producers, take_over};
use super::todos::{Due, Todos};
use super::transaction::Transactions;
use super::work::{Answer, Asker, Job, Origin, Returned, Work};
use crate::effects::tell::{self, Tell};

/// How long the thread waits for a command, at most, before it looks whether it must stop or a to-do is due.
const IDLE: Duration = Duration::from_millis(50);
/// One in so many places of a batch is kept for to-dos, and they get no more. So neither to-dos nor clients starve.
const TODOS_OF_A_BATCH: usize = 4;
/// The most tells of a shard that are under way at once.
const TELLS: usize = 64;
/// The pause between two looks at the queue while commands gather.
const GATHERING_STEP: Duration = Duration::from_micros(150);

/// Takes the shard over and serves it, until the assignment ends or something goes wrong.
pub fn serve(engine: &Engine, shard: i32, assignment: &Assignment) -> Ended {
    let shards = &engine.shards;
    let inbox = shards.inbox(shard);
    // The lock waits for a former thread of this shard that may still be on its way out.
    let inbox = inbox.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let begun = Instant::now();
    let ended = match take_over(engine, shard, assignment) {
        Ok(producers) => {
            let mut serving = Serving::new(engine, shard, producers);
            tracing::info!(shard.id = shard, takeover.ms = begun.elapsed().as_millis(), "serving");
            shards.set_serving(shard, true);
            // `Rebalances::give_back` clears it too where it ends the assignment, but may have done so just before the
            // line above.
            if assignment.has_ended() {
                shards.set_serving(shard, false);
            }
            let ended = serving.run(assignment, &inbox);
            // The shard counts as given up before the producers are dropped, because dropping them may take seconds.
            shards.set_serving(shard, false);
            ended
        }
        Err(TakeoverError::GivenBack) => Ended::GivenBack,
        Err(error) => Ended::NotTakenOver(error),
    };
    engine.follower.resume(engine.partitions_of(shard).collect());
    shards.return_what_waits();
    ended
}

struct Serving<'e> {
    engine: &'e Engine,
    shard: i32,
    producers: Producers,
    /// The index of the producer whose turn it is.
    turn: usize,
    todos: Todos,
    /// The channel on which tells that have ended come back.
    told: (Sender<tell::Ended>, Receiver<tell::Ended>),
    telling: usize,
    committed: Instant,
    /// How many commands were just answered or waited at that time. About as many may wait soon.
    expected: usize,
    tails: HashMap<(Topic, i32), Tail>,
}

/// The answer to one command, held until the batch is committed. A position within the batch is provisional until then.
struct Outcome {
    asker: Asker,
    result: Result<Option<Answer>, Returned>,
    and_tell_when_settled: bool,
}

impl<'e> Serving<'e> {
    fn new(engine: &'e Engine, shard: i32, producers: Producers) -> Self {
        let mine = engine.partitions_of(shard);
        let tail = |place: (Topic, i32)| (place, Tail::new(engine.store.folded(place.0, place.1).next));
        let tails = mine.clone().map(tail).collect();
        let todos = Todos::load(&engine.store, mine);
        Self {
            engine,
            shard,
            producers,
            turn: 0,
            todos,
            told: unbounded(),
            telling: 0,
            committed: Instant::now(),
            expected: 0,
            tails,
        }
    }

    fn run(&mut self, assignment: &Assignment, inbox: &Receiver<Job>) -> Ended {
        loop {
            self.begin_tells();
            // Commands that wait when the assignment ends are still answered here: this is the last batch.
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

    /// The next batch: the to-dos that are due, and all commands that wait.
    fn gather(&mut self, inbox: &Receiver<Job>, wait: Duration) -> Vec<Job> {
        let mut batch = self.due_todos();
        if batch.is_empty() {
            let told = self.told.1.clone();
            select! {
                recv(inbox) -> job => batch.extend(job.ok()),
                recv(told) -> ended => batch.extend(ended.ok().and_then(|ended| self.settle(ended))),
                default(wait) => {}
            }
        }
        // A transaction with hundreds of records takes hardly longer than one with a single record, and clients that
        // were just answered send their next commands: it pays to wait for these.
        while batch.len() + inbox.len() < self.expected && self.committed.elapsed() < self.engine.pause {
            std::thread::sleep(GATHERING_STEP);
        }
        batch.extend(inbox.try_iter().take(self.engine.batch.saturating_sub(batch.len())));
        // A client that has given up waiting was told that the outcome is unknown, so its command need not be decided.
        batch.retain(|job| !matches!(&job.asker, Asker::Request(reply) if reply.is_closed()));
        batch
    }

    /// The commands of this shard's to-dos: those that settle a tell that has ended, and those that are due.
    fn due_todos(&mut self) -> Vec<Job> {
        let most = self.engine.batch.div_ceil(TODOS_OF_A_BATCH);
        let mut jobs = Vec::new();
        while jobs.len() < most
            && let Ok(ended) = self.told.1.try_recv()
        {
            jobs.extend(self.settle(ended));
        }
        let left = most - jobs.len();
        for Due { key, cause, act } in self.todos.take(Sort::Command, left, Utc::now(), &self.engine.store) {
            match act {
                Act::Command(command) => jobs.push(self.job(key, cause, command)),
                Act::Seal { home, id } => match self.sealing(home, &id) {
                    Some(command) => jobs.push(self.job(key, cause, command)),
                    None => self.put_off(&key, &"what it seals is not there any more"),
                },
                Act::Tell { .. } => unreachable!("a to-do is of the sort that its key says"),
            }
        }
        jobs
    }

    /// The command that seals an account which stands in the clear. Its person's key is drawn here: a command that is refused
    /// is made anew, with another one.
    fn sealing(&self, realm: String, number: &str) -> Option<Box<domain::Command>> {
        let number = number.parse().ok()?;
        let (personal, revision) = account::unsealed(&self.engine.store.as_ref(), &realm, number)?;
        let vault = &self.engine.vault;
        let person = vault.new_key(&realm);
        let username = personal.username.as_ref().map(Clear::expose).unwrap_or_default();
        let index = vault.index(&realm, USERNAME, username);
        let (sealed, key) = (person.seal(&personal), person.record(index.into_iter().collect()));
        let asked = Asked::by_todo(Utc::now());
        Some(Box::new(SealAccount { realm, number, revision, sealed, key, asked }.into()))
    }

    /// The job that settles the to-do of a tell, where the tell has ended well. Else the to-do is put off.
    fn settle(&mut self, tell::Ended { key, cause, result }: tell::Ended) -> Option<Job> {
        self.telling -= 1;
        match result {
            Ok(command) => Some(self.job(key, cause, Box::new(command))),
            Err(untold) => {
                self.put_off(&key, &untold);
                None
            }
        }
    }

    fn job(&self, key: TodoKey, cause: Uuid, command: Box<domain::Command>) -> Job {
        let partition = schemas::partition_of(command.home().as_bytes(), self.engine.partitions);
        let origin = Origin { causation_id: Some(cause), ..Origin::default() };
        let work = Work::Decide { command, and_tell_when_settled: false };
        Job { work, partition, origin, asker: Asker::Todo(key) }
    }

    fn begin_tells(&mut self) {
        let free = TELLS - self.telling;
        for Due { key, cause, act } in self.todos.take(Sort::Tell, free, Utc::now(), &self.engine.store) {
            let Act::Tell { commands, settle } = act else {
                unreachable!("a to-do is of the sort that its key says")
            };
            self.telling += 1;
            self.engine.teller.begin(Tell { key, cause, commands, settle }, self.told.0.clone());
        }
    }

    /// Puts a to-do off that is not settled. Without the pause, to-dos that are refused for ever would fill every
    /// batch.
    fn put_off(&mut self, key: &TodoKey, why: &dyn std::fmt::Display) {
        if let Some(pause) = self.todos.put_off(key, Utc::now()) {
            let Position { topic, partition, offset } = key.raised_by();
            tracing::warn!(
                kafka.topic = topic.short_name(),
                kafka.partition = partition,
                kafka.offset = offset,
                todo.pause_ms = pause.as_millis(),
                %why,
                "a to-do that this event raised is not settled: it is tried again"
            );
        }
    }

    fn work(&mut self, batch: Vec<Job>, inbox: &Receiver<Job>) -> Result<(), Ended> {
        let (pending, outcomes) = self.decide(batch);
        // An error drops the outcomes, and with them each reply, which tells its waiting client that the outcome is
        // unknown.
        let offsets = self.commit(&pending).map_err(Ended::Unknown)?;
        self.apply(&pending, &offsets)?;
        let requests = outcomes.iter().filter(|outcome| matches!(outcome.asker, Asker::Request(_)));
        self.expected = (inbox.len() + requests.count()).min(self.engine.batch);
        for outcome in outcomes {
            self.answer(outcome, &offsets);
        }
        Ok(())
    }

    fn answer(&mut self, Outcome { asker, result, and_tell_when_settled }: Outcome, offsets: &[i64]) {
        let result = result.map(|answer| answer.map(|answer| placed(answer, offsets)));
        match (asker, result) {
            (Asker::Request(reply), Ok(Some(answer))) if and_tell_when_settled => {
                let settling = self.todos.settling(answer.position);
                let _ = reply.send(Ok(Some(Answer { settling, ..answer })));
            }
            (Asker::Request(reply), result) => drop(reply.send(result)),
            (Asker::Todo(key), Err(Returned::Rejected(rejection))) => self.put_off(&key, &rejection),
            (Asker::Todo(key), Err(Returned::NotMine)) => {
                self.put_off(&key, &"its command is of another shard");
            }
            (Asker::Todo(key), _) => self.put_off(&key, &"what it does leaves it open"),
        }
    }

    /// Decides each command against the store's state with the batch's earlier events on top.
    fn decide(&self, batch: Vec<Job>) -> (Vec<Pending>, Vec<Outcome>) {
        let mut written = Written::new(&self.engine.store, batch.len());
        let mut outcomes = Vec::with_capacity(batch.len());
        for Job { work, partition, origin, asker } in batch {
            let Work::Decide { command, and_tell_when_settled } = work else {
                outcomes.push(Outcome { asker, result: Ok(None), and_tell_when_settled: false });
                continue;
            };
            let topic = command.topic();
            let result = if self.tails.contains_key(&(topic, partition)) {
                decide(&written.states, *command).map_err(Returned::Rejected)
            } else {
                tracing::error!(
                    shard.id = self.shard,
                    kafka.topic = topic.short_name(),
                    kafka.partition = partition,
                    "a command of another shard is refused here"
                );
                Err(Returned::NotMine)
            };
            let result = result.map(|decision| Some(written.take(decision, partition, origin)));
            outcomes.push(Outcome { asker, result, and_tell_when_settled });
        }
        (written.pending, outcomes)
    }

    /// Appends the records in one transaction, whose outcome is known before the next one begins. A batch without records
    /// commits an offset instead, so that a fenced owner cannot even say no.
    fn commit(&mut self, pending: &[Pending]) -> KafkaResult<Vec<i64>> {
        let begun = Instant::now();
        let offsets = if pending.is_empty() {
            let offset = self.engine.shard_offset(self.shard)?;
            self.producers[self.turn].begin_with_offsets(&offset, &self.engine.refusals)?;
            Vec::new()
        } else {
            self.append(pending)?
        };
        let appended = begun.elapsed();
        self.producers[self.turn].commit()?;
        tracing::debug!(
            shard.id = self.shard,
            batch.records = pending.len(),
            append_us = appended.as_micros(),
            commit_us = (begun.elapsed() - appended).as_micros(),
            "committed"
        );
        self.turn = (self.turn + 1) % self.producers.len();
        self.committed = Instant::now();
        Ok(offsets)
    }

    /// Begins a transaction and appends the records to it, step by step. A step without records costs nothing.
    fn append(&self, pending: &[Pending]) -> KafkaResult<Vec<i64>> {
        let (producer, records) = (&self.producers[self.turn], &self.engine.records);
        let mut offsets = vec![0; pending.len()];
        producer.begin()?;
        for step in Step::ALL {
            let of_step = || pending.iter().enumerate().filter(|(_, pending)| pending.step == step);
            let record =
                |pending: &Pending| records.record(&pending.event, pending.partition, &pending.headers);
            let appended = of_step().map(|(_, pending)| record(pending)).collect::<Vec<_>>();
            if !appended.is_empty() {
                let appended = producer.append(appended)?;
                of_step().zip(appended).for_each(|((index, _), offset)| offsets[index] = offset);
            }
        }
        Ok(offsets)
    }

    /// Folds the committed records, at their true offsets, into the store. Where one does not stand where this owner's next
    /// one belongs, the batch was decided without the records before it. Then nothing is written, and the follower folds
    /// all of it.
    fn apply(&mut self, pending: &[Pending], offsets: &[i64]) -> Result<(), Ended> {
        let mut appended: Vec<_> = pending.iter().zip(offsets.iter().copied()).collect();
        // The sort is stable, so the records of a partition are in the order of their offsets.
        appended.sort_by_key(|(pending, _)| pending.step as u8);
        self.follow_tails(&appended)?;
        let store = &self.engine.store;
        let mut states = Overlay::new(store);
        let mut advances: HashMap<(Topic, i32), Advance> = HashMap::new();
        for (pending, offset) in appended {
            evolve(&mut states, &pending.event, &pending.recorded(offset));
            let to = FoldedTo { next: offset + 1, last: Some((offset, pending.headers.event_id)) };
            let place @ (topic, partition) = pending.place();
            let advance = advances.entry(place).or_insert_with(|| {
                let from = store.folded(topic, partition).next;
                Advance { topic, partition, from, to }
            });
            advance.to = to;
        }
        let writes: Writes = states.writes;
        self.todos.follow(&writes);
        let places: Vec<_> = advances.keys().copied().collect();
        store.write(writes, &advances.into_values().collect::<Vec<_>>())?;
        // Only what the store has is noted: the barrier relies on it.
        places
            .into_iter()
            .for_each(|place| self.engine.barrier.reached().note(place, self.tails[&place].end()));
        Ok(())
    }

    fn follow_tails(&mut self, appended: &[(&Pending, i64)]) -> Result<(), Ended> {
        let mut written = HashSet::new();
        for &(pending, offset) in appended {
            let place @ (topic, partition) = pending.place();
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

//! One batch, one transaction: the guard, the rows, the positions. Events a fold cannot take are parked.

use std::collections::HashSet;

use schemas::Topic;
use schemas::record::{Foreign, Reading};
use sqlx::{Connection, PgConnection};

use crate::generation::{Generation, move_positions};
use crate::projection::FoldError;
use crate::record::{Batch, Folded, Record};

/// So many parked keys are no bad event but a bad binary: going on would only hide it, and memory is bounded.
const MOST_PARKED_KEYS: usize = 10_000;
/// Records that are no events are noted up to here; those after it are in the log lines only.
const MOST_NOTED_FOREIGN: usize = 10_000;

/// Why a batch was not written. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Another generation is live.
    #[error("another generation is live")]
    Replaced,
    /// Someone else moved the positions.
    #[error("the positions were moved by another process")]
    Overtaken,
    /// The events are at fault.
    #[error("{0}")]
    Refused(FoldError),
    /// Too many events are at fault.
    #[error(
        "events of more than {MOST_PARKED_KEYS} keys are parked: is this binary older than the writer of the log? `projector status` counts them, the table till.parked says why; then run `projector rebuild`"
    )]
    TooManyParked,
    /// Postgres refused or failed.
    #[error("Postgres: {0}")]
    Database(#[from] sqlx::Error),
}

impl From<FoldError> for WriteError {
    fn from(error: FoldError) -> Self {
        if error.is_deterministic() {
            return Self::Refused(error);
        }
        match error {
            FoldError::Database(error) => Self::Database(error),
            FoldError::Overflow => Self::Refused(error),
        }
    }
}

/// What of a generation is parked.
#[derive(Clone, Debug, Default)]
pub struct Parked {
    /// The keys whose events are held back.
    keys: HashSet<(Topic, Vec<u8>)>,
    /// How many records that are no events are noted. They hold nothing back.
    foreign: usize,
}

impl Parked {
    /// What is noted of a generation.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn load(connection: &mut PgConnection, generation: &Generation) -> sqlx::Result<Self> {
        let rows = sqlx::query!(
            r#"SELECT topic, key, is_event, count(*) AS "count!" FROM till.parked
               WHERE projection = $1 AND generation = $2 GROUP BY topic, key, is_event"#,
            generation.projection.name(),
            generation.number
        )
        .fetch_all(connection)
        .await?;
        let mut parked = Self::default();
        for row in rows {
            match Topic::from_noun(&row.topic) {
                Some(topic) if row.is_event => drop(parked.keys.insert((topic, row.key))),
                _ => parked.foreign += usize::try_from(row.count).unwrap_or_default(),
            }
        }
        Ok(parked)
    }

    fn holds(&self, record: &Record) -> bool {
        !self.keys.is_empty() && self.keys.contains(&(record.topic, record.key.clone()))
    }
}

/// What a write's transaction must check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// That the generation is live.
    Live,
    /// Nothing: it is being rebuilt, nobody reads it yet.
    Rebuilding,
}

/// Writes a batch into a generation: all of it or nothing.
///
/// # Errors
/// See [`WriteError`]; deterministic errors of single events do not count, they are parked.
pub async fn write(
    connection: &mut PgConnection,
    generation: &Generation,
    standing: Standing,
    batch: &Batch,
    parked: &mut Parked,
) -> Result<(), WriteError> {
    let attempt = Attempt { generation, standing, batch };
    *parked = match attempt.whole(connection, Sieve::new(generation, parked)).await {
        Err(WriteError::Refused(error)) => {
            tracing::warn!(projection = generation.projection.name(), %error, "looking for the events at fault");
            attempt.bisected(connection, Sieve::new(generation, parked)).await?
        }
        other => other?,
    };
    Ok(())
}

struct Attempt<'b> {
    generation: &'b Generation,
    standing: Standing,
    batch: &'b Batch,
}

impl<'b> Attempt<'b> {
    /// The way of nearly all batches: one fold over everything.
    async fn whole(&self, connection: &mut PgConnection, mut sieve: Sieve<'b>) -> Result<Parked, WriteError> {
        let mut transaction = connection.begin().await?;
        self.guard(&mut transaction).await?;
        let events = sieve.sound(&self.batch.records)?;
        if !events.is_empty() {
            self.generation.projection.fold(&mut transaction, &events).await?;
        }
        let parked = sieve.note(&mut transaction).await?;
        transaction.commit().await?;
        Ok(parked)
    }

    /// Halves what was refused until the events at fault stand alone, each part in a savepoint, in order.
    async fn bisected(
        &self,
        connection: &mut PgConnection,
        mut sieve: Sieve<'b>,
    ) -> Result<Parked, WriteError> {
        let mut transaction = connection.begin().await?;
        self.guard(&mut transaction).await?;
        let mut parts: Vec<Vec<&'b Record>> = vec![self.batch.records.iter().collect()];
        while let Some(part) = parts.pop() {
            let mut events = sieve.sound(part)?;
            if events.is_empty() {
                continue;
            }
            let mut savepoint = transaction.begin().await?;
            match self.generation.projection.fold(&mut savepoint, &events).await {
                Ok(()) => savepoint.commit().await?,
                Err(error) if !error.is_deterministic() => return Err(error.into()),
                Err(error) => {
                    savepoint.rollback().await?;
                    if let [event] = events[..] {
                        sieve.park(event.record, error.to_string())?;
                        continue;
                    }
                    let later = events.split_off(events.len() / 2);
                    parts.push(later.iter().map(|event| event.record).collect());
                    parts.push(events.iter().map(|event| event.record).collect());
                }
            }
        }
        let parked = sieve.note(&mut transaction).await?;
        transaction.commit().await?;
        Ok(parked)
    }

    async fn guard(&self, transaction: &mut PgConnection) -> Result<(), WriteError> {
        self.generation.enter(transaction).await?;
        if !move_positions(transaction, &self.batch.moves).await? {
            return Err(WriteError::Overtaken);
        }
        // A statement of its own, after the guard: a switch that held the positions until then is seen.
        if self.standing == Standing::Live && !self.generation.is_live(transaction).await? {
            return Err(WriteError::Replaced);
        }
        Ok(())
    }
}

/// Holds back what a fold must not see: events it refused with their successors of the same key, and what is no event.
pub struct Sieve<'b> {
    generation: &'b Generation,
    parked: Parked,
    held_back: Vec<HeldBack<'b>>,
}

struct HeldBack<'b> {
    record: &'b Record,
    is_event: bool,
    error: String,
}

impl<'b> Sieve<'b> {
    /// For one batch; `parked` are the keys held back before it.
    #[must_use]
    pub fn new(generation: &'b Generation, parked: &Parked) -> Self {
        Self { generation, parked: parked.clone(), held_back: Vec::new() }
    }

    /// The events a fold may take.
    ///
    /// # Errors
    /// When too many keys are parked.
    pub fn sound(
        &mut self,
        records: impl IntoIterator<Item = &'b Record>,
    ) -> Result<Vec<Folded<'b>>, WriteError> {
        let mut events = Vec::new();
        for record in records {
            match &record.reading {
                Reading::Foreign(reason) => self.skip(record, reason),
                Reading::Event(_) if self.parked.holds(record) => {
                    let error = "an earlier event of its key is parked".to_owned();
                    self.held_back.push(HeldBack { record, is_event: true, error });
                }
                Reading::Event(event) => events.push(Folded { record, event }),
            }
        }
        Ok(events)
    }

    fn park(&mut self, record: &'b Record, error: String) -> Result<(), WriteError> {
        tracing::error!(
            projection = self.generation.projection.name(),
            topic = record.topic.noun(),
            partition = record.partition,
            offset = record.offset,
            %error,
            "an event is parked"
        );
        self.parked.keys.insert((record.topic, record.key.clone()));
        self.held_back.push(HeldBack { record, is_event: true, error });
        if self.parked.keys.len() > MOST_PARKED_KEYS { Err(WriteError::TooManyParked) } else { Ok(()) }
    }

    /// It is no event to any reader, so its key goes on; noted only to be looked into.
    fn skip(&mut self, record: &'b Record, reason: &Foreign) {
        tracing::error!(
            projection = self.generation.projection.name(),
            kafka.topic = record.topic.noun(),
            kafka.partition = record.partition,
            kafka.offset = record.offset,
            %reason,
            "a record is skipped"
        );
        if self.parked.foreign < MOST_NOTED_FOREIGN {
            self.parked.foreign += 1;
            self.held_back.push(HeldBack { record, is_event: false, error: reason.to_string() });
        }
    }

    /// Writes down what was held back; the keys parked from here on.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn note(self, transaction: &mut PgConnection) -> sqlx::Result<Parked> {
        for HeldBack { record, is_event, error } in &self.held_back {
            sqlx::query!(
                r#"INSERT INTO till.parked (projection, generation, topic, partition, "offset", key, error, recorded_at, is_event)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"#,
                self.generation.projection.name(),
                self.generation.number,
                record.topic.noun(),
                record.partition,
                record.offset,
                record.key,
                // Messages quote what is at fault, and text columns hold no U+0000.
                error.replace('\0', "\u{FFFD}"),
                record.recorded_at,
                is_event
            )
            .execute(&mut *transaction)
            .await?;
        }
        Ok(self.parked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::Projection;
    use schemas::{Event, RolesAssigned};

    fn record(offset: i64, key: &str, is_event: bool) -> Record {
        let event = RolesAssigned {
            realm: key.into(),
            username: "u".into(),
            roles: Vec::new(),
            places: Vec::new(),
            assigned_by: "a".into(),
        };
        Record {
            topic: Topic::Accounts,
            partition: 0,
            offset,
            recorded_at: chrono::DateTime::UNIX_EPOCH,
            key: key.into(),
            reading: if is_event {
                Reading::Event(Event::from(event))
            } else {
                Reading::Foreign(Foreign::Value("garbage".into()))
            },
            bytes: 1,
        }
    }

    fn offsets(events: &[Folded<'_>]) -> Vec<i64> {
        events.iter().map(|event| event.record.offset).collect()
    }

    #[test]
    fn a_refused_event_holds_back_its_key_and_no_other() {
        let generation = Generation::new(Projection::Accounts, 1);
        let records =
            [record(0, "a", true), record(1, "b", true), record(2, "a", true), record(3, "b", false)];
        let mut sieve = Sieve::new(&generation, &Parked::default());
        sieve.park(&records[0], "refused".into()).unwrap();
        assert_eq!(offsets(&sieve.sound(&records[1..]).unwrap()), [1]);
        let held: Vec<_> = sieve.held_back.iter().map(|held| (held.record.offset, held.is_event)).collect();
        assert_eq!(held, [(0, true), (2, true), (3, false)]);
        let later = [record(4, "a", true), record(5, "b", true)];
        let mut next = Sieve::new(&generation, &sieve.parked);
        assert_eq!(offsets(&next.sound(&later).unwrap()), [5]);
    }

    #[test]
    fn what_is_no_event_is_noted_up_to_a_limit_and_holds_nothing_back() {
        let generation = Generation::new(Projection::Accounts, 1);
        let foreign: Vec<_> = (0..10_100).map(|offset| record(offset, "a", false)).collect();
        let event = [record(20_000, "a", true)];
        let mut sieve = Sieve::new(&generation, &Parked::default());
        assert!(sieve.sound(&foreign).unwrap().is_empty());
        assert_eq!(sieve.held_back.len(), MOST_NOTED_FOREIGN);
        assert_eq!(offsets(&sieve.sound(&event).unwrap()), [20_000]);
    }
}

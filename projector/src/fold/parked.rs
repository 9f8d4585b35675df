//! Parking: an event that a fold refuses is noted in `till.parked`, and later events of its aggregate with it, because they might mean
//! nothing without it. Records that are no events are noted there too, but hold nothing back.

use std::collections::HashSet;

use schemas::Topic;
use schemas::record::{Foreign, Reading};
use sqlx::PgConnection;

use crate::fold::aggregate::{Aggregate, storable};
use crate::log::record::{EventRecord, Record};
use crate::tables::generation::Generation;

/// The most records without an event that are noted for a generation; those beyond are told in log lines only.
const MOST_NOTED_FOREIGN: i64 = 10_000;
/// A fold is stopped if more than half of the latest events are refused. Fewer than so many events prove nothing.
const LEAST_SEEN: i64 = 1_000;
/// How many events count as the latest: when so many were seen, all of them count half from then on.
const LATEST: i64 = 10_000;

/// What is parked of a generation, in short. The number of parked events has no bound: only their rate can stop the fold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parked {
    /// Whether any event is parked. While none is, no batch looks into `till.parked`.
    has_events: bool,
    /// How many records without an event are noted.
    foreign: i64,
    rate: Rate,
}

/// How many of the latest events were refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rate {
    seen: i64,
    refused: i64,
}

impl Rate {
    fn see(&mut self, seen: i64, refused: i64) {
        if self.seen >= LATEST {
            *self = Self { seen: self.seen / 2, refused: self.refused / 2 };
        }
        self.seen += seen;
        self.refused += refused;
    }
}

impl Parked {
    /// Reads what is parked of a generation.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn load(connection: &mut PgConnection, generation: &Generation) -> sqlx::Result<Self> {
        let noted = sqlx::query!(
            r#"SELECT count(*) FILTER (WHERE is_event) > 0 AS "has_events!",
                   count(*) FILTER (WHERE NOT is_event) AS "foreign!"
               FROM till.parked WHERE projection = $1 AND generation = $2"#,
            generation.projection.name,
            generation.number
        )
        .fetch_one(&mut *connection)
        .await?;
        let rate = latest_rate(connection, generation).await?;
        Ok(Self { has_events: noted.has_events, foreign: noted.foreign, rate })
    }

    /// Whether more than half of the latest events were refused, of enough events to tell.
    #[must_use]
    pub const fn is_most(&self) -> bool {
        self.rate.seen >= LEAST_SEEN && 2 * self.rate.refused > self.rate.seen
    }

    /// The aggregates of a batch whose events were parked before it.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn held(
        &self,
        connection: &mut PgConnection,
        generation: &Generation,
        records: &[Record],
    ) -> sqlx::Result<HashSet<Aggregate>> {
        if !self.has_events {
            return Ok(HashSet::new());
        }
        let aggregates =
            records.iter().filter_map(Record::as_event).map(|folded| Aggregate::of(folded.event));
        let asked: HashSet<_> =
            aggregates.flat_map(|aggregate| [aggregate.whole_home(), aggregate]).collect();
        let topics: Vec<_> = asked.iter().map(|aggregate| aggregate.topic.short_name().to_owned()).collect();
        let homes: Vec<_> = asked.iter().map(|aggregate| aggregate.home.clone()).collect();
        let ids: Vec<_> = asked.iter().map(|aggregate| aggregate.id.clone()).collect();
        let rows = sqlx::query!(
            r#"SELECT DISTINCT p.topic, p.key, p.aggregate
               FROM UNNEST($3::text[], $4::bytea[], $5::text[]) AS a(topic, key, aggregate)
               JOIN till.parked AS p ON p.key = a.key AND p.topic = a.topic AND p.aggregate = a.aggregate
               WHERE p.is_event AND p.projection = $1 AND p.generation = $2"#,
            generation.projection.name,
            generation.number,
            &topics,
            &homes,
            &ids
        )
        .fetch_all(connection)
        .await?;
        let held = rows.into_iter().filter_map(|row| {
            Some(Aggregate { topic: Topic::named(&row.topic)?, home: row.key, id: row.aggregate })
        });
        Ok(held.collect())
    }
}

/// The rate as the tables tell it: how many aggregates were parked within the latest offsets of each partition. A fold that has stopped
/// by its rate, and is started again, must not begin to count anew.
async fn latest_rate(connection: &mut PgConnection, generation: &Generation) -> sqlx::Result<Rate> {
    let mut transaction = sqlx::Connection::begin(connection).await?;
    generation.enter(&mut transaction).await?;
    let rate = sqlx::query_as!(
        Rate,
        r#"SELECT (SELECT coalesce(sum(least(next, $3)), 0)::bigint FROM positions) AS "seen!",
               (SELECT count(DISTINCT (parked.topic, parked.key, parked.aggregate))
                FROM till.parked AS parked JOIN positions
                    ON positions.topic = parked.topic AND positions.partition = parked.partition
                WHERE parked.is_event AND parked.projection = $1 AND parked.generation = $2
                    AND parked."offset" >= positions.next - $3) AS "refused!""#,
        generation.projection.name,
        generation.number,
        LEAST_SEEN
    )
    .fetch_one(&mut *transaction)
    .await?;
    transaction.rollback().await?;
    Ok(rate)
}

/// Keeps from a fold what it must not see of one batch, and notes it.
pub struct ParkingFilter<'b> {
    generation: &'b Generation,
    parked: Parked,
    held: HashSet<Aggregate>,
    held_back: Vec<HeldBack<'b>>,
    events: usize,
    refused: i64,
}

struct HeldBack<'b> {
    record: &'b Record,
    is_event: bool,
    /// The id of the event's aggregate within its home.
    id: String,
    error: String,
}

impl<'b> ParkingFilter<'b> {
    /// A filter for one batch. `held` are the aggregates of the batch whose events were parked before it.
    #[must_use]
    pub fn new(generation: &'b Generation, parked: Parked, held: HashSet<Aggregate>) -> Self {
        Self { generation, parked, held, held_back: Vec::new(), events: 0, refused: 0 }
    }

    /// The events among records that the fold may take. All others are noted as held back.
    pub fn admit(&mut self, records: impl IntoIterator<Item = &'b Record>) -> Vec<EventRecord<'b>> {
        let mut events = Vec::new();
        for record in records {
            match &record.reading {
                Reading::Foreign(reason) => self.skip(record, reason),
                Reading::Event(event) => {
                    let event = EventRecord { record, event };
                    if self.holds(&event) {
                        self.hold_back(&event, "an earlier event of its aggregate is parked".to_owned());
                    } else {
                        events.push(event);
                    }
                }
            }
        }
        // A batch that is halved comes here in ever smaller parts, but the first time as a whole.
        self.events = self.events.max(events.len());
        events
    }

    fn holds(&self, event: &EventRecord<'_>) -> bool {
        if self.held.is_empty() {
            return false;
        }
        let aggregate = Aggregate::of(event.event);
        self.held.contains(&aggregate) || self.held.contains(&aggregate.whole_home())
    }

    fn hold_back(&mut self, event: &EventRecord<'b>, error: String) {
        let id = Aggregate::of(event.event).id;
        self.held_back.push(HeldBack { record: event.record, is_event: true, id, error });
    }

    /// Parks an event that the fold has refused. Later events of its aggregate are held back from here on.
    pub fn park(&mut self, event: &EventRecord<'b>, error: String) {
        tracing::error!(
            projection = self.generation.projection.name,
            topic = event.record.topic.short_name(),
            partition = event.record.partition,
            offset = event.record.offset,
            %error,
            "an event is parked"
        );
        self.held.insert(Aggregate::of(event.event));
        self.hold_back(event, error);
        self.refused += 1;
        self.parked.has_events = true;
    }

    /// Notes a record that is no event to any reader. It holds nothing back.
    fn skip(&mut self, record: &'b Record, reason: &Foreign) {
        tracing::error!(
            projection = self.generation.projection.name,
            kafka.topic = record.topic.short_name(),
            kafka.partition = record.partition,
            kafka.offset = record.offset,
            %reason,
            "a record is skipped"
        );
        if self.parked.foreign < MOST_NOTED_FOREIGN {
            self.parked.foreign += 1;
            let (id, error) = (String::new(), reason.to_string());
            self.held_back.push(HeldBack { record, is_event: false, id, error });
        }
    }

    /// Writes what was held back into `till.parked`. Returns what is parked from here on, if the transaction is committed.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn note(mut self, transaction: &mut PgConnection) -> sqlx::Result<Parked> {
        for HeldBack { record, is_event, id, error } in &self.held_back {
            sqlx::query!(
                r#"INSERT INTO till.parked (projection, generation, topic, partition, "offset", key, error, recorded_at,
                       is_event, aggregate)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"#,
                self.generation.projection.name,
                self.generation.number,
                record.topic.short_name(),
                record.partition,
                record.offset,
                record.key,
                // Postgres' messages quote the values at fault.
                storable(error),
                record.recorded_at,
                is_event,
                id
            )
            .execute(&mut *transaction)
            .await?;
        }
        self.parked.rate.see(i64::try_from(self.events).unwrap_or(i64::MAX), self.refused);
        Ok(self.parked)
    }
}

#[cfg(test)]
mod tests {
    use schemas::accounts::RolesAssigned;
    use schemas::analytics::{HOURS_KEY, HourClosed, PlaceHourComputed, Sums};
    use schemas::{Event, Money};

    use super::*;
    use crate::projections::{ACCOUNTS, HOURS};

    fn record(offset: i64, username: &str, is_event: bool) -> Record {
        let event = Event::from(RolesAssigned {
            realm: "till".into(),
            username: username.into(),
            roles: Vec::new(),
            places: Vec::new(),
            assigned_by: "a".into(),
            account: 0,
        });
        let garbage = Reading::Foreign(Foreign::Value("garbage".into()));
        let reading = if is_event { Reading::Event(event.clone()) } else { garbage };
        Record { reading, ..record_of(offset, &event) }
    }

    fn record_of(offset: i64, event: &Event) -> Record {
        Record {
            topic: event.topic(),
            partition: 0,
            offset,
            recorded_at: chrono::DateTime::UNIX_EPOCH,
            key: event.key().as_bytes().to_vec(),
            reading: Reading::Event(event.clone()),
            bytes: 1,
            event_id: uuid::Uuid::nil(),
        }
    }

    fn offsets(events: &[EventRecord<'_>]) -> Vec<i64> {
        events.iter().map(|event| event.record.offset).collect()
    }

    #[test]
    fn a_refused_event_holds_back_its_aggregate_and_no_other_of_its_home() {
        let generation = Generation::new(ACCOUNTS, 1);
        let records =
            [record(0, "a", true), record(1, "b", true), record(2, "a", true), record(3, "b", false)];
        let mut filter = ParkingFilter::new(&generation, Parked::default(), HashSet::new());
        filter.park(&records[0].as_event().unwrap(), "refused".into());
        assert_eq!(offsets(&filter.admit(&records[1..])), [1]);
        let held: Vec<_> = filter.held_back.iter().map(|held| (held.record.offset, held.is_event)).collect();
        assert_eq!(held, [(0, true), (2, true), (3, false)]);
        let later = [record(4, "a", true), record(5, "b", true)];
        let mut next = ParkingFilter::new(&generation, filter.parked, filter.held.clone());
        assert_eq!(offsets(&next.admit(&later)), [5]);
        let whole_home = HashSet::from([Aggregate::of(later[0].as_event().unwrap().event).whole_home()]);
        assert!(ParkingFilter::new(&generation, filter.parked, whole_home).admit(&later).is_empty());
    }

    #[test]
    fn an_aggregate_whose_id_no_column_holds_is_held_back_under_the_one_that_is_noted() {
        let generation = Generation::new(ACCOUNTS, 1);
        let (home, id) = (b"till".to_vec(), "a\u{FFFD}".to_owned());
        let noted = HashSet::from([Aggregate { topic: Topic::Accounts, home, id }]);
        let events = [record(0, "a\0", true), record(1, "a", true)];
        let asked = Aggregate::of(events[0].as_event().unwrap().event);
        assert!(noted.contains(&asked), "{asked:?} cannot be asked for");
        let mut filter = ParkingFilter::new(&generation, Parked::default(), noted);
        assert_eq!(offsets(&filter.admit(&events)), [1]);
    }

    #[test]
    fn a_place_that_is_called_as_the_key_of_windows_holds_back_no_window() {
        let generation = Generation::new(HOURS, 1);
        let at = chrono::DateTime::UNIX_EPOCH;
        let figures = |place_id: &str| -> Event {
            let (place_id, place_name) = (place_id.to_owned(), String::new());
            let (sums, running, average_receipt) = (Sums::default(), Sums::default(), Money::ZERO);
            let (window_start, window_end, recorded, voided) = (at, at, 0, 0);
            let (categories, part, parts) = (Vec::new(), 0, 1);
            PlaceHourComputed {
                window_start,
                window_end,
                place_id,
                place_name,
                recorded,
                voided,
                sums,
                average_receipt,
                categories,
                running,
                part,
                parts,
            }
            .into()
        };
        let (slices, recorded, voided, places, parts) = (Vec::new(), 0, 0, 0, 0);
        let closed = HourClosed { window_start: at, window_end: at, slices, recorded, voided, places, parts };
        let events = [figures(HOURS_KEY), closed.into(), figures(HOURS_KEY), figures("cafe")];
        let records: Vec<_> = (0..).zip(&events).map(|(offset, event)| record_of(offset, event)).collect();
        let mut filter = ParkingFilter::new(&generation, Parked::default(), HashSet::new());
        filter.park(&records[0].as_event().unwrap(), "refused".into());
        assert_eq!(offsets(&filter.admit(&records[1..])), [1, 3]);
    }

    #[test]
    fn what_is_no_event_is_noted_up_to_a_limit_and_holds_nothing_back() {
        let generation = Generation::new(ACCOUNTS, 1);
        let foreign: Vec<_> = (0..10_100).map(|offset| record(offset, "a", false)).collect();
        let event = [record(20_000, "a", true)];
        let mut filter = ParkingFilter::new(&generation, Parked::default(), HashSet::new());
        assert!(filter.admit(&foreign).is_empty());
        assert_eq!(i64::try_from(filter.held_back.len()).unwrap(), MOST_NOTED_FOREIGN);
        assert_eq!(offsets(&filter.admit(&event)), [20_000]);
    }

    #[test]
    fn a_fold_stops_by_the_rate_of_refused_events_however_many_they_are_in_all() {
        let mut parked = Parked::default();
        for _ in 0..100 {
            parked.rate.see(2_500, 1_000);
            assert!(!parked.is_most(), "{parked:?}");
        }
        for _ in 0..10 {
            parked.rate.see(2_500, 2_500);
        }
        assert!(parked.is_most(), "a bad binary refuses nearly everything");
        let mut few = Parked::default();
        few.rate.see(999, 999);
        assert!(!few.is_most(), "of few events nothing is concluded");
    }
}

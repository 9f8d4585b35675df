//! Where one partition is read to, and the records that were read too far.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use runtime::kafka::Record;
use schemas::analytics::LastEvent;

use crate::fault::Fault;

/// Up to where a reading goes: in each partition to the first record that is past, at most to its horizon.
pub(crate) struct Until<'u> {
    pub(crate) horizon: &'u [i64],
    pub(crate) past: &'u dyn Fn(&Record) -> bool,
}

/// What is done with a record that is not past.
pub(crate) type Visit<'v> = &'v mut dyn FnMut(&Record) -> Result<(), Fault>;

/// Where a partition is read to.
pub(crate) struct Cursor {
    partition: i32,
    /// Where the former reading ended.
    begin: i64,
    /// Every record before it was visited or is held; other offsets before it hold no record of a committed transaction.
    position: i64,
    /// Read, but past where the reading ended.
    held: VecDeque<Record>,
    held_bytes: usize,
    /// Where the current reading ended.
    end: Option<i64>,
    /// The last record that was visited, in any reading.
    last: Option<LastEvent>,
}

impl Cursor {
    pub(crate) const fn at(partition: i32, begin: i64) -> Self {
        let held = VecDeque::new();
        Self { partition, begin, position: begin, held, held_bytes: 0, end: None, last: None }
    }

    /// Where the next reading begins.
    pub(crate) const fn begin(&self) -> i64 {
        self.begin
    }

    pub(crate) const fn position(&self) -> i64 {
        self.position
    }

    pub(crate) const fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// The last record that was visited.
    pub(crate) const fn last(&self) -> Option<LastEvent> {
        self.last
    }

    /// Records held, and the bytes of their values.
    pub(crate) fn held(&self) -> (usize, usize) {
        (self.held.len(), self.held_bytes)
    }

    /// When the next record was appended, where it is known and below the horizon.
    pub(crate) fn next_arrival(&self, horizon: i64) -> Option<DateTime<Utc>> {
        self.held.front().filter(|held| held.position.offset < horizon).map(|held| held.appended_at)
    }

    /// Begins a reading with the records that the former one held.
    pub(crate) fn visit_held(&mut self, until: &Until, visit: Visit) -> Result<(), Fault> {
        let horizon = self.horizon(until);
        while let Some(record) = self.held.front() {
            if record.position.offset >= horizon || (until.past)(record) {
                self.end = Some(record.position.offset.min(horizon));
                return Ok(());
            }
            visit(record)?;
            self.last = Some(LastEvent { offset: record.position.offset, event_id: record.event_id });
            self.held_bytes -= record.value_bytes;
            self.held.pop_front();
        }
        Ok(())
    }

    /// Visits a record that was read, or holds it for the next reading.
    pub(crate) fn take(&mut self, record: Record, until: &Until, visit: Visit) -> Result<(), Fault> {
        // A partition that goes on after a pause may give again what was under way when it was paused.
        if record.position.offset < self.position {
            return Ok(());
        }
        self.position = record.position.offset + 1;
        let horizon = self.horizon(until);
        if self.end.is_none() && record.position.offset < horizon && !(until.past)(&record) {
            visit(&record)?;
            self.last = Some(LastEvent { offset: record.position.offset, event_id: record.event_id });
            return Ok(());
        }
        self.end.get_or_insert(record.position.offset.min(horizon));
        self.held_bytes += record.value_bytes;
        self.held.push_back(record);
        Ok(())
    }

    /// Notes that the client has nothing to give before `position`: the markers of transactions, and what was
    /// aborted, take offsets too.
    pub(crate) fn pass(&mut self, position: i64) {
        self.position = self.position.max(position);
    }

    /// Ends the reading where everything below the horizon is read.
    pub(crate) fn settle(&mut self, horizon: i64) {
        if self.end.is_none() && self.position >= horizon {
            self.end = Some(horizon);
        }
    }

    /// Where the reading has ended: there the next one begins.
    pub(crate) fn finish(&mut self) -> Option<i64> {
        let end = self.end.take()?;
        self.begin = end;
        Some(end)
    }

    fn horizon(&self, until: &Until) -> i64 {
        until.horizon[usize::try_from(self.partition).expect("partitions count from 0")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schemas::record::{Foreign, Reading};
    use schemas::{Position, Topic};
    use uuid::Uuid;

    /// A partition as a broker has it: some offsets are records, the others markers and aborted records.
    #[derive(Clone, Debug)]
    struct Partition {
        /// Offset and stamp of each committed record.
        records: Vec<(i64, i64)>,
        end: i64,
    }

    fn partitions() -> impl Strategy<Value = Partition> {
        // Stamps mostly rise, but a new leader's clock may be behind.
        let offsets = prop::collection::vec((prop::bool::weighted(0.7), -3_i64..10), 0..60);
        offsets.prop_map(|offsets| {
            let mut stamp = 0;
            let mut records = Vec::new();
            for (offset, (is_record, step)) in (0..).zip(&offsets) {
                stamp += step;
                if *is_record {
                    records.push((offset, stamp));
                }
            }
            Partition { records, end: i64::try_from(offsets.len()).unwrap() }
        })
    }

    /// Reads windows that end at `window_ends`, the client giving up to `pace` records beyond what is asked
    /// for. Returns each window's end and visited offsets.
    fn read(partition: &Partition, window_ends: &[i64], horizon: i64, pace: usize) -> Vec<(i64, Vec<i64>)> {
        let mut cursor = Cursor::at(0, 0);
        let mut given = partition.records.iter().peekable();
        let mut windows = Vec::new();
        for window_end in window_ends {
            let instant = DateTime::from_timestamp_millis(*window_end).unwrap();
            let until = Until { horizon: &[horizon], past: &|record| record.appended_at >= instant };
            let mut visited = Vec::new();
            let mut visit = |record: &Record| {
                visited.push(record.position.offset);
                Ok(())
            };
            cursor.visit_held(&until, &mut visit).unwrap();
            let mut beyond = 0;
            while !cursor.has_ended() || beyond < pace {
                beyond += usize::from(cursor.has_ended());
                match given.next() {
                    Some((offset, stamp)) => {
                        let appended_at = DateTime::from_timestamp_millis(*stamp).unwrap();
                        let reading = Ok(Reading::Foreign(Foreign::Value(String::new())));
                        let event_id = Uuid::from_u128(u128::try_from(*offset).unwrap());
                        let position = Position { topic: Topic::Receipts, partition: 0, offset: *offset };
                        let record = Record { position, appended_at, event_id, reading, value_bytes: 0 };
                        cursor.take(record, &until, &mut visit).unwrap();
                    }
                    None => cursor.pass(partition.end),
                }
                cursor.settle(horizon);
            }
            let end = cursor.finish().unwrap();
            let last = partition.records.iter().rfind(|(offset, _)| *offset < end).map(|(offset, _)| *offset);
            assert_eq!(cursor.last().map(|last| last.offset), last, "the last record before the end");
            windows.push((end, visited));
        }
        windows
    }

    proptest! {
        /// Whatever clocks do and however fast the client is: a window's slice is what stands between its
        /// start and its end, it ends at the first record that is past or at the horizon, and the next begins there.
        #[test]
        fn slices_join_and_hold_each_record_once(
            partition in partitions(),
            cut in 0.0..=1.0_f64,
            mut window_ends in prop::collection::vec(0_i64..300, 1..8),
            pace in 0_usize..10,
        ) {
            window_ends.sort_unstable();
            #[allow(clippy::cast_possible_truncation, reason = "a share of at most 60")]
            let horizon = (partition.end as f64 * cut) as i64;
            let mut start = 0;
            let windows = read(&partition, &window_ends, horizon, pace);
            for ((end, visited), window_end) in windows.iter().zip(&window_ends) {
                let rest = partition.records.iter().filter(|(offset, _)| *offset >= start);
                let first_past = rest.clone().find(|(_, stamp)| stamp >= window_end);
                let expected = first_past.map_or(horizon, |(offset, _)| (*offset).min(horizon));
                prop_assert_eq!(*end, expected);
                let within: Vec<_> = rest.map(|(offset, _)| *offset).filter(|offset| offset < end).collect();
                prop_assert_eq!(visited, &within);
                start = *end;
            }
            prop_assert_eq!(windows, read(&partition, &window_ends, horizon, 0), "the pace must not matter");
        }
    }
}

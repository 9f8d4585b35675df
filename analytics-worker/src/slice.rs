//! A window's receipts: the slice of each partition of `till.receipts` that no window before has counted.
//!
//! A slice ends at the first record stamped at or after the window's end, else at the high watermark taken
//! once the grace was over. Whatever clocks and open transactions do, slices join: the recorded end is the
//! next start, so every receipt is in exactly one.

#![deny(
    clippy::wildcard_enum_match_arm,
    clippy::match_wildcard_for_single_variants,
    reason = "a new event asks each fold"
)]

use chrono::{DateTime, Utc};
use runtime::kafka::{Cluster, Record};
use schemas::analytics::{LastEvent, Slice};
use schemas::{Event, Position, receipts};

use crate::closed::End;
use crate::cursor::Until;
use crate::fault::Fault;
use crate::fold::{Arrival, WindowFold};
use crate::log::Log;
use crate::reader::{TopicReader, Watch};

/// The receipts of consecutive windows.
pub(crate) struct Slices {
    reader: TopicReader,
    /// Where the next window's slices begin.
    starts: Vec<End>,
    /// The high watermarks, taken after the last window's end and grace.
    horizon: Vec<i64>,
}

impl Slices {
    /// The receipts from `starts` on.
    pub(crate) fn open(
        cluster: &Cluster,
        log: &Log,
        starts: Vec<End>,
        horizon: Vec<i64>,
    ) -> Result<Self, Fault> {
        let offsets: Vec<_> = starts.iter().map(|start| start.offset).collect();
        let reader = TopicReader::open(cluster, log, &offsets)?;
        Ok(Self { reader, starts, horizon })
    }

    /// When the first receipt of all was appended, if there is one.
    pub(crate) fn first_arrival(&mut self, watch: &Watch) -> Result<Option<DateTime<Utc>>, Fault> {
        self.reader.earliest(&self.horizon, watch)
    }

    /// The next window's slices and what is in them.
    pub(crate) fn next(
        &mut self,
        window_end: DateTime<Utc>,
        watch: &Watch,
    ) -> Result<(Vec<Slice>, WindowFold), Fault> {
        let past = |record: &Record| record.appended_at >= window_end;
        let mut fold = WindowFold::default();
        let until = Until { horizon: &self.horizon, past: &past };
        let ends = self.reader.read(&until, &mut |record| count(&mut fold, record), watch)?;
        let ends = ends.into_iter().zip(self.reader.last_events());
        let slice = |((partition, start), (end, last)): ((i32, &End), (i64, Option<LastEvent>))| Slice {
            partition,
            start: start.offset,
            end,
            last: last.or(start.last),
        };
        let slices: Vec<_> = (0..).zip(&self.starts).zip(ends).map(slice).collect();
        self.starts = slices.iter().map(End::of).collect();
        Ok((slices, fold))
    }
}

/// Adds a record of the receipts topic to its window.
///
/// # Errors
/// Where a newer Till wrote it.
pub(crate) fn count(fold: &mut WindowFold, record: &Record) -> Result<(), Fault> {
    let Position { partition, offset, .. } = record.position;
    let arrival = Arrival { appended_at: record.appended_at, partition, offset };
    let Some(Event::Receipts(event)) = record.event()? else { return Ok(()) };
    match event {
        receipts::Event::ReceiptRecorded(event) => fold.record(event, arrival),
        receipts::Event::ReceiptVoided(event) => fold.void(event, arrival),
    }
    Ok(())
}

//! What `till.analytics` says: the windows that are closed and the running totals.

#![deny(
    clippy::wildcard_enum_match_arm,
    clippy::match_wildcard_for_single_variants,
    reason = "a new event asks each fold"
)]

use std::collections::BTreeMap;

use runtime::kafka::{Cluster, Ends, LastRead, Record};
use schemas::analytics::{self, HOURS_KEY, HourClosed, LastEvent, PlaceHourComputed, Slice};
use schemas::{Event, partition_of};

use crate::cursor::Until;
use crate::fault::Fault;
use crate::figures::Figures;
use crate::log::Log;
use crate::reader::{TopicReader, Watch, index};
use crate::window::Window;

/// Where a partition's slice ended: there the next begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) offset: i64,
    /// The last receipt counted, where it is known.
    pub(crate) last: Option<LastEvent>,
}

impl End {
    pub(crate) const fn of(slice: &Slice) -> Self {
        Self { offset: slice.end, last: slice.last }
    }
}

/// The last closed window and where its slices ended, one end of each partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Last {
    pub(crate) window: Window,
    pub(crate) ends: Vec<End>,
}

/// A fold of `till.analytics`, kept up with its end.
pub(crate) struct ClosedWindows {
    log: Log,
    cluster: Cluster,
    asker: Ends,
    reader: Option<TopicReader>,
    /// Folded up to here, and the last event folded of each partition.
    ends: Vec<End>,
    pub(crate) folded: Folded,
}

/// What the events of the closed windows add up to.
#[derive(Default)]
pub(crate) struct Folded {
    pub(crate) figures: Figures,
    pub(crate) last: Option<Last>,
    /// Events of windows that are not closed yet, by partition and offset. They are the halves of a transaction whose
    /// other half was not read yet; or of one that a late commit has torn, and then the window is worked out again.
    open: BTreeMap<(i32, i64), PlaceHourComputed>,
}

impl ClosedWindows {
    /// A fold at the topic's beginning, which has read nothing yet.
    pub(crate) fn new(cluster: &Cluster, log: Log) -> Self {
        let asker = Ends::new(cluster);
        let ends = vec![End::default(); index(log.partitions)];
        let cluster = cluster.clone();
        Self { log, cluster, asker, reader: None, ends, folded: Folded::default() }
    }

    /// Folds on to the end of the topic as it is at this moment. After a producer has fenced all others of
    /// its transactional id, that is everything they ever appended.
    pub(crate) fn catch_up(&mut self, watch: &Watch) -> Result<(), Fault> {
        // Where Kafka is away, the reader is dropped: librdkafka queues its complaints until somebody polls, and nobody will.
        let horizon = self.log.high_watermarks(&self.asker).inspect_err(|_| self.reader = None)?;
        let starts: Vec<_> = self.ends.iter().map(|end| end.offset).collect();
        if horizon == starts {
            return Ok(());
        }
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => TopicReader::open(&self.cluster, &self.log, &starts)?,
        };
        let is_first = starts.iter().all(|start| *start == 0);
        if is_first {
            // The windows' partition is read first. Places wait in memory until their window is closed; read side by side, a
            // whole history of places would wait.
            let mut horizon_of_hours = starts;
            let home = index(partition_of(HOURS_KEY.as_bytes(), self.log.partitions));
            horizon_of_hours[home] = horizon[home];
            self.read(&mut reader, &horizon_of_hours, watch)?;
        }
        self.read(&mut reader, &horizon, watch)?;
        // A reader that failed is not kept: the next begins where the last whole reading ended, and what is
        // folded twice changes nothing.
        self.reader = Some(reader);
        if is_first {
            let until = self.folded.last.as_ref().map(|last| last.window.end.to_rfc3339());
            tracing::info!(places = self.folded.figures.places(), until, "folded the closed windows");
        }
        Ok(())
    }

    fn read(&mut self, reader: &mut TopicReader, horizon: &[i64], watch: &Watch) -> Result<(), Fault> {
        let Self { log, folded, .. } = self;
        let until = Until { horizon, past: &|_| false };
        let ends = reader.read(&until, &mut |record| folded.take(log, record), watch)?;
        for ((known, offset), last) in self.ends.iter_mut().zip(ends).zip(reader.last_events()) {
            *known = End { offset, last: last.or(known.last) };
        }
        Ok(())
    }

    /// The last events that were folded. In another log, others stand in their places.
    pub(crate) fn last_read(&self) -> Vec<LastRead> {
        last_read(&self.log, &self.ends)
    }
}

/// The last events before these ends, as [`runtime::kafka::difference`] compares them.
pub(crate) fn last_read(log: &Log, ends: &[End]) -> Vec<LastRead> {
    let last = |(partition, end): (i32, &End)| {
        let LastEvent { offset, event_id } = end.last?;
        Some(LastRead { topic: log.kind, partition, offset, event_id })
    };
    (0..).zip(ends).filter_map(last).collect()
}

impl Folded {
    fn take(&mut self, log: &Log, record: &Record) -> Result<(), Fault> {
        let Some(Event::Analytics(event)) = record.event()? else { return Ok(()) };
        match event {
            analytics::Event::PlaceHourComputed(event) => {
                self.compute((record.position.partition, record.position.offset), event);
                Ok(())
            }
            analytics::Event::HourClosed(event) => self.close(log, event),
        }
    }

    /// Takes a place's figures in, or lets them wait for their window to be closed: what no closed window counts is no
    /// figure.
    fn compute(&mut self, place: (i32, i64), event: &PlaceHourComputed) {
        if self.last.as_ref().is_some_and(|last| event.window_end <= last.window.end) {
            self.figures.apply(event);
        } else {
            self.open.insert(place, event.clone());
        }
    }

    fn close(&mut self, log: &Log, event: &HourClosed) -> Result<(), Fault> {
        let window = Window { start: event.window_start, end: event.window_end };
        let slices = slices(log, event)?;
        if self.last.as_ref().is_some_and(|last| last.window.end >= window.end) {
            // The window was folded before: a reading that failed half way is repeated.
            return Ok(());
        }
        let joins = self.last.as_ref().is_none_or(|last| {
            let ends = last.ends.iter().map(|end| end.offset);
            last.window.end == window.start && slices.iter().map(|slice| slice.start).eq(ends)
        });
        if !joins {
            return Err(Fault::Inconsistent(format!("window {window} does not join the window before")));
        }
        self.last = Some(Last { window, ends: slices.iter().map(End::of).collect() });
        let Self { figures, open, .. } = self;
        open.retain(|_, place| {
            let is_open = place.window_end > window.end;
            if !is_open {
                figures.apply(place);
            }
            is_open
        });
        Ok(())
    }
}

/// An event's slices in the order of partitions: one of each.
pub(crate) fn slices(log: &Log, event: &HourClosed) -> Result<Vec<Slice>, Fault> {
    let mut slices = event.slices.clone();
    slices.sort_by_key(|slice| slice.partition);
    if slices.iter().map(|slice| slice.partition).eq(0..log.partitions) {
        return Ok(slices);
    }
    Err(Fault::Inconsistent(format!(
        "{} has a window of {} partitions, but TILL_PARTITIONS is {}: it must be the deployment's own",
        log.topic,
        slices.len(),
        log.partitions
    )))
}

#[cfg(test)]
mod tests;

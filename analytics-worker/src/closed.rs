//! What `till.analytics` says: the windows that are closed and the running totals.

use runtime::kafka::{Cluster, Ends};
use schemas::{Event, HourClosed, Slice};

use crate::cursor::{Record, Until};
use crate::fault::Fault;
use crate::figures::Figures;
use crate::reader::{Log, LogReader, Watch};
use crate::window::Window;

/// The last closed window and where its slices ended, one offset of each partition: there the next begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Last {
    pub(crate) window: Window,
    pub(crate) ends: Vec<i64>,
}

/// A fold of `till.analytics`, kept up with its end.
pub(crate) struct ClosedWindows {
    log: Log,
    cluster: Cluster,
    asker: Ends,
    reader: Option<LogReader>,
    /// Folded up to here.
    ends: Vec<i64>,
    pub(crate) figures: Figures,
    pub(crate) last: Option<Last>,
}

impl ClosedWindows {
    /// Nothing folded yet.
    pub(crate) fn new(cluster: &Cluster, log: Log) -> Self {
        let asker = Ends::new(cluster);
        let ends = vec![0; usize::try_from(log.partitions).unwrap_or_default()];
        let cluster = cluster.clone();
        Self { log, cluster, asker, reader: None, ends, figures: Figures::default(), last: None }
    }

    /// Folds on to the end of the topic as it is at this moment. After a producer has fenced all others of
    /// its transactional id, that is everything they ever appended.
    pub(crate) fn catch_up(&mut self, watch: &Watch) -> Result<(), Fault> {
        // Without Kafka, a reader that nobody polls would only pile up complaints.
        let horizon = self.log.high_watermarks(&self.asker).inspect_err(|_| self.reader = None)?;
        if horizon == self.ends {
            return Ok(());
        }
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => LogReader::open(&self.cluster, &self.log, &self.ends)?,
        };
        let is_first = self.ends.iter().all(|end| *end == 0);
        let Self { log, figures, last, .. } = self;
        let until = Until { horizon: &horizon, past: &|_| false };
        self.ends = reader.read(&until, &mut |record| apply(log, figures, last, record), watch)?;
        // A reader that failed is not kept: the next begins where the last whole reading ended, and what is
        // folded twice changes nothing.
        self.reader = Some(reader);
        if is_first {
            let until = self.last.as_ref().map(|last| last.window.end.to_rfc3339());
            tracing::info!(places = self.figures.places(), until, "folded the closed windows");
        }
        Ok(())
    }
}

fn apply(log: &Log, figures: &mut Figures, last: &mut Option<Last>, record: &Record) -> Result<(), Fault> {
    match record.event(log)? {
        Some(Event::PlaceHourComputed(event)) => figures.apply(event),
        Some(Event::HourClosed(event)) => close(log, last, event)?,
        _ => {}
    }
    Ok(())
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

fn close(log: &Log, last: &mut Option<Last>, event: &HourClosed) -> Result<(), Fault> {
    let window = Window { start: event.window_start, end: event.window_end };
    let slices = slices(log, event)?;
    if last.as_ref().is_some_and(|last| last.window.end >= window.end) {
        // Seen before: a reading that had failed half way is repeated.
        return Ok(());
    }
    let joins = last.as_ref().is_none_or(|last| {
        last.window.end == window.start
            && slices.iter().map(|slice| slice.start).eq(last.ends.iter().copied())
    });
    if !joins {
        return Err(Fault::Inconsistent(format!("window {window} does not join the window before")));
    }
    *last = Some(Last { window, ends: slices.iter().map(|slice| slice.end).collect() });
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use schemas::Topic;

    use super::*;

    fn minute(number: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(number * 60, 0).unwrap()
    }

    /// The window of a minute, with slices of two partitions.
    fn hour(number: i64, slices: [(i64, i64); 2]) -> HourClosed {
        let slices = (0..2).zip(slices);
        HourClosed {
            window_start: minute(number),
            window_end: minute(number + 1),
            slices: slices.map(|(partition, (start, end))| Slice { partition, start, end }).rev().collect(),
            recorded: 0,
            voided: 0,
            places: 0,
        }
    }

    fn log() -> Log {
        Log { kind: Topic::Analytics, topic: "till.analytics".into(), partitions: 2 }
    }

    #[test]
    fn the_last_window_is_where_the_next_slices_begin() {
        let mut last = None;
        close(&log(), &mut last, &hour(1, [(0, 5), (0, 0)])).unwrap();
        close(&log(), &mut last, &hour(2, [(5, 5), (0, 7)])).unwrap();
        let window = Window { start: minute(2), end: minute(3) };
        assert_eq!(last, Some(Last { window, ends: vec![5, 7] }));
    }

    #[test]
    fn a_window_read_again_changes_nothing() {
        let mut last = None;
        close(&log(), &mut last, &hour(1, [(0, 5), (0, 0)])).unwrap();
        close(&log(), &mut last, &hour(2, [(5, 5), (0, 7)])).unwrap();
        let before = last.clone();
        close(&log(), &mut last, &hour(1, [(0, 5), (0, 0)])).unwrap();
        assert_eq!(last, before);
    }

    #[test]
    fn windows_that_do_not_join_are_refused() {
        let faulty = [
            ("a gap between windows", hour(3, [(5, 6), (0, 7)])),
            ("a gap between slices", hour(2, [(6, 7), (0, 7)])),
            ("receipts counted twice", hour(2, [(4, 6), (0, 7)])),
        ];
        for (fault, second) in faulty {
            let mut last = None;
            close(&log(), &mut last, &hour(1, [(0, 5), (0, 0)])).unwrap();
            let closed = close(&log(), &mut last, &second);
            assert!(matches!(closed, Err(Fault::Inconsistent(_))), "{fault}");
        }
        let of_another_deployment = Log { partitions: 3, ..log() };
        assert!(close(&of_another_deployment, &mut None, &hour(1, [(0, 5), (0, 0)])).is_err());
    }
}

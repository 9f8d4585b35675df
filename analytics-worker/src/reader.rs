//! Reading the partitions of one topic side by side, each up to a place of its own.
//!
//! Only records of committed transactions are seen. Where a partition's reading ends is an offset; the next
//! reading begins there, so that every record is visited exactly once however often readings end.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use runtime::kafka::{Cluster, Isolation, LogError, LogReader};
use runtime::server::Readiness;
use schemas::analytics::LastEvent;
use tokio_util::sync::CancellationToken;

use crate::cursor::{Cursor, Until, Visit};
use crate::fault::Fault;
use crate::log::Log;

/// How long a poll waits. A marker of a transaction ends no poll, so positions are asked for this often.
const POLL: Duration = Duration::from_millis(5);
/// Records of partitions that are ahead of the others wait in memory up to here, for all partitions together.
const HELD_MAX_BYTES: usize = 4 << 20;
/// Without progress this long, readiness says so.
const SLOW: Duration = Duration::from_secs(5);
/// Without progress this long, the reading is given up and begun anew.
const STALLED: Duration = Duration::from_secs(60);

/// What a reading asks now and then: whether to stop, and whom to tell that it waits.
#[derive(Clone)]
pub(crate) struct Watch {
    pub(crate) shutdown: CancellationToken,
    pub(crate) readiness: Readiness,
}

/// Reads a topic from given offsets on.
pub(crate) struct TopicReader {
    log: Log,
    reader: LogReader,
    cursors: Vec<Cursor>,
    /// The partitions that are so far ahead that they get no more.
    paused: HashSet<i32>,
}

impl TopicReader {
    /// A reader that begins at `starts`, one of each partition.
    pub(crate) fn open(cluster: &Cluster, log: &Log, starts: &[i64]) -> Result<Self, Fault> {
        let opening = Fault::kafka("opening a reader");
        let reader = LogReader::new(cluster, &log.prefix, Isolation::Committed).map_err(&opening)?;
        let positions = (0..).zip(starts).map(|(partition, start)| ((log.kind, partition), *start));
        reader.add(positions).map_err(&opening)?;
        let cursors = (0..).zip(starts).map(|(partition, start)| Cursor::at(partition, *start)).collect();
        Ok(Self { log: log.clone(), reader, cursors, paused: HashSet::new() })
    }

    /// Visits the records of each partition in order, up to and without the first that is past, and returns
    /// where each partition's reading ended: at that record, or at the horizon.
    ///
    /// Waits for transactions that are open below the horizon.
    pub(crate) fn read(&mut self, until: &Until, visit: Visit, watch: &Watch) -> Result<Vec<i64>, Fault> {
        self.check_horizon(until.horizon)?;
        self.visit_held(until, visit)?;
        let mut progress = Progress { positions: 0, since: Instant::now() };
        loop {
            self.settle(until.horizon)?;
            if self.cursors.iter().all(Cursor::has_ended) {
                return Ok(self.cursors.iter_mut().filter_map(Cursor::finish).collect());
            }
            self.poll(until, visit)?;
            self.check(&mut progress, until.horizon, watch)?;
        }
    }

    /// When the earliest of the partitions' next records was appended; `None` without records below the horizon.
    pub(crate) fn earliest(
        &mut self,
        horizon: &[i64],
        watch: &Watch,
    ) -> Result<Option<DateTime<Utc>>, Fault> {
        self.read(&Until { horizon, past: &|_| true }, &mut |_| Ok(()), watch)?;
        let arrivals = self.cursors.iter().zip(horizon);
        Ok(arrivals.filter_map(|(cursor, horizon)| cursor.next_arrival(*horizon)).min())
    }

    /// The last record that was visited of each partition.
    pub(crate) fn last_events(&self) -> impl Iterator<Item = Option<LastEvent>> {
        self.cursors.iter().map(Cursor::last)
    }

    fn check_horizon(&self, horizon: &[i64]) -> Result<(), Fault> {
        for ((partition, cursor), end) in (0..).zip(&self.cursors).zip(horizon) {
            let (position, end) = (cursor.begin(), *end);
            if end < position {
                return Err(Fault::Truncated { topic: self.log.topic.clone(), partition, end, position });
            }
        }
        Ok(())
    }

    fn visit_held(&mut self, until: &Until, visit: Visit) -> Result<(), Fault> {
        for (partition, cursor) in (0..).zip(&mut self.cursors) {
            cursor.visit_held(until, visit)?;
            if cursor.held().0 == 0 && self.paused.remove(&partition) {
                let resumed = self.reader.resume(self.log.kind, partition);
                resumed.map_err(Fault::kafka("resuming a partition"))?;
            }
        }
        Ok(())
    }

    /// Ends the partitions that are read up to their horizon.
    fn settle(&mut self, horizon: &[i64]) -> Result<(), Fault> {
        let positions = self.reader.positions().map_err(Fault::kafka("asking for positions"))?;
        for ((_, partition), position) in positions {
            self.cursors[index(partition)].pass(position);
        }
        for (cursor, horizon) in self.cursors.iter_mut().zip(horizon) {
            cursor.settle(*horizon);
        }
        Ok(())
    }

    /// Takes what comes, until nothing comes for a moment or it is time to settle.
    fn poll(&mut self, until: &Until, visit: Visit) -> Result<(), Fault> {
        let started = Instant::now();
        let Self { log, reader, cursors, paused } = self;
        while started.elapsed() < POLL {
            let message = match reader.poll(POLL) {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(LogError::Passing(error)) => {
                    tracing::debug!(kafka.topic = log.topic, %error, "reading goes on when the broker is back");
                    continue;
                }
                Err(error) => return Err(Fault::Log(error)),
            };
            let partition = message.position().partition;
            let cursor = &mut cursors[index(partition)];
            cursor.take(message.record(), until, visit)?;
            let share = HELD_MAX_BYTES / until.horizon.len();
            if cursor.held().1 >= share && paused.insert(partition) {
                reader.pause(log.kind, partition).map_err(Fault::kafka("pausing a partition"))?;
            }
        }
        Ok(())
    }

    fn check(&self, progress: &mut Progress, horizon: &[i64], watch: &Watch) -> Result<(), Fault> {
        if watch.shutdown.is_cancelled() {
            return Err(Fault::Stopped);
        }
        let positions = self.cursors.iter().map(Cursor::position).sum();
        if positions != progress.positions {
            *progress = Progress { positions, since: Instant::now() };
        }
        if progress.since.elapsed() < SLOW {
            return Ok(());
        }
        let waiting = (0..).zip(&self.cursors).find(|(_, cursor)| !cursor.has_ended());
        let Some((partition, cursor)) = waiting else { return Ok(()) };
        let fault = Fault::Stalled {
            topic: self.log.topic.clone(),
            partition,
            position: cursor.position(),
            horizon: horizon[index(partition)],
        };
        watch.readiness.set_waiting(fault.to_string());
        if progress.since.elapsed() < STALLED { Ok(()) } else { Err(fault) }
    }
}

struct Progress {
    positions: i64,
    since: Instant,
}

/// The index of a partition in a list that has one entry a partition.
pub(crate) fn index(partition: i32) -> usize {
    usize::try_from(partition).expect("partitions count from 0")
}

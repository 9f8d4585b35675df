//! Closing windows, each exactly once, among any number of replicas.
//!
//! A turn folds `till.analytics` to its end, and where windows are due adds up their slices, takes the
//! transactional id, asks the log again whether they are still open, and appends them. What the log says is
//! the only state: after any error the next turn begins from there.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use runtime::kafka::{self, BULK_TRANSACTION_TIMEOUT, Cluster, Ends, RecordWriter};
use schemas::analytics::{HourClosed, Slice};
use schemas::codec::Framing;
use schemas::{Event, Topic};
use uuid::Uuid;

use crate::append::{Size, Writer};
use crate::clock::Clock;
use crate::closed::{ClosedWindows, End, Last, last_read};
use crate::fault::Fault;
use crate::fold::WindowFold;
use crate::journal::Journal;
use crate::log::Log;
use crate::parts;
use crate::reader::Watch;
use crate::settings::Settings;
use crate::slice::Slices;
use crate::window::{Ticks, Window};

/// Between windows the log is asked this often whether Kafka is there and what other replicas did.
const IDLE: Duration = Duration::from_secs(5);
/// Between two looks while the log has no receipt at all: the first one decides which window is the first.
const IDLE_WITHOUT_RECEIPTS: Duration = Duration::from_secs(1);
/// Windows without receipts that go out in one transaction, at most.
const EMPTY_WINDOWS_MAX: usize = 1_000;
const BACK_OFF_MIN: Duration = Duration::from_millis(200);
const BACK_OFF_MAX: Duration = Duration::from_secs(5);
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// One replica of the worker.
pub(crate) struct Worker {
    cluster: Cluster,
    receipts: Log,
    analytics: Log,
    topic_prefix: String,
    transactional_id: String,
    records: RecordWriter,
    ticks: Ticks,
    grace: Duration,
    watch: Watch,
    closed: ClosedWindows,
    asker: Ends,
    journal: Journal,
    clock: Clock,
    /// The window of the first receipt, until a window is closed.
    first: Option<Window>,
    /// The logs were found to be those that were read, and nothing has failed since.
    verified: bool,
    /// A transaction of this replica may be open, or half of one visible, until the id is fenced anew.
    unfinished: bool,
    /// Transactions in a row that the broker ended because they took too long.
    overlong: u32,
}

/// Windows that go out in one transaction: some without receipts, then at most one with.
struct Batch {
    /// What was closed before the first of them.
    after: Option<Last>,
    empty: Vec<HourClosed>,
    full: Option<(HourClosed, WindowFold)>,
    last: Last,
    started: Instant,
    /// Just before the ends of the receipts were asked for, which were to be of after the last window.
    asked: Instant,
}

/// The moment that decides which windows are due.
#[derive(Clone, Copy)]
struct Due {
    now: DateTime<Utc>,
    /// Just before the ends of the receipts were asked for.
    asked: Instant,
}

impl Worker {
    pub(crate) fn new(settings: &Settings, framing: Framing, watch: Watch) -> Result<Self, String> {
        let common = &settings.common;
        let log = |topic| Log::new(topic, common);
        let cluster = Cluster::new(common);
        let asker = Ends::new(&cluster);
        let closed = ClosedWindows::new(&cluster, log(Topic::Analytics));
        Ok(Self {
            receipts: log(Topic::Receipts),
            analytics: log(Topic::Analytics),
            topic_prefix: common.topic_prefix.clone(),
            transactional_id: format!("{}-hourly", common.topic_prefix),
            records: RecordWriter::new(&common.topic_prefix, framing),
            ticks: settings.own.ticks()?,
            grace: settings.own.grace(),
            cluster,
            watch,
            closed,
            asker,
            journal: Journal::new(&settings.own.contracts),
            clock: Clock::default(),
            first: None,
            verified: false,
            unfinished: false,
            overlong: 0,
        })
    }

    /// Works until shutdown. It blocks, so it needs a thread of its own.
    pub(crate) fn run(mut self, threads: &tokio::runtime::Handle) {
        let mut back_off = BACK_OFF_MIN;
        while !self.watch.shutdown.is_cancelled() {
            let pause = match self.turn() {
                Ok(pause) => {
                    back_off = BACK_OFF_MIN;
                    pause
                }
                Err(Fault::Stopped) => break,
                Err(Fault::Overtaken) => {
                    tracing::info!("another replica is closing windows: standing back");
                    // Its fencing has ended this replica's transaction too.
                    self.unfinished = false;
                    stand_back()
                }
                Err(fault @ Fault::NotOver { .. }) => {
                    tracing::warn!(%fault, "windows end by the broker's clock: set this machine's right");
                    BACK_OFF_MIN
                }
                Err(fault) => {
                    self.tell(&fault, back_off);
                    self.forget_if_lost(&fault);
                    let pause = back_off;
                    back_off = (back_off * 2).min(BACK_OFF_MAX);
                    pause
                }
            };
            let shutdown = self.watch.shutdown.cancelled();
            // Whether the pause or the process ends, the loop's condition decides what comes next.
            let _ = threads.block_on(async { tokio::time::timeout(pause, shutdown).await });
        }
    }

    fn tell(&mut self, fault: &Fault, retry: Duration) {
        tracing::warn!(error = %fault, retry_ms = retry.as_millis(), "beginning again from the log");
        self.watch.readiness.set_waiting(fault.to_string());
        self.verified = false;
        if matches!(fault, Fault::Overlong { .. }) {
            self.overlong += 1;
        }
        if self.overlong > 1 {
            tracing::error!(
                times = self.overlong,
                "no window is closed any more: the broker is too slow for the figures of one window. Look at the brokers; a TILL_ANALYTICS_SCHEDULE of shorter windows makes the next ones smaller"
            );
        }
    }

    /// Closes what is due and says how long there is nothing to do.
    fn turn(&mut self) -> Result<Duration, Fault> {
        if self.unfinished {
            // Without a fence, readers of committed events would wait for a transaction that nobody ends.
            self.fence()?;
            self.unfinished = false;
        }
        self.closed.catch_up(&self.watch)?;
        let Some(next) = self.next_window()? else {
            self.watch.readiness.set_ready();
            return Ok(IDLE_WITHOUT_RECEIPTS);
        };
        // Before the high watermarks are asked for: they must be from after the last due window's grace.
        let due = Due { now: self.clock.now(), asked: Instant::now() };
        let is_due = next.is_due(due.now, self.grace);
        if is_due || !self.verified {
            self.verify()?;
        }
        if is_due {
            self.close_due(next, due)?;
            return Ok(Duration::ZERO);
        }
        self.watch.readiness.set_ready();
        Ok(next.due_in(due.now, self.grace).min(IDLE))
    }

    /// Reads again what was read last of both logs: one that lost its tail, or was made anew, has something else there.
    fn verify(&mut self) -> Result<(), Fault> {
        let reading = Fault::kafka("reading the last events again");
        let ends = self.closed.folded.last.as_ref().map_or(&[][..], |last| &last.ends);
        let logs =
            [(&self.analytics, self.closed.last_read()), (&self.receipts, last_read(&self.receipts, ends))];
        for (log, last_read) in logs {
            let found = kafka::difference(&self.cluster, &self.topic_prefix, &last_read).map_err(&reading)?;
            if let Some(difference) = found {
                return Err(Fault::AnotherLog { topic: log.topic.clone(), difference });
            }
        }
        self.verified = true;
        Ok(())
    }

    fn fence(&self) -> Result<Writer, Fault> {
        Writer::fence(&self.cluster, &self.transactional_id, &self.analytics, &self.records)
    }

    /// The window after the last closed one; the first of all is the one the first receipt arrived in.
    fn next_window(&mut self) -> Result<Option<Window>, Fault> {
        if let Some(last) = &self.closed.folded.last {
            return Ok(self.ticks.following(last.window.end));
        }
        if self.first.is_none() {
            let horizon = self.receipts.high_watermarks(&self.asker)?;
            if horizon.iter().all(|end| *end == 0) {
                return Ok(None);
            }
            let starts = vec![End::default(); horizon.len()];
            let mut slices = Slices::open(&self.cluster, &self.receipts, starts, horizon)?;
            let arrival = slices.first_arrival(&self.watch)?;
            self.first = arrival.and_then(|arrival| self.ticks.containing(arrival));
        }
        Ok(self.first)
    }

    fn close_due(&mut self, first: Window, due: Due) -> Result<(), Fault> {
        let Due { now, .. } = due;
        let horizon = self.receipts.high_watermarks(&self.asker)?;
        let last = self.closed.folded.last.as_ref();
        let starts = last.map_or_else(|| vec![End::default(); horizon.len()], |last| last.ends.clone());
        let mut slices = Slices::open(&self.cluster, &self.receipts, starts, horizon)?;
        let mut writer = None;
        let mut next = Some(first);
        let mut progress = Instant::now();
        while let Some(window) = next.filter(|window| window.is_due(now, self.grace)) {
            self.tell_if_behind(window, now, &mut progress);
            let batch = self.gather(window, due, &mut slices)?;
            let last = batch.last.window;
            writer = self.append(batch, writer)?;
            next = self.ticks.following(last.end);
        }
        Ok(())
    }

    fn tell_if_behind(&self, window: Window, now: DateTime<Utc>, progress: &mut Instant) {
        let missed = self.ticks.following(window.end).is_some_and(|next| next.is_due(now, self.grace));
        if !missed {
            return;
        }
        let behind_s = (now - window.end).num_seconds();
        self.watch.readiness.set_waiting(format!("closing missed windows: at {window}, {behind_s} s behind"));
        if progress.elapsed() >= PROGRESS_EVERY {
            *progress = Instant::now();
            tracing::info!(%window, behind_s, "closing missed windows");
        }
    }

    /// Adds up due windows from `window` on, up to the first with receipts.
    fn gather(&self, window: Window, due: Due, slices: &mut Slices) -> Result<Batch, Fault> {
        let (after, started) = (self.closed.folded.last.clone(), Instant::now());
        let (mut window, mut empty) = (window, Vec::new());
        loop {
            let (parts, fold) = slices.next(window.end, &self.watch)?;
            let last = Last { window, ends: parts.iter().map(End::of).collect() };
            let hour = hour_closed(window, parts, &fold);
            let asked = due.asked;
            if !fold.is_empty() {
                return Ok(Batch { after, empty, full: Some((hour, fold)), last, started, asked });
            }
            empty.push(hour);
            let next = self.ticks.following(window.end).filter(|next| next.is_due(due.now, self.grace));
            let Some(next) = next.filter(|_| empty.len() < EMPTY_WINDOWS_MAX) else {
                return Ok(Batch { after, empty, full: None, last, started, asked });
            };
            window = next;
        }
    }

    /// Appends the batch if its windows are open still. Returns the writer, where it may be used again.
    fn append(&mut self, batch: Batch, writer: Option<Writer>) -> Result<Option<Writer>, Fault> {
        let mut writer = match writer {
            // A writer that is used again needs no look at the log. If another replica took the id since, this transaction
            // fails; else the log is as this replica left it.
            Some(writer) => writer,
            None => {
                self.expect_last(batch.after.as_ref())?;
                let writer = self.fence()?;
                self.expect_last(batch.after.as_ref())?;
                writer
            }
        };
        let (last, started, begun) = (batch.last.clone(), batch.started, Instant::now());
        self.unfinished = true;
        let closed = self.commit(batch, &mut writer).map_err(|fault| {
            let took = begun.elapsed();
            if took < BULK_TRANSACTION_TIMEOUT {
                return fault;
            }
            let Size { events, bytes } = writer.size;
            Fault::Overlong { window: last.window, events, bytes, took_s: took.as_secs() }
        })?;
        self.unfinished = false;
        self.overlong = 0;
        self.journal.note(closed.len());
        log_closed(&closed, started.elapsed());
        self.expect_last(Some(&last))?;
        Ok(Some(writer).filter(|writer| !writer.is_doubtful()))
    }

    /// The batch in one transaction, committed only where the broker's clock says that its windows are over: a
    /// receipt may come after this machine's does.
    fn commit(&mut self, batch: Batch, writer: &mut Writer) -> Result<Vec<HourClosed>, Fault> {
        let Batch { empty: mut closed, full, last: Last { window, .. }, asked, .. } = batch;
        writer.begin()?;
        for hour in &closed {
            writer.send(&Event::from(hour.clone()))?;
        }
        if let Some((mut hour, fold)) = full {
            for place in fold.into_places(window, &self.closed.folded.figures) {
                for part in parts::split(place) {
                    hour.parts += 1;
                    writer.send(&part.into())?;
                }
            }
            writer.send(&Event::from(hour.clone()))?;
            closed.push(hour);
        }
        let sighting = writer.deliver()?;
        if sighting.time_at(asked) < window.end {
            let ahead = Utc::now() - sighting.time_at(Instant::now());
            self.clock.correct(sighting);
            return Err(Fault::NotOver { window, ahead_s: ahead.num_seconds() });
        }
        self.clock.confirm(sighting);
        writer.commit()?;
        Ok(closed)
    }

    /// Folds the log to its end, which must be where this replica thinks it is.
    fn expect_last(&mut self, expected: Option<&Last>) -> Result<(), Fault> {
        self.closed.catch_up(&self.watch)?;
        if self.closed.folded.last.as_ref() == expected { Ok(()) } else { Err(Fault::Overtaken) }
    }

    /// Forgets what was folded of a log that is another one now.
    fn forget_if_lost(&mut self, fault: &Fault) {
        let (Fault::Truncated { topic, .. } | Fault::AnotherLog { topic, .. }) = fault else { return };
        self.first = None;
        if *topic == self.analytics.topic {
            self.closed = ClosedWindows::new(&self.cluster, self.analytics.clone());
        }
    }
}

fn hour_closed(window: Window, slices: Vec<Slice>, fold: &WindowFold) -> HourClosed {
    HourClosed {
        window_start: window.start,
        window_end: window.end,
        slices,
        recorded: fold.recorded,
        voided: fold.voided,
        places: fold.places(),
        // The parts are counted as they are sent, just before the window's own event.
        parts: 0,
    }
}

fn log_closed(closed: &[HourClosed], elapsed: Duration) {
    let [.., last] = closed else { return };
    let window = Window { start: last.window_start, end: last.window_end };
    if closed.len() > 1 {
        tracing::info!(windows = closed.len() - 1, from = %closed[0].window_start, to = %last.window_start, "windows without receipts closed");
    }
    let HourClosed { recorded, voided, places, parts, .. } = last;
    tracing::info!(%window, recorded, voided, places, parts, duration_ms = elapsed.as_millis(), "window closed");
}

/// A random pause, so that replicas that fenced each other try again one after the other.
fn stand_back() -> Duration {
    let (_, random) = Uuid::now_v7().as_u64_pair();
    Duration::from_millis(200 + random % 800)
}

//! Closing windows, each exactly once, among any number of replicas.
//!
//! A turn folds `till.analytics` to its end, and where windows are due adds up their slices, takes the
//! transactional id, asks the log again whether they are still open, and appends them. What the log says is
//! the only state: after any error the next turn begins from there.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use runtime::kafka::{Cluster, Ends};
use schemas::codec::Framing;
use schemas::{Event, HourClosed, Slice, Topic};
use uuid::Uuid;

use crate::append::Writer;
use crate::closed::{ClosedWindows, Last};
use crate::fault::Fault;
use crate::fold::WindowFold;
use crate::journal::Journal;
use crate::reader::{Log, Watch};
use crate::settings::Settings;
use crate::slice::Slices;
use crate::window::{Ticks, Window};

/// Between windows the log is asked this often whether Kafka is there and what other replicas did.
const IDLE: Duration = Duration::from_secs(5);
/// The log may get its first receipt at any time.
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
    transactional_id: String,
    framing: Framing,
    ticks: Ticks,
    grace: Duration,
    watch: Watch,
    closed: ClosedWindows,
    asker: Ends,
    journal: Journal,
    /// The window of the first receipt, until a window is closed.
    first: Option<Window>,
}

/// Windows that go out in one transaction: some without receipts, then at most one with.
struct Batch {
    /// What was closed before the first of them.
    after: Option<Last>,
    empty: Vec<HourClosed>,
    full: Option<(HourClosed, WindowFold)>,
    last: Last,
    started: Instant,
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
            transactional_id: format!("{}-hourly", common.topic_prefix),
            framing,
            ticks: settings.own.ticks()?,
            grace: settings.own.grace(),
            cluster,
            watch,
            closed,
            asker,
            journal: Journal::new(common),
            first: None,
        })
    }

    /// Works until shutdown. Blocks: a thread of its own.
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
                    stand_back()
                }
                Err(fault) => {
                    tracing::warn!(error = %fault, retry_ms = back_off.as_millis(), "beginning again from the log");
                    self.watch.readiness.set_waiting(fault.to_string());
                    self.forget_if_lost(&fault);
                    let pause = back_off;
                    back_off = (back_off * 2).min(BACK_OFF_MAX);
                    pause
                }
            };
            let shutdown = self.watch.shutdown.cancelled();
            // Either way the loop's condition decides.
            let _ = threads.block_on(async { tokio::time::timeout(pause, shutdown).await });
        }
    }

    /// Closes what is due and says how long there is nothing to do.
    fn turn(&mut self) -> Result<Duration, Fault> {
        self.closed.catch_up(&self.watch)?;
        let Some(next) = self.next_window()? else {
            self.watch.readiness.set_ready();
            return Ok(IDLE_WITHOUT_RECEIPTS);
        };
        // Before the high watermarks are asked for: they must be from after the last due window's grace.
        let now = Utc::now();
        if next.is_due(now, self.grace) {
            self.close_due(next, now)?;
            return Ok(Duration::ZERO);
        }
        self.watch.readiness.set_ready();
        Ok(next.due_in(now, self.grace).min(IDLE))
    }

    /// The window after the last closed one; the first of all is the one the first receipt arrived in.
    fn next_window(&mut self) -> Result<Option<Window>, Fault> {
        if let Some(last) = &self.closed.last {
            return Ok(self.ticks.following(last.window.end));
        }
        if self.first.is_none() {
            let horizon = self.receipts.high_watermarks(&self.asker)?;
            if horizon.iter().all(|end| *end == 0) {
                return Ok(None);
            }
            let starts = vec![0; horizon.len()];
            let mut slices = Slices::open(&self.cluster, &self.receipts, starts, horizon)?;
            let arrival = slices.first_arrival(&self.watch)?;
            self.first = arrival.and_then(|arrival| self.ticks.containing(arrival));
        }
        Ok(self.first)
    }

    fn close_due(&mut self, first: Window, now: DateTime<Utc>) -> Result<(), Fault> {
        let horizon = self.receipts.high_watermarks(&self.asker)?;
        let starts =
            self.closed.last.as_ref().map_or_else(|| vec![0; horizon.len()], |last| last.ends.clone());
        let mut slices = Slices::open(&self.cluster, &self.receipts, starts, horizon)?;
        let mut writer = None;
        let mut next = Some(first);
        let mut progress = Instant::now();
        while let Some(window) = next.filter(|window| window.is_due(now, self.grace)) {
            self.tell_if_behind(window, now, &mut progress);
            let batch = self.gather(window, now, &mut slices)?;
            let last = batch.last.window;
            self.append(batch, &mut writer)?;
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
    fn gather(&self, window: Window, now: DateTime<Utc>, slices: &mut Slices) -> Result<Batch, Fault> {
        let (after, started) = (self.closed.last.clone(), Instant::now());
        let (mut window, mut empty) = (window, Vec::new());
        loop {
            let (parts, fold) = slices.next(window.end, &self.watch)?;
            let last = Last { window, ends: parts.iter().map(|slice| slice.end).collect() };
            let hour = hour_closed(window, parts, &fold);
            if !fold.is_empty() {
                return Ok(Batch { after, empty, full: Some((hour, fold)), last, started });
            }
            empty.push(hour);
            let next = self.ticks.following(window.end).filter(|next| next.is_due(now, self.grace));
            let Some(next) = next.filter(|_| empty.len() < EMPTY_WINDOWS_MAX) else {
                return Ok(Batch { after, empty, full: None, last, started });
            };
            window = next;
        }
    }

    /// Appends the batch if its windows are open still.
    fn append(&mut self, batch: Batch, writer: &mut Option<Writer>) -> Result<(), Fault> {
        let Batch { after, empty, full, last, started } = batch;
        let writer = match writer {
            // Nobody took the id since, or the transaction will fail: the log is as this replica left it.
            Some(writer) => writer,
            None => {
                self.expect_last(after.as_ref())?;
                let fenced =
                    Writer::fence(&self.cluster, &self.transactional_id, &self.analytics, &self.framing)?;
                self.expect_last(after.as_ref())?;
                writer.insert(fenced)
            }
        };
        let closed: Vec<_> =
            empty.iter().cloned().chain(full.as_ref().map(|(hour, _)| hour.clone())).collect();
        let events = empty.into_iter().map(Event::from).chain(full.into_iter().flat_map(|(hour, fold)| {
            let places = fold.into_events(last.window, &self.closed.figures).map(Event::from);
            places.chain([Event::from(hour)])
        }));
        writer.append(events)?;
        self.journal.note(closed.len());
        log_closed(&closed, started.elapsed());
        self.expect_last(Some(&last))
    }

    /// Folds the log to its end, which must be where this replica thinks it is.
    fn expect_last(&mut self, expected: Option<&Last>) -> Result<(), Fault> {
        self.closed.catch_up(&self.watch)?;
        if self.closed.last.as_ref() == expected { Ok(()) } else { Err(Fault::Overtaken) }
    }

    /// A log that is shorter than it was is another log: what was folded of it is worth nothing.
    fn forget_if_lost(&mut self, fault: &Fault) {
        let Fault::Truncated { topic, .. } = fault else { return };
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
    }
}

fn log_closed(closed: &[HourClosed], elapsed: Duration) {
    let [.., last] = closed else { return };
    let window = Window { start: last.window_start, end: last.window_end };
    if closed.len() > 1 {
        tracing::info!(windows = closed.len() - 1, from = %closed[0].window_start, to = %last.window_start, "windows without receipts closed");
    }
    let HourClosed { recorded, voided, places, .. } = last;
    tracing::info!(%window, recorded, voided, places, duration_ms = elapsed.as_millis(), "window closed");
}

/// Replicas that fenced each other try again one after the other.
fn stand_back() -> Duration {
    let (_, random) = Uuid::now_v7().as_u64_pair();
    Duration::from_millis(200 + random % 800)
}

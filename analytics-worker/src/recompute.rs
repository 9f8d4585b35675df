//! Working the figures out again from the slices on record, and comparing them with the figures on record.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use runtime::kafka::{Cluster, Ends, Record};
use schemas::analytics::{self, HOURS_KEY, HourClosed, PlaceHourComputed, Slice};
use schemas::record::Reading;
use schemas::{Event, Topic, partition_of};
use serde_json::Value;

use crate::closed::slices;
use crate::cursor::Until;
use crate::fault::Fault;
use crate::figures::Figures;
use crate::fold::WindowFold;
use crate::log::Log;
use crate::parts;
use crate::reader::{TopicReader, Watch};
use crate::settings::Settings;
use crate::slice::count;
use crate::window::Window;

/// More differences are counted, but not printed.
const PRINTED_MAX: usize = 200;
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// The windows to compare: those that begin at or after `from` and end at or before `to`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Range {
    pub(crate) from: Option<DateTime<Utc>>,
    pub(crate) to: Option<DateTime<Utc>>,
}

/// How much was compared, and in how much it differed.
#[derive(Debug, Default)]
pub(crate) struct Report {
    windows: usize,
    recorded: i64,
    voided: i64,
    places: usize,
    /// How many figures differ; with 0 the figures on record are what the receipts say.
    pub(crate) differences: usize,
}

/// Compares the windows of a range, printing each difference.
///
/// # Errors
/// Where Kafka cannot be read.
pub(crate) fn recompute(settings: &Settings, range: Range, watch: Watch) -> Result<Report, Fault> {
    let mut recomputation = Recomputation::begin(settings, range, watch)?;
    let started = Instant::now();
    let mut progress = Instant::now();
    while let Some(hour) = recomputation.hours.pop_front() {
        recomputation.compare(&hour)?;
        if progress.elapsed() >= PROGRESS_EVERY {
            progress = Instant::now();
            let Report { windows, recorded, .. } = recomputation.report;
            let left = recomputation.hours.len();
            eprintln!("{windows} windows compared, {left} left, {recorded} receipts");
        }
    }
    let report = recomputation.report;
    print_summary(&report, started.elapsed());
    Ok(report)
}

struct Recomputation {
    cluster: Cluster,
    receipts: TopicReader,
    receipts_log: Log,
    analytics: TopicReader,
    analytics_horizon: Vec<i64>,
    /// What is left to compare, oldest first.
    hours: VecDeque<HourClosed>,
    /// The window before the next.
    before: Option<HourClosed>,
    /// Running totals: up to the range those on record, from there on those worked out here.
    figures: Figures,
    watch: Watch,
    report: Report,
}

impl Recomputation {
    fn begin(settings: &Settings, range: Range, watch: Watch) -> Result<Self, Fault> {
        let common = &settings.common;
        let (receipts_log, analytics_log) =
            (Log::new(Topic::Receipts, common), Log::new(Topic::Analytics, common));
        let cluster = Cluster::new(common);
        let asker = Ends::new(&cluster);
        let (before, hours) = closed_in(&cluster, &analytics_log, &asker, range, &watch)?;
        let zeros = vec![0; usize::try_from(common.partitions).unwrap_or_default()];
        let starts = before.as_ref().map_or_else(|| zeros.clone(), |hour| ends(&hour.slices));
        // The end is asked for after the windows were read, so that all events of their places are below it.
        let analytics_horizon = analytics_log.high_watermarks(&asker)?;
        let mut recomputation = Self {
            receipts: TopicReader::open(&cluster, &receipts_log, &starts)?,
            receipts_log,
            analytics: TopicReader::open(&cluster, &analytics_log, &zeros)?,
            cluster,
            analytics_horizon,
            figures: Figures::default(),
            hours,
            watch,
            report: Report::default(),
            before: None,
        };
        if let Some(before) = before {
            recomputation.fold_recorded(before.window_end)?;
            recomputation.before = Some(before);
        }
        Ok(recomputation)
    }

    /// Takes the running totals on record as they were at `end`.
    fn fold_recorded(&mut self, end: DateTime<Utc>) -> Result<(), Fault> {
        let figures = &mut self.figures;
        let until = Until { horizon: &self.analytics_horizon, past: &|record| is_later(record, end) };
        let mut visit = |record: &Record| {
            if let Some(Event::Analytics(analytics::Event::PlaceHourComputed(event))) = record.event()? {
                figures.apply(event);
            }
            Ok(())
        };
        self.analytics.read(&until, &mut visit, &self.watch).map(drop)
    }

    fn compare(&mut self, hour: &HourClosed) -> Result<(), Fault> {
        let window = Window { start: hour.window_start, end: hour.window_end };
        if !self.compare_chain(window, hour) {
            let starts: Vec<_> = hour.slices.iter().map(|slice| slice.start).collect();
            self.receipts = TopicReader::open(&self.cluster, &self.receipts_log, &starts)?;
        }
        let fold = self.fold_slices(hour)?;
        self.compare_last_events(window, hour);
        let recorded = self.recorded_parts(window)?;
        self.compare_hour(window, hour, &fold, recorded.len());
        let computed: Vec<_> = fold.into_places(window, &self.figures).collect();
        self.compare_places(window, &computed, recorded);
        for event in &computed {
            self.figures.apply(event);
        }
        self.report.windows += 1;
        self.report.recorded += hour.recorded;
        self.report.voided += hour.voided;
        self.report.places += computed.len();
        self.before = Some(hour.clone());
        Ok(())
    }

    /// Windows and slices must join: a gap would be receipts that no window counts. `false` where they do not.
    fn compare_chain(&mut self, window: Window, hour: &HourClosed) -> bool {
        let starts: Vec<_> = hour.slices.iter().map(|slice| slice.start).collect();
        let joins = match &self.before {
            Some(before) => before.window_end == hour.window_start && ends(&before.slices) == starts,
            None => starts.iter().all(|start| *start == 0),
        };
        if !joins {
            self.differ(&format!("{window}: its slices do not begin where the window before ended"));
        }
        joins
    }

    fn fold_slices(&mut self, hour: &HourClosed) -> Result<WindowFold, Fault> {
        let mut fold = WindowFold::default();
        let until = Until { horizon: &ends(&hour.slices), past: &|_| false };
        self.receipts.read(&until, &mut |record| count(&mut fold, record), &self.watch)?;
        Ok(fold)
    }

    /// The last record of each slice must be the one that was counted last: else the log is another one.
    fn compare_last_events(&mut self, window: Window, hour: &HourClosed) {
        let found: Vec<_> = self.receipts.last_events().collect();
        for (slice, found) in hour.slices.iter().zip(found) {
            let Some(last) = slice.last.filter(|last| last.offset >= slice.start) else { continue };
            if found != Some(last) {
                let (partition, offset) = (slice.partition, last.offset);
                self.differ(&format!(
                    "{window}: the event {} at offset {offset} of partition {partition} is not there any more",
                    last.event_id
                ));
            }
        }
    }

    /// The figures on record of the window, which is the earliest not read yet.
    fn recorded_parts(&mut self, window: Window) -> Result<Vec<PlaceHourComputed>, Fault> {
        let mut parts = BTreeMap::new();
        let until = Until { horizon: &self.analytics_horizon, past: &|record| is_later(record, window.end) };
        let mut visit = |record: &Record| {
            if let Some(Event::Analytics(analytics::Event::PlaceHourComputed(event))) = record.event()? {
                note(&mut parts, event);
            }
            Ok(())
        };
        self.analytics.read(&until, &mut visit, &self.watch)?;
        Ok(parts.into_values().collect())
    }

    fn compare_hour(&mut self, window: Window, hour: &HourClosed, fold: &WindowFold, events: usize) {
        let events = i64::try_from(events).unwrap_or(i64::MAX);
        if hour.events() != events {
            self.differ(&format!(
                "{window}: {} events of places were counted, {events} are on record",
                hour.events()
            ));
        }
        let pairs = [
            ("recorded", hour.recorded, fold.recorded),
            ("voided", hour.voided, fold.voided),
            ("places", hour.places, fold.places()),
        ];
        for (name, on_record, computed) in pairs {
            if on_record != computed {
                self.differ(&format!(
                    "{window}: {name} is {on_record} on record, {computed} by its receipts"
                ));
            }
        }
    }

    fn compare_places(
        &mut self,
        window: Window,
        computed: &[PlaceHourComputed],
        recorded: Vec<PlaceHourComputed>,
    ) {
        let mut parts_of = BTreeMap::<_, Vec<_>>::new();
        for part in recorded {
            parts_of.entry(part.place_id.clone()).or_default().push(part);
        }
        let mut on_record = BTreeMap::new();
        for (place_id, parts) in parts_of {
            match parts::join(parts) {
                Some(whole) => drop(on_record.insert(place_id, whole)),
                None => {
                    self.differ(&format!("{window} place {place_id}: its parts on record are not one whole"));
                }
            }
        }
        for event in computed {
            match on_record.remove(&event.place_id) {
                None => self.differ(&format!("{window} place {}: not on record", event.place_id)),
                Some(known) if known == *event => {}
                Some(known) => {
                    let name = format!("{window} place {}", event.place_id);
                    let (known, event) = (Event::from(known).to_json(), Event::from(event.clone()).to_json());
                    let mut found = Vec::new();
                    differences("", &known, &event, &mut found);
                    found.into_iter().for_each(|difference| self.differ(&format!("{name}: {difference}")));
                }
            }
        }
        for place_id in on_record.into_keys() {
            self.differ(&format!("{window} place {place_id}: on record, but without receipts"));
        }
    }

    fn differ(&mut self, difference: &str) {
        self.report.differences += 1;
        if self.report.differences <= PRINTED_MAX {
            println!("{difference}");
        }
    }
}

/// The closed windows of a range, oldest first, and the last one before it.
fn closed_in(
    cluster: &Cluster,
    log: &Log,
    asker: &Ends,
    range: Range,
    watch: &Watch,
) -> Result<(Option<HourClosed>, VecDeque<HourClosed>), Fault> {
    let horizon = log.high_watermarks(asker)?;
    // Closed windows are all in one partition. In the others, the reading begins at their end, so nothing of them is read.
    let home = usize::try_from(partition_of(HOURS_KEY.as_bytes(), log.partitions)).unwrap_or_default();
    let starts: Vec<_> = (0..).zip(&horizon).map(|(at, end)| if at == home { 0 } else { *end }).collect();
    let (mut before, mut hours) = (None, VecDeque::new());
    let mut visit = |record: &Record| {
        if let Some(Event::Analytics(analytics::Event::HourClosed(hour))) = record.event()? {
            let mut hour = hour.clone();
            hour.slices = slices(log, &hour)?;
            if range.from.is_some_and(|from| hour.window_start < from) {
                before = Some(hour);
            } else if range.to.is_none_or(|to| hour.window_end <= to) {
                hours.push_back(hour);
            }
        }
        Ok(())
    };
    let until = Until { horizon: &horizon, past: &|_| false };
    TopicReader::open(cluster, log, &starts)?.read(&until, &mut visit, watch)?;
    Ok((before, hours))
}

/// Keeps the last event of each place and part. A torn transaction leaves some events of a window, which is then worked out
/// again, and its later events count.
fn note(parts: &mut BTreeMap<(String, i32), PlaceHourComputed>, event: &PlaceHourComputed) {
    parts.insert((event.place_id.clone(), event.part), event.clone());
}

fn ends(slices: &[Slice]) -> Vec<i64> {
    slices.iter().map(|slice| slice.end).collect()
}

fn is_later(record: &Record, end: DateTime<Utc>) -> bool {
    match &record.reading {
        Ok(Reading::Event(Event::Analytics(analytics::Event::PlaceHourComputed(event)))) => {
            event.window_end > end
        }
        Ok(Reading::Event(Event::Analytics(analytics::Event::HourClosed(event)))) => event.window_end > end,
        _ => false,
    }
}

/// Every field that differs, by JSON pointer.
fn differences(pointer: &str, on_record: &Value, computed: &Value, found: &mut Vec<String>) {
    match (on_record, computed) {
        (Value::Object(known), Value::Object(new)) if known.keys().eq(new.keys()) => {
            for (key, value) in known {
                differences(&format!("{pointer}/{key}"), value, &new[key], found);
            }
        }
        (Value::Array(known), Value::Array(new)) if known.len() == new.len() => {
            for (at, value) in known.iter().enumerate() {
                differences(&format!("{pointer}/{at}"), value, &new[at], found);
            }
        }
        (known, new) if known != new => {
            found.push(format!("{pointer} is {known} on record, {new} by its receipts"));
        }
        _ => {}
    }
}

fn print_summary(report: &Report, elapsed: Duration) {
    let Report { windows, recorded, voided, places, differences } = report;
    if *differences > PRINTED_MAX {
        println!("... and {} differences more", differences - PRINTED_MAX);
    }
    println!("windows      {windows:>12}");
    println!("recorded     {recorded:>12}");
    println!("voided       {voided:>12}");
    println!("place-hours  {places:>12}");
    println!("differences  {differences:>12}");
    println!("seconds      {:>12.1}", elapsed.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_field_that_differs_is_named() {
        let known =
            json!({"sums": {"purchases": 2, "total_amount": "3.00"}, "categories": [{"quantity": 1}]});
        let new = json!({"sums": {"purchases": 2, "total_amount": "3.01"}, "categories": [{"quantity": 2}]});
        let mut found = Vec::new();
        differences("", &known, &new, &mut found);
        assert_eq!(
            found,
            [
                "/categories/0/quantity is 1 on record, 2 by its receipts",
                "/sums/total_amount is \"3.00\" on record, \"3.01\" by its receipts"
            ]
        );
        found.clear();
        differences("", &known, &known, &mut found);
        assert!(found.is_empty());
    }
}

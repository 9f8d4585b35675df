use chrono::{DateTime, Utc};
use schemas::analytics::Sums;
use schemas::{Money, Topic};

use super::*;

fn minute(number: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(number * 60, 0).unwrap()
}

/// The window of a minute, with slices of two partitions.
fn hour(number: i64, slices: [(i64, i64); 2]) -> HourClosed {
    let slices = (0..2).zip(slices);
    let slice = |(partition, (start, end))| Slice { partition, start, end, last: None };
    HourClosed {
        window_start: minute(number),
        window_end: minute(number + 1),
        slices: slices.map(slice).rev().collect(),
        recorded: 0,
        voided: 0,
        places: 0,
        parts: 0,
    }
}

/// A place's figures of the window of a minute.
fn place(number: i64, running: i64) -> PlaceHourComputed {
    PlaceHourComputed {
        window_start: minute(number),
        window_end: minute(number + 1),
        place_id: "011".into(),
        place_name: "Corner".into(),
        recorded: 1,
        voided: 0,
        sums: Sums { purchases: 1, ..Sums::default() },
        average_receipt: Money::ZERO,
        categories: Vec::new(),
        running: Sums { purchases: running, ..Sums::default() },
        part: 0,
        parts: 1,
    }
}

fn log() -> Log {
    Log { kind: Topic::Analytics, prefix: "till".into(), topic: "till.analytics".into(), partitions: 2 }
}

fn ends(offsets: [i64; 2]) -> Vec<End> {
    offsets.map(|offset| End { offset, last: None }).into()
}

#[test]
fn the_last_window_is_where_the_next_slices_begin() {
    let mut folded = Folded::default();
    folded.close(&log(), &hour(1, [(0, 5), (0, 0)])).unwrap();
    folded.close(&log(), &hour(2, [(5, 5), (0, 7)])).unwrap();
    let window = Window { start: minute(2), end: minute(3) };
    assert_eq!(folded.last, Some(Last { window, ends: ends([5, 7]) }));
}

#[test]
fn a_window_read_again_changes_nothing() {
    let mut folded = Folded::default();
    folded.close(&log(), &hour(1, [(0, 5), (0, 0)])).unwrap();
    folded.close(&log(), &hour(2, [(5, 5), (0, 7)])).unwrap();
    let before = folded.last.clone();
    folded.close(&log(), &hour(1, [(0, 5), (0, 0)])).unwrap();
    assert_eq!(folded.last, before);
}

#[test]
fn windows_that_do_not_join_are_refused() {
    let faulty = [
        ("a gap between windows", hour(3, [(5, 6), (0, 7)])),
        ("a gap between slices", hour(2, [(6, 7), (0, 7)])),
        ("receipts counted twice", hour(2, [(4, 6), (0, 7)])),
    ];
    for (fault, second) in faulty {
        let mut folded = Folded::default();
        folded.close(&log(), &hour(1, [(0, 5), (0, 0)])).unwrap();
        let closed = folded.close(&log(), &second);
        assert!(matches!(closed, Err(Fault::Inconsistent(_))), "{fault}");
    }
    let of_another_deployment = Log { partitions: 3, ..log() };
    assert!(Folded::default().close(&of_another_deployment, &hour(1, [(0, 5), (0, 0)])).is_err());
}

#[test]
fn a_places_figures_count_with_their_closed_window_only() {
    let mut folded = Folded::default();
    folded.compute((0, 1), &place(1, 1));
    assert_eq!(folded.figures.running("011"), Sums::default(), "its window is open");
    folded.close(&log(), &hour(1, [(0, 5), (0, 0)])).unwrap();
    assert_eq!(folded.figures.running("011").purchases, 1);
    // A torn transaction: a place of the next window, without the event that closes it.
    folded.compute((0, 3), &place(2, 2));
    assert_eq!(
        folded.figures.running("011").purchases,
        1,
        "else the window, worked out again, would count it twice"
    );
    // The window as it is worked out again, and closed before its place is read.
    folded.close(&log(), &hour(2, [(5, 9), (0, 0)])).unwrap();
    folded.compute((0, 6), &place(2, 3));
    assert_eq!(folded.figures.running("011").purchases, 3);
    assert!(folded.open.is_empty());
}

#[test]
fn what_is_read_again_after_a_failed_reading_waits_once() {
    let mut folded = Folded::default();
    for _ in 0..3 {
        folded.compute((1, 7), &place(1, 1));
    }
    assert_eq!(folded.open.len(), 1);
}

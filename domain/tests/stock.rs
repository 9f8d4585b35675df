//! Stocks: the rules as given, when and then.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so")]

mod memory;
mod shop;

use domain::catalogue::ProductChange;
use domain::stock::Rejection;
use domain::{Command, Decision};
use memory::Memory;
use schemas::stock::Event as StockEvent;
use schemas::{Event, Qty};
use shop::*;

/// The event of a stock that a command happened as.
fn of_stock(till: &mut Memory, command: impl Into<Command>) -> StockEvent {
    match happened(till.when(command)) {
        Event::Stock(event) => event,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stock_that_was_never_counted_has_nothing() {
    let mut till = Memory::default();
    assert_eq!(available(&till, &product(1)), Qty::ZERO);
    assert!(matches!(
        of_stock(&mut till, reserve(&product(1), &order(1), 1, 1)),
        StockEvent::StockRefused(_)
    ));
}

#[test]
fn the_whole_quantity_is_reserved_or_nothing() {
    let mut till = till(3);
    let reserved = of_stock(&mut till, reserve(&product(1), &order(1), 1, 2));
    assert!(matches!(reserved, StockEvent::StockReserved(event) if event.available == pieces(1)));
    let refused = of_stock(&mut till, reserve(&product(1), &order(2), 1, 2));
    assert!(matches!(refused, StockEvent::StockRefused(event) if event.available == pieces(1)));
    assert_eq!(available(&till, &product(1)), pieces(1));
    of_stock(&mut till, reserve(&product(1), &order(3), 1, 1));
    assert_eq!(available(&till, &product(1)), Qty::ZERO);
}

#[test]
fn the_last_piece_of_a_product_that_keeps_one_is_not_reserved() {
    let mut till = till(2);
    till.when(change(&product(1), ProductChange { keep_one: Some(true), ..ProductChange::default() }))
        .unwrap();
    assert!(matches!(
        of_stock(&mut till, reserve(&product(1), &order(1), 1, 2)),
        StockEvent::StockRefused(_)
    ));
    assert!(matches!(
        of_stock(&mut till, reserve(&product(1), &order(2), 1, 1)),
        StockEvent::StockReserved(_)
    ));
    assert!(matches!(
        of_stock(&mut till, reserve(&product(1), &order(3), 1, 1)),
        StockEvent::StockRefused(_)
    ));
}

#[test]
fn a_line_that_asks_again_gets_its_first_answer() {
    let mut till = till(1);
    for (line, wanted) in [(1, 1), (2, 1)] {
        let first = happened(till.when(reserve(&product(1), &order(1), line, wanted)));
        let once = till.clone();
        match till.when(reserve(&product(1), &order(1), line, wanted)) {
            Ok(Decision::Already(position)) => assert_eq!(event_at(&till, position), first),
            other => panic!("{other:?}"),
        }
        assert_eq!(till, once);
    }
}

#[test]
fn a_line_that_was_refused_stays_refused_when_there_is_more() {
    let mut till = till(0);
    till.when(reserve(&product(1), &order(1), 1, 1)).unwrap();
    till.when(adjust(&product(1), 5)).unwrap();
    assert!(is_known(&till, reserve(&product(1), &order(1), 1, 1)));
    assert_eq!(available(&till, &product(1)), pieces(5));
}

#[test]
fn what_is_released_can_be_reserved_by_others_and_comes_back_once() {
    let mut till = till(1);
    till.when(reserve(&product(1), &order(1), 1, 1)).unwrap();
    till.when(release(&product(1), &order(1), 1)).unwrap();
    assert_eq!(available(&till, &product(1)), pieces(1));
    assert!(is_known(&till, release(&product(1), &order(1), 1)));
    assert!(is_known(&till, reserve(&product(1), &order(1), 1, 1)), "it is not reserved for it again");
    assert!(matches!(
        of_stock(&mut till, reserve(&product(1), &order(2), 1, 1)),
        StockEvent::StockReserved(_)
    ));
}

#[test]
fn a_release_that_comes_before_its_reservation_is_kept_and_the_reservation_finds_it() {
    let mut till = till(1);
    let released = of_stock(&mut till, release(&product(1), &order(1), 1));
    assert!(matches!(released, StockEvent::StockReleased(event) if event.quantity == Qty::ZERO));
    assert!(is_known(&till, reserve(&product(1), &order(1), 1, 1)));
    assert_eq!(available(&till, &product(1)), pieces(1));
}

#[test]
fn a_refused_line_that_is_released_gives_nothing_back() {
    let mut till = till(0);
    till.when(reserve(&product(1), &order(1), 1, 1)).unwrap();
    assert!(is_known(&till, release(&product(1), &order(1), 1)));
    assert_eq!(available(&till, &product(1)), Qty::ZERO);
}

#[test]
fn a_count_of_a_revision_that_is_not_newer_changes_nothing() {
    let mut till = till(5);
    till.when(reserve(&product(1), &order(1), 1, 1)).unwrap();
    assert!(is_known(&till, count(&product(1), 5, 1)), "told twice");
    till.when(count(&product(1), 9, 3)).unwrap();
    assert!(is_known(&till, count(&product(1), 7, 2)), "told late");
    assert_eq!(available(&till, &product(1)), pieces(9));
}

#[test]
fn a_stock_is_adjusted_by_a_difference_and_never_below_nothing() {
    let mut till = till(2);
    till.when(adjust(&product(1), -2)).unwrap();
    assert!(is_refused(&till, adjust(&product(1), -1), Rejection::Short));
    assert!(is_refused(&till, adjust(&product(1), 10_000_000_000), Rejection::TooMuch));
    assert!(is_refused(&till, adjust(&product(2), 1), Rejection::NotCounted));
    assert!(is_refused(&till, adjust(&product(3), 1), Rejection::Unknown));
}

#[test]
fn an_adjustment_under_the_same_idempotency_id_happens_once() {
    let mut till = till(2);
    let command = domain::stock::AdjustStock { asked: keyed(7, 1), ..adjust(&product(1), -1) };
    till.when(command.clone()).unwrap();
    assert!(is_known(&till, command.clone()));
    let other = domain::stock::AdjustStock { asked: keyed(7, 2), ..command };
    assert!(is_refused(&till, other, Rejection::IdempotencyKeyReused));
    assert_eq!(available(&till, &product(1)), pieces(1));
}

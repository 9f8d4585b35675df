use chrono::DateTime;
use proptest::prelude::*;
use schemas::receipts::Item;

use super::*;
use crate::figures::CategoryRunning;
use crate::parts;

const WINDOW: Window = Window { start: DateTime::UNIX_EPOCH, end: DateTime::UNIX_EPOCH };

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

fn at(millis: i64) -> Arrival {
    Arrival { appended_at: DateTime::from_timestamp_millis(millis).unwrap(), partition: 0, offset: millis }
}

fn item(category: &str, quantity: i64, price: &str) -> Item {
    Item { product_id: "p".into(), quantity, price: money(price), category: category.into() }
}

fn receipt(place_id: &str, place_name: &str, total: &str, items: Vec<Item>) -> Receipt {
    Receipt {
        transaction_id: "t".into(),
        occurred_at: DateTime::UNIX_EPOCH,
        items,
        total_amount: money(total),
        tax_amount: money("0.30"),
        tips_amount: money("1.00"),
        payment_method: "card".into(),
        place_id: place_id.into(),
        place_name: place_name.into(),
    }
}

fn recorded(receipt: Receipt) -> ReceiptRecorded {
    ReceiptRecorded { receipt, totals_match: true, recorded_by: "till".into(), fingerprint: vec![1] }
}

fn voided(receipt: Receipt) -> ReceiptVoided {
    ReceiptVoided { receipt, reason: "mistake".into(), voided_by: "admin".into() }
}

fn sums(purchases: i64, total: &str, tax: &str, tips: &str) -> Sums {
    let (total_amount, tax_amount, tips_amount) = (money(total), money(tax), money(tips));
    Sums { purchases, total_amount, tax_amount, tips_amount, ..Sums::default() }
}

#[test]
fn a_places_receipts_add_up_and_voided_ones_are_taken_out() {
    let tea = receipt("011", "Corner", "5.01", vec![item("tea", 2, "1.50"), item("cake", 1, "2.01")]);
    let cake = receipt("011", "Corner", "2.01", vec![item("cake", 1, "2.01")]);
    let mut fold = WindowFold::default();
    fold.record(&recorded(tea.clone()), at(1));
    fold.record(&recorded(tea), at(2));
    fold.record(&recorded(cake.clone()), at(3));
    fold.void(&voided(cake), at(4));
    assert_eq!((fold.recorded, fold.voided, fold.places()), (3, 1, 1));

    let events: Vec<_> = fold.into_places(WINDOW, &Figures::default()).collect();
    let category = |name: &str, quantity, amount: &str| CategorySums {
        category: name.into(),
        quantity,
        amount: money(amount),
        running_quantity: quantity,
        running_amount: money(amount),
        thousandths: 0,
        running_thousandths: 0,
    };
    let expected = PlaceHourComputed {
        window_start: WINDOW.start,
        window_end: WINDOW.end,
        place_id: "011".into(),
        place_name: "Corner".into(),
        recorded: 3,
        voided: 1,
        sums: sums(2, "10.02", "0.60", "2.00"),
        average_receipt: money("5.01"),
        categories: vec![category("cake", 2, "4.02"), category("tea", 4, "6.00")],
        running: sums(2, "10.02", "0.60", "2.00"),
        part: 0,
        parts: 1,
    };
    assert_eq!(events, [expected]);
}

#[test]
fn a_void_of_an_earlier_window_makes_the_window_negative_and_the_running_total_right() {
    let sold = receipt("011", "Corner", "3.00", vec![item("tea", 2, "1.50")]);
    let mut figures = Figures::default();
    let mut first = WindowFold::default();
    first.record(&recorded(sold.clone()), at(1));
    first.into_places(WINDOW, &figures).collect::<Vec<_>>().iter().for_each(|event| figures.apply(event));
    let mut second = WindowFold::default();
    second.void(&voided(sold), at(2));

    let events: Vec<_> = second.into_places(WINDOW, &figures).collect();
    assert_eq!(events[0].sums.purchases, -1);
    assert_eq!(events[0].sums.total_amount, -money("3.00"));
    assert_eq!(events[0].average_receipt, Money::ZERO);
    assert_eq!(events[0].running, Sums::default());
    assert_eq!((events[0].categories[0].quantity, events[0].categories[0].running_quantity), (-2, 0));
    assert_eq!(events[0].categories[0].running_amount, Money::ZERO);
}

#[test]
fn the_name_is_the_latest_recorded_receipts_in_whatever_order_partitions_are_read() {
    let named = |name: &str| receipt("011", name, "1.00", vec![item("tea", 1, "1.00")]);
    let late = Arrival { partition: 3, ..at(20) };
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]] {
        let mut fold = WindowFold::default();
        for step in order {
            match step {
                0 => fold.record(&recorded(named("Old")), at(10)),
                1 => fold.record(&recorded(named("New")), late),
                _ => fold.void(&voided(named("Older")), at(30)),
            }
        }
        let events: Vec<_> = fold.into_places(WINDOW, &Figures::default()).collect();
        assert_eq!(events[0].place_name, "New", "{order:?}");
    }
}

#[test]
fn places_come_in_the_order_of_their_ids() {
    let mut fold = WindowFold::default();
    for place in ["b", "a", "ü", "c"] {
        fold.record(&recorded(receipt(place, place, "1.00", vec![item("tea", 1, "1.00")])), at(1));
    }
    let ids: Vec<_> = fold.into_places(WINDOW, &Figures::default()).map(|event| event.place_id).collect();
    assert_eq!(ids, ["a", "b", "c", "ü"]);
}

#[test]
fn a_receipt_of_absurd_quantities_stops_no_figure() {
    let absurd = receipt("011", "Corner", "1.00", vec![item("tea", i64::MAX, "9999999999.99")]);
    let mut figures = Figures::default();
    for _ in 0..2 {
        let mut fold = WindowFold::default();
        fold.record(&recorded(absurd.clone()), at(1));
        fold.record(&recorded(absurd.clone()), at(2));
        let events: Vec<_> = fold.into_places(WINDOW, &figures).collect();
        assert_eq!(events[0].categories[0].quantity, i64::MAX);
        assert_eq!(events[0].categories[0].amount.minor_units(), MONEY_MAX);
        events.iter().for_each(|event| figures.apply(event));
    }
    assert_eq!(figures.running("011"), sums(4, "4.00", "1.20", "4.00"));
    assert_eq!(figures.running_category("011", "tea").quantity, i64::MAX);
}

#[test]
fn a_place_may_have_hundreds_of_thousands_of_categories() {
    const CATEGORIES: u32 = 300_000;
    let mut figures = Figures::default();
    // Each comes before those already known. Where it were put in its place among them, this would take minutes.
    for chunk in (0..CATEGORIES).rev().collect::<Vec<_>>().chunks(1_000) {
        let items = chunk.iter().map(|number| item(&format!("{number:06}"), 1, "0.01")).collect();
        let mut fold = WindowFold::default();
        fold.record(&recorded(receipt("011", "Corner", "10.00", items)), at(1));
        fold.into_places(WINDOW, &figures).collect::<Vec<_>>().iter().for_each(|event| figures.apply(event));
    }
    let running = |number: u32| figures.running_category("011", &format!("{number:06}")).quantity;
    assert_eq!((0..CATEGORIES).map(running).sum::<i64>(), i64::from(CATEGORIES));
}

/// One event of a log: a receipt, and whether it is recorded or voided.
fn logged() -> impl Strategy<Value = (Receipt, bool)> {
    let items = prop::collection::vec((0..4_u8, 1..5_i64, 0..10_000_u32), 1..4);
    (0..3_u8, 0..100_000_u32, items, prop::bool::weighted(0.8)).prop_map(
        |(place, total, items, is_recorded)| {
            let items = items.iter().map(|(category, quantity, price)| {
                item(&format!("c{category}"), *quantity, &format!("{}.{:02}", price / 100, price % 100))
            });
            let total = format!("{}.{:02}", total / 100, total % 100);
            (receipt(&format!("{place}"), &format!("n{place}"), &total, items.collect()), is_recorded)
        },
    )
}

fn fold_of(log: &[(Receipt, bool)]) -> WindowFold {
    let mut fold = WindowFold::default();
    for (offset, (receipt, is_recorded)) in (0..).zip(log) {
        if *is_recorded {
            fold.record(&recorded(receipt.clone()), at(offset));
        } else {
            fold.void(&voided(receipt.clone()), at(offset));
        }
    }
    fold
}

/// The running totals after the windows a log is cut into, by place and by category.
fn running_after(log: &[(Receipt, bool)], cuts: &[usize]) -> Vec<(Sums, Vec<CategoryRunning>)> {
    let mut figures = Figures::default();
    let mut start = 0;
    for end in cuts.iter().copied().chain([log.len()]) {
        let events: Vec<_> = fold_of(&log[start..end]).into_places(WINDOW, &figures).collect();
        events.iter().for_each(|event| figures.apply(event));
        start = end;
    }
    let place = |place: u8| {
        let id = place.to_string();
        let categories = (0..4).map(|category| figures.running_category(&id, &format!("c{category}")));
        (figures.running(&id), categories.collect())
    };
    (0..3).map(place).collect()
}

proptest! {
    /// Folding [a, b) and then [b, c) is folding [a, c).
    #[test]
    fn running_totals_do_not_depend_on_where_windows_end(
        log in prop::collection::vec(logged(), 0..40),
        cuts in prop::collection::vec(0.0..1.0_f64, 0..5),
    ) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of at most 40")]
        let mut cuts: Vec<_> = cuts.iter().map(|cut| (log.len() as f64 * cut) as usize).collect();
        cuts.sort_unstable();
        prop_assert_eq!(running_after(&log, &cuts), running_after(&log, &[]));
    }

    /// Every figure adds up to every coarser one: a receipt's items to its categories, parts to their place, places to
    /// the window.
    #[test]
    fn figures_add_up(log in prop::collection::vec(logged(), 0..40)) {
        let signed = |is_recorded: &bool| if *is_recorded { 1 } else { -1 };
        let items = log.iter().flat_map(|(receipt, is_recorded)| receipt.items.iter().map(move |item| (item, signed(is_recorded))));
        let sold: i128 = items.map(|(item, sign)| i128::from(sign * item.quantity) * item.price.minor_units()).sum();
        let total: i128 =
            log.iter().map(|(receipt, is_recorded)| i128::from(signed(is_recorded)) * receipt.total_amount.minor_units()).sum();
        let fold = fold_of(&log);
        let (recorded, voided) = (fold.recorded, fold.voided);
        let parts: Vec<_> =
            fold.into_places(WINDOW, &Figures::default()).flat_map(parts::split).collect();
        let categories = parts.iter().flat_map(|part| &part.categories);
        prop_assert_eq!(categories.map(|sums| sums.amount.minor_units()).sum::<i128>(), sold);
        prop_assert_eq!(parts.iter().map(|part| part.sums.total_amount.minor_units()).sum::<i128>(), total);
        prop_assert_eq!(parts.iter().map(|part| part.recorded).sum::<i64>(), recorded);
        prop_assert_eq!(parts.iter().map(|part| part.voided).sum::<i64>(), voided);
        prop_assert_eq!(parts.iter().map(|part| part.sums.purchases).sum::<i64>(), recorded - voided);
    }

    /// A window's events do not depend on the order in which its records are read.
    #[test]
    fn figures_do_not_depend_on_the_order_of_reading(
        log in prop::collection::vec(logged(), 0..20).prop_shuffle(),
    ) {
        let forward = fold_of(&log);
        let mut backward = WindowFold::default();
        for (offset, (receipt, is_recorded)) in (0..).zip(&log).collect::<Vec<_>>().into_iter().rev() {
            if *is_recorded {
                backward.record(&recorded(receipt.clone()), at(offset));
            } else {
                backward.void(&voided(receipt.clone()), at(offset));
            }
        }
        let events = |fold: WindowFold| fold.into_places(WINDOW, &Figures::default()).collect::<Vec<_>>();
        prop_assert_eq!(events(forward), events(backward));
    }
}

//! Laws of the fold.

use proptest::prelude::*;
use schemas::orders::{OrderCancelled, OrderOpened, OrderPlaced, PaymentSettled, RefundSettled, Times};
use schemas::record::{Foreign, Reading};
use schemas::{Money, Qty, Topic};

use super::*;
use crate::log::record::Record;

const ZONE: Tz = Tz::America__Maceio;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn named(home: &str) -> Ref {
    Ref { home: home.into(), id: String::new() }
}

fn head(at: DateTime<Utc>) -> Head {
    Head { at, by: "till/1".into(), revision: 1, key: None, print: None }
}

/// What one piece of a product for 5.00 adds, as it is ordered.
fn share(seller: Option<&str>, product: &str, orders: i32) -> Share {
    Share {
        scope: "v1".into(),
        seller: seller.map(named),
        product: named(product),
        orders,
        quantity: Qty::from(1),
        sold: Money::from(5),
        approved: Money::ZERO,
        refunded: Money::ZERO,
    }
}

fn unsold(share: &Share) -> Share {
    Share { orders: -share.orders, quantity: -share.quantity, sold: -share.sold, ..share.clone() }
}

fn moved(share: &Share, approved: Money, refunded: Money) -> Share {
    Share { orders: 0, quantity: Qty::ZERO, sold: Money::ZERO, approved, refunded, ..share.clone() }
}

fn placed(order: &str, at: DateTime<Utc>, shares: Vec<Share>) -> Event {
    let event = OrderPlaced {
        head: head(at),
        order: named(order),
        scope: "v1".into(),
        rules: "v1".into(),
        stage: "placed".into(),
        buyer: None,
        fulfilment: "none".into(),
        currency: "BRL".into(),
        ship_to: None,
        lines: Vec::new(),
        total: Money::ZERO,
        payment: None,
        payment_status: "none".into(),
        times: Times::default(),
        shares,
        reserve: false,
        pay_now: false,
        cancel_at: None,
    };
    event.into()
}

fn cancelled(order: &str, at: DateTime<Utc>, shares: Vec<Share>) -> Event {
    let event = OrderCancelled {
        head: head(at),
        order: named(order),
        from: "placed".into(),
        stage: "cancelled".into(),
        reason: "staff".into(),
        note: None,
        payment_status: "cancelled".into(),
        shares,
        release: Vec::new(),
        cancel_payment: None,
        refund: None,
    };
    event.into()
}

fn paid(order: &str, at: DateTime<Utc>, shares: Vec<Share>) -> Event {
    let event = PaymentSettled {
        head: head(at),
        order: named(order),
        payment_id: "p".into(),
        provider_id: None,
        status: "approved".into(),
        amount: None,
        currency: None,
        code: String::new(),
        source: "staff".into(),
        said_at: None,
        at_rest: true,
        stage: "received".into(),
        payment_status: "approved".into(),
        times: Times::default(),
        shares,
        release: Vec::new(),
        refund: None,
        check_at: None,
    };
    event.into()
}

fn refunded(order: &str, at: DateTime<Utc>, shares: Vec<Share>) -> Event {
    let event = RefundSettled {
        head: head(at),
        order: named(order),
        payment_id: "p".into(),
        refund_id: "r".into(),
        status: "approved".into(),
        amount: Money::ZERO,
        provider_id: None,
        source: "staff".into(),
        code: String::new(),
        payment_status: "refunded".into(),
        shares,
    };
    event.into()
}

fn opened(order: &str) -> Event {
    let event = OrderOpened {
        head: head(DateTime::UNIX_EPOCH),
        order: named(order),
        scope: "v1".into(),
        rules: "v1".into(),
        stage: "open".into(),
        buyer: None,
        fulfilment: "none".into(),
        currency: "BRL".into(),
        ship_to: None,
    };
    event.into()
}

fn try_changes(events: &[Event]) -> Result<Changes, FoldError> {
    let record = Record {
        topic: Topic::Orders,
        partition: 0,
        offset: 0,
        recorded_at: DateTime::UNIX_EPOCH,
        key: Vec::new(),
        reading: Reading::Foreign(Foreign::Value(String::new())),
        bytes: 0,
        event_id: uuid::Uuid::nil(),
    };
    let folded: Vec<_> = events.iter().map(|event| EventRecord { record: &record, event }).collect();
    Changes::of(&folded, ZONE)
}

fn changes(events: &[Event]) -> Changes {
    try_changes(events).unwrap()
}

/// The figures of a seller, or of nobody.
fn figures<'c>(changes: &'c Changes, seller: &str) -> &'c Figures {
    let of = |account: &Account| account.seller.home == seller && account.scope == "v1";
    changes.accounts.iter().find(|(account, _)| of(account)).unwrap().1
}

fn sums(orders: i64, quantity: i64, sold: i64, approved: i64, refunded: i64) -> Sums {
    let [quantity, sold, approved, refunded] = [quantity, sold, approved, refunded].map(Decimal::from);
    Sums { orders, quantity, sold, approved, refunded }
}

#[test]
fn a_sale_counts_for_each_of_its_sellers_on_the_day_of_the_business_zone() {
    // 01:00 in London is 22:00 of the day before in Maceió.
    let shares = vec![
        share(Some("ann"), "pie", 1),
        share(Some("bob"), "tart", 1),
        share(Some("ann"), "cake", 0),
        share(Some("ann"), "pie", 0),
        share(None, "water", 1),
    ];
    let found = changes(&[opened("o"), placed("o", at("2024-05-02T01:00:00Z"), shares)]);
    let ann = figures(&found, "ann");
    assert_eq!(ann.totals, sums(1, 3, 15, 0, 0));
    let (day, of_day) = ann.days.first_key_value().unwrap();
    assert_eq!((day.to_string().as_str(), &of_day.sums), ("2024-05-01", &ann.totals));
    let products: Vec<_> =
        of_day.products.iter().map(|(product, sums)| (product.home.as_str(), sums.quantity)).collect();
    assert_eq!(products, [("cake", Decimal::ONE), ("pie", Decimal::TWO)]);
    assert_eq!(ann.entries[&named("o")].sums, ann.totals);
    assert_eq!(figures(&found, "bob").totals, sums(1, 1, 5, 0, 0));
    assert_eq!(figures(&found, "").totals, sums(1, 1, 5, 0, 0));
}

#[test]
fn a_sale_that_is_taken_back_counts_on_the_day_that_it_is_and_leaves_the_day_of_the_sale_alone() {
    let sold = share(Some("ann"), "pie", 1);
    let (may, june) = (at("2024-05-02T12:00:00Z"), at("2024-06-02T12:00:00Z"));
    let found = changes(&[
        placed("o", may, vec![sold.clone()]),
        paid("o", may, vec![moved(&sold, Money::from(5), Money::ZERO)]),
        cancelled("o", june, vec![unsold(&sold)]),
        refunded("o", june, vec![moved(&sold, Money::ZERO, Money::from(5))]),
        placed("p", june, vec![sold]),
    ]);
    let ann = figures(&found, "ann");
    let days: Vec<_> = ann.days.iter().map(|(day, of_day)| (day.to_string(), &of_day.sums)).collect();
    let expected =
        [("2024-05-02".to_owned(), &sums(1, 1, 5, 5, 0)), ("2024-06-02".to_owned(), &sums(0, 0, 0, 0, 5))];
    assert_eq!(days, expected);
    assert_eq!(ann.totals, sums(1, 1, 5, 5, 5));
    let entry = |order: &str| (ann.entries[&named(order)].at, &ann.entries[&named(order)].sums);
    assert_eq!(entry("o"), (may, &sums(0, 0, 0, 5, 5)));
    assert_eq!(entry("p"), (june, &sums(1, 1, 5, 0, 0)));
}

#[test]
fn a_scope_has_figures_of_its_own() {
    let other = Share { scope: "restaurant".into(), ..share(Some("ann"), "pie", 1) };
    let noon = at("2024-05-02T12:00:00Z");
    let found =
        changes(&[placed("o", noon, vec![share(Some("ann"), "pie", 1)]), placed("p", noon, vec![other])]);
    let scopes: Vec<_> = found.accounts.keys().map(|account| account.scope.as_str()).collect();
    assert_eq!(scopes, ["restaurant", "v1"]);
    // Two each of totals, days, products and entries.
    assert_eq!(found.rows, 8);
}

#[test]
fn sums_past_what_is_exact_are_refused_and_do_not_panic() {
    let huge = Share { sold: Money::from(Decimal::MAX), ..share(None, "pie", 1) };
    let event = placed("o", DateTime::UNIX_EPOCH, vec![huge.clone(), huge]);
    assert!(try_changes(&[event]).unwrap_err().is_deterministic());
}

#[test]
fn days_that_tables_cannot_hold_count_as_the_nearest_that_they_can() {
    let sold = || vec![share(None, "pie", 1)];
    let found = changes(&[
        placed("o", DateTime::<Utc>::MIN_UTC, sold()),
        placed("p", DateTime::<Utc>::MAX_UTC, sold()),
    ]);
    let days: Vec<_> = figures(&found, "").days.keys().map(NaiveDate::to_string).collect();
    assert_eq!(days, ["0001-01-01", "9999-12-31"]);
}

/// Orders of three sellers and some products, a part of which is taken back: events that any log may have.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let line = (0..4_usize, 0..3_usize);
    let order = (0..100_i64, prop::collection::vec(line, 1..5), any::<bool>(), 0..50_i64);
    prop::collection::vec(order, 1..20).prop_map(|all| all.iter().enumerate().flat_map(of_order).collect())
}

type Drawn = (i64, Vec<(usize, usize)>, bool, i64);

fn of_order((number, (hour, lines, is_cancelled, later)): (usize, &Drawn)) -> Vec<Event> {
    let order = format!("order {number}");
    let hours = |hours: i64| DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(hours);
    let seller = |seller: &usize| [None, Some("ann"), Some("bob"), Some("cleo")][*seller];
    let sold: Vec<_> = lines
        .iter()
        .enumerate()
        .map(|(line, (of, product))| {
            let is_first = lines[..line].iter().all(|(former, _)| former != of);
            share(seller(of), &format!("product {product}"), is_first.into())
        })
        .collect();
    let taken_back = sold.iter().map(unsold).collect();
    let mut events = vec![placed(&order, hours(*hour), sold)];
    if *is_cancelled {
        events.push(cancelled(&order, hours(hour + later), taken_back));
    }
    events
}

proptest! {
    #[test]
    fn the_order_of_partitions_does_not_matter(mut events in events(), turn in 0..40_usize) {
        let in_order = changes(&events);
        let middle = turn % events.len();
        events.rotate_left(middle);
        prop_assert_eq!(changes(&events), in_order);
    }

    #[test]
    fn totals_are_the_sums_of_days_products_and_entries(events in events()) {
        for figures in changes(&events).accounts.values() {
            let days = || figures.days.values();
            let sold = |sums: &mut dyn Iterator<Item = &Sums>| -> (i64, Decimal) {
                sums.fold((0, Decimal::ZERO), |(orders, sold), sums| (orders + sums.orders, sold + sums.sold))
            };
            let total = (figures.totals.orders, figures.totals.sold);
            prop_assert_eq!(sold(&mut days().map(|day| &day.sums)), total);
            prop_assert_eq!(sold(&mut days().flat_map(|day| day.products.values())), total);
            prop_assert_eq!(sold(&mut figures.entries.values().map(|entry| &entry.sums)), total);
        }
    }

    #[test]
    fn what_is_gathered_in_two_batches_is_what_is_gathered_in_one(events in events(), turn in 0..40_usize) {
        let (first, second) = events.split_at(turn % events.len());
        let sold = |changes: &Changes| -> BTreeMap<Account, Decimal> {
            changes.accounts.iter().map(|(account, figures)| (account.clone(), figures.totals.sold)).collect()
        };
        let mut added = sold(&changes(first));
        for (account, more) in sold(&changes(second)) {
            *added.entry(account).or_default() += more;
        }
        prop_assert_eq!(added, sold(&changes(&events)));
    }
}

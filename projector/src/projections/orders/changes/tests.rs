use chrono::TimeDelta;
use schemas::orders::{
    Held, OrderCancelled, OrderLineRemoved, OrderMoved, OrderRemoved, OrderStockReleased, OrderStockSettled,
    RefundRequested,
};
use schemas::{Qty, Ref};

use super::*;

const PLACE: Place<'static> = ("restaurant.004", "7");
const PAYMENT: &str = "p-1";

fn head(revision: i32) -> Head {
    let at = DateTime::UNIX_EPOCH + TimeDelta::seconds(revision.into());
    Head { at, by: "till/1".into(), revision, key: None, print: None }
}

fn order() -> Ref {
    Ref { home: PLACE.0.into(), id: PLACE.1.into() }
}

fn money(units: i64) -> Money {
    Money::from(units)
}

fn line(line: i32, counts_stock: bool) -> Line {
    Line {
        line,
        number: 0,
        product: Ref { home: PLACE.0.into(), id: "1".into() },
        revision: 1,
        seller: None,
        title: "Burger".into(),
        section: "burgers".into(),
        quantity: Qty::from(2),
        unit_price: money(5),
        discount: Money::ZERO,
        amount: money(10),
        note: None,
        counts_stock,
    }
}

/// An order of two lines, the second of which is reserved.
fn placed() -> Event {
    let buyer = Buyer { kind: "customer".into(), party: order(), subject: None };
    let payment = Payment {
        id: PAYMENT.into(),
        method: "cash".into(),
        provider: String::new(),
        amount: money(20),
        currency: "BRL".into(),
        card: None,
        provider_id: None,
    };
    Event::OrderPlaced(OrderPlaced {
        head: head(1),
        order: order(),
        scope: "restaurant".into(),
        rules: "restaurant".into(),
        stage: "placed".into(),
        buyer: Some(buyer),
        fulfilment: "kitchen".into(),
        currency: "BRL".into(),
        ship_to: None,
        lines: vec![line(1, false), line(2, true)],
        total: money(20),
        payment: Some(payment),
        payment_status: "none".into(),
        times: Times::default(),
        shares: Vec::new(),
        reserve: true,
        pay_now: false,
        cancel_at: None,
    })
}

fn settled() -> Event {
    Event::OrderStockSettled(OrderStockSettled {
        head: head(2),
        order: order(),
        stage: "received".into(),
        held: vec![Held { line: 2, number: 5 }],
        refused: Vec::new(),
        payment_status: "approved".into(),
        times: Times { received_at: Some(head(2).at), ..Times::default() },
        shares: Vec::new(),
        release: Vec::new(),
        pay_now: false,
    })
}

fn moved(revision: i32, stage: &str) -> Event {
    Event::OrderMoved(OrderMoved {
        head: head(revision),
        order: order(),
        from: "received".into(),
        stage: stage.into(),
        times: Times { received_at: Some(head(2).at), ..Times::default() },
        shares: Vec::new(),
        deliver: None,
    })
}

fn amended(revision: i32) -> Event {
    Event::OrderAmended(OrderAmended {
        head: head(revision),
        order: order(),
        stage: "ready".into(),
        buyer: None,
        times: Times::default(),
        shown_payment_id: Some("by hand".into()),
        shown_payment_status: Some("refused".into()),
        shares: Vec::new(),
    })
}

fn paid(revision: i32) -> Event {
    Event::PaymentSettled(PaymentSettled {
        head: head(revision),
        order: order(),
        payment_id: PAYMENT.into(),
        provider_id: Some("at the provider".into()),
        status: "approved".into(),
        amount: None,
        currency: None,
        code: String::new(),
        source: "contract".into(),
        said_at: None,
        at_rest: true,
        stage: "ready".into(),
        payment_status: "approved".into(),
        times: Times::default(),
        shares: Vec::new(),
        release: Vec::new(),
        refund: None,
        check_at: None,
    })
}

fn refund() -> Refund {
    Refund { id: "r-1".into(), payment_id: PAYMENT.into(), amount: money(8), currency: "BRL".into() }
}

fn cancelled(revision: i32) -> Event {
    Event::OrderCancelled(OrderCancelled {
        head: head(revision),
        order: order(),
        from: "received".into(),
        stage: "cancelled".into(),
        reason: "staff".into(),
        note: None,
        payment_status: "refunded".into(),
        shares: Vec::new(),
        release: vec![2],
        cancel_payment: None,
        refund: Some(refund()),
    })
}

fn refunded(revision: i32) -> Event {
    Event::RefundSettled(RefundSettled {
        head: head(revision),
        order: order(),
        payment_id: PAYMENT.into(),
        refund_id: "r-1".into(),
        status: "approved".into(),
        amount: money(8),
        provider_id: None,
        source: "call".into(),
        code: String::new(),
        payment_status: "refunded".into(),
        shares: Vec::new(),
    })
}

/// The order as it was before the batch.
fn known() -> BTreeMap<Place<'static>, OrderRow> {
    let mut row = OrderRow::new(&head(2), "received", None);
    row.total = money(20).decimal();
    row.payment_id = Some(PAYMENT.into());
    row.payment_status = "approved".into();
    row.received_at = Some(head(2).at);
    BTreeMap::from([(PLACE, row)])
}

fn changes<'e>(known: BTreeMap<Place<'e>, OrderRow>, events: &'e [Event]) -> Changes<'e> {
    let mut changes = Changes::of(known);
    for (offset, event) in (0..).zip(events) {
        changes.take(offset, event);
    }
    changes
}

#[test]
fn an_order_placed_and_reserved_in_a_batch_is_inserted_as_it_is_at_the_end() {
    let events = [placed(), settled()];
    let changes = changes(BTreeMap::new(), &events);
    let order = &changes.orders[&PLACE];
    assert_eq!(order.begun.as_ref().map(|begun| begun.at), Some(head(1).at));
    assert_eq!(
        (order.row.stage.as_str(), order.row.queue_rank(), order.row.revision),
        ("received", Some(3), 2)
    );
    assert_eq!((order.row.total, order.row.received_at), (money(20).decimal(), Some(head(2).at)));
    let holds: Vec<_> = changes.lines.values().map(|line| (line.hold, line.number)).collect();
    assert_eq!(holds, [("uncounted", 0), ("held", 5)]);
    assert!(changes.holds.is_empty());
    let payment = &changes.payments[&(PLACE, PAYMENT.to_owned())];
    assert_eq!((payment.made.map(|(_, at)| at), payment.status), (Some(head(1).at), Some("approved")));
}

#[test]
fn each_event_is_told_with_the_stage_after_it_and_one_that_says_none_with_the_stage_there_was() {
    let released = OrderStockReleased { head: head(4), order: order(), lines: vec![2] };
    let requested = RefundRequested {
        head: head(5),
        order: order(),
        refund: refund(),
        reason: "cold".into(),
        refund_now: true,
    };
    let events = [
        moved(3, "ready"),
        Event::OrderStockReleased(released),
        Event::RefundRequested(requested),
        moved(6, "finished"),
    ];
    let changes = changes(known(), &events);
    let told: Vec<_> = changes
        .history
        .iter()
        .map(|happened| (happened.offset, happened.event, happened.stage.as_str(), happened.head.revision))
        .collect();
    let expected = [
        (0, "OrderMoved", "ready", 3),
        (1, "OrderStockReleased", "ready", 4),
        (2, "RefundRequested", "ready", 5),
        (3, "OrderMoved", "finished", 6),
    ];
    assert_eq!(told, expected);
    let row = &changes.orders[&PLACE].row;
    assert_eq!((row.revision, row.queue_rank()), (6, None));
    assert_eq!(changes.refunds[&(PLACE, "r-1")].status, "requested");
}

#[test]
fn what_is_shown_by_hand_of_a_payment_holds_until_more_is_known_of_it() {
    let events = [amended(3), paid(4)];
    let shown = |events| {
        let row = changes(known(), events).orders.remove(&PLACE).map(|order| order.row);
        row.map(|row| (row.shown_payment_id, row.shown_payment_status, row.payment_status))
    };
    let by_hand = Some("by hand".to_owned());
    assert_eq!(shown(&events[..1]), Some((by_hand.clone(), Some("refused".into()), "approved".into())));
    assert_eq!(shown(&events), Some((by_hand, None, "approved".into())));
    let changes = changes(known(), &events);
    let payment = &changes.payments[&(PLACE, PAYMENT.to_owned())];
    assert_eq!((payment.made, payment.provider_id), (None, Some("at the provider")));
}

#[test]
fn a_cancelled_order_gives_back_what_it_held_and_the_money() {
    let events = [cancelled(3), refunded(4)];
    let changes = changes(known(), &events);
    assert_eq!(changes.holds[&(PLACE, 2)], Hold { hold: "released", number: None });
    let refund = &changes.refunds[&(PLACE, "r-1")];
    assert_eq!((refund.status, refund.amount, refund.reason), ("approved", money(8), "staff"));
    assert_eq!((refund.begun_at, refund.updated_at), (head(3).at, head(4).at));
    let payment = &changes.payments[&(PLACE, PAYMENT.to_owned())];
    assert_eq!((payment.status, payment.refunded), (Some("refunded"), money(8).decimal()));
    assert_eq!(changes.orders[&PLACE].row.received_at, Some(head(2).at), "its times stay");
}

#[test]
fn a_line_taken_out_takes_its_amount_off_the_total_once() {
    let removed = |line| {
        Event::OrderLineRemoved(OrderLineRemoved {
            head: head(3),
            order: order(),
            line,
            number: 0,
            product: order(),
            quantity: Qty::from(2),
            stage: "open".into(),
            release: false,
            shares: Vec::new(),
        })
    };
    let events = [placed(), removed(1)];
    let of_the_batch = changes(BTreeMap::new(), &events);
    assert_eq!(of_the_batch.orders[&PLACE].row.total, money(10).decimal());
    assert!(of_the_batch.lines_removed.is_empty() && !of_the_batch.lines.contains_key(&(PLACE, 1)));
    let events = [removed(1)];
    let mut of_before = changes(known(), &events);
    assert_eq!(of_before.lines_removed.len(), 1);
    // The row that is deleted tells its amount.
    of_before.take_off(PLACE, money(10).decimal());
    assert_eq!(of_before.orders[&PLACE].row.total, money(10).decimal());
}

#[test]
fn an_order_taken_off_its_contracts_lists_stays_as_a_row() {
    let removed = Event::OrderRemoved(OrderRemoved {
        head: head(3),
        order: order(),
        from: "received".into(),
        stage: "removed".into(),
        payment_status: "approved".into(),
        cancel_payment: None,
    });
    let events = [removed];
    let changes = changes(known(), &events);
    let row = &changes.orders[&PLACE].row;
    assert_eq!((row.removed_at, row.queue_rank()), (Some(head(3).at), None));
}

//! Orders: the rules as given, when and then.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so")]

mod memory;
mod shop;

use domain::catalogue::{self, ProductChange};
use domain::order::{
    AmendOrder, CancelOrder, Fulfilment, Hold, MAX_LINES, Payable, PaymentStatus, PlaceOrder, Price,
    Rejection, SettlePayment, Stage, Wanted, Who, paid_by,
};
use domain::people::{self, RegisterCustomer, RemoveCustomer};
use domain::{Decision, order as orders};
use memory::Memory;
use schemas::keys::PersonKeyed;
use schemas::orders::{Buyer, Times};
use schemas::{Bytes, Money, Ref, Sealed};
use shop::*;
use uuid::Uuid;

/// An order of one piece of product 1, which is counted.
fn place_counted(number: u8) -> PlaceOrder {
    place(number, vec![wanted(product(1), "1")])
}

fn by(method: &str, order: PlaceOrder) -> PlaceOrder {
    PlaceOrder { payment: Payable { method: method.into(), ..order.payment }, ..order }
}

fn got(fulfilment: Fulfilment, order: PlaceOrder) -> PlaceOrder {
    PlaceOrder { fulfilment, ..order }
}

fn at_price(price: Price, wanted: Wanted) -> Wanted {
    Wanted { price, ..wanted }
}

fn of(buyer: &Ref, order: PlaceOrder) -> PlaceOrder {
    PlaceOrder { buyer: Some(bought_by(buyer)), ..order }
}

fn bought_by(party: &Ref) -> Buyer {
    Buyer { kind: "customer".into(), party: party.clone(), subject: None }
}

/// The restaurant's next customer.
fn register(number: u8) -> RegisterCustomer {
    let subject = Uuid::from_u128(number.into());
    RegisterCustomer {
        home: RESTAURANT.into(),
        id: None,
        scope: "restaurant".into(),
        sealed: Sealed { subject, sealed: Bytes(vec![number]) },
        key: PersonKeyed {
            home: RESTAURANT.into(),
            subject,
            wrapped: Bytes(vec![number; 60]),
            master: 1,
            indexes: vec![],
        },
        active: true,
        account: None,
        asked: asked(),
    }
}

fn unregister(id: &str) -> RemoveCustomer {
    RemoveCustomer { home: RESTAURANT.into(), id: id.into(), asked: asked() }
}

/// A restaurant with a product at 20.50 and an order of two of it, paid under `pay-1`.
fn restaurant() -> Memory {
    let mut till = Memory::default();
    till.when(list_in_restaurant("20.50")).unwrap();
    till.when(checkout("pay-1", vec![wanted(of_restaurant(1), "2")])).unwrap();
    till
}

#[test]
fn the_price_is_the_catalogues_and_stays_what_it_was() {
    let mut till = till(5);
    let event = placed(till.when(place(1, vec![wanted(product(1), "2"), wanted(product(2), "3")])));
    assert_eq!(event.total, money("50.00"));
    till.when(reprice(&product(1), "99.00")).unwrap();
    answer_all(&mut till);
    assert_eq!(state(&till, &order(1)).total, money("50.00"));
}

#[test]
fn a_price_that_the_buyer_takes_to_be_another_is_refused() {
    let mut till = till(5);
    let expected = |price| vec![at_price(Price::Expected(money(price)), wanted(product(1), "1"))];
    assert!(is_refused(&till, place(1, expected("1.00")), Rejection::PriceChanged));
    assert_eq!(placed(till.when(place(1, expected("10.00")))).total, money("10.00"));
}

#[test]
fn an_amount_is_rounded_half_away_from_zero_once_a_line() {
    let mut till = Memory::default();
    till.when(list(1, "0.05", None)).unwrap();
    let lines = vec![wanted(product(1), "0.100"), wanted(product(1), "0.1"), wanted(product(1), "0.099")];
    let event = placed(till.when(place(1, lines)));
    let amounts: Vec<_> = event.lines.iter().map(|line| line.amount).collect();
    assert_eq!(amounts, [money("0.01"), money("0.01"), Money::ZERO]);
    assert_eq!(event.total, money("0.02"));
}

#[test]
fn what_is_not_sold_cannot_be_ordered() {
    let mut till = till(5);
    let one = || place(1, vec![wanted(product(2), "1")]);
    let inactive = ProductChange { active: Some(false), ..ProductChange::default() };
    till.when(change(&product(2), inactive)).unwrap();
    assert!(is_refused(&till, one(), Rejection::NotSold));
    let free = ProductChange { active: Some(true), price: Some(None), ..ProductChange::default() };
    till.when(change(&product(2), free)).unwrap();
    assert!(is_refused(&till, one(), Rejection::NotSold));
    till.when(remove(&product(2))).unwrap();
    assert!(is_refused(&till, one(), Rejection::NoProduct));
    assert!(is_refused(&till, place(1, vec![wanted(product(9), "1")]), Rejection::NoProduct));
}

#[test]
fn an_order_is_of_something_and_within_its_limits() {
    let mut till = till(5);
    let of = |lines| place(1, lines);
    assert!(is_refused(&till, of(vec![]), Rejection::NothingOrdered));
    assert!(is_refused(&till, of(vec![wanted(product(1), "0")]), Rejection::NothingOrdered));
    assert!(is_refused(&till, of(vec![wanted(product(1), "-1")]), Rejection::NothingOrdered));
    let lines = |count| vec![wanted(product(2), "1"); count];
    assert!(is_refused(&till, of(lines(MAX_LINES + 1)), Rejection::TooLarge));
    assert!(is_refused(&till, of(vec![wanted(product(2), "1000000000")]), Rejection::TooLarge));
    let nearly = wanted(product(2), "600000000");
    assert!(is_refused(&till, of(vec![nearly.clone(), nearly]), Rejection::TooLarge), "the sum counts");
    let wordy = Wanted { note: Some("x".repeat(1024)), ..wanted(product(2), "1") };
    assert!(is_refused(&till, of(vec![wordy; 151]), Rejection::TooLarge));
    till.when(of(lines(MAX_LINES))).unwrap();
}

#[test]
fn rules_and_ways_to_get_it_that_nobody_knows_are_refused() {
    let till = till(5);
    let unruled = PlaceOrder { rules: "another".into(), ..place_counted(1) };
    assert!(is_refused(&till, unruled, Rejection::RulesUnknown));
    let unknown = got(Fulfilment::Other("pigeon".into()), place_counted(1));
    assert!(is_refused(&till, unknown, Rejection::MoveNotAllowed));
}

#[test]
fn an_order_without_counted_lines_is_settled_at_once_where_it_is_paid_in_cash_or_costs_nothing() {
    let mut till = till(5);
    let uncounted = |number| place(number, vec![wanted(product(2), "1")]);
    let event = placed(till.when(uncounted(1)));
    assert_eq!((event.stage.as_str(), event.payment_status.as_str()), ("received", "approved"));
    assert_eq!((event.cancel_at, event.times.received_at), (None, Some(now())));
    assert_eq!(event.shares[0].approved, money("10.00"));
    let event = placed(till.when(by("card", uncounted(2))));
    assert_eq!((event.stage.as_str(), event.payment_status.as_str()), ("placed", "none"));
    assert_eq!(event.shares[0].approved, Money::ZERO);
    till.when(reprice(&product(2), "0")).unwrap();
    assert_eq!(placed(till.when(by("card", uncounted(3)))).stage, "received");
}

#[test]
fn how_the_buyer_gets_it_says_where_a_paid_order_goes() {
    let mut till = till(5);
    for (number, fulfilment, stage) in [
        (1, Fulfilment::Kitchen, Stage::Received),
        (2, Fulfilment::Shipping, Stage::Confirmed),
        (3, Fulfilment::Nothing, Stage::Finished),
    ] {
        till.when(got(fulfilment, place_counted(number))).unwrap();
        assert_eq!(state(&till, &order(number)).stage, Stage::Placed);
        answer_all(&mut till);
        assert_eq!(state(&till, &order(number)).stage, stage);
    }
}

#[test]
fn an_order_whose_lines_are_all_held_goes_on() {
    let mut till = till(5);
    till.when(place(1, vec![wanted(product(1), "2"), wanted(product(2), "1")])).unwrap();
    answer_all(&mut till);
    let after = state(&till, &order(1));
    assert_eq!((after.stage.clone(), after.payment_status()), (Stage::Received, PaymentStatus::Approved));
    assert_eq!(after.lines.iter().map(|line| line.hold).collect::<Vec<_>>(), [Hold::Held, Hold::Uncounted]);
    assert_eq!(available(&till, &product(1)), pieces(3));
    assert!(till.todos().is_empty(), "the deadline is gone too");
}

#[test]
fn an_order_that_is_not_paid_waits_also_where_its_lines_are_held() {
    let mut till = till(5);
    till.when(by("card", place_counted(1))).unwrap();
    answer_all(&mut till);
    let after = state(&till, &order(1));
    assert_eq!((after.stage.clone(), after.payment_status()), (Stage::Placed, PaymentStatus::Unasked));
    assert_eq!(after.lines[0].hold, Hold::Held);
    let (key, deadline) = till.todos().pop().unwrap();
    assert_eq!(key.due(), Some(minutes(15)));
    perform(&mut till, &deadline);
    answer_all(&mut till);
    assert_eq!(state(&till, &order(1)).stage, Stage::Cancelled);
    assert_eq!(available(&till, &product(1)), pieces(5));
}

#[test]
fn an_order_with_a_line_that_is_short_is_refused_as_a_whole_and_gives_back_the_others() {
    let mut till = till(5);
    till.when(list(3, "1.00", Some(0))).unwrap();
    answer_all(&mut till);
    till.when(place(1, vec![wanted(product(1), "2"), wanted(product(3), "1")])).unwrap();
    answer_all(&mut till);
    let after = state(&till, &order(1));
    assert_eq!((after.stage.clone(), after.payment_status()), (Stage::Refused, PaymentStatus::Cancelled));
    assert_eq!(after.lines.iter().map(|line| line.hold).collect::<Vec<_>>(), [Hold::Released, Hold::Refused]);
    assert_eq!(available(&till, &product(1)), pieces(5));
    assert!(till.todos().is_empty());
    assert!(is_refused(&till, cancel(&order(1), Some(Who::Staff)), Rejection::MoveNotAllowed));
}

#[test]
fn an_order_that_is_cancelled_before_its_stock_has_answered_holds_nothing_afterwards() {
    let mut till = till(1);
    till.when(place_counted(1)).unwrap();
    let reserving = next_tell(&till).unwrap();
    till.when(cancel(&order(1), Some(Who::Buyer))).unwrap();
    let released = next_tell(&till).unwrap();
    perform(&mut till, &released);
    let late = tell(&mut till, &reserving);
    assert!(matches!(hear(&mut till, &reserving, &late), Decision::Already(_)));
    assert_eq!(available(&till, &product(1)), pieces(1));
    assert!(till.todos().is_empty());
}

#[test]
fn an_answer_that_is_heard_twice_changes_nothing() {
    let mut till = till(1);
    till.when(place_counted(1)).unwrap();
    let reserving = next_tell(&till).unwrap();
    let answers = tell(&mut till, &reserving);
    assert!(matches!(hear(&mut till, &reserving, &answers), Decision::Append(..)));
    let once = till.clone();
    assert!(matches!(hear(&mut till, &reserving, &answers), Decision::Already(_)));
    assert_eq!(till, once);
}

#[test]
fn an_order_is_cancelled_at_its_deadline_where_a_stock_has_not_answered() {
    let mut till = till(1);
    till.when(place_counted(1)).unwrap();
    let (_, deadline) = till.todos().into_iter().find(|(key, _)| key.due().is_some()).unwrap();
    perform(&mut till, &deadline);
    let after = state(&till, &order(1));
    assert_eq!((after.stage.clone(), after.payment_status()), (Stage::Cancelled, PaymentStatus::Cancelled));
    answer_all(&mut till);
    assert!(till.todos().is_empty());
    assert_eq!(available(&till, &product(1)), pieces(1));
}

#[test]
fn what_was_paid_for_a_cancelled_order_counts_as_paid_back() {
    let mut till = till(5);
    till.when(place_counted(1)).unwrap();
    answer_all(&mut till);
    till.when(cancel(&order(1), Some(Who::Staff))).unwrap();
    assert_eq!(state(&till, &order(1)).payment_status(), PaymentStatus::Refunded);
    assert!(is_known(&till, cancel(&order(1), Some(Who::Staff))));
}

#[test]
fn an_order_goes_one_step_at_a_time_and_each_step_of_the_kitchen_has_its_time() {
    let mut till = till(5);
    till.when(place(1, vec![wanted(product(2), "1")])).unwrap();
    assert!(is_refused(&till, go(&order(1), Stage::Ready, Who::Staff), Rejection::MoveNotAllowed));
    for (minute, stage) in [(1, Stage::Preparing), (2, Stage::Ready), (3, Stage::Finished)] {
        let mut command = go(&order(1), stage.clone(), Who::Staff);
        command.asked.at = minutes(minute);
        till.when(command.clone()).unwrap();
        assert!(is_known(&till, command));
    }
    let Times { received_at, preparing_at, ready_at, finished_at } = state(&till, &order(1)).times;
    let times = [received_at, preparing_at, ready_at, finished_at];
    assert_eq!(times, [0, 1, 2, 3].map(|minute| Some(minutes(minute))));
    assert!(is_refused(&till, go(&order(1), Stage::Received, Who::Staff), Rejection::MoveNotAllowed));
    assert!(is_refused(&till, cancel(&order(1), Some(Who::Staff)), Rejection::MoveNotAllowed));
}

#[test]
fn who_may_send_an_order_on_is_said_by_its_rules() {
    let mut till = till(5);
    till.when(place(1, vec![wanted(product(2), "1")])).unwrap();
    assert!(is_refused(&till, go(&order(1), Stage::Preparing, Who::Buyer), Rejection::NotYours));
    till.when(go(&order(1), Stage::Preparing, Who::Staff)).unwrap();
    assert!(is_refused(&till, cancel(&order(1), Some(Who::Buyer)), Rejection::NotYours));
    till.when(got(Fulfilment::Shipping, place(2, vec![wanted(product(2), "1")]))).unwrap();
    assert!(is_refused(&till, go(&order(2), Stage::Dispatched, Who::Courier), Rejection::NotYours));
    till.when(go(&order(2), Stage::Dispatched, Who::Staff)).unwrap();
    till.when(go(&order(2), Stage::Delivered, Who::Courier)).unwrap();
}

#[test]
fn a_command_that_was_made_from_another_revision_is_stale() {
    let mut till = till(5);
    till.when(place(1, vec![wanted(product(2), "1")])).unwrap();
    till.when(go(&order(1), Stage::Preparing, Who::Staff)).unwrap();
    let cancelled = CancelOrder { revision: Some(1), ..cancel(&order(1), Some(Who::Staff)) };
    assert!(is_refused(&till, cancelled, Rejection::Stale));
}

#[test]
fn an_order_under_the_same_idempotency_id_is_placed_once() {
    let mut till = till(5);
    let command = PlaceOrder { asked: keyed(1, 1), ..place_counted(1) };
    till.when(command.clone()).unwrap();
    answer_all(&mut till);
    assert!(is_known(&till, command.clone()), "whatever became of it");
    assert!(is_refused(&till, PlaceOrder { asked: keyed(1, 2), ..command }, Rejection::IdempotencyKeyReused));
    assert!(is_refused(&till, place_counted(1), Rejection::Known));
}

#[test]
fn an_imported_order_raises_nothing_and_has_the_prices_it_had() {
    let mut till = till(0);
    let past = vec![at_price(Price::Past(money("3.00")), wanted(product(1), "1"))];
    let event = placed(till.when(PlaceOrder { is_imported: true, ..by("card", place(1, past)) }));
    assert_eq!((event.total, event.reserve, event.cancel_at), (money("3.00"), false, None));
    assert!(till.todos().is_empty());
}

#[test]
fn orders_of_a_contracts_home_are_numbered_from_1() {
    let mut till = restaurant();
    till.when(checkout("pay-2", vec![])).unwrap();
    assert_eq!(state(&till, &of_restaurant(2)).total, Money::ZERO);
    let numbered = |id: &str| PlaceOrder { id: Some(id.into()), ..checkout("pay-3", vec![]) };
    assert!(is_refused(&till, numbered("2"), Rejection::NumberNotNext));
    assert!(is_refused(&till, numbered("4"), Rejection::NumberNotNext));
    till.when(numbered("3")).unwrap();
}

#[test]
fn the_restaurants_clients_set_the_kitchens_stages_and_words_of_their_own_in_any_order() {
    let mut till = restaurant();
    let first = of_restaurant(1);
    assert_eq!(state(&till, &first).stage, Stage::Received);
    for stage in [Stage::Finished, Stage::Received, Stage::Other("other:9".into()), Stage::Ready] {
        till.when(go(&first, stage.clone(), Who::Staff)).unwrap();
        assert_eq!(state(&till, &first).stage, stage);
        let times = Times { received_at: Some(now()), ..Times::default() };
        assert_eq!(state(&till, &first).times, times, "times change by correction only");
    }
}

#[test]
fn no_client_sets_a_stage_that_ends_a_sale_or_takes_an_order_off_the_lists() {
    let till = restaurant();
    let first = of_restaurant(1);
    for stage in [Stage::Removed, Stage::Cancelled, Stage::Refused, Stage::Placed, Stage::Dispatched] {
        assert!(is_refused(&till, go(&first, stage.clone(), Who::Staff), Rejection::MoveNotAllowed));
        let amended = AmendOrder { stage: Some(stage), ..amend(&first) };
        assert!(is_refused(&till, amended, Rejection::MoveNotAllowed));
    }
    assert!(is_refused(&till, cancel(&first, Some(Who::Staff)), Rejection::MoveNotAllowed));
}

#[test]
fn a_deadline_is_kept_only_where_the_rules_have_one() {
    let mut till = restaurant();
    let mut command = checkout("pay-2", vec![]);
    command.payment.cancel_at = Some(minutes(15));
    assert_eq!(placed(till.when(command)).cancel_at, None);
}

#[test]
fn a_correction_leaves_what_it_does_not_name() {
    let mut till = restaurant();
    let first = of_restaurant(1);
    till.when(go(&first, Stage::Preparing, Who::Staff)).unwrap();
    let times = Times { ready_at: Some(minutes(9)), ..Times::default() };
    till.when(AmendOrder { times, ..amend(&first) }).unwrap();
    let after = state(&till, &first);
    assert_eq!(after.stage, Stage::Preparing);
    assert_eq!(
        after.times,
        Times { received_at: Some(now()), ready_at: Some(minutes(9)), ..Times::default() }
    );
    assert!(is_refused(&till, amend(&of_restaurant(9)), Rejection::Unknown));
}

#[test]
fn orders_of_v1_are_never_corrected() {
    let mut till = till(5);
    till.when(place_counted(1)).unwrap();
    assert!(is_refused(&till, amend(&order(1)), Rejection::NotAmendable));
    assert!(is_refused(&till, take_off(&order(1)), Rejection::MoveNotAllowed));
}

#[test]
fn a_corrected_payment_is_shown_and_found_and_moves_no_money() {
    let mut till = restaurant();
    let first = of_restaurant(1);
    let corrected = AmendOrder {
        payment_id: Some("shown-1".into()),
        payment_status: Some(PaymentStatus::Approved),
        ..amend(&first)
    };
    till.when(corrected).unwrap();
    let after = state(&till, &first);
    assert_eq!(after.payment_status(), PaymentStatus::Unasked, "the payment keeps its own");
    assert_eq!(
        (after.shown.id.as_deref(), after.shown.status),
        (Some("shown-1"), Some(PaymentStatus::Approved))
    );
    for id in ["pay-1", "shown-1"] {
        assert_eq!(paid_by(&till, RESTAURANT, id), Some(first.clone()));
    }
    till.when(pay(&first, "shown-1", PaymentStatus::Refused)).unwrap();
    let after = state(&till, &first);
    assert_eq!((after.payment_status(), after.shown.status), (PaymentStatus::Refused, None));
}

#[test]
fn what_a_source_tells_of_a_payment_is_recorded_in_any_stage_unless_it_is_old_or_no_news() {
    let mut till = restaurant();
    let first = of_restaurant(1);
    let told =
        |minute, status| SettlePayment { said_at: Some(minutes(minute)), ..pay(&first, "pay-1", status) };
    till.when(told(5, PaymentStatus::Approved)).unwrap();
    assert!(is_known(&till, told(4, PaymentStatus::Refused)), "older");
    assert!(is_known(&till, told(5, PaymentStatus::Approved)), "no news");
    till.when(take_off(&first)).unwrap();
    till.when(told(6, PaymentStatus::Refused)).unwrap();
    let after = state(&till, &first);
    assert_eq!((after.stage.clone(), after.payment_status()), (Stage::Removed, PaymentStatus::Refused));
    assert!(is_refused(&till, pay(&first, "pay-2", PaymentStatus::Approved), Rejection::PaymentUnknown));
}

#[test]
fn an_order_that_was_removed_is_not_there_and_what_it_sold_stays_sold() {
    let mut till = restaurant();
    let first = of_restaurant(1);
    till.when(take_off(&first)).unwrap();
    for command in [
        go(&first, Stage::Ready, Who::Staff).into(),
        amend(&first).into(),
        domain::Command::from(take_off(&first)),
    ] {
        assert!(is_refused(&till, command, Rejection::Unknown));
    }
    assert_eq!(state(&till, &first).total, money("41.00"));
}

#[test]
fn a_buyer_of_the_orders_home_is_a_customer_there_who_cannot_be_removed_while_there_are_orders() {
    let mut till = restaurant();
    let ana = of_restaurant(1);
    assert!(is_refused(&till, of(&ana, checkout("pay-2", vec![])), Rejection::NoBuyer));
    till.when(register(1)).unwrap();
    till.when(register(2)).unwrap();
    till.when(of(&ana, checkout("pay-2", vec![]))).unwrap();
    assert!(is_refused(&till, unregister("1"), people::Rejection::HasOrders));
    let to_another = AmendOrder { buyer: Some(bought_by(&of_restaurant(2))), ..amend(&of_restaurant(2)) };
    till.when(to_another).unwrap();
    assert!(is_refused(&till, unregister("2"), people::Rejection::HasOrders));
    till.when(unregister("1")).unwrap();
    till.when(take_off(&of_restaurant(2))).unwrap();
    till.when(unregister("2")).unwrap();
    assert!(is_refused(&till, of(&ana, checkout("pay-3", vec![])), Rejection::NoBuyer));
}

#[test]
fn lines_are_those_of_the_product_as_it_was() {
    let mut till = till(5);
    till.when(list_seller(1)).unwrap();
    let sold_by = ProductChange { seller: Some(Some(seller(1))), ..ProductChange::default() };
    till.when(change(&product(2), sold_by)).unwrap();
    let event = placed(till.when(place(1, vec![wanted(product(2), "1"), wanted(product(2), "1")])));
    let line = &event.lines[1];
    assert_eq!((line.line, line.revision, line.seller.clone()), (2, 2, Some(seller(1))));
    assert_eq!(line.title, catalogue::load_product(&till, &product(2)).unwrap().content.title);
    assert_eq!(
        event.shares.iter().map(|share| share.orders).collect::<Vec<_>>(),
        [1, 0],
        "one order of a seller"
    );
}

#[test]
fn staff_may_do_what_buyers_and_couriers_may() {
    for who in [Who::Buyer, Who::Courier, Who::Staff, Who::Fact] {
        assert!(who.admits(Who::Staff));
        assert_eq!(who.admits(Who::Buyer), matches!(who, Who::Buyer | Who::Fact));
        assert_eq!(who.admits(Who::Courier), matches!(who, Who::Courier | Who::Fact));
    }
    assert_eq!(orders::rules("v1").unwrap().moves(&Stage::Ready, &Fulfilment::Kitchen).count(), 1);
}

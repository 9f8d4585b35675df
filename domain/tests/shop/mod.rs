//! Commands to the catalogue, to stocks and to orders with short names, and tells as they go from home to home. Products and
//! orders with homes of their own are small numbers.

#![allow(dead_code, reason = "not every test that shares this file needs all of it")]

use chrono::{DateTime, TimeDelta, Utc};
use domain::catalogue::{
    ChangeProduct, ListProduct, ListSeller, ProductChange, ProductContent, RemoveProduct, SellerContent,
};
use domain::order::{
    AmendOrder, CancelOrder, Fulfilment, MoveOrder, OrderState, Payable, PaymentStatus, PlaceOrder, Price,
    RemoveOrder, SettlePayment, Stage, Wanted, Who,
};
use domain::stock::{self, AdjustStock, CountStock, ReleaseStock, ReserveStock};
use domain::{Act, Asked, Command, Decision, Rejection, Sort, Waiting, decide, order};
use schemas::orders::{OrderPlaced, Times};
use schemas::{Bytes, Event, Money, Position, Qty, Ref, catalogue, orders};
use uuid::Uuid;

use crate::memory::Memory;

/// The home of contract 004, which numbers what is in it.
pub const RESTAURANT: &str = "restaurant.004";

pub fn now() -> DateTime<Utc> {
    "2026-02-07T12:00:00Z".parse().unwrap()
}

pub fn minutes(minutes: i64) -> DateTime<Utc> {
    now() + TimeDelta::minutes(minutes)
}

pub fn asked() -> Asked {
    Asked { at: now(), by: "till/1".into(), key: None, print: None }
}

/// Asked under an idempotency id, with a body.
pub fn keyed(key: u32, body: u8) -> Asked {
    Asked { key: Some(Uuid::from_u128(key.into())), print: Some(Bytes(vec![body; 32])), ..asked() }
}

pub fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

pub fn pieces(pieces: i64) -> Qty {
    Qty::from(pieces)
}

/// A thing in a home of its own.
fn own(home: String) -> Ref {
    Ref { home, id: String::new() }
}

pub fn product(number: u8) -> Ref {
    own(format!("product-{number}"))
}

pub fn seller(number: u8) -> Ref {
    own(format!("seller-{number}"))
}

pub fn order(number: u8) -> Ref {
    own(format!("order-{number}"))
}

/// An order, a product or a customer of the restaurant.
pub fn of_restaurant(number: i64) -> Ref {
    Ref { home: RESTAURANT.into(), id: number.to_string() }
}

pub fn list_seller(number: u8) -> ListSeller {
    let content = SellerContent { name: format!("seller {number}"), ..SellerContent::default() };
    let home = seller(number).home;
    ListSeller { home, id: Some(String::new()), scope: "v1".into(), content, asked: asked() }
}

/// A product that is sold, and whose stock is counted where a count is given.
pub fn list(number: u8, price: &str, count: Option<i64>) -> ListProduct {
    let content = ProductContent {
        seller: None,
        title: format!("product {number}"),
        description: None,
        section: String::new(),
        price: Some(money(price)),
        currency: "BRL".into(),
        active: true,
        counts_stock: count.is_some(),
        keep_one: false,
    };
    let (home, id, scope) = (product(number).home, Some(String::new()), "v1".into());
    ListProduct { home, id, scope, content, count: count.map(pieces), asked: asked() }
}

/// The restaurant's next product.
pub fn list_in_restaurant(price: &str) -> ListProduct {
    ListProduct { home: RESTAURANT.into(), id: None, scope: "restaurant".into(), ..list(0, price, None) }
}

pub fn change(product: &Ref, change: ProductChange) -> ChangeProduct {
    let Ref { home, id } = product.clone();
    ChangeProduct { home, id, revision: None, change, count: None, asked: asked() }
}

pub fn recount(product: &Ref, count: i64) -> ChangeProduct {
    ChangeProduct { count: Some(pieces(count)), ..change(product, ProductChange::default()) }
}

pub fn reprice(product: &Ref, price: &str) -> ChangeProduct {
    change(product, ProductChange { price: Some(Some(money(price))), ..ProductChange::default() })
}

pub fn remove(product: &Ref) -> RemoveProduct {
    let Ref { home, id } = product.clone();
    RemoveProduct { home, id, asked: asked() }
}

pub fn count(product: &Ref, available: i64, revision: i32) -> CountStock {
    let Ref { home, id } = product.clone();
    CountStock { home, id, available: pieces(available), revision, at: now() }
}

pub fn adjust(product: &Ref, change: i64) -> AdjustStock {
    let Ref { home, id } = product.clone();
    AdjustStock { home, id, change: pieces(change), reason: "broken".into(), asked: asked() }
}

pub fn reserve(product: &Ref, order: &Ref, line: i32, quantity: i64) -> ReserveStock {
    let Ref { home, id } = product.clone();
    ReserveStock { home, id, order: order.clone(), line, quantity: pieces(quantity), at: now() }
}

pub fn release(product: &Ref, order: &Ref, line: i32) -> ReleaseStock {
    let Ref { home, id } = product.clone();
    ReleaseStock { home, id, order: order.clone(), line, at: now() }
}

pub fn wanted(product: Ref, quantity: &str) -> Wanted {
    Wanted { product, quantity: Qty::parse(quantity).unwrap(), price: Price::Present, note: None }
}

/// An order of `/v1` that is paid in cash and fetched from the kitchen.
pub fn place(number: u8, lines: Vec<Wanted>) -> PlaceOrder {
    let Ref { home, id } = order(number);
    let payment = Payable {
        id: format!("{home}_1"),
        method: "cash".into(),
        provider: String::new(),
        cancel_at: Some(minutes(15)),
    };
    PlaceOrder {
        home,
        id: Some(id),
        scope: "v1".into(),
        rules: "v1".into(),
        buyer: None,
        fulfilment: Fulfilment::Kitchen,
        currency: "BRL".into(),
        ship_to: None,
        lines,
        payment,
        is_imported: false,
        asked: asked(),
    }
}

/// The restaurant's next order.
pub fn checkout(payment_id: &str, lines: Vec<Wanted>) -> PlaceOrder {
    let payment =
        Payable { id: payment_id.into(), method: "qr".into(), provider: String::new(), cancel_at: None };
    PlaceOrder {
        home: RESTAURANT.into(),
        id: None,
        scope: "restaurant".into(),
        rules: "restaurant".into(),
        payment,
        ..place(0, lines)
    }
}

pub fn go(order: &Ref, to: Stage, who: Who) -> MoveOrder {
    let Ref { home, id } = order.clone();
    MoveOrder { home, id, to, who, revision: None, asked: asked() }
}

pub fn cancel(order: &Ref, who: Option<Who>) -> CancelOrder {
    let Ref { home, id } = order.clone();
    CancelOrder { home, id, who, note: None, revision: None, asked: asked() }
}

pub fn amend(order: &Ref) -> AmendOrder {
    let Ref { home, id } = order.clone();
    AmendOrder {
        home,
        id,
        stage: None,
        buyer: None,
        times: Times::default(),
        payment_id: None,
        payment_status: None,
        asked: asked(),
    }
}

pub fn take_off(order: &Ref) -> RemoveOrder {
    let Ref { home, id } = order.clone();
    RemoveOrder { home, id, asked: asked() }
}

/// What the restaurant's client says of a payment.
pub fn pay(order: &Ref, payment_id: &str, status: PaymentStatus) -> SettlePayment {
    let Ref { home, id } = order.clone();
    SettlePayment {
        home,
        id,
        payment_id: payment_id.into(),
        status,
        amount: None,
        code: String::new(),
        source: "contract".into(),
        said_at: None,
        asked: asked(),
    }
}

/// The order as it is.
pub fn state(till: &Memory, order: &Ref) -> OrderState {
    order::load(till, order).unwrap()
}

/// What can still be reserved of a product.
pub fn available(till: &Memory, product: &Ref) -> Qty {
    stock::load(till, product).available
}

/// The event that a command happened as.
pub fn happened(result: Result<Decision, Rejection>) -> Event {
    match result {
        Ok(Decision::Append(event, _)) => event.as_ref().clone(),
        other => panic!("{other:?}"),
    }
}

/// The order as it was placed.
pub fn placed(result: Result<Decision, Rejection>) -> OrderPlaced {
    match happened(result) {
        Event::Orders(orders::Event::OrderPlaced(event)) => event,
        other => panic!("{other:?}"),
    }
}

/// The event at a position of the log.
pub fn event_at(till: &Memory, position: Position) -> Event {
    let mut log = till.log.iter();
    log.find(|(_, recorded)| recorded.position == position).map(|(event, _)| event.clone()).unwrap()
}

/// The first to-do that is told to other homes.
pub fn next_tell(till: &Memory) -> Option<Waiting> {
    till.todos().into_iter().find(|(key, _)| key.sort() == Sort::Tell).map(|(_, waiting)| waiting)
}

/// The receivers' part of a told to-do: their events, also where they had answered before.
pub fn tell(till: &mut Memory, waiting: &Waiting) -> Vec<Event> {
    let Act::Tell { commands, .. } = waiting.todo.act(waiting.cause, now()) else { panic!("{waiting:?}") };
    let mut answers = Vec::new();
    for command in commands {
        let json = command.to_json().expect("what is told is of a told command");
        let answer = match till.when(Command::from_json(json).unwrap()).unwrap() {
            Decision::Append(event, _) => event.as_ref().clone(),
            Decision::Already(position) => event_at(till, position),
            Decision::Keys(_) => panic!("a stock has no keys"),
        };
        answers.push(answer);
    }
    answers
}

/// The teller's part of a told to-do: what it decides of the answers.
pub fn hear(till: &mut Memory, waiting: &Waiting, answers: &[Event]) -> Decision {
    let Act::Tell { settle, .. } = waiting.todo.act(waiting.cause, now()) else { panic!("{waiting:?}") };
    till.when(settle(answers)).unwrap()
}

/// Does a to-do as its owner does it.
pub fn perform(till: &mut Memory, waiting: &Waiting) -> Decision {
    match waiting.todo.act(waiting.cause, minutes(15)) {
        Act::Command(command) => till.when(*command).unwrap(),
        Act::Tell { .. } => {
            let answers = tell(till, waiting);
            hear(till, waiting, &answers)
        }
        Act::Seal { .. } => panic!("there are no accounts"),
    }
}

/// Does what is told until nothing is left to tell.
pub fn answer_all(till: &mut Memory) {
    while let Some(waiting) = next_tell(till) {
        assert!(matches!(perform(till, &waiting), Decision::Append(..)), "{waiting:?} is not settled");
    }
}

/// A till with products 1 and 2 at 10.00, of which the first has so many pieces and the second is not counted.
pub fn till(count: i64) -> Memory {
    let mut till = Memory::default();
    till.when(list(1, "10.00", Some(count))).unwrap();
    till.when(list(2, "10.00", None)).unwrap();
    answer_all(&mut till);
    till
}

/// Whether the command would be refused for this reason.
pub fn is_refused(till: &Memory, command: impl Into<Command>, reason: impl Into<Rejection>) -> bool {
    decide(till, command.into()) == Err(reason.into())
}

/// Whether the command would change nothing.
pub fn is_known(till: &Memory, command: impl Into<Command>) -> bool {
    matches!(decide(till, command.into()), Ok(Decision::Already(_)))
}

/// The price that the catalogue's log gave a product at a revision.
pub fn price_at(till: &Memory, product: &Ref, revision: i32) -> Option<Money> {
    let price = |(event, _): &(Event, _)| match event {
        Event::Catalogue(catalogue::Event::ProductListed(event)) if event.product == *product => {
            (event.head.revision == revision).then_some(event.price)
        }
        Event::Catalogue(catalogue::Event::ProductChanged(event)) if event.product == *product => {
            (event.head.revision == revision).then_some(event.price)
        }
        _ => None,
    };
    till.log.iter().find_map(price).flatten()
}

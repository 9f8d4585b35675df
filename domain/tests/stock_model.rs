//! A model of the protocol between orders and stocks, over the real `decide` and `evolve`: every interleaving of a few orders
//! that want the same piece, with calls that are lost, repeated and late, is tried.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so")]

mod memory;
mod shop;

use std::collections::{BTreeMap, HashSet, VecDeque};

use domain::order::{Hold, Stage, Who, load};
use domain::{Command, Decision, Sort, Todo, Waiting, decide, order};
use memory::Memory;
use schemas::stock::Event as StockEvent;
use schemas::{Event, Qty, Ref};
use shop::*;

/// How many calls of one to-do are under way at once, at most. Of a release one is enough: it is made again when it is lost, on its
/// way or back.
const fn calls_at_once(todo: &Todo) -> usize {
    match todo {
        Todo::Order(order::Todo::Release { .. }) => 1,
        _ => 2,
    }
}

/// A call of a to-do, on its way to the receiver or, with the answers, back.
#[derive(Clone)]
struct Call {
    waiting: Waiting,
    answers: Option<Vec<Event>>,
}

impl Call {
    /// What distinguishes the call from others, for whatever follows from it.
    fn view(&self) -> String {
        let answers: Option<Vec<_>> =
            self.answers.as_ref().map(|answers| answers.iter().map(Event::type_name).collect());
        format!("{:?} {answers:?}", self.waiting.todo)
    }
}

/// A moment of the model.
#[derive(Clone)]
struct Moment {
    till: Memory,
    calls: Vec<Call>,
    /// The orders, each of one piece of product 1.
    orders: u8,
    /// How often the product may still be counted anew.
    recounts: u8,
    /// How often a piece may still be found.
    found: u8,
}

impl Moment {
    /// One piece, and orders that are placed but that no stock has heard of. Where the piece is to be counted anew, also its
    /// first count is not told yet.
    fn first(orders: u8, recounts: u8, found: u8) -> Self {
        let mut till = Memory::default();
        till.when(list(1, "10.00", Some(1))).unwrap();
        if recounts == 0 {
            answer_all(&mut till);
        }
        for number in 1..=orders {
            let mut command = place(number, vec![wanted(product(1), "1")]);
            command.payment.cancel_at = None;
            till.when(command).unwrap();
        }
        Self { till, calls: Vec::new(), orders, recounts, found }
    }

    /// What can happen next, each with its name.
    fn next(&self) -> Vec<(String, Self)> {
        let mut next = Vec::new();
        for (key, waiting) in self.till.todos() {
            assert_eq!(key.sort(), Sort::Tell, "there are no deadlines");
            let under_way = self.calls.iter().filter(|call| call.waiting.todo == waiting.todo).count();
            if under_way < calls_at_once(&waiting.todo) {
                let mut moment = self.clone();
                let name = format!("call {:?}", waiting.todo);
                moment.calls.push(Call { waiting, answers: None });
                next.push((name, moment));
            }
        }
        for nth in 0..self.calls.len() {
            let name = self.calls[nth].view();
            let mut lost = self.clone();
            lost.calls.remove(nth);
            next.push((format!("lost: {name}"), lost));
            next.push((format!("arrives: {name}"), self.arrived(nth)));
        }
        for number in 1..=self.orders {
            let command = cancel(&order(number), Some(Who::Staff));
            next.extend(self.with(format!("order {number} is cancelled"), command));
        }
        if self.recounts > 0 {
            let moment = self.with("it is counted anew".into(), recount(&product(1), 1));
            next.extend(moment.map(|(name, moment)| (name, Self { recounts: self.recounts - 1, ..moment })));
        }
        if self.found > 0 {
            let moment = self.with("a piece is found".into(), adjust(&product(1), 1));
            next.extend(moment.map(|(name, moment)| (name, Self { found: self.found - 1, ..moment })));
        }
        next
    }

    /// The moment after a command, where it happens.
    fn with(&self, name: String, command: impl Into<Command>) -> Option<(String, Self)> {
        let mut moment = self.clone();
        let happens = matches!(moment.till.when(command), Ok(Decision::Append(..)));
        happens.then_some((name, moment))
    }

    /// The call arrives at the stock, or its answer at the order.
    fn arrived(&self, nth: usize) -> Self {
        let mut moment = self.clone();
        let Call { waiting, answers } = moment.calls.remove(nth);
        if let Some(answers) = answers {
            hear(&mut moment.till, &waiting, &answers);
        } else {
            let answers = Some(tell(&mut moment.till, &waiting));
            moment.calls.push(Call { waiting, answers });
        }
        moment
    }

    /// What the moment is, for whatever may follow: no positions, no revisions, no times. What a stock keeps is told by what it
    /// would answer.
    fn view(&self) -> String {
        let mut calls: Vec<_> = self.calls.iter().map(Call::view).collect();
        calls.sort();
        let mut todos: Vec<_> =
            self.till.todos().iter().map(|(_, waiting)| format!("{:?}", waiting.todo)).collect();
        todos.sort();
        let of_order = |number| {
            let state = load(&self.till, &order(number)).unwrap();
            let answers = [
                self.answer(reserve(&product(1), &order(number), 1, 1)),
                self.answer(release(&product(1), &order(number), 1)),
            ];
            (state.stage, state.lines[0].hold, answers)
        };
        let orders: Vec<_> = (1..=self.orders).map(of_order).collect();
        let counts: Vec<_> = (1..4).map(|revision| self.answer(count(&product(1), 1, revision))).collect();
        let stock = available(&self.till, &product(1));
        format!("{calls:?} {todos:?} {orders:?} {counts:?} {stock} {} {}", self.recounts, self.found)
    }

    /// The kind of the answer to a command, and whether it is new.
    fn answer(&self, command: impl Into<Command>) -> (&'static str, bool) {
        match decide(&self.till, command.into()).unwrap() {
            Decision::Append(event, _) => (event.type_name(), true),
            Decision::Already(position) => (event_at(&self.till, position).type_name(), false),
            Decision::Keys(_) => panic!("a stock has no keys"),
        }
    }

    /// What is wrong, if anything is.
    fn wrong(&self) -> Option<&'static str> {
        let (all, held) = self.by_events();
        let stock = available(&self.till, &product(1));
        if stock.is_negative() {
            return Some("more is reserved than there was");
        }
        if stock + held.values().copied().sum::<Qty>() != all {
            return Some("what is available and held is not what was counted and found");
        }
        let is_at_rest = self.calls.is_empty() && self.till.todos().is_empty();
        let disagrees = |number| {
            let state = load(&self.till, &order(number)).unwrap();
            let is_on = !matches!(state.stage, Stage::Cancelled | Stage::Refused);
            let holds = is_on && state.lines[0].hold == Hold::Held;
            let is_held = held.get(&order(number)).is_some_and(|held| *held > Qty::ZERO);
            holds != is_held || state.stage == Stage::Placed
        };
        if is_at_rest && (1..=self.orders).any(disagrees) {
            return Some("all have answered, and an order and its stock do not agree");
        }
        None
    }

    /// What was counted and found in all, and what each order holds, by the events alone. A count of an older revision does not
    /// count.
    fn by_events(&self) -> (Qty, BTreeMap<Ref, Qty>) {
        let (mut all, mut newest) = (Qty::ZERO, 0);
        let mut held: BTreeMap<Ref, Qty> = BTreeMap::new();
        for (event, _) in &self.till.log {
            match event {
                Event::Stock(StockEvent::StockCounted(event)) if event.of_revision > newest => {
                    newest = event.of_revision;
                    all = event.available + held.values().copied().sum::<Qty>();
                }
                Event::Stock(StockEvent::StockAdjusted(event)) => all += event.change,
                Event::Stock(StockEvent::StockReserved(event)) => {
                    *held.entry(event.order.clone()).or_default() += event.quantity;
                }
                Event::Stock(StockEvent::StockReleased(event)) => {
                    *held.entry(event.order.clone()).or_default() -= event.quantity;
                }
                _ => {}
            }
        }
        (all, held)
    }
}

/// What has led to each moment that is known: what happened last, and to which moment before.
type Ways = Vec<Option<(String, usize)>>;

/// Tries every interleaving from a first moment on, the shortest first. It gives how many moments there are.
fn tried(first: Moment) -> usize {
    let mut known = HashSet::from([first.view()]);
    let mut ways: Ways = vec![None];
    let mut ahead = VecDeque::from([(0, first)]);
    while let Some((nth, moment)) = ahead.pop_front() {
        if let Some(wrong) = moment.wrong() {
            panic!("{wrong}, after\n{}", way_to(&ways, nth).join("\n"));
        }
        for (name, next) in moment.next() {
            if known.insert(next.view()) {
                ahead.push_back((ways.len(), next));
                ways.push(Some((name, nth)));
            }
        }
    }
    known.len()
}

/// What has happened until a moment.
fn way_to(ways: &Ways, nth: usize) -> Vec<String> {
    let mut way = Vec::new();
    let mut at = nth;
    while let Some((name, before)) = &ways[at] {
        way.push(name.clone());
        at = *before;
    }
    way.reverse();
    way
}

#[test]
fn no_interleaving_of_two_orders_reserves_too_much_or_leaves_a_piece_behind() {
    let moments = tried(Moment::first(2, 0, 1));
    println!("{moments} moments");
    assert!(moments > 1_000, "{moments} moments are not every interleaving");
}

#[test]
fn no_interleaving_of_counts_and_an_order_loses_what_was_counted() {
    let moments = tried(Moment::first(1, 1, 0));
    assert!(moments > 100, "{moments} moments are not every interleaving");
}

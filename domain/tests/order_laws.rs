//! The laws of the catalogue, of stocks and of orders: what holds after any commands, however often and late what is told
//! arrives.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so")]

mod memory;
mod shop;

use std::collections::{BTreeMap, BTreeSet};

use domain::catalogue::{ChangeProduct, ListProduct, ProductChange, RemoveSeller};
use domain::order::{
    ALL, AmendOrder, Fulfilment, On, Payable, PaymentStatus, PlaceOrder, Price, Stage, Wanted, Who, load,
};
use domain::stock::AdjustStock;
use domain::{Asked, Command, Decision, Rejection, Sort, TodoKey, Waiting, catalogue, decide, order, stock};
use memory::Memory;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use schemas::catalogue::Event as CatalogueEvent;
use schemas::orders::{Event as OrderEvent, Share};
use schemas::stock::Event as StockEvent;
use schemas::{Event, Money, Qty, Ref, Topic};
use shop::*;

/// Something that happens: which, and three choices within it.
#[derive(Clone, Copy, Debug)]
struct Step {
    which: u8,
    one: u8,
    two: u8,
    three: u8,
}

/// The steps that ask a command come before those with what is told.
const ASKED: u8 = 16;
const KINDS: u8 = 24;

fn steps(kinds: u8, at_most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (0..kinds, 0..6_u8, 0..6_u8, 0..6_u8);
    let step = step.prop_map(|(which, one, two, three)| Step { which, one, two, three });
    prop::collection::vec(step, 0..at_most)
}

fn histories() -> impl Strategy<Value = Vec<Step>> {
    steps(KINDS, 90)
}

/// A till, and the calls of to-dos that are on their way: to the receivers, or back with their answers.
#[derive(Clone, Default)]
struct World {
    till: Memory,
    under_way: Vec<(Waiting, Option<Vec<Event>>)>,
}

impl World {
    /// Something is listed from the start, so that most of what is asked finds it.
    fn first() -> Self {
        let mut world = Self::default();
        world.till.when(list_seller(1)).unwrap();
        world.till.when(list(1, "10.00", Some(4))).unwrap();
        world.till.when(list(2, "10.00", None)).unwrap();
        world.till.when(list_in_restaurant("20.50")).unwrap();
        world
    }

    /// Does a step. A command that is refused is none.
    fn take(&mut self, nth: usize, step: Step) {
        if step.which < ASKED {
            let command = asked_for(&self.till, nth, step);
            let _ = self.till.when(command);
            return;
        }
        let of = |count: usize| usize::from(step.one) % count.max(1);
        let todos: Vec<_> = self
            .till
            .todos()
            .into_iter()
            .filter(|(key, _)| key.sort() == Sort::Tell || step.two == 0)
            .collect();
        let under_way = of(self.under_way.len());
        match step.which {
            16..20 => {
                if let Some((_, waiting)) = todos.get(of(todos.len())) {
                    perform(&mut self.till, waiting);
                }
            }
            20 | 21 => {
                let tells = todos.into_iter().filter(|(key, _)| key.sort() == Sort::Tell);
                self.under_way.extend(tells.take(2).map(|(_, waiting)| (waiting, None)));
            }
            _ if self.under_way.is_empty() => {}
            22 if step.two > 1 => self.go_on(under_way),
            // What stays under way although it has arrived arrives again.
            22 => {
                let again = self.under_way[under_way].clone();
                self.go_on(under_way);
                self.under_way.push(again);
            }
            _ if step.two == 0 => drop(self.under_way.swap_remove(under_way)),
            _ => self.go_on(under_way),
        }
    }

    /// A call arrives at the receivers, or their answers at the teller.
    fn go_on(&mut self, nth: usize) {
        let (waiting, answers) = self.under_way.swap_remove(nth);
        match answers {
            None => {
                let answers = tell(&mut self.till, &waiting);
                self.under_way.push((waiting, Some(answers)));
            }
            Some(answers) => {
                hear(&mut self.till, &waiting, &answers);
            }
        }
    }

    /// Everything that is owed is done, those at deadlines too, and everything under way arrives.
    fn settle(&mut self) {
        while !self.under_way.is_empty() {
            self.go_on(0);
        }
        for _ in 0..500 {
            let Some((_, waiting)) = self.till.todos().into_iter().next() else { return };
            perform(&mut self.till, &waiting);
        }
        panic!("to-dos are left: {:?}", self.till.todos());
    }
}

fn lived(history: &[Step]) -> World {
    let mut world = World::first();
    for (nth, step) in history.iter().enumerate() {
        world.take(nth, *step);
    }
    world
}

fn lines(Step { one, two, three, .. }: Step, of: impl Fn(u8) -> Ref) -> Vec<Wanted> {
    let price = if three == 5 { Price::Expected(money("10.00")) } else { Price::Present };
    let line = |nth: u8| Wanted {
        product: of((one + nth) % 3 + 1),
        quantity: Qty::parse(["1", "2", "0.333", "3"][usize::from(two + nth) % 4]).unwrap(),
        price,
        note: None,
    };
    (0..=two % 3).map(line).collect()
}

/// The command of a step. `nth` tells the commands of one history apart.
fn asked_for(till: &Memory, nth: usize, step: Step) -> Command {
    let Step { which, one, two, three } = step;
    let asked = keyed(u32::try_from(nth).unwrap(), which);
    let number = one % 4 + 1;
    let price = ["10.00", "0", "3.33", "0.05", "99.99", "7.00"][usize::from(three)];
    let of_till = product(number);
    let in_restaurant = i64::from(one) + 1;
    let stage = Stage::KNOWN[usize::from(two * 6 + three) % Stage::KNOWN.len()].clone();
    let who = [Who::Buyer, Who::Staff, Who::Courier, Who::Staff, Who::Staff, Who::Staff][usize::from(three)];
    match which {
        0 => {
            let mut listed = list(number, price, (two > 1).then_some(two.into()));
            listed.content.keep_one = three == 4;
            listed.content.seller = (one > 3).then(|| seller(1));
            ListProduct { asked, ..listed }.into()
        }
        1 => ListProduct { asked, ..list_in_restaurant(price) }.into(),
        2 => ChangeProduct { asked, ..reprice(&of_till, price) }.into(),
        3 => ChangeProduct { asked, ..recount(&of_till, two.into()) }.into(),
        4 => match two {
            0 if three == 0 => remove(&of_till).into(),
            1 => {
                let Ref { home, id } = seller(1);
                if three == 0 { RemoveSeller { home, id, asked }.into() } else { list_seller(1).into() }
            }
            _ => {
                let active = ProductChange { active: Some(three > 0), ..ProductChange::default() };
                ChangeProduct { asked, ..change(&of_till, active) }.into()
            }
        },
        5 => AdjustStock { asked, ..adjust(&of_till, i64::from(two) - 2) }.into(),
        6..9 => {
            let fulfilment = Fulfilment::KNOWN[usize::from(three) % 3].clone();
            let order = place(u8::try_from(nth % 50).unwrap(), lines(step, product));
            let method = if two == 4 { "card" } else { "cash" };
            let payment = Payable { method: method.into(), ..order.payment };
            PlaceOrder { fulfilment, payment, is_imported: one == 5, asked, ..order }.into()
        }
        9 => {
            let of = |number: u8| of_restaurant(number.into());
            PlaceOrder { asked, ..checkout(&format!("pay-{nth}"), lines(step, of)) }.into()
        }
        10 | 11 => {
            let mut command = go(&any_order(till, one, which == 10), stage, who);
            command.asked = asked;
            command.into()
        }
        12 => {
            let mut command = cancel(&any_order(till, one, true), (two > 0).then_some(who));
            command.asked = asked;
            command.into()
        }
        13 => {
            let amended = amend(&of_restaurant(in_restaurant));
            let payment_status = (three > 2).then_some(PaymentStatus::Approved);
            AmendOrder { stage: (two > 3).then_some(stage), payment_status, asked, ..amended }.into()
        }
        14 if two == 0 => take_off(&of_restaurant(in_restaurant)).into(),
        _ => {
            let order = of_restaurant(in_restaurant);
            let payment = load(till, &order).and_then(|state| state.payment);
            let payment_id = payment.map(|payment| payment.id).unwrap_or_default();
            let status = PaymentStatus::KNOWN[usize::from(three)].clone();
            let mut command = pay(&order, &payment_id, status);
            command.said_at = (two > 2).then(|| minutes(two.into()));
            command.asked = asked;
            command.into()
        }
    }
}

/// One of the orders that there are.
fn any_order(till: &Memory, nth: u8, of_v1: bool) -> Ref {
    let placed: Vec<_> = placed_orders(till).filter(|order| (order.home != RESTAURANT) == of_v1).collect();
    let from_the_end = placed.len().checked_sub(1 + usize::from(nth) % placed.len().max(1));
    from_the_end.map_or_else(|| order(99), |nth| placed[nth].clone())
}

fn placed_orders(till: &Memory) -> impl Iterator<Item = Ref> + '_ {
    till.log.iter().filter_map(|(event, _)| match event {
        Event::Orders(OrderEvent::OrderPlaced(event)) => Some(event.order.clone()),
        _ => None,
    })
}

/// The order that an event is of, the stage after it where it says one, and its shares.
fn of_order(event: &Event) -> Option<(&Ref, Option<&str>, &[Share])> {
    let Event::Orders(event) = event else { return None };
    let (order, stage, shares): (&Ref, Option<&String>, &[Share]) = match event {
        OrderEvent::OrderPlaced(event) => (&event.order, Some(&event.stage), &event.shares),
        OrderEvent::OrderStockSettled(event) => (&event.order, Some(&event.stage), &event.shares),
        OrderEvent::OrderStockReleased(event) => (&event.order, None, &[]),
        OrderEvent::OrderMoved(event) => (&event.order, Some(&event.stage), &event.shares),
        OrderEvent::OrderAmended(event) => (&event.order, Some(&event.stage), &event.shares),
        OrderEvent::OrderCancelled(event) => (&event.order, Some(&event.stage), &event.shares),
        OrderEvent::OrderRemoved(event) => (&event.order, Some(&event.stage), &[]),
        OrderEvent::PaymentSettled(event) => (&event.order, Some(&event.stage), &event.shares),
        other => panic!("no command of today leads to {other:?}"),
    };
    Some((order, stage.map(String::as_str), shares))
}

/// The stages that an event of a kind may lead to, as they are written in the design and not in the code. `None`: the event
/// is the order's first.
fn allowed(rules: &str, kind: &str, fulfilment: &str, from: Option<&str>) -> Vec<&'static str> {
    let paid = match fulfilment {
        "kitchen" => "received",
        "shipping" => "confirmed",
        _ => "finished",
    };
    match (rules, kind, from) {
        ("v1", "OrderPlaced", None) => vec!["placed", paid],
        ("v1", "OrderStockSettled", Some("placed")) => vec!["placed", "refused", paid],
        ("v1", "OrderMoved", Some("received")) => vec!["preparing"],
        ("v1", "OrderMoved", Some("preparing")) => vec!["ready"],
        ("v1", "OrderMoved", Some("ready")) => vec!["finished"],
        ("v1", "OrderMoved", Some("confirmed")) => vec!["dispatched"],
        ("v1", "OrderMoved", Some("dispatched")) => vec!["delivered"],
        ("v1", "OrderCancelled", Some("placed" | "received" | "confirmed" | "preparing" | "ready")) => {
            vec!["cancelled"]
        }
        ("restaurant", "OrderPlaced", None) => vec!["received"],
        ("restaurant", "OrderMoved", Some(_)) => vec!["received", "preparing", "ready", "finished"],
        ("restaurant", "OrderAmended", Some(from)) => {
            let stays = Stage::from(from);
            let stays = Stage::KNOWN.iter().find(|known| **known == stays).map(Stage::as_str);
            ["received", "preparing", "ready", "finished"].into_iter().chain(stays).collect()
        }
        ("restaurant", "OrderRemoved", Some(_)) => vec!["removed"],
        ("restaurant", "PaymentSettled", Some(from)) => {
            Stage::KNOWN.iter().map(Stage::as_str).filter(|known| *known == from).collect()
        }
        _ => vec![],
    }
}

/// The sums of an order's shares.
#[derive(Clone, Debug, Default, PartialEq)]
struct Figures {
    orders: BTreeMap<Option<String>, i32>,
    quantity: Qty,
    sold: Money,
    approved: Money,
    refunded: Money,
}

impl Figures {
    fn add(&mut self, share: &Share) {
        *self.orders.entry(share.seller.as_ref().map(|seller| seller.home.clone())).or_default() +=
            share.orders;
        self.quantity += share.quantity;
        self.sold += share.sold;
        self.approved += share.approved;
        self.refunded += share.refunded;
    }
}

/// What a stock must have by its events: what was counted and adjusted, what each line holds, and the newest count's revision.
#[derive(Default)]
struct Counted {
    all: Qty,
    held: BTreeMap<(Ref, i32), Qty>,
    of_revision: i32,
}

impl Counted {
    fn held(&self) -> Qty {
        self.held.values().copied().sum()
    }

    /// Adds an event up. It gives what the event says that is available after it.
    fn add(&mut self, event: &StockEvent) -> Qty {
        match event {
            StockEvent::StockCounted(event) => {
                assert!(event.of_revision > self.of_revision, "a count of an older revision was taken");
                self.of_revision = event.of_revision;
                self.all = event.available + self.held();
                event.available
            }
            StockEvent::StockAdjusted(event) => {
                self.all += event.change;
                event.available
            }
            StockEvent::StockReserved(event) => {
                let first = self.held.insert((event.order.clone(), event.line), event.quantity);
                assert_eq!(first, None, "a line is answered once");
                event.available
            }
            StockEvent::StockRefused(event) => {
                let first = self.held.insert((event.order.clone(), event.line), Qty::ZERO);
                assert_eq!(first, None, "a line is answered once");
                event.available
            }
            StockEvent::StockReleased(event) => {
                let held = self.held.insert((event.order.clone(), event.line), Qty::ZERO);
                assert_eq!(held.unwrap_or_default(), event.quantity, "what was held comes back");
                event.available
            }
        }
    }
}

fn product_of(event: &StockEvent) -> &Ref {
    match event {
        StockEvent::StockCounted(event) => &event.product,
        StockEvent::StockAdjusted(event) => &event.product,
        StockEvent::StockReserved(event) => &event.product,
        StockEvent::StockRefused(event) => &event.product,
        StockEvent::StockReleased(event) => &event.product,
    }
}

/// The event with every wish at its default.
fn without_wishes(mut event: Event) -> Event {
    match &mut event {
        Event::Catalogue(CatalogueEvent::ProductListed(event)) => event.count = None,
        Event::Catalogue(CatalogueEvent::ProductChanged(event)) => event.count = None,
        Event::Orders(OrderEvent::OrderPlaced(event)) => (event.reserve, event.cancel_at) = (false, None),
        Event::Orders(OrderEvent::OrderStockSettled(event)) => event.release = vec![],
        Event::Orders(OrderEvent::OrderCancelled(event)) => event.release = vec![],
        _ => {}
    }
    event
}

#[test]
fn the_histories_that_the_laws_are_tried_with_have_every_event_that_a_command_leads_to() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..300 {
        let history = histories().new_tree(&mut runner).unwrap().current();
        let mut world = lived(&history);
        world.settle();
        seen.extend(world.till.log.iter().map(|(event, _)| event.type_name()));
    }
    let expected = [
        "SellerListed",
        "SellerRemoved",
        "ProductListed",
        "ProductChanged",
        "ProductRemoved",
        "ProductStockSet",
        "StockCounted",
        "StockAdjusted",
        "StockReserved",
        "StockRefused",
        "StockReleased",
        "OrderPlaced",
        "OrderStockSettled",
        "OrderStockReleased",
        "OrderMoved",
        "OrderAmended",
        "OrderCancelled",
        "OrderRemoved",
        "PaymentSettled",
    ];
    let missing: Vec<_> = expected.iter().filter(|name| !seen.contains(*name)).collect();
    assert_eq!(missing, [&""; 0]);
}

/// The rows of `/v1` as the design has them: before, what happens, how the buyer gets it, who may do it, after.
#[test]
fn the_rules_of_v1_are_those_of_the_design() {
    let expected = [
        ("placed", On::Short, "*", Who::Fact, "refused"),
        ("placed", On::Paid, "kitchen", Who::Fact, "received"),
        ("placed", On::Paid, "shipping", Who::Fact, "confirmed"),
        ("placed", On::Paid, "none", Who::Fact, "finished"),
        ("placed", On::Unpaid, "*", Who::Fact, "cancelled"),
        ("placed", On::Deadline, "*", Who::Fact, "cancelled"),
        ("received", On::Move, "*", Who::Staff, "preparing"),
        ("preparing", On::Move, "*", Who::Staff, "ready"),
        ("ready", On::Move, "*", Who::Staff, "finished"),
        ("confirmed", On::Move, "*", Who::Staff, "dispatched"),
        ("dispatched", On::Move, "*", Who::Courier, "delivered"),
        ("placed", On::Cancel, "*", Who::Buyer, "cancelled"),
        ("received", On::Cancel, "*", Who::Buyer, "cancelled"),
        ("confirmed", On::Cancel, "*", Who::Buyer, "cancelled"),
        ("preparing", On::Cancel, "*", Who::Staff, "cancelled"),
        ("ready", On::Cancel, "*", Who::Staff, "cancelled"),
    ];
    let ons = [On::Move, On::Cancel, On::Paid, On::Unpaid, On::Short, On::Deadline, On::Remove];
    for from in Stage::KNOWN {
        for on in ons {
            for fulfilment in Fulfilment::KNOWN {
                for to in Stage::KNOWN {
                    let is_it = |(before, what, how, _, after): &&(&str, On, &str, Who, &str)| {
                        let fits = *how == "*" || *how == fulfilment.as_str();
                        *before == from.as_str() && *what == on && fits && *after == to.as_str()
                    };
                    let expected = expected.iter().find(is_it).map(|(.., who, _)| *who);
                    let row = order::V1.row(from, on, fulfilment, Some(to));
                    assert_eq!(row.map(|row| row.who), expected, "{from:?} {on:?} {fulfilment:?} {to:?}");
                }
            }
        }
    }
    assert_eq!(ALL.iter().map(|rules| rules.name).collect::<Vec<_>>(), ["v1", "restaurant"]);
}

proptest! {
    /// The law of replay: folding the log gives the states that deciding had given.
    #[test]
    fn replay_equals_live(history in histories()) {
        let mut world = lived(&history);
        prop_assert_eq!(&world.till.replayed(), &world.till);
        world.settle();
        prop_assert_eq!(&world.till.replayed(), &world.till);
    }

    /// The law of topics: catalogue, stock and orders may be folded in any order.
    #[test]
    fn any_interleaving_of_catalogue_stock_and_orders_gives_the_same_states(
        history in histories(),
        turns in prop::collection::vec(0..3_usize, 0..200),
    ) {
        let till = lived(&history).till;
        let of = |topic| till.log.iter().filter(move |(event, _)| event.topic() == topic);
        let mut topics = [Topic::Catalogue, Topic::Stock, Topic::Orders].map(of);
        let mut interleaved = Vec::new();
        for turn in turns {
            interleaved.extend(topics[turn].next());
        }
        topics.into_iter().for_each(|rest| interleaved.extend(rest));
        prop_assert_eq!(Memory::folded(interleaved), till.states);
    }

    /// The law of stages: an order goes where the table lets it go.
    #[test]
    fn stages_change_by_the_table_only(history in histories()) {
        let mut world = lived(&history);
        world.settle();
        let mut stages: BTreeMap<&Ref, (&str, &str, &str)> = BTreeMap::new();
        for (event, _) in &world.till.log {
            let Some((order, Some(to), _)) = of_order(event) else { continue };
            let (rules, fulfilment, from) = match (event, stages.get(order)) {
                (_, Some((rules, fulfilment, from))) => (*rules, *fulfilment, Some(*from)),
                (Event::Orders(OrderEvent::OrderPlaced(event)), None) => {
                    (event.rules.as_str(), event.fulfilment.as_str(), None)
                }
                other => panic!("{other:?}"),
            };
            let allowed = allowed(rules, event.type_name(), fulfilment, from);
            prop_assert!(allowed.contains(&to), "{rules}: {} from {from:?} to {to}", event.type_name());
            stages.insert(order, (rules, fulfilment, to));
        }
        for (order, (_, _, stage)) in stages {
            let after = state(&world.till, order).stage;
            prop_assert_eq!(after.as_str(), stage);
        }
    }

    /// The law of sums: the total is that of the lines, each at the catalogue's price.
    #[test]
    fn a_total_is_the_sum_of_its_lines_at_the_catalogues_prices(history in histories()) {
        let till = lived(&history).till;
        for (event, _) in &till.log {
            let Event::Orders(OrderEvent::OrderPlaced(event)) = event else { continue };
            for line in &event.lines {
                prop_assert_eq!(Some(line.unit_price), price_at(&till, &line.product, line.revision));
                let exact = line.unit_price.decimal() * line.quantity.decimal();
                prop_assert_eq!(line.amount, Money::rounded(exact));
            }
            let sum: Money = event.lines.iter().map(|line| line.amount).sum();
            let shared: Money = event.shares.iter().map(|share| share.sold).sum();
            let state = state(&till, &event.order);
            let kept: Money = state.lines.iter().map(|line| line.amount).sum();
            prop_assert_eq!([event.total, shared, state.total, kept], [sum; 4]);
        }
    }

    /// The law of figures: they are the sums of shares, and no order takes back more than it gave.
    #[test]
    fn shares_add_up(history in histories()) {
        let mut world = lived(&history);
        world.settle();
        let mut figures: BTreeMap<&Ref, Figures> = BTreeMap::new();
        for (event, _) in &world.till.log {
            let Some((order, _, shares)) = of_order(event) else { continue };
            let sums = figures.entry(order).or_default();
            shares.iter().for_each(|share| sums.add(share));
            prop_assert!(sums.sold >= Money::ZERO && sums.quantity >= Qty::ZERO);
            prop_assert!(Money::ZERO <= sums.refunded && sums.refunded <= sums.approved, "{sums:?}");
            prop_assert!(sums.orders.values().all(|orders| (0..=1).contains(orders)), "{sums:?}");
        }
        for (order, sums) in figures {
            let state = state(&world.till, order);
            let has_ended = matches!(state.stage, Stage::Refused | Stage::Cancelled);
            let sold = if has_ended { Money::ZERO } else { state.total };
            let orders = if has_ended || state.lines.is_empty() { 0 } else { 1 };
            let is_paid = state.payment_status() == PaymentStatus::Approved;
            let paid = if is_paid { state.total } else { Money::ZERO };
            prop_assert_eq!(sums.sold, sold);
            prop_assert_eq!(sums.approved - sums.refunded, paid, "{:?}", state);
            prop_assert!(sums.orders.values().all(|each| *each == orders), "{sums:?}");
            let quantity: Qty = state.lines.iter().map(|line| line.quantity).sum();
            prop_assert_eq!(sums.quantity, if has_ended { Qty::ZERO } else { quantity });
        }
    }

    /// The law of stock: what is available and what is held is what was counted and adjusted, and nothing is held twice.
    #[test]
    fn what_is_available_and_held_is_what_was_counted_and_adjusted(history in histories()) {
        let mut world = lived(&history);
        let mut stocks: BTreeMap<&Ref, Counted> = BTreeMap::new();
        for (event, _) in &world.till.log {
            let Event::Stock(event) = event else { continue };
            let counted = stocks.entry(product_of(event)).or_default();
            let available = counted.add(event);
            prop_assert!(!available.is_negative());
            prop_assert_eq!(available + counted.held(), counted.all);
        }
        for (product, counted) in stocks {
            prop_assert_eq!(available(&world.till, product) + counted.held(), counted.all);
            // Whatever was counted, an older count changes nothing.
            for revision in 0..=counted.of_revision {
                prop_assert!(counted.of_revision == 0 || is_known(&world.till, count(product, 9, revision)));
            }
        }
        world.settle();
        let mut held = BTreeMap::new();
        for (event, _) in &world.till.log {
            let Event::Stock(event) = event else { continue };
            held.entry(product_of(event).clone()).or_insert_with(Counted::default).add(event);
        }
        for ((order, line), held) in held.into_values().flat_map(|counted| counted.held) {
            let state = state(&world.till, &order);
            let kept = state.lines.iter().find(|kept| kept.line == line).unwrap();
            let expected = if kept.hold == order::Hold::Held { kept.quantity } else { Qty::ZERO };
            prop_assert_eq!(held, expected, "the stock and the order agree once all is answered");
        }
    }

    /// The law of to-dos: one is raised by the event that was just recorded, is settled once, and none is left when all have
    /// answered.
    #[test]
    fn a_to_do_is_raised_once_and_settled_once(history in histories()) {
        let mut world = World::first();
        let mut open: BTreeSet<TodoKey> = world.till.todos().into_iter().map(|(key, _)| key).collect();
        let mut gone = BTreeSet::new();
        for (nth, step) in history.into_iter().enumerate() {
            let before = world.till.log.len();
            world.take(nth, step);
            let now: BTreeSet<_> = world.till.todos().into_iter().map(|(key, _)| key).collect();
            for raised in now.difference(&open) {
                let newest = world.till.log[before..].iter().any(|(_, recorded)| recorded.position == raised.raised_by());
                prop_assert!(newest && !gone.contains(raised));
            }
            gone.extend(open.difference(&now).copied());
            open = now;
        }
        world.settle();
        prop_assert_eq!(world.till.todos(), vec![]);
        let waits = placed_orders(&world.till).any(|order| {
            let state = state(&world.till, &order);
            state.lines.iter().any(|line| line.hold == order::Hold::Asked)
        });
        prop_assert!(!waits, "no line waits for an answer that nobody owes");
    }

    /// The law of idempotency: the same key twice changes nothing, and another body under it is a rejection.
    #[test]
    fn the_same_key_twice_changes_nothing(history in histories(), again in steps(ASKED, 4)) {
        let mut till = lived(&history).till;
        for (nth, step) in again.into_iter().enumerate() {
            let command = asked_for(&till, 1_000 + nth, step);
            let first = till.when(command.clone());
            let once = till.clone();
            let second = till.when(command.clone());
            prop_assert_eq!(&till, &once, "nothing new happens");
            let Ok(Decision::Append(event, _)) = first else { continue };
            let position = till.log.iter().rev().find(|(one, _)| one == event.as_ref()).unwrap().1.position;
            match second {
                Ok(Decision::Already(before)) => prop_assert_eq!(before, position),
                // What was listed or removed without a key is refused by itself.
                Err(_) => prop_assert!(key_of(&command).is_none()),
                other => panic!("{other:?}"),
            }
            if let Some(other) = with_another_body(&command) {
                let reused = decide(&till, other).map_err(Rejection::code);
                prop_assert_eq!(reused, Err("urn:till:idempotency-key-reused"));
            }
        }
    }

    /// The law of numbers: those of a home are dense from 1, a count for each kind.
    #[test]
    fn numbers_are_dense_from_1(history in histories()) {
        let till = lived(&history).till;
        let (mut orders, mut products) = (0, 0);
        for (event, _) in &till.log {
            let (count, id) = match event {
                Event::Orders(OrderEvent::OrderPlaced(event)) if event.order.home == RESTAURANT => {
                    (&mut orders, &event.order.id)
                }
                Event::Catalogue(CatalogueEvent::ProductListed(event)) if event.product.home == RESTAURANT => {
                    (&mut products, &event.product.id)
                }
                _ => continue,
            };
            *count += 1;
            prop_assert_eq!(id, &count.to_string());
        }
    }

    /// The law of wishes: events whose wishes have their defaults raise nothing, whatever else they say.
    #[test]
    fn a_wish_with_its_default_raises_nothing(history in histories()) {
        let mut world = lived(&history);
        world.settle();
        let mut folded = Memory::default();
        for (event, _) in world.till.log {
            folded.record(without_wishes(event));
            prop_assert_eq!(folded.todos(), vec![]);
        }
    }
}

/// Who asks for a command that may be repeated under an idempotency id.
fn asked_of(command: &mut Command) -> Option<&mut Asked> {
    match command {
        Command::Catalogue(catalogue::Command::ListProduct(command)) => Some(&mut command.asked),
        Command::Catalogue(catalogue::Command::ChangeProduct(command)) => Some(&mut command.asked),
        Command::Stock(stock::Command::AdjustStock(command)) => Some(&mut command.asked),
        Command::Order(order::Command::PlaceOrder(command)) => Some(&mut command.asked),
        Command::Order(order::Command::MoveOrder(command)) => Some(&mut command.asked),
        Command::Order(order::Command::CancelOrder(command)) => Some(&mut command.asked),
        Command::Order(order::Command::AmendOrder(command)) => Some(&mut command.asked),
        Command::Order(order::Command::SettlePayment(command)) => Some(&mut command.asked),
        _ => None,
    }
}

fn key_of(command: &Command) -> Option<uuid::Uuid> {
    asked_of(&mut command.clone()).and_then(|asked| asked.key)
}

fn with_another_body(command: &Command) -> Option<Command> {
    let mut command = command.clone();
    let asked = asked_of(&mut command).filter(|asked| asked.key.is_some())?;
    asked.print = Some(schemas::Bytes(vec![99; 32]));
    Some(command)
}

//! Placing an order: priced from the catalogue, added up, and its wishes said.

use chrono::{DateTime, Utc};
use schemas::orders::{Buyer, Line, OrderOpened, OrderPlaced, Payment, Times};
use schemas::{Money, Qty, Ref, Sealed};

use super::rejection::Rejection;
use super::rules::{Fulfilment, On, PaymentStatus, rules};
use super::state::{
    Hold, OrderState, PaymentState, Shown, before, count, find_by, load, number_key, save, sold,
};
use super::steps::{paid, times};
use super::stock;
use super::todo::Todo;
use crate::catalogue::load_product;
use crate::people::load as load_customer;
use crate::{Asked, Decision, Due, Recorded, States, asked, numbers, raise};

/// The lines of an order, at most.
pub const MAX_LINES: usize = 500;
/// The bytes of text in an order, at most, so that its event stays far below the largest record that a topic takes.
const MAX_TEXT_BYTES: usize = 150 * 1024;

/// Place an order.
#[derive(Clone, Debug)]
pub struct PlaceOrder {
    /// The home: the order's own UUID, or a contract's.
    pub home: String,
    /// The order's id within it, empty in a home of its own; `None`: the home's next number.
    pub id: Option<String>,
    /// Whose order it is: `v1`, or a contract's own scope.
    pub scope: String,
    /// The name of the rule set that it follows.
    pub rules: String,
    /// Who it is for.
    pub buyer: Option<Buyer>,
    /// How the buyer gets it.
    pub fulfilment: Fulfilment,
    /// The deployment's currency, three letters.
    pub currency: String,
    /// Recipient and address, for shipping.
    pub ship_to: Option<Sealed>,
    /// What is ordered.
    pub lines: Vec<Wanted>,
    /// How it is paid.
    pub payment: Payable,
    /// Whether it was placed in another system before, which has done what is to be done for it.
    pub is_imported: bool,
    /// Who asks.
    pub asked: Asked,
}

/// What is wanted of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The product.
    pub product: Ref,
    /// How much.
    pub quantity: Qty,
    /// At what price.
    pub price: Price,
    /// A wish, such as: no onions.
    pub note: Option<String>,
}

/// The price of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Price {
    /// The product's present one.
    Present,
    /// The product's present one, which the buyer takes to be this.
    Expected(Money),
    /// The one that it had when it was ordered in another system, whether or not it is sold now.
    Past(Money),
}

/// How an order is to be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payable {
    /// Our id of the payment.
    pub id: String,
    /// A word such as `cash`.
    pub method: String,
    /// Who takes the money; empty for cash.
    pub provider: String,
    /// The instant at which an order that is not settled is cancelled.
    pub cancel_at: Option<DateTime<Utc>>,
}

pub(super) fn place(states: &impl States, command: PlaceOrder) -> Result<Decision, Rejection> {
    if let Some(before) = before(states, &command.home, &command.asked)? {
        return Ok(Decision::Already(before));
    }
    let PlaceOrder { home, id, scope, rules: name, buyer, fulfilment, currency, ship_to, .. } = command;
    let rules = rules(&name).ok_or(Rejection::RulesUnknown)?;
    let id = numbers::id(states, &number_key(&home), id);
    let order = Ref { home, id: id.map_err(|numbers::NotNext| Rejection::NumberNotNext)? };
    if load(states, &order).is_some() {
        return Err(Rejection::Known);
    }
    refuse_unknown(states, &order, buyer.as_ref())?;
    if rules.needs_lines && command.lines.is_empty() {
        return Err(Rejection::NothingOrdered);
    }
    let (lines, total) = priced(states, command.lines)?;
    let reserve = rules.reserves && !command.is_imported && lines.iter().any(|line| line.counts_stock);
    let is_paid = rules.trusts(&command.payment.method, total);
    // Also where it is reserved first: an order that could never be paid for is refused at once.
    let paid = if is_paid { Some(paid(rules, &fulfilment)?) } else { None };
    let at = command.asked.at;
    let is_settled = is_paid && !reserve;
    let stage = paid.filter(|_| is_settled).unwrap_or_else(|| rules.first.clone());
    let status = if is_settled { PaymentStatus::Approved } else { PaymentStatus::Unasked };
    let ends = rules.row(&stage, On::Deadline, &fulfilment, None).is_some();
    let Payable { id, method, provider, cancel_at } = command.payment;
    let payment = Payment {
        id,
        method,
        provider,
        amount: total,
        currency: currency.clone(),
        card: None,
        provider_id: None,
    };
    Ok(Decision::append(OrderPlaced {
        head: command.asked.head(1),
        order,
        shares: sold(&scope, &lines, is_settled),
        scope,
        rules: name,
        times: times(&Times::default(), &stage, at),
        stage: stage.into(),
        buyer,
        fulfilment: fulfilment.into(),
        currency,
        ship_to,
        lines,
        total,
        payment: Some(payment),
        payment_status: status.into(),
        reserve,
        pay_now: false,
        cancel_at: cancel_at.filter(|_| !is_settled && !command.is_imported && ends),
    }))
}

/// Refuses a buyer of the order's own home that may not order. Those of other homes were looked up by whoever asks.
pub(super) fn refuse_unknown(
    states: &impl States,
    order: &Ref,
    buyer: Option<&Buyer>,
) -> Result<(), Rejection> {
    let Some(party) = buyer.map(|buyer| &buyer.party).filter(|party| party.home == order.home) else {
        return Ok(());
    };
    let customer = load_customer(states, &party.home, &party.id);
    if customer.is_some() { Ok(()) } else { Err(Rejection::NoBuyer) }
}

/// The lines with their products' titles and prices, and the sum of their amounts. Products of other homes are as the store has
/// them: whoever asks has waited until it has read the catalogue to its end.
///
/// # Errors
/// A product is not sold, or sold at another price than expected; a limit is broken.
pub fn priced(states: &impl States, wanted: Vec<Wanted>) -> Result<(Vec<Line>, Money), Rejection> {
    if wanted.len() > MAX_LINES {
        return Err(Rejection::TooLarge);
    }
    let lines = (1..).zip(wanted).map(|(number, wanted)| line(states, number, wanted));
    let lines: Vec<Line> = lines.collect::<Result<_, _>>()?;
    let total: Money = lines.iter().map(|line| line.amount).sum();
    let text: usize = lines.iter().map(text_of).sum();
    if !total.is_sendable() || text > MAX_TEXT_BYTES { Err(Rejection::TooLarge) } else { Ok((lines, total)) }
}

fn text_of(line: &Line) -> usize {
    line.title.len() + line.section.len() + line.note.as_ref().map_or(0, String::len)
}

fn line(states: &impl States, line: i32, wanted: Wanted) -> Result<Line, Rejection> {
    let Wanted { product, quantity, price, note } = wanted;
    if quantity <= Qty::ZERO {
        return Err(Rejection::NothingOrdered);
    }
    let listed = load_product(states, &product).ok_or(Rejection::NoProduct)?;
    let unit_price = match price {
        Price::Past(price) => price,
        Price::Present => listed.price().ok_or(Rejection::NotSold)?,
        Price::Expected(expected) => match listed.price().ok_or(Rejection::NotSold)? {
            price if price == expected => price,
            _ => return Err(Rejection::PriceChanged),
        },
    };
    // Ten digits times ten digits fit a decimal.
    let amount = Money::rounded(unit_price.decimal() * quantity.decimal());
    if !amount.is_sendable() {
        return Err(Rejection::TooLarge);
    }
    Ok(Line {
        line,
        number: 0,
        revision: listed.version.revision,
        seller: listed.content.seller,
        title: listed.content.title,
        section: listed.content.section,
        counts_stock: listed.content.counts_stock,
        product,
        quantity,
        unit_price,
        discount: Money::ZERO,
        amount,
        note,
    })
}

pub(super) fn placed(states: &mut impl States, event: &OrderPlaced, recorded: &Recorded) {
    let OrderPlaced { head, order, buyer, lines, payment, reserve, .. } = event;
    let hold = |line: &Line| if *reserve && line.counts_stock { Hold::Asked } else { Hold::Uncounted };
    let status = PaymentStatus::from(event.payment_status.as_str());
    let mut state = OrderState {
        revision: head.revision,
        scope: event.scope.clone(),
        rules: event.rules.clone(),
        stage: event.stage.as_str().into(),
        buyer: buyer.clone(),
        fulfilment: event.fulfilment.as_str().into(),
        currency: event.currency.clone(),
        lines: lines.iter().map(|line| stock::kept(line, hold(line))).collect(),
        total: event.total,
        payment: payment.as_ref().map(|payment| PaymentState::new(payment, status)),
        shown: Shown::default(),
        times: event.times,
        placed_at: head.at,
        updated_at: head.at,
        changed_at: recorded.position,
        reserving: Vec::new(),
        releasing: Vec::new(),
        deadline: None,
    };
    if *reserve {
        state.reserving.extend(stock::owe_reservation(states, order, &state.lines, recorded));
    }
    if let Some(cancel_at) = event.cancel_at {
        let watch = Todo::Watch { order: order.clone() };
        state.deadline = Some(raise(states, recorded, 1, Due::At(cancel_at), watch));
    }
    if let Some(payment) = payment {
        find_by(states, order, &payment.id);
    }
    save(states, order, &state);
    count(states, order, buyer.as_ref(), 1);
    asked::note(states, &order.home, head, recorded);
    numbers::note(states, number_key(&order.home), &order.id);
}

pub(super) fn opened(states: &mut impl States, event: &OrderOpened, recorded: &Recorded) {
    let OrderOpened { head, order, buyer, .. } = event;
    let state = OrderState {
        revision: head.revision,
        scope: event.scope.clone(),
        rules: event.rules.clone(),
        stage: event.stage.as_str().into(),
        buyer: buyer.clone(),
        fulfilment: event.fulfilment.as_str().into(),
        currency: event.currency.clone(),
        lines: Vec::new(),
        total: Money::ZERO,
        payment: None,
        shown: Shown::default(),
        times: Times::default(),
        placed_at: head.at,
        updated_at: head.at,
        changed_at: recorded.position,
        reserving: Vec::new(),
        releasing: Vec::new(),
        deadline: None,
    };
    save(states, order, &state);
    count(states, order, buyer.as_ref(), 1);
    asked::note(states, &order.home, head, recorded);
    numbers::note(states, number_key(&order.home), &order.id);
}

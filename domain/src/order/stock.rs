//! What stocks have answered an order: reserved, refused, given back.

use chrono::{DateTime, Utc};
use schemas::orders::{
    Held, Line, OrderLineRemoved, OrderLineRequested, OrderStockReleased, OrderStockSettled, Short,
};
use schemas::{Qty, Ref};

use super::rejection::Rejection;
use super::rules::{On, PaymentStatus, Stage};
use super::state::{Hold, LineState, OrderState, changed, load, save};
use super::steps::{paid, times};
use super::todo::Todo;
use crate::{Asked, Decision, Due, Recorded, States, TodoKey, raise, todo};

/// Note what the stocks answered for lines of an order.
#[derive(Clone, Debug)]
pub struct SettleStock {
    /// The home of the order.
    pub home: String,
    /// The order's id within it.
    pub id: String,
    /// The answers, one for each line that was asked for.
    pub answers: Vec<Answer>,
    /// The instant, by the clock of the shard's owner.
    pub at: DateTime<Utc>,
}

/// What a stock answered for a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The line within its order.
    pub line: i32,
    /// Whether it is reserved.
    pub is_held: bool,
    /// What there was.
    pub available: Qty,
}

/// Note that reservations are given back.
#[derive(Clone, Debug)]
pub struct NoteStockReleased {
    /// The home of the order.
    pub home: String,
    /// The order's id within it.
    pub id: String,
    /// The lines whose reservations they were.
    pub lines: Vec<i32>,
    /// The instant, by the clock of the shard's owner.
    pub at: DateTime<Utc>,
}

/// Goes on with the order where each line is reserved, and else refuses it as a whole. An order that ended meanwhile has
/// no open to-do any more: what was reserved for it is on its way back.
pub(super) fn settle(states: &impl States, command: SettleStock) -> Result<Decision, Rejection> {
    let SettleStock { home, id, answers, at } = command;
    let order = Ref { home, id };
    let state = load(states, &order).ok_or(Rejection::Unknown)?;
    let is_open = |line: i32| state.reserving.iter().any(|(lines, _)| lines.contains(&line));
    if !answers.iter().any(|answer| is_open(answer.line)) {
        return Ok(Decision::Already(state.changed_at));
    }
    let rules = state.rules()?;
    let head = Asked::by_todo(at).head(state.revision + 1);
    let (held, refused): (Vec<Answer>, Vec<Answer>) = answers.into_iter().partition(|answer| answer.is_held);
    let held: Vec<_> = held.into_iter().map(|answer| Held { line: answer.line, number: 0 }).collect();
    let mut event = OrderStockSettled {
        head,
        order,
        stage: state.stage.clone().into(),
        held,
        refused: refused
            .into_iter()
            .map(|answer| Short { line: answer.line, available: answer.available })
            .collect(),
        payment_status: state.payment_status().into(),
        times: state.times,
        shares: Vec::new(),
        release: Vec::new(),
        pay_now: false,
    };
    if !event.refused.is_empty() {
        let row = rules.row(&state.stage, On::Short, &state.fulfilment, None);
        event.stage = row.and_then(|row| row.to.clone()).ok_or(Rejection::MoveNotAllowed)?.into();
        event.payment_status = PaymentStatus::Cancelled.into();
        event.shares = state.unsold();
        event.release = event.held.iter().map(|held| held.line).collect();
    } else if state.payment.as_ref().is_some_and(|payment| rules.trusts(&payment.method, payment.amount)) {
        let stage = paid(rules, &state.fulfilment)?;
        event.times = times(&state.times, &stage, at);
        event.stage = stage.into();
        event.payment_status = PaymentStatus::Approved.into();
        event.shares = state.approved();
    }
    Ok(Decision::append(event))
}

pub(super) fn note_released(states: &impl States, command: NoteStockReleased) -> Result<Decision, Rejection> {
    let NoteStockReleased { home, id, lines, at } = command;
    let order = Ref { home, id };
    let state = load(states, &order).ok_or(Rejection::Unknown)?;
    if !state.releasing.iter().any(|(open, _)| *open == lines) {
        return Ok(Decision::Already(state.changed_at));
    }
    let head = Asked::by_todo(at).head(state.revision + 1);
    Ok(Decision::append(OrderStockReleased { head, order, lines }))
}

pub(super) fn settled(states: &mut impl States, event: &OrderStockSettled, recorded: &Recorded) {
    let OrderStockSettled { head, order, held, refused, release, .. } = event;
    let Some(mut state) = changed(states, order, head, recorded) else { return };
    for answer in held {
        let Some(line) = state.line(answer.line) else { continue };
        (line.hold, line.number) = (Hold::Held, answer.number);
    }
    for answer in refused {
        let Some(line) = state.line(answer.line) else { continue };
        line.hold = Hold::Refused;
    }
    let is_answered = |line: &i32| {
        held.iter().any(|held| held.line == *line) || refused.iter().any(|refused| refused.line == *line)
    };
    for (_, todo) in state.reserving.extract_if(.., |(lines, _)| lines.iter().all(is_answered)) {
        todo::settle(states, todo);
    }
    state.times = event.times;
    state.go(states, &event.stage, &event.payment_status);
    state.owe_release(states, order, release, recorded);
    save(states, order, &state);
}

pub(super) fn released(states: &mut impl States, event: &OrderStockReleased, recorded: &Recorded) {
    let OrderStockReleased { head, order, lines } = event;
    let Some(mut state) = changed(states, order, head, recorded) else { return };
    for (_, todo) in state.releasing.extract_if(.., |(open, _)| open == lines) {
        todo::settle(states, todo);
    }
    save(states, order, &state);
}

pub(super) fn requested(states: &mut impl States, event: &OrderLineRequested, recorded: &Recorded) {
    let OrderLineRequested { head, order, line, reserve, .. } = event;
    let Some(mut state) = changed(states, order, head, recorded) else { return };
    let hold = if *reserve { Hold::Asked } else { Hold::Uncounted };
    let line = kept(line, hold);
    if *reserve {
        state.reserving.extend(owe_reservation(states, order, std::slice::from_ref(&line), recorded));
    }
    state.total += line.amount;
    state.lines.push(line);
    save(states, order, &state);
}

pub(super) fn removed(states: &mut impl States, event: &OrderLineRemoved, recorded: &Recorded) {
    let OrderLineRemoved { head, order, line, release, .. } = event;
    let Some(mut state) = changed(states, order, head, recorded) else { return };
    if *release {
        state.owe_release(states, order, &[*line], recorded);
    }
    for gone in state.lines.extract_if(.., |kept| kept.line == *line) {
        state.total -= gone.amount;
    }
    save(states, order, &state);
}

/// What is kept of a line.
pub(super) fn kept(line: &Line, hold: Hold) -> LineState {
    LineState {
        line: line.line,
        number: line.number,
        product: line.product.clone(),
        seller: line.seller.clone(),
        title: line.title.clone(),
        section: line.section.clone(),
        quantity: line.quantity,
        unit_price: line.unit_price,
        amount: line.amount,
        note: line.note.clone(),
        hold,
    }
}

/// Raises the to-do that reserves lines; `None` where none of them counts stock.
pub(super) fn owe_reservation(
    states: &mut impl States,
    order: &Ref,
    lines: &[LineState],
    recorded: &Recorded,
) -> Option<(Vec<i32>, TodoKey)> {
    let asked = lines.iter().filter(|line| line.hold == Hold::Asked);
    let asked: Vec<_> = asked.map(|line| (line.line, line.product.clone(), line.quantity)).collect();
    let numbers: Vec<_> = asked.iter().map(|(line, ..)| *line).collect();
    if numbers.is_empty() {
        return None;
    }
    let todo = Todo::Reserve { order: order.clone(), lines: asked };
    Some((numbers, raise(states, recorded, 0, Due::InLane(Todo::lane(order)), todo)))
}

impl OrderState {
    /// Raises the to-do that gives these lines' reservations back. Those that the stock was not heard of are not waited
    /// for any more.
    pub(super) fn owe_release(
        &mut self,
        states: &mut impl States,
        order: &Ref,
        release: &[i32],
        recorded: &Recorded,
    ) {
        if release.is_empty() {
            return;
        }
        for (_, todo) in
            self.reserving.extract_if(.., |(lines, _)| lines.iter().any(|line| release.contains(line)))
        {
            todo::settle(states, todo);
        }
        let mut products = Vec::new();
        for line in self.lines.iter_mut().filter(|line| release.contains(&line.line)) {
            line.hold = Hold::Released;
            products.push((line.line, line.product.clone()));
        }
        let todo = Todo::Release { order: order.clone(), lines: products };
        let key = raise(states, recorded, 2, Due::InLane(Todo::lane(order)), todo);
        self.releasing.push((release.to_vec(), key));
    }

    /// Goes to a stage. An order that is settled has no deadline any more.
    pub(super) fn go(&mut self, states: &mut impl States, stage: &str, payment_status: &str) {
        self.stage = stage.into();
        if let Some(payment) = &mut self.payment {
            payment.status = payment_status.into();
        }
        if self.stage != Stage::Placed
            && let Some(deadline) = self.deadline.take()
        {
            todo::settle(states, deadline);
        }
    }
}

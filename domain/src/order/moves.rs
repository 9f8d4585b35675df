//! Orders that go on: moved, corrected, called off, taken off the lists.

use schemas::Ref;
use schemas::orders::{
    Buyer, OrderAmended, OrderCancelled, OrderDeliveryLinked, OrderMoved, OrderRemoved, Times,
};

use super::place::refuse_unknown;
use super::rejection::Rejection;
use super::rules::{On, PaymentStatus, Stage, Who};
use super::state::{OrderState, before, changed, count, find_by, load, save};
use super::steps::times;
use crate::{Asked, Decision, Recorded, States};

/// Send an order to another stage.
#[derive(Clone, Debug)]
pub struct MoveOrder {
    /// The home of the order.
    pub home: String,
    /// The order's id within it.
    pub id: String,
    /// The stage.
    pub to: Stage,
    /// As whom the caller asks.
    pub who: Who,
    /// The revision that it is asked of; `None`: whichever there is.
    pub revision: Option<i32>,
    /// Who asks.
    pub asked: Asked,
}

/// Correct an order by hand. What is `None` stays.
#[derive(Clone, Debug)]
pub struct AmendOrder {
    /// The home of the order.
    pub home: String,
    /// The order's id within it.
    pub id: String,
    /// The stage from here on.
    pub stage: Option<Stage>,
    /// Who it is for from here on.
    pub buyer: Option<Buyer>,
    /// The kitchen's times from here on; a time that is `None` stays.
    pub times: Times,
    /// The payment's id as its contract shows it from here on.
    pub payment_id: Option<String>,
    /// The payment's status as its contract shows it, until more becomes known.
    pub payment_status: Option<PaymentStatus>,
    /// Who asks.
    pub asked: Asked,
}

/// Call an order off.
#[derive(Clone, Debug)]
pub struct CancelOrder {
    /// The home of the order.
    pub home: String,
    /// The order's id within it.
    pub id: String,
    /// As whom the caller asks; `None`: its time is over.
    pub who: Option<Who>,
    /// Why, in the words of whoever asks.
    pub note: Option<String>,
    /// The revision that it is asked of; `None`: whichever there is.
    pub revision: Option<i32>,
    /// Who asks.
    pub asked: Asked,
}

/// Take an order off its contract's lists.
#[derive(Clone, Debug)]
pub struct RemoveOrder {
    /// The home of the order.
    pub home: String,
    /// The order's id within it.
    pub id: String,
    /// Who asks.
    pub asked: Asked,
}

/// The order to be changed, or the event that the change led to before.
enum Asking {
    Of(Box<OrderState>),
    Before(Decision),
}

fn asking(
    states: &impl States,
    order: &Ref,
    revision: Option<i32>,
    asked: &Asked,
) -> Result<Asking, Rejection> {
    if let Some(before) = before(states, &order.home, asked)? {
        return Ok(Asking::Before(Decision::Already(before)));
    }
    let state = load(states, order).ok_or(Rejection::Unknown)?;
    state.expect(revision)?;
    Ok(Asking::Of(Box::new(state)))
}

/// Sends the order where its rules let it go. A stage that it is at already changes nothing.
pub(super) fn go(states: &impl States, command: MoveOrder) -> Result<Decision, Rejection> {
    let MoveOrder { home, id, to, who, revision, asked } = command;
    let order = Ref { home, id };
    let state = match asking(states, &order, revision, &asked)? {
        Asking::Of(state) => state,
        Asking::Before(decision) => return Ok(decision),
    };
    if state.stage == Stage::Removed {
        return Err(Rejection::Unknown);
    }
    if state.stage == to {
        return Ok(Decision::Already(state.changed_at));
    }
    let rules = state.rules()?;
    let row = rules.row(&state.stage, On::Move, &state.fulfilment, Some(&to));
    let row = row.ok_or(Rejection::MoveNotAllowed)?;
    if !row.who.admits(who) {
        return Err(Rejection::NotYours);
    }
    let times = if rules.times_by_moves { times(&state.times, &to, asked.at) } else { state.times };
    let head = asked.head(state.revision + 1);
    let (from, stage) = (state.stage.into(), to.into());
    Ok(Decision::append(OrderMoved { head, order, from, stage, times, shares: Vec::new(), deliver: None }))
}

/// Corrects the order, whatever its stage. That a payment is said to have come moves no money.
pub(super) fn amend(states: &impl States, command: AmendOrder) -> Result<Decision, Rejection> {
    let AmendOrder { home, id, stage, buyer, times, payment_id, payment_status, asked } = command;
    let order = Ref { home, id };
    let state = match asking(states, &order, None, &asked)? {
        Asking::Of(state) => state,
        Asking::Before(decision) => return Ok(decision),
    };
    let rules = state.rules()?;
    if !rules.amendable {
        return Err(Rejection::NotAmendable);
    }
    if state.stage == Stage::Removed {
        return Err(Rejection::Unknown);
    }
    let allows = |to| rules.row(&state.stage, On::Move, &state.fulfilment, Some(to)).is_some();
    if !stage.as_ref().is_none_or(allows) {
        return Err(Rejection::MoveNotAllowed);
    }
    refuse_unknown(states, &order, buyer.as_ref())?;
    let former = state.times;
    Ok(Decision::append(OrderAmended {
        head: asked.head(state.revision + 1),
        order,
        stage: stage.unwrap_or(state.stage).into(),
        buyer: buyer.or(state.buyer),
        times: Times {
            received_at: times.received_at.or(former.received_at),
            preparing_at: times.preparing_at.or(former.preparing_at),
            ready_at: times.ready_at.or(former.ready_at),
            finished_at: times.finished_at.or(former.finished_at),
        },
        shown_payment_id: payment_id.or(state.shown.id),
        shown_payment_status: payment_status.or(state.shown.status).map(String::from),
        shares: Vec::new(),
    }))
}

/// Calls the order off, where its rules allow it. Its reservations go back, and so does what was paid.
pub(super) fn cancel(states: &impl States, command: CancelOrder) -> Result<Decision, Rejection> {
    let CancelOrder { home, id, who, note, revision, asked } = command;
    let order = Ref { home, id };
    let state = match asking(states, &order, revision, &asked)? {
        Asking::Of(state) => state,
        Asking::Before(decision) => return Ok(decision),
    };
    if state.stage == Stage::Cancelled {
        return Ok(Decision::Already(state.changed_at));
    }
    let on = if who.is_some() { On::Cancel } else { On::Deadline };
    let row = state.rules()?.row(&state.stage, on, &state.fulfilment, None);
    let row = row.ok_or(Rejection::MoveNotAllowed)?;
    if !row.who.admits(who.unwrap_or(Who::Fact)) {
        return Err(Rejection::NotYours);
    }
    let stage = row.to.clone().ok_or(Rejection::MoveNotAllowed)?;
    let is_paid = state.payment_status() == PaymentStatus::Approved;
    let payment_status = if is_paid { PaymentStatus::Refunded } else { PaymentStatus::Cancelled };
    Ok(Decision::append(OrderCancelled {
        head: asked.head(state.revision + 1),
        order,
        stage: stage.into(),
        reason: reason(who).to_owned(),
        note,
        payment_status: payment_status.into(),
        shares: state.unsold(),
        release: state.reserved(),
        from: state.stage.into(),
        cancel_payment: None,
        refund: None,
    }))
}

/// The word for whoever called an order off.
const fn reason(who: Option<Who>) -> &'static str {
    match who {
        Some(Who::Buyer) => "buyer",
        Some(Who::Staff | Who::Courier | Who::Fact) => "staff",
        None => "deadline",
    }
}

/// Takes the order off the lists. What it sold stays sold.
pub(super) fn remove(states: &impl States, command: RemoveOrder) -> Result<Decision, Rejection> {
    let RemoveOrder { home, id, asked } = command;
    let order = Ref { home, id };
    let state = match asking(states, &order, None, &asked)? {
        Asking::Of(state) => state,
        Asking::Before(decision) => return Ok(decision),
    };
    if state.stage == Stage::Removed {
        return Err(Rejection::Unknown);
    }
    let row = state.rules()?.row(&state.stage, On::Remove, &state.fulfilment, None);
    let stage = row.and_then(|row| row.to.clone()).ok_or(Rejection::MoveNotAllowed)?.into();
    let head = asked.head(state.revision + 1);
    let payment_status = state.payment_status().into();
    let from = state.stage.into();
    Ok(Decision::append(OrderRemoved { head, order, from, stage, payment_status, cancel_payment: None }))
}

pub(super) fn moved(states: &mut impl States, event: &OrderMoved, recorded: &Recorded) {
    let OrderMoved { head, order, stage, .. } = event;
    let Some(mut state) = changed(states, order, head, recorded) else { return };
    let status = String::from(state.payment_status());
    state.times = event.times;
    state.go(states, stage, &status);
    save(states, order, &state);
}

pub(super) fn amended(states: &mut impl States, event: &OrderAmended, recorded: &Recorded) {
    let OrderAmended { head, order, stage, buyer, shown_payment_id, shown_payment_status, .. } = event;
    let Some(mut state) = changed(states, order, head, recorded) else { return };
    count(states, order, state.buyer.as_ref(), -1);
    count(states, order, buyer.as_ref(), 1);
    state.buyer.clone_from(buyer);
    state.times = event.times;
    if let Some(id) = shown_payment_id {
        find_by(states, order, id);
    }
    state.shown.id.clone_from(shown_payment_id);
    state.shown.status = shown_payment_status.as_deref().map(PaymentStatus::from);
    let status = String::from(state.payment_status());
    state.go(states, stage, &status);
    save(states, order, &state);
}

pub(super) fn cancelled(states: &mut impl States, event: &OrderCancelled, recorded: &Recorded) {
    let OrderCancelled { head, order, stage, payment_status, release, .. } = event;
    let Some(mut state) = changed(states, order, head, recorded) else { return };
    state.go(states, stage, payment_status);
    state.owe_release(states, order, release, recorded);
    save(states, order, &state);
}

pub(super) fn removed(states: &mut impl States, event: &OrderRemoved, recorded: &Recorded) {
    let OrderRemoved { head, order, stage, payment_status, .. } = event;
    let Some(mut state) = changed(states, order, head, recorded) else { return };
    count(states, order, state.buyer.as_ref(), -1);
    state.go(states, stage, payment_status);
    save(states, order, &state);
}

pub(super) fn linked(states: &mut impl States, event: &OrderDeliveryLinked, recorded: &Recorded) {
    let OrderDeliveryLinked { head, order, .. } = event;
    let Some(state) = changed(states, order, head, recorded) else { return };
    save(states, order, &state);
}

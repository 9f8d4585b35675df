//! What is known of the payment of an order. Money is a fact: it is recorded in any stage, and what follows from it is a wish.

use chrono::{DateTime, Utc};
use schemas::orders::{
    PaymentChecked, PaymentSending, PaymentSent, PaymentSettled, RefundRequested, RefundSettled,
};
use schemas::{Money, Ref};

use super::rejection::Rejection;
use super::rules::PaymentStatus;
use super::state::{before, changed, find_by, load, save};
use crate::{Asked, Decision, Recorded, States};

/// Record what became of a payment.
#[derive(Clone, Debug)]
pub struct SettlePayment {
    /// The home of the order.
    pub home: String,
    /// The order's id within it.
    pub id: String,
    /// Our id of the payment, or its provider's.
    pub payment_id: String,
    /// What became of it.
    pub status: PaymentStatus,
    /// How much money, as the source tells it.
    pub amount: Option<Money>,
    /// The provider's code of the reason; empty without one.
    pub code: String,
    /// Who tells it: `contract` for a client that is believed by contract.
    pub source: String,
    /// When it happened, as the source tells it. What is older than what was told already changes nothing.
    pub said_at: Option<DateTime<Utc>>,
    /// Who asks.
    pub asked: Asked,
}

/// Records what a contract's client says of the payment: its stage is not touched, and no money moves.
pub(super) fn settle(states: &impl States, command: SettlePayment) -> Result<Decision, Rejection> {
    let SettlePayment { home, id, payment_id, status, amount, code, source, said_at, asked } = command;
    if let Some(before) = before(states, &home, &asked)? {
        return Ok(Decision::Already(before));
    }
    let order = Ref { home, id };
    let state = load(states, &order).ok_or(Rejection::Unknown)?;
    let payment = state.payment.as_ref().ok_or(Rejection::PaymentUnknown)?;
    let known = [Some(&payment.id), payment.provider_id.as_ref(), state.shown.id.as_ref()];
    if !known.contains(&Some(&payment_id)) {
        return Err(Rejection::PaymentUnknown);
    }
    let is_older = said_at.is_some_and(|said_at| payment.said_at.is_some_and(|newest| said_at < newest));
    let shown = state.shown.status.as_ref().unwrap_or(&payment.status);
    let is_news = *shown != status || payment.status != status || said_at > payment.said_at;
    if is_older || !is_news {
        return Ok(Decision::Already(state.changed_at));
    }
    let shares = match (payment.status == PaymentStatus::Approved, status == PaymentStatus::Approved) {
        (false, true) => state.approved(),
        (true, false) => state.unapproved(),
        _ => Vec::new(),
    };
    Ok(Decision::append(PaymentSettled {
        head: asked.head(state.revision + 1),
        order,
        payment_id: payment.id.clone(),
        provider_id: payment.provider_id.clone(),
        status: status.clone().into(),
        amount,
        currency: None,
        code,
        source,
        said_at,
        at_rest: true,
        stage: state.stage.clone().into(),
        payment_status: status.into(),
        times: state.times,
        shares,
        release: Vec::new(),
        refund: None,
        check_at: None,
    }))
}

pub(super) fn settled(states: &mut impl States, event: &PaymentSettled, recorded: &Recorded) {
    let PaymentSettled { head, order, provider_id, said_at, stage, payment_status, release, .. } = event;
    let Some(mut state) = changed(states, order, head, recorded) else { return };
    if let Some(payment) = &mut state.payment {
        payment.said_at = (*said_at).max(payment.said_at);
        payment.provider_id = provider_id.clone().or_else(|| payment.provider_id.take());
    }
    state.times = event.times;
    state.shown.status = None;
    state.go(states, stage, payment_status);
    state.owe_release(states, order, release, recorded);
    save(states, order, &state);
}

pub(super) fn sent(states: &mut impl States, event: &PaymentSent, recorded: &Recorded) {
    let PaymentSent { head, order, provider_id, .. } = event;
    let Some(mut state) = changed(states, order, head, recorded) else { return };
    if let Some(payment) = &mut state.payment {
        payment.provider_id = Some(provider_id.clone());
        find_by(states, order, provider_id);
    }
    save(states, order, &state);
}

pub(super) fn sending(states: &mut impl States, event: &PaymentSending, recorded: &Recorded) {
    let PaymentSending { head, order, .. } = event;
    let Some(state) = changed(states, order, head, recorded) else { return };
    save(states, order, &state);
}

pub(super) fn checked(states: &mut impl States, event: &PaymentChecked, recorded: &Recorded) {
    let PaymentChecked { head, order, stage, payment_status, .. } = event;
    let Some(mut state) = changed(states, order, head, recorded) else { return };
    state.go(states, stage, payment_status);
    save(states, order, &state);
}

pub(super) fn refund_requested(states: &mut impl States, event: &RefundRequested, recorded: &Recorded) {
    let RefundRequested { head, order, .. } = event;
    let Some(state) = changed(states, order, head, recorded) else { return };
    save(states, order, &state);
}

pub(super) fn refund_settled(states: &mut impl States, event: &RefundSettled, recorded: &Recorded) {
    let RefundSettled { head, order, payment_status, .. } = event;
    let Some(mut state) = changed(states, order, head, recorded) else { return };
    let stage = String::from(state.stage.clone());
    state.go(states, &stage, payment_status);
    save(states, order, &state);
}

//! How the orders of a batch end up: a statement may write a row only once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::orders::{
    Buyer, Event, Line, OrderAmended, OrderOpened, OrderPlaced, Payment, PaymentSettled, Refund,
    RefundSettled, Times,
};
use schemas::{Head, Money, Sealed};
use uuid::Uuid;

use super::after::{After, Place, after};
use super::kitchen;

/// A line, a payment or a refund of an order.
pub type Part<'e, K> = (Place<'e>, K);

/// What changes of an order, as its row has it.
#[derive(Debug, PartialEq, Eq)]
pub struct OrderRow {
    pub stage: String,
    pub buyer_kind: Option<String>,
    pub buyer_home: Option<String>,
    pub buyer_id: Option<String>,
    pub buyer_subject: Option<Uuid>,
    pub total: Decimal,
    pub payment_id: Option<String>,
    pub payment_status: String,
    pub shown_payment_id: Option<String>,
    pub shown_payment_status: Option<String>,
    pub received_at: Option<DateTime<Utc>>,
    pub preparing_at: Option<DateTime<Utc>>,
    pub ready_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub updated_at: DateTime<Utc>,
    pub revision: i32,
    pub removed_at: Option<DateTime<Utc>>,
}

/// What never changes of an order.
#[derive(Clone, Debug)]
pub struct Begun<'e> {
    pub scope: &'e str,
    pub rules: &'e str,
    pub fulfilment: &'e str,
    pub currency: &'e str,
    pub ship_to: Option<&'e Sealed>,
    pub at: DateTime<Utc>,
    /// What a kitchen is to prepare, in JSON.
    pub kitchen_lines: Option<String>,
}

/// An order as it is at the end of the batch.
#[derive(Debug)]
pub struct Order<'e> {
    /// What never changes, where the order was begun in the batch.
    pub begun: Option<Begun<'e>>,
    pub row: OrderRow,
}

/// A line that was ordered in the batch.
#[derive(Debug)]
pub struct NewLine<'e> {
    pub line: &'e Line,
    pub number: i64,
    pub hold: &'static str,
}

/// How far the reservation of a line that was ordered before has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    pub hold: &'static str,
    /// The line's number from here on, where it got one.
    pub number: Option<i64>,
}

/// What became known of a payment in the batch. What is `None` stays.
#[derive(Debug)]
pub struct PaymentChange<'e> {
    /// The payment, where it was made in the batch, and when.
    pub made: Option<(&'e Payment, DateTime<Utc>)>,
    pub status: Option<&'e str>,
    pub provider_id: Option<&'e str>,
    pub qr_data: Option<&'e str>,
    /// What went back.
    pub refunded: Decimal,
    pub updated_at: DateTime<Utc>,
}

/// A refund as it is at the end of the batch.
#[derive(Debug)]
pub struct RefundChange<'e> {
    pub payment_id: &'e str,
    pub status: &'e str,
    pub amount: Money,
    pub provider_id: Option<&'e str>,
    pub reason: &'e str,
    pub begun_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// An event, and the stage after it.
#[derive(Debug, PartialEq, Eq)]
pub struct Happened<'e> {
    pub place: Place<'e>,
    pub offset: i64,
    pub head: &'e Head,
    pub event: &'static str,
    pub stage: String,
}

/// What is to be written of a batch.
#[derive(Debug, Default)]
pub struct Changes<'e> {
    pub orders: BTreeMap<Place<'e>, Order<'e>>,
    pub lines: BTreeMap<Part<'e, i32>, NewLine<'e>>,
    pub holds: BTreeMap<Part<'e, i32>, Hold>,
    /// The lines that were ordered before and taken out in the batch.
    pub lines_removed: BTreeSet<Part<'e, i32>>,
    pub payments: BTreeMap<Part<'e, String>, PaymentChange<'e>>,
    pub refunds: BTreeMap<Part<'e, &'e str>, RefundChange<'e>>,
    pub history: Vec<Happened<'e>>,
}

impl<'e> Changes<'e> {
    /// Begins with the orders that were there before the batch.
    pub fn of(rows: BTreeMap<Place<'e>, OrderRow>) -> Self {
        let orders = rows.into_iter().map(|(place, row)| (place, Order { begun: None, row }));
        Self { orders: orders.collect(), ..Self::default() }
    }

    /// Takes the next event of the log.
    pub fn take(&mut self, offset: i64, event: &'e Event) {
        let after = after(event);
        let After { place, head, .. } = after;
        if let Event::OrderOpened(event) = event {
            self.open(place, event);
        } else if let Event::OrderPlaced(event) = event {
            self.place(place, event);
        }
        let Some(Order { row, .. }) = self.orders.get_mut(&place) else { return };
        (row.revision, row.updated_at) = (head.revision, head.at);
        self.go(after);
        self.take_parts(place, head, event);
        let stage = self.orders.get(&place).map(|order| order.row.stage.clone()).unwrap_or_default();
        self.history.push(Happened { place, offset, head, event: event.type_name(), stage });
    }

    /// Takes what the event says of parts of its order: lines, payment, refunds, buyer.
    fn take_parts(&mut self, place: Place<'e>, head: &'e Head, event: &'e Event) {
        match event {
            Event::OrderOpened(_)
            | Event::OrderPlaced(_)
            | Event::OrderStockReleased(_)
            | Event::OrderMoved(_)
            | Event::OrderDeliveryLinked(_)
            | Event::PaymentSending(_)
            | Event::PaymentChecked(_) => {}
            Event::OrderLineRequested(event) => self.add(place, &event.line, event.reserve),
            Event::OrderLineRemoved(event) => self.take_out(place, event.line),
            Event::OrderStockSettled(event) => {
                for held in &event.held {
                    self.hold(place, held.line, Hold { hold: "held", number: Some(held.number) });
                }
                for short in &event.refused {
                    self.hold(place, short.line, Hold { hold: "refused", number: None });
                }
                self.release(place, &event.release);
            }
            Event::OrderAmended(event) => self.amend(place, event),
            Event::OrderCancelled(event) => {
                self.release(place, &event.release);
                self.refund(place, head, event.refund.as_ref(), &event.reason);
            }
            Event::OrderRemoved(_) => {
                let Some(Order { row, .. }) = self.orders.get_mut(&place) else { return };
                row.removed_at = Some(head.at);
            }
            Event::PaymentSent(event) => {
                let payment = self.payment(place, &event.payment_id, head);
                payment.provider_id = Some(&event.provider_id);
                payment.qr_data = event.qr_data.as_deref().or(payment.qr_data);
            }
            Event::PaymentSettled(event) => self.settle_payment(place, event),
            Event::RefundRequested(event) => {
                self.refund(place, head, Some(&event.refund), &event.reason);
            }
            Event::RefundSettled(event) => self.settle_refund(place, event),
        }
    }

    /// Takes the amount of a line that was ordered before the batch off the total of its order.
    pub fn take_off(&mut self, place: Place<'e>, amount: Decimal) {
        if let Some(Order { row, .. }) = self.orders.get_mut(&place) {
            row.total -= amount;
        }
    }

    fn open(&mut self, place: Place<'e>, event: &'e OrderOpened) {
        let begun = Begun {
            scope: &event.scope,
            rules: &event.rules,
            fulfilment: &event.fulfilment,
            currency: &event.currency,
            ship_to: event.ship_to.as_ref(),
            at: event.head.at,
            kitchen_lines: None,
        };
        let row = OrderRow::new(&event.head, &event.stage, event.buyer.as_ref());
        self.orders.insert(place, Order { begun: Some(begun), row });
    }

    fn place(&mut self, place: Place<'e>, event: &'e OrderPlaced) {
        let begun = Begun {
            scope: &event.scope,
            rules: &event.rules,
            fulfilment: &event.fulfilment,
            currency: &event.currency,
            ship_to: event.ship_to.as_ref(),
            at: event.head.at,
            kitchen_lines: kitchen::lines(event),
        };
        let mut row = OrderRow::new(&event.head, &event.stage, event.buyer.as_ref());
        row.payment_id = event.payment.as_ref().map(|payment| payment.id.clone());
        self.orders.insert(place, Order { begun: Some(begun), row });
        for line in &event.lines {
            self.add(place, line, event.reserve);
        }
        if let Some(payment) = &event.payment {
            let change = self.payment(place, &payment.id, &event.head);
            change.made = Some((payment, event.head.at));
            change.provider_id = payment.provider_id.as_deref();
        }
    }

    fn go(&mut self, after: After<'e>) {
        let After { place, head, .. } = after;
        let Some(Order { row, .. }) = self.orders.get_mut(&place) else { return };
        if let Some(stage) = after.stage {
            stage.clone_into(&mut row.stage);
        }
        if let Some(times) = after.times {
            row.set_times(times);
        }
        if let Some(status) = after.payment_status {
            status.clone_into(&mut row.payment_status);
            if let Some(id) = row.payment_id.clone() {
                self.payment(place, &id, head).status = Some(status);
            }
        }
    }

    fn amend(&mut self, place: Place<'e>, event: &'e OrderAmended) {
        let Some(Order { row, .. }) = self.orders.get_mut(&place) else { return };
        row.set_buyer(event.buyer.as_ref());
        row.shown_payment_id.clone_from(&event.shown_payment_id);
        row.shown_payment_status.clone_from(&event.shown_payment_status);
    }

    fn add(&mut self, place: Place<'e>, line: &'e Line, reserve: bool) {
        let Some(Order { row, .. }) = self.orders.get_mut(&place) else { return };
        row.total += line.amount.decimal();
        let hold = if reserve && line.counts_stock { "asked" } else { "uncounted" };
        self.lines.insert((place, line.line), NewLine { line, number: line.number, hold });
    }

    fn take_out(&mut self, place: Place<'e>, line: i32) {
        self.holds.remove(&(place, line));
        match self.lines.remove(&(place, line)) {
            Some(new) => self.take_off(place, new.line.amount.decimal()),
            None => drop(self.lines_removed.insert((place, line))),
        }
    }

    fn hold(&mut self, place: Place<'e>, line: i32, hold: Hold) {
        match self.lines.get_mut(&(place, line)) {
            Some(new) => {
                new.hold = hold.hold;
                new.number = hold.number.unwrap_or(new.number);
            }
            None => {
                let former = self.holds.get(&(place, line)).and_then(|former| former.number);
                self.holds.insert((place, line), Hold { number: hold.number.or(former), ..hold });
            }
        }
    }

    fn release(&mut self, place: Place<'e>, lines: &[i32]) {
        for line in lines {
            self.hold(place, *line, Hold { hold: "released", number: None });
        }
    }

    /// What becomes known of a payment.
    fn payment(&mut self, place: Place<'e>, id: &str, head: &Head) -> &mut PaymentChange<'e> {
        let change = self.payments.entry((place, id.to_owned())).or_insert(PaymentChange {
            made: None,
            status: None,
            provider_id: None,
            qr_data: None,
            refunded: Decimal::ZERO,
            updated_at: head.at,
        });
        change.updated_at = head.at;
        change
    }

    fn settle_payment(&mut self, place: Place<'e>, event: &'e PaymentSettled) {
        let PaymentSettled { head, payment_id, provider_id, status, stage, release, refund, .. } = event;
        let Some(Order { row, .. }) = self.orders.get_mut(&place) else { return };
        row.shown_payment_status = None;
        let is_former = row.payment_id.as_ref() != Some(payment_id);
        let payment = self.payment(place, payment_id, head);
        payment.provider_id = provider_id.as_deref().or(payment.provider_id);
        if is_former {
            payment.status = Some(status);
        }
        self.release(place, release);
        // Money that comes while the order does not want it any more goes back because of the order's stage.
        self.refund(place, head, refund.as_ref(), stage);
    }

    fn refund(&mut self, place: Place<'e>, head: &'e Head, refund: Option<&'e Refund>, reason: &'e str) {
        let Some(Refund { id, payment_id, amount, .. }) = refund else { return };
        let begun = RefundChange {
            payment_id,
            status: "requested",
            amount: *amount,
            provider_id: None,
            reason,
            begun_at: head.at,
            updated_at: head.at,
        };
        self.refunds.insert((place, id), begun);
    }

    /// Ends a refund. One that nobody asked for begins with its end: the provider took the money back on its own.
    fn settle_refund(&mut self, place: Place<'e>, event: &'e RefundSettled) {
        let RefundSettled { head, payment_id, refund_id, status, amount, provider_id, code, .. } = event;
        let ended = RefundChange {
            payment_id,
            status,
            amount: *amount,
            provider_id: provider_id.as_deref(),
            reason: code,
            begun_at: head.at,
            updated_at: head.at,
        };
        let refund = self.refunds.entry((place, refund_id)).or_insert(ended);
        refund.status = status;
        refund.provider_id = provider_id.as_deref().or(refund.provider_id);
        refund.updated_at = head.at;
        self.payment(place, payment_id, head).refunded += amount.decimal();
    }
}

impl OrderRow {
    /// A new order that nobody has paid for yet.
    fn new(head: &Head, stage: &str, buyer: Option<&Buyer>) -> Self {
        let mut row = Self {
            stage: stage.to_owned(),
            buyer_kind: None,
            buyer_home: None,
            buyer_id: None,
            buyer_subject: None,
            total: Decimal::ZERO,
            payment_id: None,
            payment_status: "none".to_owned(),
            shown_payment_id: None,
            shown_payment_status: None,
            received_at: None,
            preparing_at: None,
            ready_at: None,
            finished_at: None,
            updated_at: head.at,
            revision: head.revision,
            removed_at: None,
        };
        row.set_buyer(buyer);
        row
    }

    fn set_buyer(&mut self, buyer: Option<&Buyer>) {
        self.buyer_kind = buyer.map(|buyer| buyer.kind.clone());
        self.buyer_home = buyer.map(|buyer| buyer.party.home.clone());
        self.buyer_id = buyer.map(|buyer| buyer.party.id.clone());
        self.buyer_subject = buyer.and_then(|buyer| buyer.subject);
    }

    const fn set_times(&mut self, times: &Times) {
        self.received_at = times.received_at;
        self.preparing_at = times.preparing_at;
        self.ready_at = times.ready_at;
        self.finished_at = times.finished_at;
    }

    /// The order's rank in the kitchen's queue; `None` where it is not in the kitchen.
    pub fn queue_rank(&self) -> Option<i16> {
        match self.stage.as_str() {
            "ready" => Some(1),
            "preparing" => Some(2),
            "received" => Some(3),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;

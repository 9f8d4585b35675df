//! Orders of an import, and their corrections.

use chrono::{DateTime, SubsecRound, Utc};
use domain::order::{
    AmendOrder, Fulfilment, MAX_LINES, Payable, PaymentStatus, PlaceOrder, Price, RESTAURANT, Rejection,
    Stage, V1, Wanted,
};
use domain::people::{self, HOME};
use domain::{Asked, Command};
use schemas::orders::{Buyer, Times};
use schemas::{Money, Qty, Ref, Topic, place};
use serde::Serialize;

use crate::http::amount::{self, Amount, Count};
use crate::http::form::{Form, is_missing};
use crate::http::object::{Field, fields};
use crate::http::{ApiError, App, texts};
use crate::shard::Refusal;

fields! {
    /// An order as another system had it.
    #[schema(as = ImportedOrderFields)]
    pub struct OrderBody {
        /// The id of the customer.
        #[schema(example = "restaurant-1")]
        customer: Option<String>,
        /// `kitchen`, `shipping` or `none`. `none` where it is missing.
        #[schema(example = "kitchen")]
        fulfilment: Option<String>,
        #[schema(max_items = 500)]
        lines: Option<Vec<LineBody>>,
        payment_id: String,
        /// A word such as `cash`.
        #[schema(example = "cash")]
        payment_method: String,
    }
}

fields! {
    /// A line of an order as another system had it.
    #[schema(as = ImportedOrderLineFields)]
    struct LineBody {
        #[schema(example = "restaurant-1")]
        product: String,
        quantity: Count,
        /// The price at which it was sold.
        unit_price: Amount,
        #[schema(min_length = 1, max_length = 200)]
        note: Option<String>,
    }
}

fields! {
    /// What is corrected of an order. A field that is missing stays as it is.
    #[schema(as = AmendFields)]
    pub struct AmendBody {
        #[schema(example = "preparing")]
        stage: Option<String>,
        /// The id of the customer.
        customer: Option<String>,
        received_at: Option<String>,
        preparing_at: Option<String>,
        ready_at: Option<String>,
        finished_at: Option<String>,
        payment_id: Option<String>,
        #[schema(example = "approved")]
        payment_status: Option<String>,
    }
}

/// An order that is imported.
#[derive(Serialize)]
pub struct Order {
    customer: Option<Ref>,
    fulfilment: Fulfilment,
    lines: Vec<Sold>,
    payment_id: String,
    payment_method: String,
}

/// A line of it.
#[derive(Serialize)]
struct Sold {
    product: Ref,
    quantity: Qty,
    unit_price: Money,
    note: Option<String>,
}

/// A correction that is imported.
#[derive(Serialize)]
pub struct Amendment {
    stage: Option<Stage>,
    customer: Option<Ref>,
    times: Times,
    payment_id: Option<String>,
    payment_status: Option<PaymentStatus>,
}

/// The customer whom an id names: a UUID names one of `/v1`.
pub fn customer_of(id: Ref) -> Ref {
    if id.id.is_empty() { Ref { home: HOME.to_owned(), id: id.home } } else { id }
}

pub fn read(form: &mut Form, field: Field<'_>) -> Order {
    let body: OrderBody<'_> = form.object("order", field);
    let fulfilment = text(form, "fulfilment", body.fulfilment, |text| match Fulfilment::from(text) {
        Fulfilment::Other(_) => Err("must be kitchen, shipping or none"),
        known => Ok(known),
    });
    let customer = customer(form, body.customer);
    let payment_id = form.text("payment_id", body.payment_id, word);
    let payment_method = form.text("payment_method", body.payment_method, word);
    form.leave();
    let lines: Vec<LineBody<'_>> = match body.lines {
        field if is_missing(field) => Vec::new(),
        field => form.list("order/lines", field, MAX_LINES),
    };
    let lines = (0..).zip(&lines).filter_map(|(index, line)| sold(form, index, line)).collect();
    form.leave();
    let fulfilment = fulfilment.unwrap_or(Fulfilment::Nothing);
    Order { customer, fulfilment, lines, payment_id, payment_method }
}

fn sold(form: &mut Form, index: usize, body: &LineBody<'_>) -> Option<Sold> {
    form.enter("order/lines", index);
    let product = form.text("product", body.product, |text| {
        place::parse(text).map(Some).ok_or("must be the id of a product, such as restaurant-15 or a UUID")
    });
    let quantity = form.decimal("quantity", body.quantity, amount::quantity);
    let unit_price = form.decimal("unit_price", body.unit_price, amount::price);
    let note = text(form, "note", body.note, texts::note);
    Some(Sold { product: product?, quantity, unit_price, note })
}

pub fn read_amendment(form: &mut Form, field: Field<'_>) -> Amendment {
    let body: AmendBody<'_> = form.object("amend", field);
    let stage = text(form, "stage", body.stage, |text| match Stage::from(text) {
        Stage::Other(_) => Err("must be a stage such as received or preparing"),
        known => Ok(known),
    });
    let payment_status =
        text(form, "payment_status", body.payment_status, |text| match PaymentStatus::from(text) {
            PaymentStatus::Other(_) => Err("must be none, approved, refused, cancelled, expired or refunded"),
            known => Ok(known),
        });
    let times = Times {
        received_at: text(form, "received_at", body.received_at, instant),
        preparing_at: text(form, "preparing_at", body.preparing_at, instant),
        ready_at: text(form, "ready_at", body.ready_at, instant),
        finished_at: text(form, "finished_at", body.finished_at, instant),
    };
    let customer = customer(form, body.customer);
    let payment_id = text(form, "payment_id", body.payment_id, word);
    Amendment { stage, customer, times, payment_id, payment_status }
}

/// A text that may be missing.
fn text<T>(
    form: &mut Form,
    name: &str,
    field: Field<'_>,
    rule: impl FnOnce(&str) -> Result<T, &'static str>,
) -> Option<T> {
    if is_missing(field) { None } else { form.text(name, field, |text| rule(text).map(Some)) }
}

fn customer(form: &mut Form, field: Field<'_>) -> Option<Ref> {
    text(form, "customer", field, |text| {
        place::parse(text)
            .map(customer_of)
            .ok_or("must be the id of a customer, such as restaurant-15 or a UUID")
    })
}

/// A payment's id, or its method.
fn word(text: &str) -> Result<String, &'static str> {
    domain::names::not_blank(text, domain::names::identifier)
}

/// An instant, to the microseconds that an event keeps.
pub fn instant(text: &str) -> Result<DateTime<Utc>, &'static str> {
    let instant = DateTime::parse_from_rfc3339(text);
    let instant = instant.map(|instant| instant.to_utc().trunc_subsecs(6));
    instant.map_err(|_| "must be an instant such as 2024-05-01T12:00:00Z")
}

/// The customer as a buyer. One of another home who is unknown is refused. One of the order's own home is judged with the order,
/// where an import that is sent again, after the customer was removed, is answered as it was before.
fn buyer(app: &App, order: &Ref, customer: Option<&Ref>) -> Result<Option<Buyer>, ApiError> {
    let Some(party) = customer else { return Ok(None) };
    let state = people::load(&app.store.as_ref(), &party.home, &party.id);
    if state.is_none() && party.home != order.home {
        return Err(Refusal::Rejected(Rejection::NoBuyer.into()).into());
    }
    let subject = state.map(|state| state.sealed.subject);
    Ok(Some(Buyer { kind: "customer".to_owned(), party: party.clone(), subject }))
}

impl Order {
    /// The homes whose states decide on the order, in their topics.
    pub fn homes(&self) -> Vec<(Topic, &str)> {
        let products = self.lines.iter().map(|line| (Topic::Catalogue, line.product.home.as_str()));
        products.chain(self.customer.iter().map(|customer| (Topic::People, customer.home.as_str()))).collect()
    }

    pub fn place(&self, app: &App, id: &Ref, scope: String, asked: Asked) -> Result<Command, ApiError> {
        let rules = if id.id.is_empty() { &V1 } else { &RESTAURANT };
        let wanted = |line: &Sold| Wanted {
            product: line.product.clone(),
            quantity: line.quantity,
            price: Price::Past(line.unit_price),
            note: line.note.clone(),
        };
        let command = PlaceOrder {
            home: id.home.clone(),
            id: Some(id.id.clone()),
            scope,
            rules: rules.name.to_owned(),
            buyer: buyer(app, id, self.customer.as_ref())?,
            fulfilment: self.fulfilment.clone(),
            currency: app.own.currency.clone(),
            ship_to: None,
            lines: self.lines.iter().map(wanted).collect(),
            payment: Payable {
                id: self.payment_id.clone(),
                method: self.payment_method.clone(),
                provider: String::new(),
                cancel_at: None,
            },
            is_imported: true,
            asked,
        };
        Ok(command.into())
    }
}

impl Amendment {
    /// The homes whose states decide on the correction, in their topics.
    pub fn homes(&self) -> Vec<(Topic, &str)> {
        self.customer.iter().map(|customer| (Topic::People, customer.home.as_str())).collect()
    }

    pub fn amend(&self, app: &App, id: &Ref, asked: Asked) -> Result<Command, ApiError> {
        let command = AmendOrder {
            home: id.home.clone(),
            id: id.id.clone(),
            stage: self.stage.clone(),
            buyer: buyer(app, id, self.customer.as_ref())?,
            times: self.times,
            payment_id: self.payment_id.clone(),
            payment_status: self.payment_status.clone(),
            asked,
        };
        Ok(command.into())
    }
}

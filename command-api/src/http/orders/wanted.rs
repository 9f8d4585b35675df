//! What the body of an order asks for.

use domain::names;
use domain::order::{self, Fulfilment, MAX_LINES, Price};
use domain::people::HOME;
use runtime::Problem;
use schemas::{Clear, Money, Personal, Qty, Ref, Topic, place};
use serde::Serialize;

use crate::http::amount::{self, Amount, Count};
use crate::http::form::{Form, is_missing};
use crate::http::object::{Field, fields};
use crate::http::prefer::Handling;
use crate::http::texts;

/// The only way to pay so far.
const CASH: &str = "cash";

fields! {
    /// An order.
    #[schema(as = OrderFields, example = json!({
        "lines": [{"product": "abe9998d-a9fa-5989-a9f6-93b468432d62", "quantity": 2, "note": "no onions"}],
        "fulfilment": "kitchen",
        "customer": "42c45e41-5062-5665-92d9-63d7ab695d59",
        "payment": {"method": "cash"},
    }))]
    pub struct OrderBody {
        #[schema(min_items = 1, max_items = 500)]
        lines: Vec<LineBody>,
        /// How the buyer gets it: `kitchen` is prepared and fetched, `shipping` is sent, and of `none` the buyer has all already.
        /// `none` where it is missing.
        #[schema(example = "kitchen")]
        fulfilment: Option<String>,
        /// The id of the customer who buys; missing: the caller's own account does.
        #[schema(example = "42c45e41-5062-5665-92d9-63d7ab695d59")]
        customer: Option<String>,
        /// For `shipping`, which needs a `customer`: it is sealed under the customer's key.
        ship_to: Option<ShipToBody>,
        payment: PaymentBody,
    }
}

fields! {
    /// What is ordered of one product.
    #[schema(as = OrderLineFields)]
    struct LineBody {
        #[schema(example = "abe9998d-a9fa-5989-a9f6-93b468432d62")]
        product: String,
        /// Above 0.
        quantity: Count,
        /// A wish. It is order data, and not sealed: nothing personal belongs here.
        #[schema(min_length = 1, max_length = 200, example = "no onions")]
        note: Option<String>,
        /// The price that the buyer was shown. Where the product has another one by now, the order is refused.
        unit_price: Option<Amount>,
    }
}

fields! {
    /// Where an order is sent.
    #[schema(as = ShipToFields)]
    struct ShipToBody {
        #[schema(min_length = 1, max_length = 255, example = "Ann Ohara")]
        recipient: String,
        #[schema(min_length = 1, max_length = 500, example = "Rua do Sol 1, Maceió")]
        address: String,
    }
}

fields! {
    /// How an order is paid.
    #[schema(as = PaymentFields)]
    struct PaymentBody {
        /// Only `cash`, which is handed over with the goods.
        #[schema(example = "cash")]
        method: String,
    }
}

/// What is asked for.
#[derive(Debug)]
pub struct Wanted {
    pub lines: Vec<order::Wanted>,
    pub fulfilment: Fulfilment,
    /// The id of a customer of `/v1`.
    pub customer: Option<String>,
    /// Recipient and address.
    pub ship_to: Option<Personal>,
    pub method: String,
}

/// What two requests with the same `Idempotency-Key` must have in common. Nothing of it is personal.
#[derive(Serialize)]
pub struct Print<'w> {
    lines: Vec<(&'w Ref, Qty, Option<Money>, Option<&'w str>)>,
    fulfilment: &'w Fulfilment,
    customer: Option<&'w str>,
    method: &'w str,
}

impl Wanted {
    /// The homes whose states decide on the order, in their topics.
    pub fn homes(&self) -> Vec<(Topic, &str)> {
        let products = self.lines.iter().map(|line| (Topic::Catalogue, line.product.home.as_str()));
        let customers = self.customer.iter().flat_map(|_| [(Topic::People, HOME), (Topic::Keys, HOME)]);
        products.chain(customers).collect()
    }

    pub fn print(&self) -> Print<'_> {
        let lines = self.lines.iter().map(|line| {
            let expected = match line.price {
                Price::Expected(price) => Some(price),
                Price::Present | Price::Past(_) => None,
            };
            (&line.product, line.quantity, expected, line.note.as_deref())
        });
        Print {
            lines: lines.collect(),
            fulfilment: &self.fulfilment,
            customer: self.customer.as_deref(),
            method: &self.method,
        }
    }
}

/// Reads the body: 400 where it is no JSON, 422 with all that is wrong with it.
pub fn read(handling: Handling, body: &[u8]) -> Result<Wanted, Problem> {
    let mut form = Form::new(handling);
    let body: OrderBody<'_> = form.body(body)?;
    let lines: Vec<LineBody<'_>> = form.list("lines", body.lines, MAX_LINES);
    let lines = (0..).zip(&lines).map(|(index, body)| line(&mut form, index, body)).collect();
    form.leave();
    let fulfilment = match body.fulfilment {
        field if is_missing(field) => None,
        field => form.text("fulfilment", field, |text| fulfilment(text).map(Some)),
    };
    let fulfilment = fulfilment.unwrap_or(Fulfilment::Nothing);
    let customer = (!is_missing(body.customer)).then(|| form.text("customer", body.customer, names::known));
    let ship_to = ship_to(&mut form, body.ship_to, &fulfilment, customer.is_some());
    let payment: PaymentBody<'_> = form.object("payment", body.payment);
    if !is_missing(body.payment) {
        form.text("method", payment.method, method);
    }
    form.leave();
    form.finish(Wanted { lines, fulfilment, customer, ship_to, method: CASH.to_owned() })
}

fn line(form: &mut Form, index: usize, body: &LineBody<'_>) -> order::Wanted {
    form.enter("lines", index);
    let product = form.text("product", body.product, |text| {
        place::parse(text).map(Some).ok_or("must be the id of a product, such as restaurant-15 or a UUID")
    });
    let price = match body.unit_price {
        field if is_missing(field) => Price::Present,
        field => Price::Expected(form.decimal("unit_price", field, amount::price)),
    };
    order::Wanted {
        product: product.unwrap_or_else(|| Ref { home: String::new(), id: String::new() }),
        quantity: form.decimal("quantity", body.quantity, amount::quantity),
        price,
        note: (!is_missing(body.note)).then(|| form.text("note", body.note, texts::note)),
    }
}

fn fulfilment(text: &str) -> Result<Fulfilment, &'static str> {
    match Fulfilment::from(text) {
        Fulfilment::Other(_) => Err("must be kitchen, shipping or none"),
        known => Ok(known),
    }
}

fn method(text: &str) -> Result<(), &'static str> {
    if text == CASH { Ok(()) } else { Err("must be cash: only cash can be taken yet") }
}

/// Recipient and address of an order that is sent, which must have a customer: nobody else has a key to seal them.
fn ship_to(
    form: &mut Form,
    field: Field<'_>,
    fulfilment: &Fulfilment,
    has_customer: bool,
) -> Option<Personal> {
    if *fulfilment != Fulfilment::Shipping {
        if !is_missing(field) {
            form.wrong("ship_to", "is for the fulfilment shipping alone");
        }
        return None;
    }
    if !has_customer {
        form.wrong(
            "customer",
            "is required where an order is sent: its address is sealed under the customer's key",
        );
    }
    let body: ShipToBody<'_> = form.object("ship_to", field);
    let mut personal = Personal::default();
    if !is_missing(field) {
        let mut text = |name, field, rule| Some(Clear::from(form.text(name, field, rule)));
        personal.recipient = text("recipient", body.recipient, texts::title as texts::Rule);
        personal.address = text("address", body.address, texts::address);
    }
    form.leave();
    Some(personal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCT: &str = r#""product": "restaurant-1", "quantity": 2"#;

    fn wrong(body: &str) -> Vec<String> {
        let problem = serde_json::to_value(read(Handling::Strict, body.as_bytes()).unwrap_err()).unwrap();
        let errors = problem["errors"].as_array().unwrap();
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn an_order_is_read_with_all_that_is_wrong_with_it() {
        let read = |body: &str| read(Handling::Strict, body.as_bytes()).unwrap();
        let body = format!(r#"{{"lines": [{{{PRODUCT}}}], "payment": {{"method": "cash"}}}}"#);
        let wanted = read(&body);
        assert_eq!((wanted.lines.len(), wanted.fulfilment), (1, Fulfilment::Nothing));
        assert_eq!(wanted.lines[0].price, Price::Present);
        let body = format!(
            r#"{{"lines": [{{{PRODUCT}, "unit_price": 3}}], "fulfilment": "shipping", "customer": "c",
            "ship_to": {{"recipient": "Ann", "address": "Here"}}, "payment": {{"method": "cash"}}}}"#
        );
        let wanted = read(&body);
        assert_eq!(wanted.homes().len(), 3);
        assert!(
            wanted.ship_to.is_some_and(|personal| personal.recipient.is_some() && personal.name.is_none())
        );

        let body = r#"{"lines": [{"product": "x", "quantity": 0, "colour": 1}], "fulfilment": "air", "payment": {"method": "card"}}"#;
        let expected =
            ["/lines/0/colour", "/lines/0/product", "/lines/0/quantity", "/fulfilment", "/payment/method"];
        assert_eq!(wrong(body), expected);
        assert_eq!(wrong(r#"{"lines": []}"#), ["/lines", "/payment"]);
        let body = format!(r#"{{"lines": [{{{PRODUCT}}}], "fulfilment": "shipping", "payment": {{}}}}"#);
        assert_eq!(wrong(&body), ["/customer", "/ship_to", "/payment/method"]);
    }

    #[test]
    fn a_print_tells_orders_apart_and_has_nothing_personal() {
        let print = |note: &str, address: &str| {
            let body = format!(
                r#"{{"lines": [{{{PRODUCT}, "note": "{note}"}}], "fulfilment": "shipping", "customer": "c",
                "ship_to": {{"recipient": "Ann", "address": "{address}"}}, "payment": {{"method": "cash"}}}}"#
            );
            serde_json::to_string(&read(Handling::Strict, body.as_bytes()).unwrap().print()).unwrap()
        };
        assert_eq!(print("hot", "Here"), print("hot", "There"));
        assert_ne!(print("hot", "Here"), print("cold", "Here"));
    }
}

//! A line of an import, and the command that it becomes.

use chrono::{DateTime, Utc};
use domain::catalogue::{ListProduct, ListSeller, ProductContent, SellerContent};
use domain::people::{RegisterCustomer, load as load_customer};
use domain::{Asked, Command};
use runtime::auth::Caller;
use schemas::{Clear, Qty, Ref, Topic, place};
use serde::Serialize;
use uuid::Uuid;

use super::order::{self, AmendBody, Amendment, Order, OrderBody};
use crate::http::asked::print;
use crate::http::customers::{self, CustomerBody};
use crate::http::form::{Form, is_missing};
use crate::http::object::{Field, fields};
use crate::http::prefer::Handling;
use crate::http::products::{self, ProductBody};
use crate::http::sellers::{self, SCOPE, SellerBody};
use crate::http::{ApiError, App};

/// Characters of a password, at most.
const MAX_PASSWORD_CHARS: usize = 200;

fields! {
    /// What is imported, under the number that it had. It is exactly one of `seller`, `product`, `customer`, `order`, and `amend`, which
    /// corrects an order as a whole.
    pub struct ImportLine {
        /// A scope and a number, which must be the next one of its kind there; or a UUID.
        #[schema(example = "cashback-1")]
        id: String,
        /// When it happened: RFC 3339, with its zone.
        #[schema(example = "2024-05-01T12:00:00Z")]
        at: String,
        seller: Option<SellerBody>,
        product: Option<ProductBody>,
        customer: Option<CustomerBody>,
        /// Of a customer: only its Argon2id hash is kept, sealed.
        #[schema(min_length = 1, max_length = 200)]
        password: Option<String>,
        order: Option<OrderBody>,
        amend: Option<AmendBody>,
    }
}

/// A line that keeps all rules of its form.
pub struct Imported {
    pub id: Ref,
    pub command: Command,
}

/// What a line is about.
enum Content {
    Seller(SellerContent),
    Product(ProductContent, Option<Qty>),
    Customer(customers::Content, Option<Clear>),
    Order(Order),
    Amend(Amendment),
}

/// Reads a line where the shard of what it is about is served here. The store has then all that the command relies on.
pub async fn read(app: &App, caller: &Caller, handling: Handling, line: &[u8]) -> Result<Imported, ApiError> {
    let mut form = Form::new(handling);
    let body: ImportLine<'_> = form.body(line)?;
    let id = form.text("id", body.id, |text| {
        place::parse(text).map(Some).ok_or("must be a UUID, or a scope and a number such as restaurant-15")
    });
    let at = form.text("at", body.at, order::instant);
    let content = content(app, &mut form, &body);
    let (id, at, content) = form.finish((id, at, content))?;
    let (Some(id), Some(content)) = (id, content) else { unreachable!("what is missing was refused") };
    let id = content.home_of(id);
    app.shards.found_here(&id.home).await?;
    app.barrier.pass(content.relies_on(&id)).await?;
    let command = command(app, caller, at, &id, content).await?;
    Ok(Imported { id, command })
}

fn content(app: &App, form: &mut Form, body: &ImportLine<'_>) -> Option<Content> {
    let kinds = [body.seller, body.product, body.customer, body.order, body.amend];
    if kinds.iter().filter(|field| !is_missing(**field)).count() != 1 {
        form.wrong("seller", "exactly one of seller, product, customer, order and amend is required");
        return None;
    }
    if is_missing(body.customer) && !is_missing(body.password) {
        form.wrong("password", "is for a customer alone");
    }
    let content = if !is_missing(body.seller) {
        let fields: SellerBody<'_> = form.object("seller", body.seller);
        Content::Seller(sellers::read_new(form, &fields))
    } else if !is_missing(body.product) {
        let fields: ProductBody<'_> = form.object("product", body.product);
        let (content, count) = products::read_new(app, form, &fields);
        Content::Product(content, count)
    } else if !is_missing(body.customer) {
        customer(form, body.customer, body.password)
    } else if !is_missing(body.order) {
        Content::Order(order::read(form, body.order))
    } else {
        Content::Amend(order::read_amendment(form, body.amend))
    };
    form.leave();
    Some(content)
}

fn customer(form: &mut Form, field: Field<'_>, password: Field<'_>) -> Content {
    let fields: CustomerBody<'_> = form.object("customer", field);
    let content = customers::read_new(form, &fields);
    form.leave();
    let password = (!is_missing(password)).then(|| form.text("password", password, known_password).into());
    Content::Customer(content, password)
}

/// A password as the former system took it: no rule of new ones holds.
fn known_password(text: &str) -> Result<String, &'static str> {
    if (1..=MAX_PASSWORD_CHARS).contains(&text.chars().count()) {
        Ok(text.to_owned())
    } else {
        Err("must have 1 to 200 characters")
    }
}

impl Content {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Seller(_) => "seller",
            Self::Product(..) => "product",
            Self::Customer(..) => "customer",
            Self::Order(_) => "order",
            Self::Amend(_) => "amend",
        }
    }

    /// What `id` names: the customers of `/v1` have one home, and all else that has a UUID a home of its own.
    fn home_of(&self, id: Ref) -> Ref {
        match self {
            Self::Customer(..) => order::customer_of(id),
            Self::Seller(_) | Self::Product(..) | Self::Order(_) | Self::Amend(_) => id,
        }
    }

    /// The other homes whose states decide.
    fn relies_on<'c>(&'c self, id: &'c Ref) -> Vec<(Topic, &'c str)> {
        let homes = match self {
            Self::Product(content, _) => {
                content.seller.iter().map(|seller| (Topic::Catalogue, seller.home.as_str())).collect()
            }
            Self::Order(order) => order.homes(),
            Self::Amend(amendment) => amendment.homes(),
            Self::Seller(_) | Self::Customer(..) => Vec::new(),
        };
        homes.into_iter().filter(|(_, home)| *home != id.home).collect()
    }
}

async fn command(
    app: &App,
    caller: &Caller,
    at: DateTime<Utc>,
    id: &Ref,
    content: Content,
) -> Result<Command, ApiError> {
    let name = format!("import/{}/{}/{}", id.home, content.kind(), id.id);
    let key = Some(Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()));
    let asked = |print| Asked { at, by: caller.account(), key, print: Some(print) };
    let (home, number) = (id.home.clone(), Some(id.id.clone()));
    let scope = place::scope_of(&home).unwrap_or(SCOPE).to_owned();
    Ok(match content {
        Content::Seller(content) => {
            let asked = asked(print(&content));
            ListSeller { home, id: number, scope, content, asked }.into()
        }
        Content::Product(content, count) => {
            let asked = asked(print(&(&content, count)));
            ListProduct { home, id: number, scope, content, count, asked }.into()
        }
        Content::Customer(content, password) => {
            let asked = asked(print(&NotPersonal { active: content.active, account: content.account }));
            register(app, id, scope, content, password, asked).await?
        }
        Content::Order(order) => order.place(app, id, scope, asked(print(&order)))?,
        Content::Amend(amendment) => amendment.amend(app, id, asked(print(&amendment)))?,
    })
}

/// What a customer's fingerprint is of: a fingerprint of what is personal could be guessed.
#[derive(Serialize)]
struct NotPersonal {
    active: bool,
    account: Option<i64>,
}

async fn register(
    app: &App,
    id: &Ref,
    scope: String,
    content: customers::Content,
    password: Option<Clear>,
    asked: Asked,
) -> Result<Command, ApiError> {
    let mut personal = content.personal.clone();
    // A customer that is there already is registered by no command, so its password need not be hashed.
    if let Some(password) = password
        && load_customer(&app.store.as_ref(), &id.home, &id.id).is_none()
    {
        personal.password_hash = Some(app.passwords.hash(password.expose().to_owned()).await?.into());
    }
    let (person, indexes) = (app.vault.new_key(&id.home), customers::indexes(app, &id.home, &personal));
    let command = RegisterCustomer {
        home: id.home.clone(),
        id: Some(id.id.clone()),
        scope,
        sealed: person.seal(&personal),
        key: person.record(indexes),
        active: content.active,
        account: content.account(),
        asked,
    };
    Ok(command.into())
}

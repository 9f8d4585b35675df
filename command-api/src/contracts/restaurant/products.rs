//! `/produtos/`: listed, changed, removed.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use contracts::answers::{Refused, json};
use contracts::restaurant::fastapi::Id;
use contracts::restaurant::shown::Product;
use contracts::restaurant::words::{BAD_PRICE, NO_CATEGORY, NO_PRODUCT};
use contracts::restaurant::{HOME, SCOPE, category, float, section};
use domain::Rejection;
use domain::catalogue::{
    self, ChangeProduct, ListProduct, ProductChange, ProductContent, ProductState, RemoveProduct,
};
use rust_decimal::Decimal;
use schemas::{Event, Money};
use serde::Serialize;

use super::fields::{Fields, Need};
use super::recorded::{asked, database, event, fits, reference, reused, unknown};
use crate::http::App;
use crate::shard::Refusal;

const MAX_TITLE_CHARS: usize = 255;
const MAX_DESCRIPTION_CHARS: usize = 2000;

/// A product as it was sent. What is null in a change stays as it is.
#[derive(Serialize)]
struct Sent {
    id: Option<i64>,
    title: Option<String>,
    category: Option<i64>,
    price: Option<Decimal>,
    description: Option<String>,
    active: Option<bool>,
}

/// Lists a product.
pub async fn list(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Response, Refused> {
    let sent = parse(&body)?;
    app.shards.served_here(HOME).await?;
    let asked = asked(&headers, "produtos", &sent)?;
    let section = sent.category.and_then(section).ok_or_else(|| unknown(NO_CATEGORY))?;
    let price = price(sent.price.unwrap_or_default())?;
    let content = ProductContent {
        seller: None,
        title: sent.title.ok_or_else(database)?,
        description: sent.description,
        section: section.to_owned(),
        price: Some(price),
        currency: app.own.currency.clone(),
        active: sent.active.unwrap_or(true),
        counts_stock: false,
        keep_one: false,
    };
    let (home, scope) = (HOME.to_owned(), SCOPE.to_owned());
    let command = ListProduct { home, id: None, scope, content, count: None, asked };
    let answer = app.submit(command, &headers).await.map_err(refused)?;
    let event = event(&app, answer).await?;
    let Event::Catalogue(schemas::catalogue::Event::ProductListed(listed)) = event.as_ref() else {
        return Err(unknown(NO_PRODUCT));
    };
    shown(&app, listed.product.id.parse().unwrap_or_default())
}

/// Changes a product. The original refused the fourth category here, by mistake.
pub async fn change(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Response, Refused> {
    let sent = parse(&body)?;
    app.shards.served_here(HOME).await?;
    let id = sent.id.ok_or_else(|| unknown(NO_PRODUCT))?;
    known(&app, id)?;
    let asked = asked(&headers, "produtos/put", &sent)?;
    let section = sent.category.map(|number| section(number).ok_or_else(|| unknown(NO_CATEGORY)));
    let change = ProductChange {
        title: sent.title,
        description: sent.description.map(Some),
        section: section.transpose()?.map(str::to_owned),
        price: sent.price.map(price).transpose()?.map(Some),
        active: sent.active,
        ..ProductChange::default()
    };
    let (home, product) = (HOME.to_owned(), id.to_string());
    let command = ChangeProduct { home, id: product, revision: None, change, count: None, asked };
    app.submit(command, &headers).await.map_err(refused)?;
    shown(&app, id)
}

/// Takes a product off the menu. Orders do not show it any more, as there, where their lines went with it.
pub async fn remove(State(app): State<App>, Id(id): Id, headers: HeaderMap) -> Result<Response, Refused> {
    app.shards.served_here(HOME).await?;
    known(&app, id)?;
    let asked = asked(&headers, "produtos/delete", &id)?;
    let command = RemoveProduct { home: HOME.to_owned(), id: id.to_string(), asked };
    app.submit(command, &headers).await.map_err(refused)?;
    Ok(json(StatusCode::OK, &true))
}

fn parse(body: &[u8]) -> Result<Sent, Refused> {
    let mut fields = Fields::parse(body)?;
    let sent = Sent {
        id: fields.integer("id", Need::Optional),
        title: fields.text("nome", Need::Optional),
        category: fields.integer("categoria", Need::Optional),
        price: fields.float("valor", Need::Optional),
        description: fields.text("descricao", Need::Nullable),
        active: fields.flag("ativo", Need::Optional),
    };
    let sent = fields.finish(sent)?;
    fits(sent.title.as_deref(), MAX_TITLE_CHARS)?;
    fits(sent.description.as_deref(), MAX_DESCRIPTION_CHARS)?;
    Ok(sent)
}

/// A price, rounded to cents.
fn price(sent: Decimal) -> Result<Money, Refused> {
    let price = Money::rounded(sent);
    if price <= Money::ZERO {
        return Err(unknown(BAD_PRICE));
    }
    if price.is_sendable() { Ok(price) } else { Err(database()) }
}

/// The product, where it is on the menu.
pub fn known(app: &App, id: i64) -> Result<ProductState, Refused> {
    catalogue::load_product(&app.store.as_ref(), &reference(id)).ok_or_else(|| unknown(NO_PRODUCT))
}

fn shown(app: &App, id: i64) -> Result<Response, Refused> {
    let ProductContent { title, description, section, price, active, .. } = known(app, id)?.content;
    let product = Product {
        id,
        nome: title,
        categoria: category(&section),
        valor: float(&price.unwrap_or_default().to_string()),
        descricao: description,
        ativo: active,
    };
    Ok(json(StatusCode::OK, &product))
}

/// A refusal in the contract's words.
fn refused(refusal: Refusal) -> Refused {
    let Refusal::Rejected(Rejection::Catalogue(rejection)) = &refusal else { return refusal.into() };
    match rejection {
        catalogue::Rejection::ProductUnknown => unknown(NO_PRODUCT),
        catalogue::Rejection::IdempotencyKeyReused => reused(),
        _ => database(),
    }
}

//! The writes of contract 004: clients, products, orders, and the webhook that tells of payments. All of it has one home, so that
//! its numbers are dense, and each answer is what the home's states are after the command.

mod clients;
mod fields;
mod orders;
mod products;
mod recorded;
mod webhook;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, post, put};
use contracts::RESTAURANT;
use contracts::restaurant::fastapi::complete;
use contracts::restaurant::{PATHS, is_routed};

use crate::http::App;
use crate::http::forward::{self, Intake};
use crate::settings::Settings;

/// Said of it in the description of this service.
pub const ABOUT: &str = "It has a description of its own there (`/docs/`), by its clients' rules: none of its routes needs a token.";

/// Every route.
pub fn routes(app: &App, _: &Settings) -> Router {
    let anyone = from_fn_with_state(Intake::of_anyone(app), forward::to_owner);
    let credentials = from_fn_with_state(Intake::of_credentials(app), forward::to_owner);
    let taken = |handler: MethodRouter<App>| handler.route_layer(anyone.clone());
    let client = |handler: MethodRouter<App>| handler.route_layer(credentials.clone());
    let routes = vec![
        ("/clientes/", client(post(clients::register).put(clients::change))),
        ("/clientes/{id}", client(delete(clients::remove))),
        ("/produtos/", taken(post(products::list).put(products::change))),
        ("/produtos/{id}", taken(delete(products::remove))),
        ("/pedidos/", taken(put(orders::amend))),
        ("/pedidos/{id}", taken(delete(orders::remove))),
        ("/pedidos/checkout/", taken(post(orders::place))),
        ("/pedidos/status_pagamento/", taken(post(webhook::tell))),
    ];
    complete(&RESTAURANT, Router::new(), &PATHS, is_routed, routes).with_state(app.clone())
}

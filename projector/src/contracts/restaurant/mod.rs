//! The reads of contract 004: clients, the menu, orders and the kitchen's queue. Each has seen everything accepted before it was
//! asked for.

mod clients;
mod contract;
mod docs;
mod orders;
mod products;

use axum::Router;
use axum::routing::get;
use contract::Contract;
use contracts::RESTAURANT;
use contracts::restaurant::fastapi::complete;
use contracts::restaurant::{PATHS, is_routed};

use crate::http::App;
use crate::settings::Settings;

/// Said of it in the description of this service.
pub const ABOUT: &str = "It has a description of its own there (`/docs/`), by its clients' rules: none of its routes needs a token.";

/// Every route.
pub fn routes(app: &App, _: &Settings) -> Router {
    let routes = vec![
        ("/", get(docs::start)),
        ("/openapi.json", get(docs::description)),
        ("/clientes/", get(clients::list)),
        ("/clientes/{id}", get(clients::one)),
        ("/clientes/{id}/pedidos/", get(orders::of_client)),
        ("/produtos/", get(products::list)),
        ("/produtos/{id}", get(products::one)),
        ("/lanches/", get(async |state| products::of_category(state, 1).await)),
        ("/acompanhamentos/", get(async |state| products::of_category(state, 2).await)),
        ("/bebidas/", get(async |state| products::of_category(state, 3).await)),
        ("/sobremesas/", get(async |state| products::of_category(state, 4).await)),
        ("/pedidos/", get(orders::queue)),
        ("/pedidos/{id}", get(orders::one)),
        ("/pedidos/{id}/status_pagamento/", get(orders::payment_status)),
        ("/pedidos/recebidos/", get(async |state| orders::of_status(state, 1).await)),
        ("/pedidos/empreparacao/", get(async |state| orders::of_status(state, 2).await)),
        ("/pedidos/prontos/", get(async |state| orders::of_status(state, 3).await)),
        ("/pedidos/finalizados/", get(async |state| orders::of_status(state, 4).await)),
        ("/pedidos/fila/", get(orders::line)),
    ];
    complete(&RESTAURANT, docs::pages(), &PATHS, is_routed, routes).with_state(Contract::new(app))
}

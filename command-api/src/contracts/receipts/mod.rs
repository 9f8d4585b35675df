//! The writes of contract 003: the producer's checks, the consumer's checks and accounts.

mod accounts;
mod add_checks;
mod check;
mod contract;
mod journal;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, post};
use contract::Contract;
use contracts::RECEIPTS;
use contracts::receipts::DIALECT;

use crate::http::App;
use crate::http::forward::{self, Intake};
use crate::settings::Settings;

/// Said of it in the description of this service.
pub const ABOUT: &str = "It has a description of its own there (`/swagger/`), by its clients' rules: `POST /api/checks/`, \
    registration and login need no token.";

/// Every route, the producer's first.
pub fn routes(app: &App, settings: &Settings) -> Router {
    let checks = from_fn_with_state(Intake::of_anyone(app), forward::to_owner);
    let credentials = from_fn_with_state(Intake::of_credentials(app), forward::to_owner);
    let recorded = |handler: MethodRouter<Contract>| handler.route_layer(checks.clone());
    let account = |handler: MethodRouter<Contract>| handler.route_layer(credentials.clone());
    let routes = [
        ("/contracts/receipts/api/checks/", recorded(post(check::record))),
        ("/contracts/receipts/consumer/api/add_checks/", recorded(post(add_checks::record))),
        ("/contracts/receipts/consumer/auth/registration/", account(post(accounts::register))),
        ("/contracts/receipts/consumer/auth/login/", account(post(accounts::login))),
        ("/contracts/receipts/consumer/auth/logout/", account(post(accounts::logout))),
        ("/contracts/receipts/consumer/auth/password/change/", account(post(accounts::change_password))),
    ];
    DIALECT.complete(&RECEIPTS, Router::new(), routes).with_state(Contract::new(app, settings))
}

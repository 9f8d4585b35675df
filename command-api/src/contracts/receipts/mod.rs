//! The writes of contract 003: the producer's checks, the consumer's checks and accounts.

mod accounts;
mod add_checks;
mod check;
mod journal;

use axum::Router;
use axum::extract::FromRef;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, post};
use contracts::RECEIPTS;
use contracts::answers::Refused;
use contracts::receipts::DIALECT;
use contracts::receipts::token::LoginTokens;

use crate::http::forward::{self, Intake};
use crate::http::{ApiError, App};
use crate::settings::Settings;
use crate::shard::Refusal;
use journal::Journal;

/// Said of it in the description of this service.
pub const ABOUT: &str = "It has a description of its own there (`/swagger/`), by its clients' rules: `POST /api/checks/`, \
    registration and login need no token.";

/// What its handlers work with.
#[derive(Clone)]
struct Contract {
    app: App,
    journal: Journal,
    tokens: LoginTokens,
}

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
    let contract = Contract {
        app: app.clone(),
        journal: Journal::start(&settings.own.contracts.journal_dir),
        tokens: LoginTokens::new(&settings.own.jwt_secret),
    };
    DIALECT.complete(&RECEIPTS, Router::new(), routes).with_state(contract)
}

impl FromRef<Contract> for App {
    fn from_ref(contract: &Contract) -> Self {
        contract.app.clone()
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        error.into_response().into()
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        ApiError::from(refusal).into()
    }
}

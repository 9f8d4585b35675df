//! The writes of contract 003: the producer's checks, the consumer's checks and accounts.

mod accounts;
mod add_checks;
mod check;
mod fields;
mod journal;

use axum::Router;
use axum::extract::FromRef;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, post};
use runtime::contracts::receipts::NAME;
use runtime::contracts::receipts::answers::{Refused, complete, in_its_shape};
use runtime::contracts::receipts::token::LoginTokens;

use crate::http::forward::{self, Intake};
use crate::http::{ApiError, App};
use crate::settings::Settings;
use crate::shard::Refusal;
use journal::Journal;

/// What its handlers work with.
#[derive(Clone)]
pub struct Contract {
    app: App,
    journal: Journal,
    tokens: LoginTokens,
}

impl Contract {
    /// The contract, where it is switched on.
    pub fn from_settings(settings: &Settings, app: &App) -> Option<Self> {
        settings.common.serves(NAME).then(|| Self {
            app: app.clone(),
            journal: Journal::start(&settings.common.journal_dir),
            tokens: LoginTokens::new(&settings.own.jwt_secret),
        })
    }
}

/// Every route, the producer's first.
pub fn routes(contract: Contract) -> Router {
    let app = &contract.app;
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
    complete(Router::new(), routes).layer(map_response(in_its_shape)).with_state(contract)
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

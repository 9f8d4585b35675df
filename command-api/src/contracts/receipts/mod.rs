//! The writes of contract 003: the producer's checks, the consumer's checks and accounts.

mod accounts;
mod add_checks;
mod check;
mod fields;
mod journal;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::IntoResponse;
use axum::routing::post;
use runtime::contracts::receipts::NAME;
use runtime::contracts::receipts::answers::{Refused, complete, in_its_shape};
use runtime::contracts::receipts::token::LoginTokens;

use crate::http::{ApiError, App, forward};
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
    let routes = [
        ("/contracts/receipts/api/checks/", post(check::record)),
        ("/contracts/receipts/consumer/api/add_checks/", post(add_checks::record)),
        ("/contracts/receipts/consumer/auth/registration/", post(accounts::register)),
        ("/contracts/receipts/consumer/auth/login/", post(accounts::login)),
        ("/contracts/receipts/consumer/auth/logout/", post(accounts::logout)),
        ("/contracts/receipts/consumer/auth/password/change/", post(accounts::change_password)),
    ];
    complete(Router::new(), routes)
        .route_layer(from_fn_with_state(contract.app.clone(), forward::to_owner))
        .layer(map_response(in_its_shape))
        .with_state(contract)
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

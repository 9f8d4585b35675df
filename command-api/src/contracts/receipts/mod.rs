//! The writes of contract 003: the producer's checks, the consumer's checks and accounts.

mod accounts;
mod add_checks;
mod check;
mod fields;
mod journal;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use runtime::Problem;
use runtime::contracts::receipts::NAME;
use runtime::contracts::receipts::answers::{in_its_shape, method_not_allowed, not_found, slashed};
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
    let router =
        routes.into_iter().fold(Router::new(), |router, (path, methods)| slashed(router, path, methods));
    router
        .route("/contracts/receipts/", any(not_found))
        .route("/contracts/receipts/{*path}", any(not_found))
        .method_not_allowed_fallback(method_not_allowed)
        .route_layer(from_fn_with_state(contract.app.clone(), forward::to_owner))
        .layer(map_response(in_its_shape))
        .with_state(contract)
}

/// An answer other than the wished one.
pub struct Refused(Box<Response>);

impl From<Response> for Refused {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        error.into_response().into()
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        problem.into_response().into()
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        ApiError::from(refusal).into()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}

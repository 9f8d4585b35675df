//! What the contract's handlers share.

use axum::extract::FromRef;
use axum::response::IntoResponse;
use contracts::answers::Refused;
use contracts::receipts::token::LoginTokens;

use super::journal::CheckJournal;
use crate::http::{ApiError, App};
use crate::settings::Settings;
use crate::shard::Refusal;

/// The state of the contract's routes.
#[derive(Clone)]
pub struct Contract {
    pub app: App,
    pub journal: CheckJournal,
    pub tokens: LoginTokens,
}

impl Contract {
    pub fn new(app: &App, settings: &Settings) -> Self {
        Self {
            app: app.clone(),
            journal: CheckJournal::start(&settings.own.contracts.journal_dir),
            tokens: LoginTokens::new(&settings.own.jwt_secret),
        }
    }
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

//! The drop-in contracts' writes: each a thin translation into the commands of `/v1`, where `TILL_CONTRACTS` names it.

mod django;

use axum::Router;
use utoipa::Modify;
use utoipa::openapi::OpenApi;

use crate::http::App;
use crate::settings::Settings;

contracts::served!();

/// The routes of the contracts that are switched on.
pub fn routes(app: &App, settings: &Settings) -> Router {
    contracts::served::routes(SERVED, &settings.own.contracts, |served| (served.routes)(app, settings))
}

/// Adds a tag for each contract to the description of this service.
pub struct Tags;

impl Modify for Tags {
    fn modify(&self, description: &mut OpenApi) {
        contracts::served::describe(SERVED, description);
    }
}

//! What a service serves of each contract: `contracts::served!()` makes its list.

use axum::Router;
use axum::middleware::map_response;
use utoipa::openapi::OpenApi;
use utoipa::openapi::tag::TagBuilder;

use crate::Contract;
use crate::answers::in_shape;
use crate::settings::Settings;

/// What one service serves of a contract. `App` is what the service's handlers work with, `Own` are all of its settings.
pub struct Served<App, Own> {
    /// The contract's line of the table.
    pub contract: &'static Contract,
    /// What the service's description of its HTTP API says of it besides: where it has a description of its own, and which
    /// routes need no token. Whole sentences.
    pub about: &'static str,
    /// The contract's routes in this service, under the contract's prefix.
    pub routes: fn(&App, &Own) -> Router,
}

/// The routes of the contracts that are switched on, each as `made` makes them. A problem (RFC 9457) that one of them ends in is
/// answered in the contract's shape.
pub fn routes<App, Own>(
    served: &[Served<App, Own>],
    settings: &Settings,
    made: impl Fn(&Served<App, Own>) -> Router,
) -> Router {
    let switched_on = served.iter().filter(|served| settings.serve(served.contract));
    switched_on.fold(Router::new(), |router, served| {
        let contract = served.contract;
        router.merge(made(served).layer(map_response(async |response| in_shape(contract, response).await)))
    })
}

/// Adds a tag for each contract to a service's description of its HTTP API.
pub fn describe<App, Own>(served: &[Served<App, Own>], description: &mut OpenApi) {
    let tags = served.iter().map(|Served { contract, about, .. }| {
        let text = format!(
            "Where `TILL_CONTRACTS` has `{}`, this service also answers `{}/...`, which nginx serves on ports of its own. {about}",
            contract.name, contract.prefix
        );
        TagBuilder::new().name(format!("{} contract", contract.title())).description(Some(text)).build()
    });
    description.tags.get_or_insert_default().extend(tags);
}

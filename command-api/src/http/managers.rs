//! Who may change sellers and products: staff and admins all of them, and accounts those whose seller names them.

use domain::catalogue::load_seller;
use runtime::auth::{Caller, Role};
use schemas::{Ref, Topic};

use super::{ApiError, App};

/// Who may change any seller and any product.
pub const KEEPERS: [Role; 2] = [Role::Staff, Role::Admin];

/// Refuses a caller with 403 who is neither a keeper nor a manager of the seller.
pub async fn require_manager(app: &App, caller: &Caller, seller: Option<&Ref>) -> Result<(), ApiError> {
    if let Some(seller) = seller.filter(|_| !caller.is_terminal_key && caller.require(&KEEPERS).is_err()) {
        // The seller may be of another home, whose owner has just named the caller, or names it no more.
        app.barrier.pass([(Topic::Catalogue, seller.home.as_str())]).await?;
        let seller = load_seller(&app.store.as_ref(), seller);
        if seller.is_some_and(|seller| seller.content.managers.contains(&account_of(caller))) {
            return Ok(());
        }
    }
    Ok(caller.require(&KEEPERS)?)
}

/// The caller's account, as events name it.
pub fn account_of(caller: &Caller) -> Ref {
    Ref { home: caller.realm.clone(), id: caller.number.to_string() }
}

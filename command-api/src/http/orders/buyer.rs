//! Whom an order is for, and where it is sent.

use domain::account;
use domain::order::{OrderState, Rejection};
use domain::people::{self, CustomerState, HOME};
use domain::person;
use runtime::auth::{Caller, Role};
use schemas::orders::Buyer;
use schemas::{Ref, Sealed};

use super::wanted::Wanted;
use crate::http::customers::opened;
use crate::http::managers::account_of;
use crate::http::{ApiError, App};
use crate::shard::Refusal;

/// What a buyer is where no customer is named, and where one is.
const ACCOUNT: &str = "account";
const CUSTOMER: &str = "customer";
/// Who may order for any customer.
const SELLERS: [Role; 3] = [Role::Staff, Role::Terminal, Role::Admin];

/// The buyer, and the sealed address of an order that is sent. A customer who may not order is refused, and so is one whose
/// account is not the caller's, unless the caller sells.
pub fn find(app: &App, caller: &Caller, wanted: &Wanted) -> Result<(Buyer, Option<Sealed>), ApiError> {
    let Some(id) = &wanted.customer else { return Ok((of_account(app, caller), None)) };
    let states = app.store.as_ref();
    let customer = people::load(&states, HOME, id).filter(|customer| {
        customer.active
            && !person::is_erased(&states, customer.sealed.subject)
            && (caller.require(&SELLERS).is_ok() || is_of(customer, caller))
    });
    let customer = customer.ok_or_else(|| Refusal::Rejected(Rejection::NoBuyer.into()))?;
    let ship_to = match &wanted.ship_to {
        Some(personal) => Some(opened(app, &customer)?.seal(personal)),
        None => None,
    };
    let party = Ref { home: HOME.to_owned(), id: id.clone() };
    let subject = Some(customer.sealed.subject);
    Ok((Buyer { kind: CUSTOMER.to_owned(), party, subject }, ship_to))
}

fn of_account(app: &App, caller: &Caller) -> Buyer {
    let state = account::load(&app.store.as_ref(), &caller.realm, caller.number);
    let subject = state.and_then(|state| state.sealed).map(|sealed| sealed.subject);
    Buyer { kind: ACCOUNT.to_owned(), party: account_of(caller), subject }
}

/// Whether the order is the caller's: the account's own, or that of a customer who logs in with it.
pub fn is_buyer(app: &App, caller: &Caller, order: &OrderState) -> bool {
    let Some(Buyer { kind, party, .. }) = &order.buyer else { return false };
    if kind == ACCOUNT {
        return *party == account_of(caller);
    }
    let customer = people::load(&app.store.as_ref(), &party.home, &party.id);
    customer.is_some_and(|customer| is_of(&customer, caller))
}

fn is_of(customer: &CustomerState, caller: &Caller) -> bool {
    customer.account.as_ref() == Some(&account_of(caller))
}

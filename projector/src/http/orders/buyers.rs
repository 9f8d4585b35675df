//! Whose orders a caller may see: staff, analysts and admins those of everybody, customers their own.

use runtime::Problem;
use runtime::auth::Role;
use schemas::place;
use sqlx::PgConnection;

use crate::http::app::READERS;
use crate::http::parameters::{Read, refused};
use crate::read::failed;

/// What a buyer is where a customer is named, and where none is.
const CUSTOMER: &str = "customer";
const ACCOUNT: &str = "account";
/// The home of `/v1`'s customers and accounts.
const HOME: &str = "till";

/// Buyers in columns, as `UNNEST` takes them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Buyers {
    pub kinds: Vec<String>,
    pub homes: Vec<String>,
    pub ids: Vec<String>,
}

/// Refuses whoever may see no orders.
pub fn require_reader<Q>(read: &Read<Q>) -> Result<(), Problem> {
    read.require(&[READERS, &[Role::Customer]].concat())
}

/// Whether the caller may read where those orders are sent that it may see: analysts may not, and customers see none but their own.
pub fn may_read_addresses<Q>(read: &Read<Q>) -> bool {
    read.require(&[Role::Staff, Role::Admin]).is_ok() || read.require(READERS).is_err()
}

/// The buyers whose orders the caller may see: an account, and the customers that log in with it. `None`: all.
pub async fn visible<Q>(read: &Read<Q>, snapshot: &mut PgConnection) -> Result<Option<Buyers>, Problem> {
    if read.require(READERS).is_ok() {
        return Ok(None);
    }
    let caller = read.caller();
    let (realm, number) = (caller.realm.clone(), caller.number.to_string());
    let customers = sqlx::query!(
        "SELECT home, id FROM customers WHERE account_home = $1 AND account_id = $2",
        realm,
        number
    )
    .fetch_all(snapshot)
    .await
    .map_err(failed)?;
    let mut buyers = Buyers::default();
    buyers.push(ACCOUNT, realm, number);
    for customer in customers {
        buyers.push(CUSTOMER, customer.home, customer.id);
    }
    Ok(Some(buyers))
}

impl Buyers {
    fn push(&mut self, kind: &str, home: String, id: String) {
        self.kinds.push(kind.to_owned());
        self.homes.push(home);
        self.ids.push(id);
    }

    /// The buyers that the parameter `buyer` names: a customer and an account of a contract may have the same name.
    pub fn asked_for(name: Option<&str>) -> Result<Option<Self>, Problem> {
        let Some(name) = name else { return Ok(None) };
        let mut buyers = Self::default();
        if let Ok(number) = name.parse::<i64>() {
            buyers.push(ACCOUNT, HOME.to_owned(), number.to_string());
            return Ok(Some(buyers));
        }
        let wrong = || refused("`buyer` must be the id of a customer, or the number of an account");
        let party = place::parse(name).ok_or_else(wrong)?;
        if party.id.is_empty() {
            buyers.push(CUSTOMER, HOME.to_owned(), party.home);
        } else {
            buyers.push(CUSTOMER, party.home.clone(), party.id.clone());
            buyers.push(ACCOUNT, party.home, party.id);
        }
        Ok(Some(buyers))
    }

    /// The buyers that are among both; `None` stands for all.
    pub fn common(some: Option<Self>, others: Option<Self>) -> Option<Self> {
        let (Some(some), Some(others)) = (&some, &others) else { return some.or(others) };
        let mut common = Self::default();
        for ((kind, home), id) in some.kinds.iter().zip(&some.homes).zip(&some.ids) {
            if others.have(Some(((kind.clone(), home.clone()), id.clone()))) {
                common.push(kind, home.clone(), id.clone());
            }
        }
        Some(common)
    }

    /// Whether the buyer of an order, as kind, home and id, is among them.
    pub fn have(&self, buyer: Option<((String, String), String)>) -> bool {
        let Some(((kind, home), id)) = buyer else { return false };
        let mut buyers = self.kinds.iter().zip(&self.homes).zip(&self.ids);
        buyers.any(|((a_kind, a_home), an_id)| *a_kind == kind && *a_home == home && *an_id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUSTOMER_ID: &str = "42c45e41-5062-5665-92d9-63d7ab695d59";

    fn buyers(of: &[(&str, &str, &str)]) -> Buyers {
        let mut buyers = Buyers::default();
        for (kind, home, id) in of {
            buyers.push(kind, (*home).to_owned(), (*id).to_owned());
        }
        buyers
    }

    #[test]
    fn a_buyer_is_named_as_answers_name_it() {
        let read = |name| Buyers::asked_for(Some(name)).unwrap().unwrap();
        assert_eq!(read("3"), buyers(&[(ACCOUNT, HOME, "3")]));
        assert_eq!(read(CUSTOMER_ID), buyers(&[(CUSTOMER, HOME, CUSTOMER_ID)]));
        let of_004 = [(CUSTOMER, "restaurant.004", "3"), (ACCOUNT, "restaurant.004", "3")];
        assert_eq!(read("restaurant-3"), buyers(&of_004));
        assert!(Buyers::asked_for(Some("ann")).is_err());
    }

    #[test]
    fn a_customer_sees_no_others_whatever_it_asks_for() {
        let own = || Some(buyers(&[(ACCOUNT, HOME, "3"), (CUSTOMER, HOME, CUSTOMER_ID)]));
        let asked_for = |name| Buyers::asked_for(Some(name)).unwrap();
        assert_eq!(Buyers::common(own(), None), own());
        assert_eq!(Buyers::common(own(), asked_for("3")), Some(buyers(&[(ACCOUNT, HOME, "3")])));
        assert_eq!(Buyers::common(own(), asked_for("4")), Some(Buyers::default()));
        assert_eq!(Buyers::common(None, asked_for("4")), asked_for("4"));
        assert!(!own().unwrap().have(None));
    }
}

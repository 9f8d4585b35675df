//! Sellers: listed, changed, removed.

use schemas::Ref;
use schemas::catalogue::{SellerChanged, SellerListed, SellerRemoved};
use serde::{Deserialize, Serialize};

use super::rejection::Rejection;
use super::state::{Kind, Version, before, key, new_id, note_number};
use crate::states::{load as read, save as write};
use crate::{Asked, Decision, Recorded, States, asked};

/// List a seller.
#[derive(Clone, Debug)]
pub struct ListSeller {
    /// The home: the seller's own UUID, or a contract's.
    pub home: String,
    /// The seller's id within it, empty in a home of its own; `None`: the home's next number.
    pub id: Option<String>,
    /// Whose seller it is: `v1`, or a contract's own scope.
    pub scope: String,
    /// What the seller is.
    pub content: SellerContent,
    /// Who asks.
    pub asked: Asked,
}

/// Change a seller.
#[derive(Clone, Debug)]
pub struct ChangeSeller {
    /// The home of the seller.
    pub home: String,
    /// The seller's id within it.
    pub id: String,
    /// The revision that the change was made from; `None`: whichever there is.
    pub revision: Option<i32>,
    /// What is changed.
    pub change: SellerChange,
    /// Who asks.
    pub asked: Asked,
}

/// Take a seller off the lists.
#[derive(Clone, Debug)]
pub struct RemoveSeller {
    /// The home of the seller.
    pub home: String,
    /// The seller's id within it.
    pub id: String,
    /// Who asks.
    pub asked: Asked,
}

/// What a seller is.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SellerContent {
    /// The name, as customers read it.
    pub name: String,
    /// More words on it; may be empty.
    pub description: String,
    /// Where the shop is; may be empty.
    pub address: String,
    /// The accounts that may change it and its products.
    pub managers: Vec<Ref>,
}

/// What is changed of a seller; `None`: nothing.
#[derive(Clone, Debug, Default)]
pub struct SellerChange {
    /// The name from here on.
    pub name: Option<String>,
    /// The description from here on.
    pub description: Option<String>,
    /// The address from here on.
    pub address: Option<String>,
    /// The managers from here on, all of them.
    pub managers: Option<Vec<Ref>>,
}

/// The state of a seller, under `s`, its home and its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SellerState {
    /// Whose seller it is.
    pub scope: String,
    /// What it is.
    pub content: SellerContent,
    /// How often it was changed, and when.
    pub version: Version,
}

/// The seller, where it is known and was not removed.
pub fn load(states: &impl States, seller: &Ref) -> Option<SellerState> {
    known(states, &seller.home, &seller.id).filter(|seller| !seller.version.is_removed)
}

fn known(states: &impl States, home: &str, id: &str) -> Option<SellerState> {
    read(states, &key(Kind::Seller, home, id))
}

pub(super) fn list(states: &impl States, command: ListSeller) -> Result<Decision, Rejection> {
    let ListSeller { home, id, scope, content, asked } = command;
    if let Some(before) = before(states, &home, &asked)? {
        return Ok(Decision::Already(before));
    }
    let id = new_id(states, Kind::Seller, &home, id)?;
    let SellerContent { name, description, address, managers } = content;
    let (head, seller) = (asked.head(1), Ref { home, id });
    Ok(Decision::append(SellerListed { head, seller, scope, name, description, address, managers }))
}

pub(super) fn change(states: &impl States, command: ChangeSeller) -> Result<Decision, Rejection> {
    let ChangeSeller { home, id, revision, change, asked } = command;
    if let Some(before) = before(states, &home, &asked)? {
        return Ok(Decision::Already(before));
    }
    let seller = Ref { home, id };
    let SellerState { scope, content, version } = load(states, &seller).ok_or(Rejection::SellerUnknown)?;
    version.expect(revision)?;
    let head = asked.head(version.revision + 1);
    Ok(Decision::append(SellerChanged {
        head,
        seller,
        scope,
        name: change.name.unwrap_or(content.name),
        description: change.description.unwrap_or(content.description),
        address: change.address.unwrap_or(content.address),
        managers: change.managers.unwrap_or(content.managers),
    }))
}

/// Removes the seller. Its products stay, and are sold by nobody from here on.
pub(super) fn remove(states: &impl States, command: RemoveSeller) -> Result<Decision, Rejection> {
    let RemoveSeller { home, id, asked } = command;
    let state = known(states, &home, &id).ok_or(Rejection::SellerUnknown)?;
    if state.version.is_removed {
        return Ok(Decision::Already(state.version.changed_at));
    }
    let head = asked.head(state.version.revision + 1);
    Ok(Decision::append(SellerRemoved { head, seller: Ref { home, id } }))
}

pub(super) fn listed(states: &mut impl States, event: &SellerListed, recorded: &Recorded) {
    let SellerListed { head, seller, scope, name, description, address, managers } = event;
    let content = SellerContent {
        name: name.clone(),
        description: description.clone(),
        address: address.clone(),
        managers: managers.clone(),
    };
    let version = Version::first(head.at, recorded.position);
    save(states, seller, &SellerState { scope: scope.clone(), content, version });
    asked::note(states, &seller.home, head, recorded);
    note_number(states, Kind::Seller, &seller.home, &seller.id);
}

pub(super) fn changed(states: &mut impl States, event: &SellerChanged, recorded: &Recorded) {
    let SellerChanged { head, seller, scope, name, description, address, managers } = event;
    let Some(former) = known(states, &seller.home, &seller.id) else { return };
    let content = SellerContent {
        name: name.clone(),
        description: description.clone(),
        address: address.clone(),
        managers: managers.clone(),
    };
    let version = former.version.next(head.revision, head.at, recorded.position);
    save(states, seller, &SellerState { scope: scope.clone(), content, version });
    asked::note(states, &seller.home, head, recorded);
}

pub(super) fn removed(states: &mut impl States, event: &SellerRemoved, recorded: &Recorded) {
    let SellerRemoved { head, seller } = event;
    let Some(mut state) = known(states, &seller.home, &seller.id) else { return };
    state.version = state.version.next(head.revision, head.at, recorded.position);
    state.version.is_removed = true;
    save(states, seller, &state);
}

fn save(states: &mut impl States, seller: &Ref, state: &SellerState) {
    write(states, key(Kind::Seller, &seller.home, &seller.id), state);
}

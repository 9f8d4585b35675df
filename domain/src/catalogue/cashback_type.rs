//! Cashback types: listed, changed, removed. A name is one type's alone, whatever its letters' case and blanks.

use schemas::catalogue::{CashbackTypeChanged, CashbackTypeListed, CashbackTypeRemoved};
use schemas::{Exact, Ref};
use serde::{Deserialize, Serialize};

use super::rejection::Rejection;
use super::state::{Kind, Version, before, key, new_id, note_number};
use crate::states::{load as read, save as write};
use crate::{Asked, Decision, Recorded, States, asked};

/// List a cashback type.
#[derive(Clone, Debug)]
pub struct ListCashbackType {
    /// The home, a contract's.
    pub home: String,
    /// The type's number; `None`: the home's next one.
    pub id: Option<String>,
    /// Whose type it is: the contract's scope.
    pub scope: String,
    /// The name.
    pub name: String,
    /// Cashback of one unit of money.
    pub rate: Exact,
    /// Who asks.
    pub asked: Asked,
}

/// Change a cashback type. What is `None` stays.
#[derive(Clone, Debug)]
pub struct ChangeCashbackType {
    /// The home of the type.
    pub home: String,
    /// The type's number.
    pub id: String,
    /// The name from here on.
    pub name: Option<String>,
    /// The rate from here on.
    pub rate: Option<Exact>,
    /// Who asks.
    pub asked: Asked,
}

/// Take a cashback type off the lists.
#[derive(Clone, Debug)]
pub struct RemoveCashbackType {
    /// The home of the type.
    pub home: String,
    /// The type's number.
    pub id: String,
    /// Who asks.
    pub asked: Asked,
}

/// The state of a cashback type, under `y`, its home and its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CashbackTypeState {
    scope: String,
    name: String,
    rate: Exact,
    version: Version,
}

fn load(states: &impl States, home: &str, id: &str) -> Option<CashbackTypeState> {
    known(states, home, id).filter(|state| !state.version.is_removed)
}

fn known(states: &impl States, home: &str, id: &str) -> Option<CashbackTypeState> {
    read(states, &key(Kind::CashbackType, home, id))
}

pub(super) fn list(states: &impl States, command: ListCashbackType) -> Result<Decision, Rejection> {
    let ListCashbackType { home, id, scope, name, rate, asked } = command;
    if let Some(before) = before(states, &home, &asked)? {
        return Ok(Decision::Already(before));
    }
    let id = new_id(states, Kind::CashbackType, &home, id)?;
    refuse_taken(states, &home, &id, &name)?;
    let (head, cashback_type) = (asked.head(1), Ref { home, id });
    Ok(Decision::append(CashbackTypeListed { head, cashback_type, scope, name, rate }))
}

pub(super) fn change(states: &impl States, command: ChangeCashbackType) -> Result<Decision, Rejection> {
    let ChangeCashbackType { home, id, name, rate, asked } = command;
    if let Some(before) = before(states, &home, &asked)? {
        return Ok(Decision::Already(before));
    }
    let former = load(states, &home, &id).ok_or(Rejection::CashbackTypeUnknown)?;
    let (name, rate) = (name.unwrap_or(former.name), rate.unwrap_or(former.rate));
    refuse_taken(states, &home, &id, &name)?;
    let (head, scope) = (asked.head(former.version.revision + 1), former.scope);
    let cashback_type = Ref { home, id };
    Ok(Decision::append(CashbackTypeChanged { head, cashback_type, scope, name, rate }))
}

pub(super) fn remove(states: &impl States, command: RemoveCashbackType) -> Result<Decision, Rejection> {
    let RemoveCashbackType { home, id, asked } = command;
    let state = known(states, &home, &id).ok_or(Rejection::CashbackTypeUnknown)?;
    if state.version.is_removed {
        return Ok(Decision::Already(state.version.changed_at));
    }
    let head = asked.head(state.version.revision + 1);
    Ok(Decision::append(CashbackTypeRemoved { head, cashback_type: Ref { home, id } }))
}

fn refuse_taken(states: &impl States, home: &str, id: &str, name: &str) -> Result<(), Rejection> {
    match read::<String>(states, &name_key(home, name)) {
        Some(holder) if holder != id => Err(Rejection::NameTaken),
        _ => Ok(()),
    }
}

pub(super) fn listed(states: &mut impl States, event: &CashbackTypeListed, recorded: &Recorded) {
    let CashbackTypeListed { head, cashback_type, scope, name, rate } = event;
    let version = Version::first(head.at, recorded.position);
    let state = CashbackTypeState { scope: scope.clone(), name: name.clone(), rate: *rate, version };
    save(states, cashback_type, &state);
    asked::note(states, &cashback_type.home, head, recorded);
    note_number(states, Kind::CashbackType, &cashback_type.home, &cashback_type.id);
}

pub(super) fn changed(states: &mut impl States, event: &CashbackTypeChanged, recorded: &Recorded) {
    let CashbackTypeChanged { head, cashback_type, scope, name, rate } = event;
    let Some(former) = known(states, &cashback_type.home, &cashback_type.id) else { return };
    states.remove(name_key(&cashback_type.home, &former.name));
    let version = former.version.next(head.revision, head.at, recorded.position);
    let state = CashbackTypeState { scope: scope.clone(), name: name.clone(), rate: *rate, version };
    save(states, cashback_type, &state);
    asked::note(states, &cashback_type.home, head, recorded);
}

pub(super) fn removed(states: &mut impl States, event: &CashbackTypeRemoved, recorded: &Recorded) {
    let CashbackTypeRemoved { head, cashback_type } = event;
    let Some(mut state) = known(states, &cashback_type.home, &cashback_type.id) else { return };
    state.version = state.version.next(head.revision, head.at, recorded.position);
    state.version.is_removed = true;
    save(states, cashback_type, &state);
    states.remove(name_key(&cashback_type.home, &state.name));
}

/// Keeps the state, and the name as its holder's.
fn save(states: &mut impl States, cashback_type: &Ref, state: &CashbackTypeState) {
    write(states, key(Kind::CashbackType, &cashback_type.home, &cashback_type.id), state);
    write(states, name_key(&cashback_type.home, &state.name), &cashback_type.id);
}

fn name_key(home: &str, name: &str) -> Vec<u8> {
    let folded: String =
        name.chars().filter(|char| !char.is_whitespace()).flat_map(char::to_lowercase).collect();
    [b"fy", home.as_bytes(), &[0], folded.as_bytes()].concat()
}

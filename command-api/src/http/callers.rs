//! Who calls: an account as it is now, by its access token or by the key of one of its terminals.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use domain::Asked;
use domain::account::terminal::{self, TerminalKey};
use domain::account::{self, AccountState, NoteUse, REALM};
use runtime::Problem;
use runtime::auth::{Accounts, Bearer, Caller, Credential, Role, account_name};
use schemas::Position;
use tokio::time::Instant;

use super::App;
use super::known_callers::Found;
use crate::shard::Origin;

/// How long a replica may be behind the one that gave the token, and the pause between two looks.
const BEHIND: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How long a use of a terminal's key stands for later ones: as long as the rules say.
const USED_FOR: TimeDelta = TimeDelta::hours(1);

impl Accounts for App {
    async fn caller(&self, credential: Credential) -> Result<Option<Caller>, Problem> {
        let revision = self.store.callers_revision();
        let found = match self.known_callers.get(revision, &credential) {
            Some(known) => known,
            None => {
                let Some(found) = self.find(&credential).await else { return Ok(None) };
                let found = Arc::new(found);
                self.known_callers.put(revision, credential, Arc::clone(&found));
                found
            }
        };
        if let Some(key) = &found.key {
            self.note_use(key);
        }
        Ok(Some(found.caller.clone()))
    }
}

impl App {
    async fn find(&self, credential: &Credential) -> Option<Found> {
        match credential {
            Credential::Token(bearer) => self.of_token(bearer).await,
            Credential::TerminalKey(key) => self.of_terminal_key(key).await,
        }
    }

    async fn of_token(&self, Bearer { realm, number, generation, revision }: &Bearer) -> Option<Found> {
        let is_known = || {
            let state = account::load(&self.store.as_ref(), realm, *number);
            state.is_some_and(|state| state.revision >= *revision && state.generation >= *generation)
        };
        // A token is given after its account's events were committed, and this replica may fold them a moment later.
        self.wait_for(is_known).await;
        let state = account::bearer(&self.store.as_ref(), realm, *number, *generation)?;
        let (realm, roles) = (realm.clone(), roles(&state));
        let caller = Caller { realm, number: *number, roles, places: state.places, is_terminal_key: false };
        Some(Found { caller, key: None })
    }

    async fn of_terminal_key(&self, presented: &runtime::auth::TerminalKey) -> Option<Found> {
        let Position { topic, partition, offset } = presented.issued_at;
        self.wait_for(|| self.store.folded(topic, partition).next > offset).await;
        let (key, state) = terminal::find(&self.store.as_ref(), REALM, &presented.digest)?;
        let caller = Caller::of_terminal_key(REALM, key.account, &roles(&state), &key.places, &state.places)?;
        Some(Found { caller, key: Some(key) })
    }

    async fn wait_for(&self, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + BEHIND;
        while !holds() && Instant::now() < deadline {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Notes that a key is in use, at most once an hour a key, and where its account's shard is served here.
    fn note_use(&self, key: &TerminalKey) {
        let now = Utc::now();
        if key.used_at.is_some_and(|used_at| now < used_at + USED_FOR) || !self.shards.serves(REALM) {
            return;
        }
        let asked = Asked { at: now, by: account_name(REALM, key.account), key: None, print: None };
        let command = NoteUse { realm: REALM.to_owned(), number: key.account, key: key.id, asked };
        let shards = self.shards.clone();
        // The request does not wait for it: when a key was used last is for people who clean up.
        tokio::spawn(async move { shards.submit(command, Origin::default()).await });
    }
}

/// The roles that this binary knows. One that a newer Till gave is no right here.
fn roles(state: &AccountState) -> Vec<Role> {
    state.roles.iter().filter_map(|name| Role::from_name(name)).collect()
}

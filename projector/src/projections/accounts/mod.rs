//! Accounts as they are, and the keys of their terminals. The events of a realm are in one partition, so an account is there
//! before anything of it changes.

mod changes;
mod rows;

use std::collections::BTreeSet;

use changes::{Account, Changes};
use chrono::{DateTime, Utc};
use schemas::accounts::Event as AccountEvent;
use schemas::{Event, Topic};
use sqlx::PgConnection;

use super::definition::{Definition, FoldError, Projection};
use crate::log::record::EventRecord;

/// A row an account, as it was last changed, and a row for each key of a terminal that is good.
///
/// Tables of earlier versions have names in the clear, and a former generation of this one has the names of accounts that were
/// sealed later. So none is kept once another has replaced it.
pub const ACCOUNTS: Projection = &Definition {
    name: "accounts",
    version: 3,
    topics: &[Topic::Accounts],
    tables: &["accounts", "terminal_keys"],
    sql: include_str!("tables.sql"),
    unlogged: false,
    keeps_former: false,
    fold: |connection, events| Box::pin(fold(connection, events)),
    bulk: None,
};

/// Folds the batch in memory, in the order of the log, on top of the rows that it changes; then writes these.
async fn fold(connection: &mut PgConnection, events: &[EventRecord<'_>]) -> Result<(), FoldError> {
    let events: Vec<_> = events
        .iter()
        .filter_map(|folded| {
            let Event::Accounts(event) = folded.event else { return None };
            Some((event, folded.record.recorded_at))
        })
        .collect();
    let named: BTreeSet<_> = events.iter().filter_map(|(event, _)| changes::account_of(event)).collect();
    if named.is_empty() {
        return Ok(());
    }
    let accounts = rows::numbered(connection, &named).await?;
    let accounts = rows::accounts(connection, &accounts).await?;
    let keys = rows::terminal_keys(connection, &with_keys(&events)).await?;
    let mut changes = Changes::new(accounts, keys);
    for (event, recorded_at) in events {
        changes.take(event, recorded_at);
    }
    rows::write_accounts(connection, &changes.accounts()).await?;
    rows::remove_keys(connection, &changes.removed_keys()).await?;
    rows::write_keys(connection, &changes.keys()).await
}

/// The accounts whose terminals' keys are changed.
fn with_keys(events: &[(&AccountEvent, DateTime<Utc>)]) -> BTreeSet<Account> {
    events.iter().filter_map(|(event, _)| changes::with_keys(event)).collect()
}

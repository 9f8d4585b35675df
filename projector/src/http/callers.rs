//! Who calls: an account as it is folded, by its access token or by the key of one of its terminals.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use runtime::Problem;
use runtime::auth::{Bearer, Caller, Credential, Role, TerminalKey, account_name};
use schemas::Topic;

use super::known::Known;
use crate::projections::{ACCOUNTS, CUSTOMERS};
use crate::read::{Consistency, Reads, failed};

/// The realm whose accounts have terminals' keys.
const REALM: &str = "till";
/// How long the fold may be behind who gave the token, and the pause between two looks.
const BEHIND: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long what was found holds. A change of an account counts within a second, of which the fold takes the rest.
const FRESH: Duration = Duration::from_millis(300);
/// Whose turns it takes to look up terminals' keys: anyone may send them.
const STRANGERS: &str = "bearers of terminal keys";

/// Finds out who calls, and knows who did moments ago. Clones share what is known.
#[derive(Clone)]
pub struct Callers {
    reads: Reads,
    /// The number of partitions of each event topic.
    partitions: i32,
    accounts: Known<(String, i64), Account>,
    keys: Known<[u8; 32], Caller>,
}

/// What an account may do.
#[derive(Clone)]
struct Account {
    roles: Vec<String>,
    places: Vec<String>,
    generation: i64,
    revision: i32,
    /// Whether it is enabled and neither closed nor erased.
    may_act: bool,
}

impl Callers {
    /// Nobody is known yet.
    pub fn new(reads: Reads, partitions: i32) -> Self {
        Self { reads, partitions, accounts: Known::for_as_long_as(FRESH), keys: Known::for_as_long_as(FRESH) }
    }

    /// The caller of a credential; `None` where it is worth nothing, or nothing any more.
    ///
    /// # Errors
    /// 503 where that cannot be found out.
    pub async fn find(&self, credential: Credential) -> Result<Option<Caller>, Problem> {
        match credential {
            Credential::Token(bearer) => self.of_token(bearer).await,
            Credential::TerminalKey(key) => self.of_terminal_key(key).await,
        }
    }

    /// The caller of a token that is signed by Till. So its account is in the log as it was when the token was given, and a
    /// fold that has it as it was before, or not at all, is behind.
    async fn of_token(&self, bearer: Bearer) -> Result<Option<Caller>, Problem> {
        let deadline = Instant::now() + BEHIND;
        loop {
            let account = self.account(&bearer).await?;
            if let Some(account) = account.filter(|account| account.has_reached(&bearer)) {
                return Ok(account.bearer(bearer));
            }
            if Instant::now() >= deadline {
                return Err(Problem::unavailable("the token's account is not folded yet", 1));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn account(&self, bearer: &Bearer) -> Result<Option<Account>, Problem> {
        let Bearer { realm, number, .. } = bearer;
        let place = (realm.clone(), *number);
        if let Some(known) = self.accounts.get(&place).filter(|known| known.has_reached(bearer)) {
            return Ok(Some(known));
        }
        let (since, turn) = (Instant::now(), account_name(realm, *number));
        let mut snapshot =
            self.reads.snapshot(&[ACCOUNTS, CUSTOMERS], &Consistency::eventual(), &turn).await?;
        let account = sqlx::query_as!(
            Account,
            r#"SELECT roles, places, generation, revision,
                   (NOT disabled AND closed_at IS NULL AND e.subject IS NULL) AS "may_act!"
               FROM accounts AS a LEFT JOIN erased AS e ON e.subject = a.subject
               WHERE realm = $1 AND number = $2"#,
            realm,
            number
        )
        .fetch_optional(&mut *snapshot)
        .await
        .map_err(failed)?;
        if let Some(account) = &account {
            self.accounts.put(place, since, account.clone());
        }
        Ok(account)
    }

    async fn of_terminal_key(&self, key: TerminalKey) -> Result<Option<Caller>, Problem> {
        let TerminalKey { digest, issued_at } = key;
        // Nobody waits for a place that the log cannot have.
        if issued_at.topic != Topic::Accounts || issued_at.partition >= self.partitions {
            return Ok(None);
        }
        if let Some(known) = self.keys.get(&digest) {
            return Ok(Some(known));
        }
        let since = Instant::now();
        let has_it = Consistency { after: vec![issued_at], wait: BEHIND, ..Consistency::eventual() };
        let mut snapshot = match self.reads.snapshot(&[ACCOUNTS, CUSTOMERS], &has_it, STRANGERS).await {
            // No answer ever had such a position, so nobody was told such a key.
            Err(problem) if problem.status() == StatusCode::BAD_REQUEST => return Ok(None),
            snapshot => snapshot?,
        };
        let found = sqlx::query!(
            r#"SELECT a.number, a.roles, a.places, k.places AS key_places
               FROM terminal_keys AS k JOIN accounts AS a ON a.realm = k.realm AND a.number = k.account
               LEFT JOIN erased AS e ON e.subject = a.subject
               WHERE k.realm = $1 AND k.digest = $2 AND NOT disabled AND closed_at IS NULL AND e.subject IS NULL"#,
            REALM,
            &digest
        )
        .fetch_optional(&mut *snapshot)
        .await
        .map_err(failed)?;
        let caller = found.and_then(|row| {
            Caller::of_terminal_key(REALM, row.number, &roles(&row.roles), &row.key_places, &row.places)
        });
        if let Some(caller) = &caller {
            self.keys.put(digest, since, caller.clone());
        }
        Ok(caller)
    }
}

impl Account {
    /// Whether the account is at least as new as the one that the token was given to.
    const fn has_reached(&self, bearer: &Bearer) -> bool {
        self.generation >= bearer.generation && self.revision >= bearer.revision
    }

    /// The caller of a token; `None` where it is worth nothing any more.
    fn bearer(self, Bearer { realm, number, generation, .. }: Bearer) -> Option<Caller> {
        let is_good = self.may_act && self.generation == generation;
        let Self { roles: names, places, .. } = self;
        is_good.then(|| Caller { realm, number, roles: roles(&names), places, is_terminal_key: false })
    }
}

/// The roles that this binary knows. One that a newer Till gave is no right here.
fn roles(names: &[String]) -> Vec<Role> {
    names.iter().filter_map(|name| Role::from_name(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    fn account(generation: i64, may_act: bool) -> Account {
        Account {
            roles: texts(&["courier", "staff"]),
            places: texts(&["cafe-1"]),
            generation,
            revision: 5,
            may_act,
        }
    }

    #[test]
    fn a_token_is_good_for_an_account_that_may_act_and_is_at_its_generation() {
        let bearer = Bearer { realm: "till".into(), number: 17, generation: 3, revision: 5 };
        let caller = account(3, true).bearer(bearer.clone()).unwrap();
        assert_eq!((caller.account().as_str(), caller.places), ("till/17", texts(&["cafe-1"])));
        assert_eq!(account(4, true).bearer(bearer.clone()), None, "it was logged out everywhere");
        assert_eq!(account(3, false).bearer(bearer.clone()), None, "it is disabled, closed or erased");
        let later = |revision| Bearer { revision, ..bearer.clone() };
        assert!(account(3, true).has_reached(&bearer) && account(4, true).has_reached(&bearer));
        assert!(!account(2, true).has_reached(&bearer) && !account(3, true).has_reached(&later(6)));
    }

    #[test]
    fn a_role_that_this_binary_does_not_know_is_no_right() {
        assert_eq!(roles(&texts(&["courier", "staff", "", "Admin"])), [Role::Staff]);
    }
}

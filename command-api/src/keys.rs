//! `command-api keys rewrap` asks the owner of each shard, page by page, to tend the keys of its persons. The fleet runs on.
//!
//! To rotate the master key: start every replica and projector with `TILL_MASTER_KEYS=2:…,1:…`, run this, and then start
//! them with `2:…` alone. What was copied from a disk before is then noise, once nobody has the former master key.

use std::sync::Arc;
use std::time::Duration;

use runtime::kafka::{Cluster, Ends};
use runtime::vault::Vault;

use crate::effects::tend::{PATH, Page, Tended};
use crate::settings::Settings;
use crate::shard::directory::Directory;

/// How often a page is asked for where its shard moves or its owner does not answer, and the pause between.
const ATTEMPTS: u32 = 60;
const PAUSE: Duration = Duration::from_secs(1);
/// How long an owner may take for a page.
const PAGE_WITHIN: Duration = Duration::from_secs(60);

/// What went wrong, in words for the operator.
type Failure = String;

/// Tends all keys, and prints how far it is.
pub async fn rewrap(settings: &Settings) -> Result<(), Failure> {
    let directory = directory(settings.clone()).await?;
    let topology = directory.topology().ok_or("the log has no shards yet: there are no keys to rewrap")?;
    let owners = Owners {
        directory,
        secret: runtime::auth::derived_secret(&settings.own.jwt_secret, "internal"),
        client: reqwest::Client::new(),
    };
    let mut all = Tended::default();
    for shard in 0..topology.shards {
        owners.tend_shard(shard, &mut all).await?;
        println!("shard {shard} of {}: {} keys looked at so far", topology.shards, all.looked_at);
    }
    println!(
        "Done: {} keys, {} rewrapped, {} deleted that no living person had.",
        all.looked_at, all.rewrapped, all.deleted
    );
    if all.unopened > 0 {
        return Err(format!(
            "{} keys cannot be opened by any of the replicas' master keys: give them the former one too (TILL_MASTER_KEYS), and run this again",
            all.unopened
        ));
    }
    let first = Vault::new(&settings.own.vault).first_master();
    println!("All keys are under master key {first}: TILL_MASTER_KEYS needs no other one.");
    Ok(())
}

async fn directory(settings: Settings) -> Result<Directory, Failure> {
    let started = tokio::task::spawn_blocking(move || {
        let cluster = Cluster::new(&settings.common);
        let ends = Arc::new(Ends::new(&cluster));
        let unread = |error| eprintln!("command-api: {error}");
        Directory::start(&cluster, &settings.common.topic_prefix, ends, unread)
    });
    started.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

struct Owners {
    directory: Directory,
    secret: String,
    client: reqwest::Client,
}

impl Owners {
    async fn tend_shard(&self, shard: i32, all: &mut Tended) -> Result<(), Failure> {
        let mut after = None;
        loop {
            let tended = self.tend_page(&Page { shard, after }).await?;
            all.looked_at += tended.looked_at;
            all.rewrapped += tended.rewrapped;
            all.deleted += tended.deleted;
            all.unopened += tended.unopened;
            match tended.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Asks the shard's owner for one page, and again where the shard moves. A page that was done before is done again in
    /// a moment: its keys need nothing any more.
    async fn tend_page(&self, page: &Page) -> Result<Tended, Failure> {
        let mut failure = String::new();
        for _ in 0..ATTEMPTS {
            match self.ask(page).await {
                Ok(tended) => return Ok(tended),
                Err(error) => failure = error,
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(format!("shard {}: {failure}; run this again, it goes on where it was", page.shard))
    }

    async fn ask(&self, page: &Page) -> Result<Tended, Failure> {
        let owner = self.directory.owner(page.shard).ok_or("no replica serves the shard")?;
        let request = self.client.post(format!("{}{PATH}", owner.url)).bearer_auth(&self.secret);
        let response =
            request.json(page).timeout(PAGE_WITHIN).send().await.map_err(|error| error.to_string())?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("{} answered {status}", owner.url));
        }
        response.json().await.map_err(|error| error.to_string())
    }
}

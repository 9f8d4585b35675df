//! The local store: the fold of all event partitions, on disk. It is a cache of the log, and the log is its write-ahead
//! log. A store that is not the fold of exactly a prefix of the log is discarded.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use domain::{FOLD_VERSION, Sort, States, TodoKey, vault};
use fjall::compaction::Leveled;
use fjall::config::PinningPolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use runtime::kafka::{Away, is_too_long};
use schemas::Topic;
use schemas::keys::PersonKeyed;
use uuid::Uuid;

/// The size at which a memtable is flushed. A batch of a thousand commands changes less.
const MEMTABLE_BYTES: u64 = 8 * 1024 * 1024;
/// About the most bytes that are written and not flushed. While fjall's one worker compacts it rotates no memtable, so
/// none of fjall's own limits is met, and a replay would fill the memory. A second worker is no remedy: it spins beside
/// the compacting one.
const UNFLUSHED_BYTES: u64 = 3 * MEMTABLE_BYTES;
/// How long a write waits at most until less is unflushed, and how long between two looks.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);
const FLUSH_STEP: Duration = Duration::from_millis(2);
/// Small tables make small compactions, so a write that must wait for one does not wait long.
const TABLE_BYTES: u64 = 4 * 1024 * 1024;
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;
const ORIGIN_KEY: &[u8] = b"origin";
/// The instant at which the store was last at the end of the log, in microseconds since 1970.
const SEEN_KEY: &[u8] = b"seen";
/// The store's own folder within the folder of the setting. That one may hold other files; discarding the store deletes
/// only this.
const FOLDER: &str = "till-store";
/// A file in the store's folder. It marks the folder as Till's own, which may be deleted.
const OWN_MARK: &str = "TILL-STORE";
const OWN_MARK_TEXT: &str =
    "A cache of Till's log, deleted and rebuilt when it differs. Keep nothing here.\n";
/// The longest key that fjall takes. It panics on a longer one, and no state has one.
const MAX_KEY_BYTES: usize = u16::MAX as usize;
const DISCARD_MARK: &str = "DISCARD";
/// The topics whose events say what callers may do.
const CALLERS: [Topic; 2] = [Topic::Accounts, Topic::People];

/// How far one partition is folded into the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldedTo {
    /// The next offset to fold, which may be past control records.
    pub next: i64,
    /// The offset and the id of the last event that was folded, if any was.
    pub last: Option<(i64, Uuid)>,
}

impl FoldedTo {
    /// A partition of which nothing is folded.
    pub const NOTHING: Self = Self { next: 0, last: None };
}

/// The step of one partition from a position to a later one.
#[derive(Clone, Copy, Debug)]
pub struct Advance {
    pub topic: Topic,
    pub partition: i32,
    pub from: i64,
    pub to: FoldedTo,
}

/// States that changed; `None` stands for a state that is removed. They are in key order, so that a memtable inserts
/// neighbours one after the other.
pub type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Why a write was refused: another writer has moved a partition on, so the one that was refused owns it no more.
#[derive(Debug, thiserror::Error)]
#[error("{topic:?}/{partition} stands at {found}, not at {expected}: somebody else folded on")]
pub struct Overtaken {
    topic: Topic,
    partition: i32,
    expected: i64,
    found: i64,
}

pub struct Store {
    dir: PathBuf,
    database: Database,
    states: Keyspace,
    positions: Keyspace,
    /// Held by who writes, which orders writers.
    writing: Mutex<()>,
    /// The positions, as the keyspace `positions` has them. They are changed once the states they stand for are written, so
    /// that nobody who reads them waits for a write.
    folded: RwLock<HashMap<(Topic, i32), FoldedTo>>,
    /// Counts the writes of events that say what callers may do.
    callers_revision: AtomicU64,
    seen_at: DateTime<Utc>,
}

/// Why a store is not gone on with.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("it is of another fold or deployment")]
    Foreign,
    #[error(transparent)]
    Away(Away),
}

impl Store {
    /// Opens the store in its folder within `dir`. The store begins anew where there is none, where it cannot be read,
    /// where it is of another fold or deployment, or where it may have missed that a person's key was forgotten. Whether
    /// it is a fold of this very log, [`super::verify`] finds out.
    pub fn open(dir: &Path, origin: &str, cache_mib: u64) -> Result<Self, fjall::Error> {
        let dir = &dir.join(FOLDER);
        if dir.join(DISCARD_MARK).exists() {
            tracing::warn!(store.dir = %dir.display(), "the local store is marked as damaged: it is rebuilt from the log");
            Self::delete(dir)?;
        }
        match Self::try_open(dir, origin, cache_mib) {
            Ok(Ok(store)) => return Ok(store),
            Ok(Err(unfit)) => {
                tracing::info!(store.dir = %dir.display(), "the local store is rebuilt from the log: {unfit}");
            }
            Err(error @ fjall::Error::Locked) => return Err(error),
            Err(error) => {
                tracing::warn!(store.dir = %dir.display(), %error, "the local store cannot be read: it is rebuilt from the log");
            }
        }
        Self::delete(dir)?;
        let store = Self::try_open(dir, origin, cache_mib)?;
        Ok(store.expect("a new store has the origin that it was given, and has missed nothing"))
    }

    /// Deletes the files of the store within `dir`, which nobody may have open. Nothing is lost: the log has it all.
    pub fn discard(dir: &Path) -> Result<(), fjall::Error> {
        Self::delete(&dir.join(FOLDER))
    }

    /// Deletes a folder that bears the mark of a store. Any other folder is left alone, and an error.
    fn delete(folder: &Path) -> Result<(), fjall::Error> {
        if !folder.exists() {
            return Ok(());
        }
        if !folder.join(OWN_MARK).exists() {
            let refusal =
                format!("{} has no file {OWN_MARK}: it is not deleted, move it away", folder.display());
            return Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, refusal).into());
        }
        Ok(std::fs::remove_dir_all(folder)?)
    }

    /// Makes the folder where it is missing. A folder that is empty gets the mark, and no other one.
    fn claim(folder: &Path) -> Result<(), fjall::Error> {
        std::fs::create_dir_all(folder)?;
        if std::fs::read_dir(folder)?.next().is_none() {
            std::fs::write(folder.join(OWN_MARK), OWN_MARK_TEXT)?;
        }
        Ok(())
    }

    /// Opens the store, or makes one.
    fn try_open(dir: &Path, origin: &str, cache_mib: u64) -> Result<Result<Self, Unfit>, fjall::Error> {
        let origin = format!("{origin} fold-{FOLD_VERSION}");
        Self::claim(dir)?;
        let database = Database::builder(dir)
            .cache_size(cache_mib * 1024 * 1024)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(1)
            .open()?;
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE_BYTES)
                .compaction_strategy(Arc::new(Leveled::default().with_table_target_size(TABLE_BYTES)))
                // The filters stay in memory: without them, looking for an id that is new would read a block on each
                // level.
                .filter_block_pinning_policy(PinningPolicy::all(true))
                .index_block_pinning_policy(PinningPolicy::all(true))
        };
        let states = database.keyspace("states", options)?;
        let positions = database.keyspace("positions", options)?;
        match positions.get(ORIGIN_KEY)? {
            Some(found) if *found != *origin.as_bytes() => return Ok(Err(Unfit::Foreign)),
            Some(_) => {}
            None => {
                positions.insert(ORIGIN_KEY, origin.as_bytes())?;
                // Where nothing is folded yet, nothing was missed.
                positions.insert(SEEN_KEY, Utc::now().timestamp_micros().to_be_bytes())?;
            }
        }
        let Some(seen_at) = read_instant(&positions)?.filter(|seen_at| !is_too_long(*seen_at, Utc::now()))
        else {
            return Ok(Err(Unfit::Away(Away)));
        };
        let folded = RwLock::new(read_positions(&positions)?);
        let (dir, writing, callers_revision) = (dir.to_owned(), Mutex::default(), AtomicU64::default());
        Ok(Ok(Self { dir, database, states, positions, writing, folded, callers_revision, seen_at }))
    }

    /// The bytes under a key. A store that cannot be read ends the process: the next start rebuilds it.
    pub fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        if key.len() > MAX_KEY_BYTES {
            return None;
        }
        self.states.get(key).unwrap_or_else(|error| self.give_up(&error)).map(|bytes| bytes.to_vec())
    }

    /// The to-dos of a sort and partition from an order on, with their bytes, the nearest first. They are read as they are
    /// asked for.
    pub fn todos(
        &self,
        sort: Sort,
        partition: i32,
        from: &[u8; TodoKey::BYTES],
    ) -> impl Iterator<Item = (TodoKey, Vec<u8>)> + use<'_> {
        let from = *from;
        let prefix = TodoKey::prefix(partition, sort);
        let first = [&prefix, &from[..TodoKey::BYTES - prefix.len()]].concat();
        let last = [prefix.as_slice(), &[u8::MAX; TodoKey::BYTES]].concat();
        let found = self.states.range(first..last).filter_map(|entry| {
            let (key, value) = entry.into_inner().unwrap_or_else(|error| self.give_up(&error));
            Some((TodoKey::from_bytes(&key)?, value.to_vec()))
        });
        found.skip_while(move |(key, _)| key.order() < from)
    }

    /// The keys of persons after a subject, or from the first one on, in the order of the subjects. They are read as they
    /// are asked for.
    pub fn keys(&self, after: Option<Uuid>) -> impl Iterator<Item = PersonKeyed> + use<'_> {
        let after = after
            .map_or(Bound::Included(vec![vault::PREFIX]), |after| Bound::Excluded(vault::key_key(after)));
        let found = self.states.range((after, Bound::Excluded(vec![vault::PREFIX + 1])));
        found.filter_map(|entry| {
            let (_, value) = entry.into_inner().unwrap_or_else(|error| self.give_up(&error));
            vault::from_bytes(&value)
        })
    }

    /// How far a partition is folded.
    pub fn folded(&self, topic: Topic, partition: i32) -> FoldedTo {
        let folded = self.folded.read().unwrap_or_else(PoisonError::into_inner);
        folded.get(&(topic, partition)).copied().unwrap_or(FoldedTo::NOTHING)
    }

    /// A number that is another one after each write which may change what a caller may do.
    pub fn callers_revision(&self) -> u64 {
        self.callers_revision.load(Ordering::Acquire)
    }

    /// The instant at which the store, when it was opened, had last been at the end of the log.
    pub const fn seen_at(&self) -> DateTime<Utc> {
        self.seen_at
    }

    /// Keeps an instant at which the store was at the end of the log.
    pub fn note_seen(&self, at: DateTime<Utc>) {
        let noted = self.positions.insert(SEEN_KEY, at.timestamp_micros().to_be_bytes());
        noted.unwrap_or_else(|error| self.give_up(&error));
    }

    /// Keeps changed states together with the positions they stand for, if nobody folded on meanwhile.
    pub fn write(&self, writes: Writes, advances: &[Advance]) -> Result<(), Overtaken> {
        self.wait_for_flush();
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        for advance in advances {
            let found = self.folded(advance.topic, advance.partition).next;
            if found != advance.from {
                let Advance { topic, partition, from: expected, .. } = *advance;
                return Err(Overtaken { topic, partition, expected, found });
            }
        }
        let mut batch = self.database.batch();
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(&self.states, key, value),
                None => batch.remove(&self.states, key),
            }
        }
        for advance in advances {
            batch.insert(
                &self.positions,
                position_key(advance.topic, advance.partition),
                to_bytes(advance.to),
            );
        }
        batch.commit().unwrap_or_else(|error| self.give_up(&error));
        let mut folded = self.folded.write().unwrap_or_else(PoisonError::into_inner);
        folded.extend(advances.iter().map(|advance| ((advance.topic, advance.partition), advance.to)));
        if advances.iter().any(|advance| CALLERS.contains(&advance.topic)) {
            self.callers_revision.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }

    fn wait_for_flush(&self) {
        let begun = Instant::now();
        while self.database.write_buffer_size() > UNFLUSHED_BYTES && begun.elapsed() < FLUSH_WITHIN {
            std::thread::sleep(FLUSH_STEP);
        }
    }

    fn give_up(&self, error: &fjall::Error) -> ! {
        tracing::error!(store.dir = %self.dir.display(), %error, "the local store is damaged: this process ends, and the next start rebuilds it from the log");
        // Where even the mark cannot be written, the next start meets the same error and comes here again.
        let _ = std::fs::write(self.dir.join(DISCARD_MARK), error.to_string());
        std::process::exit(1);
    }
}

fn read_positions(positions: &Keyspace) -> Result<HashMap<(Topic, i32), FoldedTo>, fjall::Error> {
    let mut folded = HashMap::new();
    for entry in positions.iter() {
        let (key, value) = entry.into_inner()?;
        if let (Some(place), Some(position)) = (position_place(&key), from_bytes(&value)) {
            folded.insert(place, position);
        }
    }
    Ok(folded)
}

fn read_instant(positions: &Keyspace) -> Result<Option<DateTime<Utc>>, fjall::Error> {
    let bytes = positions.get(SEEN_KEY)?;
    let micros = bytes.and_then(|bytes| Some(i64::from_be_bytes((*bytes).try_into().ok()?)));
    Ok(micros.and_then(DateTime::from_timestamp_micros))
}

fn position_key(topic: Topic, partition: i32) -> Vec<u8> {
    format!("{}/{partition}", topic.short_name()).into_bytes()
}

fn position_place(key: &[u8]) -> Option<(Topic, i32)> {
    let (noun, partition) = std::str::from_utf8(key).ok()?.split_once('/')?;
    Some((Topic::named(noun)?, partition.parse().ok()?))
}

/// 8 bytes of next offset; 8 of last offset and 16 of event id where there is one.
fn to_bytes(folded: FoldedTo) -> Vec<u8> {
    let mut bytes = folded.next.to_be_bytes().to_vec();
    if let Some((offset, event_id)) = folded.last {
        bytes.extend_from_slice(&offset.to_be_bytes());
        bytes.extend_from_slice(event_id.as_bytes());
    }
    bytes
}

fn from_bytes(bytes: &[u8]) -> Option<FoldedTo> {
    let (next, rest) = bytes.split_first_chunk::<8>()?;
    let last = rest
        .split_first_chunk::<8>()
        .and_then(|(offset, event_id)| Some((i64::from_be_bytes(*offset), Uuid::from_slice(event_id).ok()?)));
    Some(FoldedTo { next: i64::from_be_bytes(*next), last })
}

/// A store with changes on top that are not written yet.
pub struct Overlay<'s> {
    store: &'s Store,
    pub writes: Writes,
}

impl<'s> Overlay<'s> {
    pub fn new(store: &'s Store) -> Self {
        Self { store, writes: Writes::new() }
    }
}

impl States for Overlay<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.writes.get(key) {
            Some(written) => written.clone(),
            None => self.store.get(key),
        }
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.writes.insert(key, Some(value));
    }

    fn remove(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }
}

impl States for &Store {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        Store::get(self, key)
    }

    fn put(&mut self, _: Vec<u8>, _: Vec<u8>) {
        unreachable!("a store is written through its overlay");
    }

    fn remove(&mut self, _: Vec<u8>) {
        unreachable!("a store is written through its overlay");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Dir(PathBuf);

    impl Dir {
        fn new() -> Self {
            Self(std::env::temp_dir().join(format!("till-store-{}", Uuid::now_v7())))
        }

        fn open(&self, origin: &str) -> Store {
            Store::open(&self.0, origin, 8).unwrap()
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn advance(from: i64, next: i64) -> Advance {
        let to = FoldedTo { next, last: Some((next - 1, Uuid::from_u128(7))) };
        Advance { topic: Topic::Receipts, partition: 3, from, to }
    }

    fn writes(key: &[u8], value: Option<&[u8]>) -> Writes {
        Writes::from([(key.to_vec(), value.map(<[u8]>::to_vec))])
    }

    #[test]
    fn a_store_that_was_away_from_the_end_for_15_days_begins_anew() {
        let dir = Dir::new();
        for (days, kept) in [(14, true), (16, false)] {
            let store = dir.open("till 16");
            store.write(writes(b"a", Some(b"1")), &[advance(0, 5)]).unwrap();
            store.note_seen(Utc::now() - chrono::TimeDelta::days(days));
            drop(store);
            let store = dir.open("till 16");
            assert_eq!((store.get(b"a").is_some(), store.folded(Topic::Receipts, 3).next > 0), (kept, kept));
            store.write(Writes::new(), &[advance(store.folded(Topic::Receipts, 3).next, 0)]).unwrap();
        }
    }

    #[test]
    fn nothing_is_under_a_key_that_is_longer_than_any_can_be() {
        let dir = Dir::new();
        let store = dir.open("till 16");
        for bytes in [MAX_KEY_BYTES, MAX_KEY_BYTES + 1, 1024 * 1024] {
            assert_eq!(store.get(&vec![b'a'; bytes]), None, "{bytes}");
        }
    }

    #[test]
    fn states_and_the_positions_they_stand_for_survive_together() {
        let dir = Dir::new();
        let store = dir.open("till 16");
        store.write(writes(b"a", Some(b"1")), &[advance(0, 5)]).unwrap();
        store.write(writes(b"b", Some(b"2")), &[advance(5, 7)]).unwrap();
        store.write(writes(b"b", None), &[advance(7, 8)]).unwrap();
        drop(store);
        let store = dir.open("till 16");
        assert_eq!(store.get(b"a"), Some(b"1".to_vec()));
        assert_eq!(store.get(b"b"), None);
        assert_eq!(store.folded(Topic::Receipts, 3), advance(7, 8).to);
        assert_eq!(store.folded(Topic::Receipts, 4), FoldedTo::NOTHING);
    }

    #[test]
    fn what_is_written_of_accounts_and_persons_may_change_what_callers_may_do() {
        let dir = Dir::new();
        let store = dir.open("till 16");
        let mut revisions = vec![store.callers_revision()];
        for topic in [Topic::Receipts, Topic::Accounts, Topic::Orders, Topic::People] {
            store.write(Writes::new(), &[Advance { topic, ..advance(0, 5) }]).unwrap();
            revisions.push(store.callers_revision());
        }
        assert_eq!(revisions, [0, 0, 1, 1, 2]);
    }

    #[test]
    fn a_writer_that_was_overtaken_changes_nothing() {
        let dir = Dir::new();
        let store = dir.open("till 16");
        store.write(writes(b"a", Some(b"1")), &[advance(0, 5)]).unwrap();
        assert!(store.write(writes(b"a", Some(b"2")), &[advance(0, 6)]).is_err());
        assert_eq!(store.get(b"a"), Some(b"1".to_vec()));
        assert_eq!(store.folded(Topic::Receipts, 3).next, 5);
    }

    #[test]
    fn a_store_of_another_deployment_or_marked_as_damaged_begins_anew() {
        let dir = Dir::new();
        let filled = |origin| {
            let store = dir.open(origin);
            let next = store.folded(Topic::Receipts, 3).next;
            store.write(writes(b"a", Some(b"1")), &[advance(next, next + 1)]).unwrap();
        };
        filled("till 16");
        assert_eq!(dir.open("other 16").get(b"a"), None);
        filled("other 16");
        std::fs::write(dir.0.join(FOLDER).join(DISCARD_MARK), "").unwrap();
        assert_eq!(dir.open("other 16").get(b"a"), None);
        assert_eq!(dir.open("other 16").folded(Topic::Receipts, 3), FoldedTo::NOTHING);
    }

    #[test]
    fn discarding_the_store_deletes_nothing_that_is_not_its_own() {
        let dir = Dir::new();
        std::fs::create_dir_all(&dir.0).unwrap();
        let others = dir.0.join("accounts.xlsx");
        std::fs::write(&others, "another's").unwrap();
        drop(dir.open("till 16"));
        drop(dir.open("other 16"));
        Store::discard(&dir.0).unwrap();
        assert!(others.exists() && !dir.0.join(FOLDER).exists());

        std::fs::create_dir_all(dir.0.join(FOLDER)).unwrap();
        let others = dir.0.join(FOLDER).join("accounts.xlsx");
        std::fs::write(&others, "another's").unwrap();
        assert!(Store::discard(&dir.0).is_err(), "a folder of the same name that is somebody else's");
        assert!(others.exists());
    }

    #[test]
    fn an_overlay_hides_what_it_changes_until_it_is_written() {
        let dir = Dir::new();
        let store = dir.open("till 16");
        store.write(writes(b"a", Some(b"1")), &[advance(0, 1)]).unwrap();
        let mut overlay = Overlay::new(&store);
        overlay.put(b"b".to_vec(), b"2".to_vec());
        overlay.remove(b"a".to_vec());
        assert_eq!((overlay.get(b"a"), overlay.get(b"b")), (None, Some(b"2".to_vec())));
        assert_eq!((store.get(b"a"), store.get(b"b")), (Some(b"1".to_vec()), None));
    }
}

//! The barrier: what a handler passes before it relies on states of other homes, which the store has as far as their
//! partitions are folded. Whoever has passed it sees all that was answered before its own request came.
//!
//! A handler waits here, and never in a shard's thread: that would hold up everybody else.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use runtime::kafka::{Cluster, Ends};
use schemas::{Topic, partition_of};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::shards::Shards;
use super::store::Store;

/// The topics whose states handlers rely on from afar.
const TOPICS: [Topic; 3] = [Topic::Catalogue, Topic::People, Topic::Keys];
/// How long a handler waits at most, and between two looks.
const WITHIN: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How long a partition that is served here may be behind its end before its owner must prove itself.
const PATIENCE: Duration = Duration::from_millis(200);
/// Handlers that may wait for the ends of partitions at once. A request asks for all that wait.
const WAITING: usize = 8192;

type Place = (Topic, i32);
/// The next offset of each partition of [`TOPICS`].
type Found = Arc<HashMap<Place, i64>>;

/// The store is not known to have all that was answered before.
#[derive(Debug, PartialEq, Eq)]
pub struct Behind;

/// How far partitions are folded by owners of this process, with the markers of their own commits counted, which stand in
/// the log and are never folded.
///
/// What is noted stays true, whoever serves the shard later: the markers of a commit are written before another process can
/// append to its partitions. So an end beyond it means that somebody else wrote.
pub struct Reached(HashMap<Place, AtomicI64>);

impl Reached {
    fn new(partitions: i32) -> Self {
        let places = TOPICS.iter().flat_map(|topic| (0..partitions).map(|partition| (*topic, partition)));
        Self(places.map(|place| (place, AtomicI64::new(0))).collect())
    }

    /// Notes that the store has all events of a partition before this offset.
    pub fn note(&self, place: Place, offset: i64) {
        if let Some(reached) = self.0.get(&place) {
            reached.fetch_max(offset, Ordering::AcqRel);
        }
    }

    fn of(&self, place: Place) -> i64 {
        self.0.get(&place).map_or(0, |reached| reached.load(Ordering::Acquire))
    }
}

/// The barrier of this process. A clone shares its parts.
#[derive(Clone)]
pub struct Barrier {
    asks: Sender<oneshot::Sender<Found>>,
    partitions: i32,
    store: Arc<Store>,
    reached: Arc<Reached>,
    shards: Arc<Shards>,
}

impl Barrier {
    /// Starts the thread that asks for the ends.
    pub fn start(
        cluster: &Cluster,
        prefix: &str,
        partitions: i32,
        store: &Arc<Store>,
        shards: &Arc<Shards>,
    ) -> Self {
        let (asks, inbox) = bounded(WAITING);
        let names = TOPICS.map(|topic| (topic, topic.name(prefix)));
        let ends = Ends::new(cluster);
        let ask = move || {
            let asked: Vec<_> = names.iter().map(|(_, name)| (name.as_str(), partitions)).collect();
            let found = ends.ask(&asked).ok()?;
            let place = |(name, partition): (String, i32)| {
                let (topic, _) = names.iter().find(|(_, known)| *known == name)?;
                Some((*topic, partition))
            };
            Some(found.into_iter().filter_map(|(named, end)| Some((place(named)?, end))).collect())
        };
        let answer = move || answer_all(&inbox, ask);
        std::thread::Builder::new().name("barrier".into()).spawn(answer).expect("a thread can be started");
        let reached = Arc::new(Reached::new(partitions));
        Self { asks, partitions, store: Arc::clone(store), reached, shards: Arc::clone(shards) }
    }

    /// How far owners have come.
    pub fn reached(&self) -> &Reached {
        &self.reached
    }

    /// Waits until the store has all that was answered, before this call, of the homes in those topics. It waits for
    /// [`WITHIN`] at most.
    pub async fn pass<'h>(&self, homes: impl IntoIterator<Item = (Topic, &'h str)>) -> Result<(), Behind> {
        let place = |(topic, home): (Topic, &str)| (topic, partition_of(home.as_bytes(), self.partitions));
        let mut behind: Vec<Place> = homes.into_iter().map(place).collect();
        if behind.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        let deadline = begun + WITHIN;
        let (found, answered) = oneshot::channel();
        self.asks.try_send(found).map_err(|_| Behind)?;
        let Ok(Ok(ends)) = timeout_at(deadline, answered).await else { return Err(Behind) };
        self.wait(&mut behind, &ends, begun + PATIENCE).await;
        self.prove(&mut behind, deadline).await;
        self.wait(&mut behind, &ends, deadline).await;
        if behind.is_empty() { Ok(()) } else { Err(Behind) }
    }

    /// Waits until no partition is behind its end, or until the time is over.
    async fn wait(&self, behind: &mut Vec<Place>, ends: &HashMap<Place, i64>, until: Instant) {
        loop {
            behind.retain(|place| {
                let (topic, partition) = *place;
                let folded = self.store.folded(topic, partition).next.max(self.reached.of(*place));
                is_behind(folded, ends.get(place))
            });
            if behind.is_empty() || Instant::now() >= until {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Has the owners of those partitions that are served here commit. A broker may write a marker twice, which no fold
    /// passes before the next event; an owner that can commit has decided, and folded, all the same.
    async fn prove(&self, behind: &mut Vec<Place>, until: Instant) {
        let mut still = Vec::new();
        for place in behind.drain(..) {
            let is_proven = self.shards.is_serving(place.1 % self.shards.count())
                && matches!(timeout_at(until, self.shards.prove(place.1)).await, Ok(Ok(())));
            if !is_proven {
                still.push(place);
            }
        }
        *behind = still;
    }
}

fn is_behind(folded: i64, end: Option<&i64>) -> bool {
    end.is_none_or(|end| folded < *end)
}

/// Answers all that wait, each with ends that were asked for after it had come. Where Kafka does not answer, they are dropped,
/// and their handlers are told by that.
fn answer_all(
    inbox: &Receiver<oneshot::Sender<Found>>,
    mut ask: impl FnMut() -> Option<HashMap<Place, i64>>,
) {
    while let Ok(first) = inbox.recv() {
        let waiting: Vec<_> = std::iter::once(first).chain(inbox.try_iter()).collect();
        let Some(found) = ask().map(Arc::new) else { continue };
        for handler in waiting {
            // A handler that has given up does not take its answer.
            let _ = handler.send(Arc::clone(&found));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = (Topic::Catalogue, 3);

    #[test]
    fn all_who_wait_share_one_question_that_was_asked_after_they_came() {
        let (asks, inbox) = bounded(WAITING);
        let ask = || {
            let (handler, found) = oneshot::channel();
            asks.send(handler).unwrap();
            found
        };
        let (begun, begins) = std::sync::mpsc::channel();
        let (go_on, goes_on) = std::sync::mpsc::channel::<()>();
        let mut asked = 0;
        let answering = std::thread::spawn(move || {
            answer_all(&inbox, || {
                asked += 1;
                begun.send(()).unwrap();
                goes_on.recv().unwrap();
                Some(HashMap::from([(PLACE, asked)]))
            });
        });
        let first = ask();
        begins.recv().unwrap();
        // These come while the first question is under way, so its answer may be too old for them.
        let late = [ask(), ask()];
        go_on.send(()).unwrap();
        begins.recv().unwrap();
        go_on.send(()).unwrap();
        assert_eq!(first.blocking_recv().unwrap()[&PLACE], 1);
        for found in late {
            assert_eq!(found.blocking_recv().unwrap()[&PLACE], 2);
        }
        drop(asks);
        answering.join().unwrap();
    }

    #[test]
    fn who_asks_while_kafka_is_away_is_told() {
        let (asks, inbox) = bounded(WAITING);
        let (handler, found) = oneshot::channel();
        asks.send(handler).unwrap();
        drop(asks);
        answer_all(&inbox, || None);
        assert!(found.blocking_recv().is_err());
    }

    #[test]
    fn an_owner_is_at_the_end_with_its_own_markers_and_behind_anything_else() {
        let reached = Reached::new(4);
        reached.note(PLACE, 12);
        reached.note(PLACE, 11);
        assert!(!is_behind(reached.of(PLACE), Some(&12)));
        assert!(is_behind(reached.of(PLACE), Some(&13)));
        assert!(is_behind(reached.of((Topic::Catalogue, 2)), Some(&1)));
        assert!(is_behind(100, None), "an end that is not known is not passed");
        reached.note((Topic::Orders, 3), 5);
        assert_eq!(reached.of((Topic::Orders, 3)), 0);
    }
}

//! Where topics end: one request to Kafka for all who ask meanwhile, about the topics that any of them asks for.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rdkafka::error::KafkaError;
use runtime::kafka;
use schemas::Topic;
use tokio::sync::{mpsc, oneshot};

use crate::log::record::Positions;

/// The ends of the topics asked for, and perhaps of others, or why Kafka did not say.
pub type Answer = Result<Arc<Positions>, String>;

/// Asks Kafka for the ends of event topics. Clones share one thread and one client.
#[derive(Clone)]
pub struct SharedEnds(mpsc::Sender<Question>);

struct Question {
    topics: BTreeSet<Topic>,
    answer: oneshot::Sender<Answer>,
}

impl SharedEnds {
    /// Starts the thread that asks. It ends when the last clone is dropped. If the asker asks for high watermarks, the ends are past
    /// every record acknowledged before the question, even where the last stable offset still lags. Questions beyond `capacity`
    /// wait until others are taken.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        asker: kafka::Ends,
        prefix: &str,
        partitions: i32,
        capacity: usize,
    ) -> std::io::Result<Self> {
        let (sender, questions) = mpsc::channel(capacity);
        let prefix = prefix.to_owned();
        std::thread::Builder::new()
            .name("ends".into())
            .spawn(move || answer(&asker, &prefix, partitions, questions))?;
        Ok(Self(sender))
    }

    /// The ends of event topics as they stand after this call began.
    ///
    /// # Errors
    /// In words, when Kafka does not answer.
    pub async fn ask(&self, topics: impl IntoIterator<Item = Topic>) -> Answer {
        let (sender, answer) = oneshot::channel();
        let stopped = "the process is stopping".to_owned();
        let question = Question { topics: topics.into_iter().collect(), answer: sender };
        self.0.send(question).await.map_err(|_| stopped.clone())?;
        answer.await.unwrap_or(Err(stopped))
    }
}

/// Answers questions, those that have come meanwhile together. A question that comes while a request is under way waits for the next
/// request, because the broker may have answered the present one before the question came.
fn answer(asker: &kafka::Ends, prefix: &str, partitions: i32, mut questions: mpsc::Receiver<Question>) {
    while let Some(first) = questions.blocking_recv() {
        let mut asking = vec![first];
        while let Ok(more) = questions.try_recv() {
            asking.push(more);
        }
        let topics: BTreeSet<_> = asking.iter().flat_map(|question| &question.topics).copied().collect();
        let answer = ends(asker, prefix, topics, partitions)
            .map(Arc::new)
            .map_err(|error| format!("Kafka does not say where the log ends: {error}"));
        for question in asking {
            // The one who asked may have given up.
            let _ = question.answer.send(answer.clone());
        }
    }
}

/// The ends of event topics: high watermarks, or where what is committed ends, as the asker asks. Blocks.
///
/// # Errors
/// When a broker does not answer in seconds.
pub fn ends(
    asker: &kafka::Ends,
    prefix: &str,
    topics: impl IntoIterator<Item = Topic>,
    partitions: i32,
) -> Result<Positions, KafkaError> {
    let names: HashMap<_, _> = topics.into_iter().map(|topic| (topic.name(prefix), topic)).collect();
    if names.is_empty() {
        // librdkafka refuses a question about nothing.
        return Ok(Positions::new());
    }
    let wanted: Vec<_> = names.keys().map(|name| (name.as_str(), partitions)).collect();
    let found = asker.ask(&wanted)?;
    Ok(found.into_iter().map(|((name, partition), end)| ((names[&name], partition), end)).collect())
}

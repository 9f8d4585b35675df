//! Where the log ends: one request to Kafka for all who ask meanwhile.

use std::collections::HashMap;
use std::sync::Arc;

use rdkafka::error::KafkaError;
use runtime::kafka;
use schemas::Topic;
use tokio::sync::{mpsc, oneshot};

use crate::projections;
use crate::record::Positions;

/// The ends of all event topics, or why Kafka did not say.
pub type Answer = Result<Arc<Positions>, String>;

/// Asks Kafka for the ends of the event topics.
#[derive(Clone)]
pub struct Ends(mpsc::Sender<oneshot::Sender<Answer>>);

impl Ends {
    /// Starts the thread that asks. It ends when the last handle is dropped. With an asker for high watermarks the ends
    /// stand past every record acknowledged before the question, also where the last stable offset still lags.
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

    /// The ends as they stand after this call began.
    ///
    /// # Errors
    /// In words, when Kafka does not answer.
    pub async fn ask(&self) -> Answer {
        let (sender, answer) = oneshot::channel();
        let stopped = "the process is stopping".to_owned();
        self.0.send(sender).await.map_err(|_| stopped.clone())?;
        answer.await.unwrap_or(Err(stopped))
    }
}

/// A question that comes while a request is under way waits for the next one: that request may already have been
/// answered by the broker.
fn answer(
    asker: &kafka::Ends,
    prefix: &str,
    partitions: i32,
    mut questions: mpsc::Receiver<oneshot::Sender<Answer>>,
) {
    let topics: Vec<_> = projections::topics().into_iter().collect();
    while let Some(first) = questions.blocking_recv() {
        let mut asking = vec![first];
        while let Ok(more) = questions.try_recv() {
            asking.push(more);
        }
        let answer = ends(asker, prefix, &topics, partitions)
            .map(Arc::new)
            .map_err(|error| format!("Kafka does not say where the log ends: {error}"));
        for question in asking {
            // Who asked may have given up.
            let _ = question.send(answer.clone());
        }
    }
}

/// The ends of topics, whichever kind the asker asks for: high watermarks, or where what is committed ends. Blocks.
///
/// # Errors
/// When a broker does not answer in seconds.
pub fn ends(
    asker: &kafka::Ends,
    prefix: &str,
    topics: &[Topic],
    partitions: i32,
) -> Result<Positions, KafkaError> {
    let names: HashMap<_, _> = topics.iter().map(|topic| (topic.name(prefix), *topic)).collect();
    let wanted: Vec<_> = names.keys().map(|name| (name.as_str(), partitions)).collect();
    let found = asker.ask(&wanted)?;
    Ok(found.into_iter().map(|((name, partition), end)| ((names[&name], partition), end)).collect())
}

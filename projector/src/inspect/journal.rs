//! `projector journal`: prints the log decoded, a JSON object a line.

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use runtime::kafka::{Cluster, Ends, Isolation, LogReader, Message, REQUEST_TIMEOUT};
use schemas::record::Reading;
use schemas::{Position, Topic, headers};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::log::ends::ends;
use crate::log::record::Positions;
use crate::projections;
use crate::settings::Settings;

/// Which records to print.
#[derive(Clone, clap::Args)]
pub struct Options {
    #[arg(long, value_parser = topic_of, help = format!("Only this topic of {}", topic_names()))]
    topic: Option<Topic>,
    /// From an instant on (RFC 3339 or a date, UTC), or from a Till-Position on, of its partition only.
    #[arg(long, value_parser = start_of)]
    from: Option<Start>,
    /// Go on with what is recorded from here on, until interrupted.
    #[arg(long)]
    follow: bool,
}

#[derive(Clone, Copy)]
enum Start {
    At(DateTime<Utc>),
    Position(Position),
}

fn topic_of(noun: &str) -> Result<Topic, String> {
    let known = Topic::named(noun).filter(|topic| projections::topics().contains(topic));
    known.ok_or_else(|| format!("the topics are {}", topic_names()))
}

fn topic_names() -> String {
    let names: Vec<_> = projections::topics().into_iter().map(Topic::short_name).collect();
    names.join(", ")
}

fn start_of(text: &str) -> Result<Start, String> {
    if let Ok(position) = text.parse() {
        return Ok(Start::Position(position));
    }
    let instant = DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.to_utc());
    let day = || text.parse::<NaiveDate>().ok().map(|date| date.and_time(NaiveTime::MIN).and_utc());
    let start = instant.or_else(day).map(Start::At);
    start.ok_or_else(|| "must be RFC 3339, a date, or a Till-Position such as r3-1042".to_owned())
}

/// A record as it is printed.
#[derive(Serialize)]
struct Line<'m> {
    topic: &'static str,
    partition: i32,
    offset: i64,
    timestamp: String,
    key: std::borrow::Cow<'m, str>,
    event_id: Option<Uuid>,
    #[serde(rename = "type")]
    event_type: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    causation_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Prints records to standard output. Without `--follow` it ends where the log ended at the start.
///
/// # Errors
/// In words, when Kafka is away.
pub async fn print(settings: Settings, options: Options) -> Result<(), String> {
    let printed =
        tokio::task::spawn_blocking(move || Journal::open(&settings, &options)?.print(options.follow));
    let printed = printed.await.expect("printing does not panic");
    printed.map_err(|error| format!("Kafka (TILL_KAFKA_BROKERS): {error}"))
}

struct Journal {
    reader: LogReader,
    starts: Positions,
    ends: Positions,
}

impl Journal {
    fn open(settings: &Settings, options: &Options) -> Result<Self, KafkaError> {
        let (cluster, common) = (Cluster::new(&settings.common), &settings.common);
        let prefix = &common.topic_prefix;
        let asker = cluster.reader(Isolation::Uncommitted)?;
        let (only, partition) = match options.from {
            Some(Start::Position(from)) => (Some(from.topic), Some(from.partition)),
            _ => (options.topic, None),
        };
        let wanted = projections::topics().into_iter().filter(|topic| only.is_none_or(|only| only == *topic));
        let topics: HashMap<_, _> = wanted.map(|topic| (topic.name(prefix), topic)).collect();
        let mut ends = ends(&Ends::new(&cluster), prefix, topics.values().copied(), common.partitions)?;
        ends.retain(|(_, of), _| partition.is_none_or(|only| only == *of));
        let starts = starts(&asker, &topics, &ends, options.from)?;
        let reader = LogReader::new(&cluster, prefix, Isolation::Committed)?;
        // A start past the end would be an error to the reader, but only means that there is nothing yet.
        reader.add(starts.iter().map(|(key, start)| (*key, (*start).min(ends[key]))))?;
        Ok(Self { reader, starts, ends })
    }

    fn print(&self, follow: bool) -> Result<(), KafkaError> {
        let mut output = std::io::stdout().lock();
        while follow || !self.is_at_the_end()? {
            let Some(message) = self.reader.poll(Duration::from_millis(100))? else {
                // There is nothing to print for the moment, so what is printed is shown.
                let _ = output.flush();
                continue;
            };
            let Position { topic, partition, offset } = message.position();
            let is_past_the_end = !follow && offset >= self.ends[&(topic, partition)];
            if offset < self.starts[&(topic, partition)] || is_past_the_end {
                continue;
            }
            let line = serde_json::to_string(&line(&message)).expect("a line has text keys only");
            if writeln!(output, "{line}").is_err() {
                // The program that read the lines, such as `head`, has seen enough.
                return Ok(());
            }
        }
        let _ = output.flush();
        Ok(())
    }

    fn is_at_the_end(&self) -> Result<bool, KafkaError> {
        let reached: Positions = self.reader.positions()?.into_iter().collect();
        // A partition of which nothing was read yet has no position.
        let next = |key| reached.get(key).unwrap_or(&self.starts[key]);
        Ok(self.ends.iter().all(|(key, end)| next(key) >= end))
    }
}

fn starts(
    reader: &BaseConsumer,
    topics: &HashMap<String, Topic>,
    ends: &Positions,
    from: Option<Start>,
) -> Result<Positions, KafkaError> {
    match from {
        None => Ok(ends.keys().map(|key| (*key, 0)).collect()),
        Some(Start::Position(from)) => Ok(ends.keys().map(|key| (*key, from.offset)).collect()),
        Some(Start::At(at)) => {
            let mut wanted = TopicPartitionList::new();
            for (name, topic) in topics {
                for (_, partition) in ends.keys().filter(|(known, _)| known == topic) {
                    wanted.add_partition_offset(
                        name,
                        *partition,
                        Offset::Offset(at.timestamp_millis().max(0)),
                    )?;
                }
            }
            let found = reader.offsets_for_times(wanted, REQUEST_TIMEOUT)?;
            let starts = found.elements().into_iter().map(|element| {
                let key = (topics[element.topic()], element.partition());
                let Offset::Offset(start) = element.offset() else { return (key, ends[&key]) };
                (key, start)
            });
            Ok(starts.collect())
        }
    }
}

fn line<'m>(message: &'m Message<'_>) -> Line<'m> {
    let text = |name| message.header(name).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let id = |name| message.header(name).and_then(|bytes| Uuid::from_slice(bytes).ok());
    let Position { topic, partition, offset } = message.position();
    let (event, error) = match message.record().reading {
        Ok(Reading::Event(event)) => (Some(without_secrets(event.to_json())), None),
        Ok(Reading::Foreign(reason)) => (None, Some(reason.to_string())),
        Err(newer) => (None, Some(newer.to_string())),
    };
    Line {
        topic: topic.short_name(),
        partition,
        offset,
        timestamp: message.appended_at().to_rfc3339_opts(SecondsFormat::Millis, true),
        key: String::from_utf8_lossy(message.key()),
        event_id: id(headers::EVENT_ID),
        event_type: text(headers::EVENT_TYPE),
        causation_id: id(headers::CAUSATION_ID),
        correlation_id: text(headers::CORRELATION_ID),
        event,
        error,
    }
}

/// Leaves out hashes of passwords and tokens, and the keys and blind indexes of persons, which must not outlive them in a file.
fn without_secrets(mut event: Value) -> Value {
    if let Some(fields) = event.as_object_mut() {
        for secret in ["password_hash", "token_hash", "wrapped", "indexes"] {
            fields.remove(secret);
        }
    }
    event
}

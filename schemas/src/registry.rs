//! Which schemas of the history a registry is told, and under which names.

use crate::history::{self, Version};

/// Every version under the subject it is registered with, in the order of [`history::all`]: oldest first
/// within a subject.
#[must_use]
pub fn subjects(topic_prefix: &str) -> Vec<(String, &'static str)> {
    history::all().iter().map(|version| (subject(version, topic_prefix), version.text)).collect()
}

/// `<topic>-<record's full name>`, Confluent's TopicRecordNameStrategy: a topic holds events of several
/// types, each with versions of its own, and deployments with other prefixes share nothing.
fn subject(version: &Version, topic_prefix: &str) -> String {
    let topic = version.topic.name(topic_prefix);
    let record = version.schema.name().expect("an event is a record").fullname(None);
    format!("{topic}-{record}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_the_topic_and_the_records_full_name() {
        let subjects = subjects("shop");
        assert_eq!(subjects.len(), history::all().len());
        for subject in [
            "shop.receipts-till.ReceiptRecorded",
            "shop.receipts-till.ReceiptVoided",
            "shop.accounts-till.LoginLocked",
            "shop.analytics-till.HourClosed",
            "shop.shards-till.ShardAnnounced",
        ] {
            assert!(subjects.iter().any(|(found, _)| found == subject), "{subject} is not in {subjects:?}");
        }
    }
}

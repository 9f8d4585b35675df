//! Topics and the one partitioner.

/// The topics of a Till deployment. Event topics are the source of truth; `Shards` says who serves what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Receipts, keyed by transaction id.
    Receipts,
    /// Accounts, keyed by realm.
    Accounts,
    /// Hourly figures, keyed by place id; the closing of an hour by [`HOURS_KEY`].
    Analytics,
    /// Shard owners and the topology, compacted.
    Shards,
}

/// Key of the events that close an hour.
pub const HOURS_KEY: &str = "hours";

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 4] = [Self::Receipts, Self::Accounts, Self::Analytics, Self::Shards];
    /// The topics command-api's shards write: an aggregate's events are in exactly one of them.
    pub const COMMANDED: [Self; 2] = [Self::Receipts, Self::Accounts];

    /// The last part of the topic's name.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Receipts => "receipts",
            Self::Accounts => "accounts",
            Self::Analytics => "analytics",
            Self::Shards => "shards",
        }
    }

    /// The topic called `noun`.
    #[must_use]
    pub fn from_noun(noun: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.noun() == noun)
    }

    /// The settings it is created with and must keep.
    #[must_use]
    pub const fn config(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // What is not in a topic did not happen: nothing is ever deleted. Arrival is the broker's clock.
            Self::Receipts | Self::Accounts | Self::Analytics => &[
                ("cleanup.policy", "delete"),
                ("retention.ms", "-1"),
                ("retention.bytes", "-1"),
                ("message.timestamp.type", "LogAppendTime"),
                ("max.message.bytes", "2097152"),
            ],
            Self::Shards => &[("cleanup.policy", "compact"), ("message.timestamp.type", "LogAppendTime")],
        }
    }

    /// The source of truth: every record from offset 0 on must be there.
    #[must_use]
    pub const fn is_event_log(self) -> bool {
        !matches!(self, Self::Shards)
    }

    /// How many partitions it has in a deployment of `partitions` and `shards`.
    #[must_use]
    pub const fn partition_count(self, partitions: i32, shards: i32) -> i32 {
        if self.is_event_log() { partitions } else { shards }
    }

    /// The topic's name in Kafka: `<prefix>.<noun>`.
    #[must_use]
    pub fn name(self, prefix: &str) -> String {
        format!("{prefix}.{}", self.noun())
    }
}

/// The partition of `key` among `partitions`: murmur2 as Kafka's Java client computes it, so that any
/// client's default partitioner agrees.
///
/// Source: `org.apache.kafka.common.utils.Utils.murmur2` and `toPositive`.
///
/// # Panics
/// When `partitions` is not positive.
#[must_use]
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    assert!(partitions > 0, "a topic has at least one partition");
    let positive = murmur2(key) & 0x7fff_ffff;
    i32::try_from(positive).expect("31 bits fit") % partitions
}

fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut hash = 0x9747_b28c_u32 ^ length;
    let mut chunks = data.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
        k = k.wrapping_mul(M);
        k ^= k >> R;
        k = k.wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_agrees_with_kafkas_own_test_vectors() {
        // org.apache.kafka.common.utils.UtilsTest.testMurmur2
        let vectors: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (text, expected) in vectors {
            assert_eq!(murmur2(text.as_bytes()).cast_signed(), expected, "{text}");
        }
    }
}

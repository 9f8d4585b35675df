//! The topics, and the one partitioner of their keys.

/// What a topic is for, which decides how it is created and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A source of truth that command-api's shards write: the streams of aggregates.
    Commanded,
    /// A source of truth that another service writes.
    EventLog,
    /// The keys of persons, which command-api's shards write beside the streams of aggregates. Only the latest record of
    /// each person counts, and earlier ones are deleted.
    Keyring,
    /// Another topic of which only the latest record of each key counts.
    Compacted,
}

/// Lists the topics. `Receipts: "receipts" b'r' Commanded;` becomes
///
/// ```text
/// pub enum Topic { Receipts, … }
/// impl Topic { ALL, COMMANDED, short_name(), letter(), kind() }
/// ```
macro_rules! topics {
    ($($(#[doc = $doc:literal])+ $topic:ident: $name:literal $letter:literal $kind:ident;)+) => {
        /// The topics of a Till deployment.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Topic {
            $($(#[doc = $doc])+ $topic,)+
        }

        impl Topic {
            /// Every topic.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$topic),+];

            /// The topic's name without the deployment's prefix.
            #[must_use]
            pub const fn short_name(self) -> &'static str {
                match self { $(Self::$topic => $name,)+ }
            }

            /// One ASCII letter that stands for the topic in positions and in the keys of local stores.
            #[must_use]
            pub const fn letter(self) -> u8 {
                match self { $(Self::$topic => $letter,)+ }
            }

            /// What the topic is for.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Self::$topic => Kind::$kind,)+ }
            }
        }
    };
}

topics! {
    /// Receipts, keyed by transaction id.
    Receipts: "receipts" b'r' Commanded;
    /// Accounts, keyed by realm.
    Accounts: "accounts" b'a' Commanded;
    /// Customers and erasures, keyed by the home of accounts and customers.
    People: "people" b'p' Commanded;
    /// Sellers, products and cashback types, keyed by their homes.
    Catalogue: "catalogue" b'c' Commanded;
    /// Stock, keyed by the homes of the products.
    Stock: "stock" b'k' Commanded;
    /// Orders with their payments, keyed by their homes.
    Orders: "orders" b'o' Commanded;
    /// The keys of persons, keyed by subject, in the partitions of their homes.
    Keys: "keys" b'v' Keyring;
    /// Hourly figures, keyed by place id; the closing of an hour by [`crate::analytics::HOURS_KEY`].
    Analytics: "analytics" b'h' EventLog;
    /// Shard owners and the topology: who serves what.
    Shards: "shards" b's' Compacted;
}

impl Topic {
    /// The topics that command-api's shards write. All events of an aggregate are in one of them.
    pub const COMMANDED: [Self; count_of(Kind::Commanded)] = of_kind(Kind::Commanded);

    /// The topics that command-api's shards write, and the keys of persons beside them.
    pub const OWNED: [Self; Self::COMMANDED.len() + 1] = with_keys(Self::COMMANDED);

    /// The topic that has this letter, if there is one.
    #[must_use]
    pub fn lettered(letter: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.letter() == letter)
    }

    /// The topic that has this short name, if there is one.
    #[must_use]
    pub fn named(short_name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.short_name() == short_name)
    }

    /// The settings that the topic is created with, and must keep.
    #[must_use]
    pub const fn config(self) -> &'static [(&'static str, &'static str)] {
        match self.kind() {
            // What is not in a topic did not happen, so nothing is ever deleted. The time of a receipt's arrival is the
            // broker's.
            Kind::Commanded | Kind::EventLog => &[
                ("cleanup.policy", "delete"),
                ("retention.ms", "-1"),
                ("retention.bytes", "-1"),
                ("message.timestamp.type", "LogAppendTime"),
                ("max.message.bytes", "2097152"),
            ],
            // A key that is forgotten is to be gone from the disks a day after the next append, and nobody who was away for
            // less than two weeks may miss that it is forgotten.
            Kind::Keyring => &[
                ("cleanup.policy", "compact"),
                ("segment.ms", "86400000"),
                ("max.compaction.lag.ms", "86400000"),
                ("min.cleanable.dirty.ratio", "0.01"),
                ("delete.retention.ms", "2592000000"),
                ("message.timestamp.type", "LogAppendTime"),
            ],
            Kind::Compacted => &[("cleanup.policy", "compact"), ("message.timestamp.type", "LogAppendTime")],
        }
    }

    /// Whether the topic is a source of truth. Then every record from offset 0 on must still be there.
    #[must_use]
    pub const fn is_event_log(self) -> bool {
        matches!(self.kind(), Kind::Commanded | Kind::EventLog)
    }

    /// How many partitions the topic has, in a deployment of so many `partitions` and `shards`.
    #[must_use]
    pub const fn partition_count(self, partitions: i32, shards: i32) -> i32 {
        match self.kind() {
            Kind::Commanded | Kind::EventLog | Kind::Keyring => partitions,
            Kind::Compacted => shards,
        }
    }

    /// The topic's name in Kafka: `<prefix>.<short name>`.
    #[must_use]
    pub fn name(self, prefix: &str) -> String {
        format!("{prefix}.{}", self.short_name())
    }
}

const fn count_of(kind: Kind) -> usize {
    let (mut index, mut count) = (0, 0);
    while index < Topic::ALL.len() {
        if Topic::ALL[index].kind() as u8 == kind as u8 {
            count += 1;
        }
        index += 1;
    }
    count
}

/// The `N` topics of a kind, in the order in which `topics!` lists them.
const fn of_kind<const N: usize>(kind: Kind) -> [Topic; N] {
    let mut found = [Topic::Receipts; N];
    let (mut index, mut count) = (0, 0);
    while index < Topic::ALL.len() {
        if Topic::ALL[index].kind() as u8 == kind as u8 {
            found[count] = Topic::ALL[index];
            count += 1;
        }
        index += 1;
    }
    found
}

const fn with_keys<const N: usize, const M: usize>(topics: [Topic; N]) -> [Topic; M] {
    let mut with_keys = [Topic::Keys; M];
    let mut index = 0;
    while index < N {
        with_keys[index] = topics[index];
        index += 1;
    }
    with_keys
}

/// The partition of `key` among `partitions`. It is murmur2 as Kafka's Java client computes it, so that any client's
/// default partitioner agrees.
///
/// Source: `org.apache.kafka.common.utils.Utils.murmur2` and `toPositive`.
///
/// # Panics
/// Where `partitions` is not positive.
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
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_topics_have_a_letter_or_a_name_in_common() {
        let letters: HashSet<_> = Topic::ALL.map(Topic::letter).into();
        let names: HashSet<_> = Topic::ALL.map(Topic::short_name).into();
        assert_eq!((letters.len(), names.len()), (Topic::ALL.len(), Topic::ALL.len()));
    }

    #[test]
    fn shards_write_the_streams_of_aggregates_alone() {
        let commanded = Topic::ALL.into_iter().filter(|topic| topic.kind() == Kind::Commanded);
        assert!(commanded.eq(Topic::COMMANDED));
        assert!(Topic::COMMANDED.contains(&Topic::Receipts) && !Topic::COMMANDED.contains(&Topic::Analytics));
        assert_eq!(Topic::OWNED.to_vec(), [Topic::COMMANDED.as_slice(), &[Topic::Keys]].concat());
    }

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

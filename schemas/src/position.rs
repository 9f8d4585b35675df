//! The position of an event in the log, and the token that clients hand back for it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Topic;

/// The position of one record: topic, partition and offset.
///
/// Its text, such as `r3-1042`, is opaque to clients. They get it with the answer to a command, and send it with a read
/// that must have seen that command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The topic that the record is in.
    pub topic: Topic,
    /// The partition that the record is in.
    pub partition: i32,
    /// The offset of the record in its partition.
    pub offset: i64,
}

/// The text is no position that a Till handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a position: send the Till-Position of an earlier answer as it was")]
pub struct PositionError;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}-{}", char::from(self.topic.letter()), self.partition, self.offset)
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let (topic, partition, offset) = parts(text).ok_or(PositionError)?;
        Ok(Self { topic, partition: number(partition)?, offset: number(offset)? })
    }
}

/// Writes the position's text. Here an offset may be negative: an event of a batch has a provisional one until it is in
/// the log, and states of that batch keep it.
impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let position = parts(&text).and_then(|(topic, partition, offset)| {
            Some(Self { topic, partition: partition.parse().ok()?, offset: offset.parse().ok()? })
        });
        position.ok_or_else(|| de::Error::custom(PositionError))
    }
}

/// The topic, and the partition and offset as they are written.
fn parts(text: &str) -> Option<(Topic, &str, &str)> {
    let topic = Topic::lettered(text.bytes().next()?)?;
    let (partition, offset) = text[1..].split_once('-')?;
    Some((topic, partition, offset))
}

/// Reads a number of digits only: integers' own `FromStr` would also take a sign.
fn number<N: FromStr>(digits: &str) -> Result<N, PositionError> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PositionError);
    }
    digits.parse().map_err(|_| PositionError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_text() {
        let position = Position { topic: Topic::Receipts, partition: 3, offset: 1042 };
        assert_eq!(position.to_string(), "r3-1042");
        assert_eq!("r3-1042".parse(), Ok(position));
    }

    #[test]
    fn a_position_within_its_batch_survives_in_states_and_is_no_clients() {
        let position = Position { topic: Topic::Accounts, partition: 3, offset: -2 };
        let kept = serde_json::to_string(&position).unwrap();
        assert_eq!(serde_json::from_str::<Position>(&kept).unwrap(), position);
        assert_eq!(position.to_string().parse::<Position>(), Err(PositionError));
    }

    #[test]
    fn foreign_tokens_are_refused() {
        for token in ["", "r", "r3", "x3-1", "r-3-1", "r3--1", "r3-1x", "ü3-1", "r99999999999-1", "r+3-1"] {
            assert_eq!(token.parse::<Position>(), Err(PositionError), "{token}");
        }
    }
}

//! Where a message stands in the log. Clients see it as opaque text, `partition-sequence`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The place of one message: its partition and its sequence number there. Sequence numbers start at 1 and never
/// recur; 0 means "before the first message".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The partition, counted from 0.
    pub partition: u32,
    /// The sequence number within the partition.
    pub sequence: u64,
}

impl Position {
    /// The position of message `sequence` in `partition`.
    pub const fn new(partition: u32, sequence: u64) -> Self {
        Self { partition, sequence }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.partition, self.sequence)
    }
}

/// The text is not a position.
#[derive(Debug, thiserror::Error)]
#[error("not a position: expected partition-sequence, such as 0-42")]
pub struct NotAPosition;

impl FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let (partition, sequence) = text.split_once('-').ok_or(NotAPosition)?;
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(partition) || !digits(sequence) {
            return Err(NotAPosition);
        }
        Ok(Self {
            partition: partition.parse().map_err(|_| NotAPosition)?,
            sequence: sequence.parse().map_err(|_| NotAPosition)?,
        })
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        let position = Position::new(3, 42);
        assert_eq!(position.to_string(), "3-42");
        assert_eq!("3-42".parse::<Position>().unwrap(), position);
        for bad in ["", "42", "a-1", "1-", "-1", "1-2-3", "+1-2", "99999999999-1"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }
}

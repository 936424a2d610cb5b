//! What a script returned, taken field by field.

use std::str::FromStr;
use std::vec;

use redis::Value;

use crate::gate::GateError;

/// The fields of a reply, from the first on.
#[derive(Debug)]
pub(super) struct Fields(vec::IntoIter<Value>);

impl Fields {
    pub(super) fn of(value: Value) -> Result<Self, GateError> {
        match value {
            Value::Array(fields) => Ok(Self(fields.into_iter())),
            Value::Map(pairs) => {
                let fields: Vec<_> = pairs.into_iter().flat_map(|(name, value)| [name, value]).collect();
                Ok(Self(fields.into_iter()))
            }
            other => Err(strange(&other)),
        }
    }

    pub(super) fn list(&mut self) -> Result<Self, GateError> {
        Self::of(self.next()?)
    }

    /// A string; empty when there is none.
    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, GateError> {
        match self.next()? {
            Value::BulkString(bytes) => Ok(bytes),
            Value::SimpleString(text) => Ok(text.into_bytes()),
            Value::Nil => Ok(Vec::new()),
            other => Err(strange(&other)),
        }
    }

    pub(super) fn text(&mut self) -> Result<String, GateError> {
        String::from_utf8(self.bytes()?).map_err(|error| strange(&error))
    }

    /// A number, also one that is written as text.
    pub(super) fn number<T: TryFrom<i64> + FromStr>(&mut self) -> Result<T, GateError> {
        match self.next()? {
            Value::Int(number) => T::try_from(number).map_err(|_| strange(&number)),
            Value::BulkString(text) => {
                let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
                number.ok_or_else(|| strange(&text))
            }
            other => Err(strange(&other)),
        }
    }

    /// Whether there is anything left.
    pub(super) fn more(&self) -> bool {
        self.0.len() > 0
    }

    fn next(&mut self) -> Result<Value, GateError> {
        self.0.next().ok_or_else(|| strange(&"nothing"))
    }
}

/// The server said what no script of ours says.
pub(super) fn strange(found: &dyn std::fmt::Debug) -> GateError {
    let mut found = format!("{found:?}");
    found.truncate(found.floor_char_boundary(200));
    GateError::Unavailable(format!("it answered what makes no sense here: {found}"))
}

//! Who calls and what they may do. API keys are configured as hashes, so that neither the environment nor a dump of
//! it gives anybody a key; handlers ask for a role by taking [`Operator`], [`Issuer`] or [`Reader`] as an argument.

mod extract;
mod keys;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub(crate) use extract::unauthenticated;
pub use extract::{Acting, Issuer, Operator, Reader};
pub use keys::{ApiKeys, InvalidKeys, NewKey};

/// What a key allows; each role may do all that the one before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Looks, and sees coupon codes masked.
    Reader,
    /// Asks for coupons and redeems them.
    Issuer,
    /// Changes campaigns.
    Operator,
}

impl Role {
    /// The role as it is written in keys and settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Issuer => "issuer",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a role: expected operator, issuer or reader")]
pub struct NotARole;

impl FromStr for Role {
    type Err = NotARole;

    fn from_str(text: &str) -> Result<Self, NotARole> {
        match text {
            "reader" => Ok(Self::Reader),
            "issuer" => Ok(Self::Issuer),
            "operator" => Ok(Self::Operator),
            _ => Err(NotARole),
        }
    }
}

/// Who makes a request: the actor that an operator's action is recorded under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name of the key; `local` when the service has no keys.
    pub name: Arc<str>,
    /// What the key allows.
    pub role: Role,
}

impl Caller {
    /// Whoever calls a service that has no keys, and is therefore bound to loopback.
    pub fn local() -> Self {
        Self { name: Arc::from("local"), role: Role::Operator }
    }
}

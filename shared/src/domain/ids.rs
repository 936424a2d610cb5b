//! Names that come from outside, validated once at the edge and cheap to clone from then on.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

/// A value from outside that is not allowed: which field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Invalid {
    /// The offending field, in dotted form.
    pub field: String,
    /// What is wrong, for people.
    pub problem: String,
}

impl Invalid {
    /// `field` is wrong because of `problem`.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text, if it is allowed.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                $check(text)?;
                Ok(Self(text.into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// A campaign's name in URLs, subjects and keys: `[a-z0-9-]{1,64}`.
    CampaignId,
    campaign_id
);
name!(
    /// Who asks: 1 to 128 bytes of UTF-8 without control characters.
    UserId,
    user_id
);
name!(
    /// An `Idempotency-Key`: 1 to 128 printable ASCII characters. It tells a retry from a second wish.
    RequestKey,
    request_key
);

impl CampaignId {
    /// The name under which stands in the log what concerns no campaign but the whole service. No campaign can have it.
    pub fn service() -> Self {
        Self("-".into())
    }
}

fn campaign_id(text: &str) -> Result<(), Invalid> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(())
    } else {
        Err(Invalid::new("id", "must be 1 to 64 of a-z, 0-9 and -"))
    }
}

fn user_id(text: &str) -> Result<(), Invalid> {
    if !(1..=128).contains(&text.len()) {
        return Err(Invalid::new("user_id", "must be 1 to 128 bytes long"));
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid::new("user_id", "must not hold control characters"));
    }
    Ok(())
}

fn request_key(text: &str) -> Result<(), Invalid> {
    if (1..=128).contains(&text.len()) && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
        Ok(())
    } else {
        Err(Invalid::new("Idempotency-Key", "must be 1 to 128 printable ASCII characters"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_design_allows() {
        for good in ["a", "summer-2026", &"x".repeat(64)] {
            assert!(CampaignId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "Summer", "a b", "a.b", "ä", &"x".repeat(65), "*", ">"] {
            assert!(CampaignId::parse(bad).is_err(), "{bad}");
        }
        for good in ["u-1", "한국어 사용자", &"x".repeat(128)] {
            assert!(UserId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a\nb", "\u{85}", &"x".repeat(129)] {
            assert!(UserId::parse(bad).is_err(), "{bad:?}");
        }
        assert!(RequestKey::parse("order 1~").is_ok());
        assert!(RequestKey::parse("schlüssel").is_err());
    }
}

//! The keys a service accepts: reading the setting, making a new entry for it, and finding the caller of a key that
//! was sent, in a time that says nothing about the keys.

use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Caller, Role};
use crate::clock::random_hex;

/// The longest name of a key.
const MAX_NAME: usize = 64;

/// The keys a service accepts. Cheap to clone.
#[derive(Clone, Default)]
pub struct ApiKeys(Arc<[Entry]>);

struct Entry {
    caller: Caller,
    hash: [u8; 32],
}

/// The setting cannot be used. The message names the entry by its place and name and never repeats its hash, which
/// may be a key that was pasted by mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    /// An entry has not three parts.
    #[error("API key {place}: expected name:role:sha256-of-key, as `firstcome key new` prints it")]
    Shape {
        /// Which entry, from 1.
        place: usize,
    },
    /// A name is empty, too long or has other characters.
    #[error("API key {place}: a name has 1 to 64 of A-Z a-z 0-9 . _ -")]
    Name {
        /// Which entry, from 1.
        place: usize,
    },
    /// There is no such role.
    #[error("API key {place} ({name}): the role must be operator, issuer or reader")]
    Role {
        /// Which entry, from 1.
        place: usize,
        /// Its name.
        name: String,
    },
    /// The hash is not one.
    #[error("API key {place} ({name}): the last part must be the key's SHA-256, 64 hexadecimal digits")]
    Hash {
        /// Which entry, from 1.
        place: usize,
        /// Its name.
        name: String,
    },
    /// A name is used twice: the audit log could not tell who acted.
    #[error("API key {place} ({name}): another key has this name")]
    SameName {
        /// Which entry, from 1.
        place: usize,
        /// Its name.
        name: String,
    },
    /// A key is there twice: it would depend on the order who its caller is.
    #[error("API key {place} ({name}): another entry is of the same key")]
    SameKey {
        /// Which entry, from 1.
        place: usize,
        /// Its name.
        name: String,
    },
}

/// A new key: `key` for the caller, shown once, and `entry` for the setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// The secret that the caller sends: `fc_<role>_<64 hexadecimal digits>`.
    pub key: String,
    /// The line for `FIRSTCOME_API_KEYS`.
    pub entry: String,
}

impl ApiKeys {
    /// No keys: whoever reaches the service is its operator.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name of each key.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|entry| &*entry.caller.name)
    }

    /// The role of each key.
    pub fn roles(&self) -> impl Iterator<Item = Role> {
        self.0.iter().map(|entry| entry.caller.role)
    }

    /// Whom the key belongs to. Takes one SHA-256 and looks at every entry, whichever matches.
    pub fn find(&self, key: &str) -> Option<&Caller> {
        let sent: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let mut found = None;
        for entry in self.0.iter() {
            if bool::from(sent.ct_eq(&entry.hash)) {
                found = Some(&entry.caller);
            }
        }
        found
    }

    /// A new random key of that role.
    ///
    /// # Errors
    /// [`InvalidKeys::Name`] when `name` cannot stand in the setting.
    pub fn generate(name: &str, role: Role) -> Result<NewKey, InvalidKeys> {
        if !is_name(name) {
            return Err(InvalidKeys::Name { place: 1 });
        }
        let key = format!("fc_{role}_{}", random_hex::<32>());
        let mut entry = format!("{name}:{role}:");
        for byte in Sha256::digest(key.as_bytes()) {
            let _ = write!(entry, "{byte:02x}");
        }
        Ok(NewKey { key, entry })
    }
}

impl FromStr for ApiKeys {
    type Err = InvalidKeys;

    /// Reads `name:role:sha256hex,…`; blanks around an entry do not matter, and blank text is no keys.
    fn from_str(text: &str) -> Result<Self, InvalidKeys> {
        let mut entries: Vec<Entry> = Vec::new();
        if text.trim().is_empty() {
            return Ok(Self::none());
        }
        for (index, entry) in text.split(',').enumerate() {
            let entry = read_entry(index + 1, entry.trim())?;
            let (place, name) = (index + 1, entry.caller.name.to_string());
            if entries.iter().any(|other| other.caller.name == entry.caller.name) {
                return Err(InvalidKeys::SameName { place, name });
            }
            if entries.iter().any(|other| other.hash == entry.hash) {
                return Err(InvalidKeys::SameKey { place, name });
            }
            entries.push(entry);
        }
        Ok(Self(entries.into()))
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|entry| &entry.caller)).finish()
    }
}

fn read_entry(place: usize, text: &str) -> Result<Entry, InvalidKeys> {
    let mut parts = text.split(':');
    let (Some(name), Some(role), Some(hash), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(InvalidKeys::Shape { place });
    };
    if !is_name(name) {
        return Err(InvalidKeys::Name { place });
    }
    let role = role.parse().map_err(|_| InvalidKeys::Role { place, name: name.to_owned() })?;
    let hash = read_hash(hash).ok_or_else(|| InvalidKeys::Hash { place, name: name.to_owned() })?;
    Ok(Entry { caller: Caller { name: name.into(), role }, hash })
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn read_hash(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, place) in hash.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[place..place + 2], 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `abc`, from FIPS 180-2.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_generated_key_is_found_under_its_name_and_role() {
        let new = ApiKeys::generate("shop-1", Role::Issuer).unwrap();
        assert!(new.key.starts_with("fc_issuer_") && new.key.len() == 10 + 64, "{}", new.key);
        let keys: ApiKeys = format!(" ops:operator:{ABC} ,\n {}", new.entry).parse().unwrap();
        assert_eq!(keys.find(&new.key).unwrap(), &Caller { name: "shop-1".into(), role: Role::Issuer });
        assert_eq!(keys.find("abc").unwrap(), &Caller { name: "ops".into(), role: Role::Operator });
        assert_eq!(keys.find("abd"), None);
        assert_eq!(keys.find(""), None);
        assert_ne!(ApiKeys::generate("a", Role::Reader), ApiKeys::generate("a", Role::Reader));
        assert_eq!(ApiKeys::generate("a:b", Role::Reader), Err(InvalidKeys::Name { place: 1 }));
    }

    #[test]
    fn blank_is_no_keys_and_the_hash_may_be_upper_case() {
        assert!("  ".parse::<ApiKeys>().unwrap().is_empty());
        let keys: ApiKeys = format!("ops:reader:{}", ABC.to_uppercase()).parse().unwrap();
        assert_eq!(keys.find("abc").map(|caller| caller.role), Some(Role::Reader));
        assert!(!format!("{keys:?}").contains("ba78"), "hashes stay out of logs");
    }

    #[test]
    fn a_bad_entry_is_named() {
        let other = ABC.replace('b', "c");
        for (text, says) in [
            (format!("ops:operator:{ABC},"), "API key 2: expected name:role"),
            ("ops:operator".to_owned(), "API key 1: expected"),
            (format!("ops:operator:{ABC}:x"), "API key 1: expected"),
            (format!(":operator:{ABC}"), "API key 1: a name"),
            (format!("{}:operator:{ABC}", "n".repeat(65)), "API key 1: a name"),
            (format!("a b:operator:{ABC}"), "API key 1: a name"),
            (format!("ops:admin:{ABC}"), "API key 1 (ops): the role must be"),
            (format!("ops:Operator:{ABC}"), "API key 1 (ops): the role must be"),
            ("ops:operator:fc_operator_secret".to_owned(), "API key 1 (ops): the last part"),
            (format!("ops:operator:+{}", &ABC[1..]), "API key 1 (ops): the last part"),
            (format!("ops:operator:{ABC},ops:reader:{other}"), "API key 2 (ops): another key has"),
            (format!("ops:operator:{ABC},shop:reader:{ABC}"), "API key 2 (shop): another entry"),
        ] {
            let error = text.parse::<ApiKeys>().unwrap_err().to_string();
            assert!(error.starts_with(says), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn roles_are_ordered() {
        assert!(Role::Reader < Role::Issuer && Role::Issuer < Role::Operator);
        for role in [Role::Reader, Role::Issuer, Role::Operator] {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
    }
}

//! What the services are given beside their servers: API keys, and the secret that coupon codes are made from.

use firstcome_shared::auth::{ApiKeys, Role};
use firstcome_shared::config;
use firstcome_shared::domain::CodeSecret;

use super::report::Place;
use crate::serve::parse_keys;

/// The keys. A cluster needs them: its services are to be reached from other machines.
pub fn keys(place: &mut Place, entries: &str, cluster: bool) {
    let remedy = "make them with `firstcome key new`";
    match parse_keys(entries) {
        Err(error) => place.wrong("API keys", format!("{error:#}"), remedy),
        Ok(keys) if keys.is_empty() && cluster => {
            place.wrong(
                "API keys",
                "none",
                format!("set {}, or the services listen on loopback only: {remedy}", config::API_KEYS),
            );
        }
        Ok(keys) if keys.is_empty() => {
            place.ok("API keys", "none: loopback only, every caller is operator");
        }
        Ok(keys) => roles(place, &keys),
    }
}

fn roles(place: &mut Place, keys: &ApiKeys) {
    let count = |role| keys.roles().filter(|has| *has == role).count();
    let (operators, issuers, readers) = (count(Role::Operator), count(Role::Issuer), count(Role::Reader));
    let found = format!("{operators} operator, {issuers} issuer, {readers} reader");
    if operators == 0 {
        place.warn("API keys", found, "nobody can create a campaign or pause one: add an operator's key");
    } else {
        place.ok("API keys", found);
    }
}

/// The secret that every instance of a cluster must be given.
#[cfg(feature = "cluster")]
pub fn secret(place: &mut Place, given: Option<&str>) -> Option<CodeSecret> {
    let given = given.filter(|given| !given.is_empty());
    let Some(given) = given else {
        place.wrong(
            "code secret",
            "missing",
            format!(
                "set {} to at least 32 random characters, the same for every instance",
                config::CODE_SECRET
            ),
        );
        return None;
    };
    usable(place, given)
}

/// A secret that is there.
pub fn usable(place: &mut Place, secret: &str) -> Option<CodeSecret> {
    match CodeSecret::new(secret) {
        Ok(secret) => {
            place.ok("code secret", format!("key id {}", secret.key_id()));
            Some(secret)
        }
        Err(error) => {
            place.wrong("code secret", error.to_string(), "use at least 32 random characters");
            None
        }
    }
}

//! Coupon codes: unguessable, repeatable, made from a secret and a coupon's place in line. Codes are money, so what
//! shows them to people masks them here.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::ids::{CampaignId, Invalid};

/// Crockford's base 32: no I, L, O, U, so a code survives being read out on the phone.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The secret that coupon codes are made with. Whoever has it can make every code.
#[derive(Clone)]
pub struct CodeSecret {
    key_id: String,
    keyed: Hmac<Sha256>,
}

impl CodeSecret {
    /// A secret of at least 32 characters.
    pub fn new(secret: &str) -> Result<Self, Invalid> {
        if secret.len() < 32 {
            return Err(Invalid::new("code secret", "must be at least 32 characters long"));
        }
        let keyed = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
            .map_err(|_| Invalid::new("code secret", "cannot be used as a key"))?;
        let digest = Sha256::new().chain_update(b"firstcome key id ").chain_update(secret).finalize();
        let name = digest.iter().take(4).fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte));
        let key_id = format!("{name:08x}");
        Ok(Self { key_id, keyed })
    }

    /// Names the secret without giving it away; stands in every campaign made with it.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The code of coupon `seq`: 80 bits of HMAC-SHA256 over campaign and number, grouped by four.
    pub fn code(&self, campaign: &CampaignId, seq: u64) -> String {
        let mut mac = self.keyed.clone();
        mac.update(campaign.as_str().as_bytes());
        mac.update(&[0]);
        mac.update(&seq.to_be_bytes());
        let digest = mac.finalize().into_bytes();
        let mut bits: u128 = digest.iter().take(10).fold(0, |bits, byte| (bits << 8) | u128::from(*byte));
        let mut letters = [0_u8; 19];
        for place in (0..19).rev() {
            letters[place] = if place % 5 == 4 {
                b'-'
            } else {
                let letter = ALPHABET[usize::try_from(bits & 31).unwrap_or(0)];
                bits >>= 5;
                letter
            };
        }
        letters.iter().map(|letter| char::from(*letter)).collect()
    }
}

impl fmt::Debug for CodeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeSecret").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// A code as those see it who must not spend it: its first group, then stars.
pub fn mask(code: &str) -> String {
    let shown = code.split('-').next().unwrap_or_default();
    format!("{shown}-****-****-****")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_repeatable_distinct_and_readable() {
        let secret = CodeSecret::new("0123456789abcdef0123456789abcdef").unwrap();
        let other = CodeSecret::new("0123456789abcdef0123456789abcdeF").unwrap();
        let summer = CampaignId::parse("summer").unwrap();
        let winter = CampaignId::parse("winter").unwrap();
        let code = secret.code(&summer, 17);
        assert_eq!(code, secret.code(&summer, 17));
        // Golden values: codes already handed out must stay the same in every release.
        assert_eq!(code, "MV6R-9SYZ-5MYD-N419");
        assert_eq!(secret.key_id(), "1fee6bdc");
        assert_eq!(code.len(), 19);
        assert!(code.bytes().all(|letter| letter == b'-' || ALPHABET.contains(&letter)));
        for different in [secret.code(&summer, 18), secret.code(&winter, 17), other.code(&summer, 17)] {
            assert_ne!(code, different);
        }
        assert_ne!(secret.key_id(), other.key_id());
        assert_eq!(mask("7Q2M-AAAA-BBBB-CCCC"), "7Q2M-****-****-****");
    }

    #[test]
    fn short_secrets_are_refused_and_secrets_are_not_printed() {
        assert!(CodeSecret::new("too short").is_err());
        let secret = CodeSecret::new("0123456789abcdef0123456789abcdef").unwrap();
        assert!(!format!("{secret:?}").contains("0123456789abcdef"));
    }
}

//! API tokens: made here, shown once, stored as a hash.

use assay_plan::{Repository, Time};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::error::StoreError;
use crate::types::{Right, Token};

impl Token {
    /// The right this token gives on a repository.
    ///
    /// Slugs are compared without regard to case, as they are everywhere.
    pub fn right_on(&self, repository: &Repository) -> Option<Right> {
        if self.admin {
            return Some(Right::Admin);
        }
        let slug = &repository.slug;
        let covers = |pattern: &str| match pattern.strip_suffix("/*") {
            Some(owner) => owner.eq_ignore_ascii_case(slug.owner()),
            None => pattern.eq_ignore_ascii_case(slug.as_str()),
        };
        self.rights
            .iter()
            .filter(|(pattern, _)| covers(pattern))
            .map(|(_, right)| *right)
            .max()
    }

    /// Whether the token has stopped working.
    pub(crate) fn is_expired(&self, now: Time) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// SHA-256 of a token's text.
pub(crate) fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// A new token text, 32 random bytes in base64url, and a random id that fits into 53 bits (JSON numbers).
pub(crate) fn make() -> Result<(String, u64), StoreError> {
    let mut secret = [0_u8; 32];
    getrandom::fill(&mut secret).map_err(StoreError::Random)?;
    Ok((URL_SAFE_NO_PAD.encode(secret), random_id()?))
}

/// A random id that fits into 53 bits.
pub(crate) fn random_id() -> Result<u64, StoreError> {
    let mut id = [0_u8; 8];
    getrandom::fill(&mut id).map_err(StoreError::Random)?;
    Ok(u64::from_be_bytes(id) >> 11)
}

//! Browser sessions and the one-time links that open them. In memory only: a restart of the daemon ends them all.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use assay_plan::Time;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// How long a one-time link works, milliseconds.
const LINK_LIFE: i64 = 60 * 60 * 1000;
/// How long a session lasts, milliseconds.
pub(crate) const SESSION_LIFE: i64 = 7 * 24 * 60 * 60 * 1000;
/// Sessions and links that are kept; beyond it the one that ends first goes.
const MAX_ENTRIES: usize = 10_000;

/// Who holds a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Whoever opened the one-time link.
    Operator,
    /// The holder of this token; looked up at each request, so that it ends with the token.
    Token(String),
}

/// Sessions and links. What is handed out is random; what is kept is its hash.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    links: Mutex<HashMap<[u8; 32], Time>>,
    open: Mutex<HashMap<[u8; 32], (Holder, Time)>>,
}

impl Sessions {
    /// Makes a link's secret.
    pub(crate) fn new_link(&self, now: Time) -> Result<String, getrandom::Error> {
        let secret = random_text()?;
        let mut links = lock(&self.links);
        make_room(&mut links, now, |ends| *ends);
        links.insert(digest(&secret), now.plus(LINK_LIFE));
        Ok(secret)
    }

    /// Whether a link's secret is good; good only once.
    pub(crate) fn use_link(&self, secret: &str, now: Time) -> bool {
        lock(&self.links)
            .remove(&digest(secret))
            .is_some_and(|ends| ends > now)
    }

    /// Opens a session; returns the cookie's value.
    pub(crate) fn open(&self, holder: Holder, now: Time) -> Result<String, getrandom::Error> {
        let id = random_text()?;
        let mut open = lock(&self.open);
        make_room(&mut open, now, |(_, ends)| *ends);
        open.insert(digest(&id), (holder, now.plus(SESSION_LIFE)));
        Ok(id)
    }

    /// Who holds the session with this cookie.
    pub(crate) fn holder(&self, id: &str, now: Time) -> Option<Holder> {
        let open = lock(&self.open);
        open.get(&digest(id))
            .filter(|(_, ends)| *ends > now)
            .map(|(holder, _)| holder.clone())
    }

    /// Ends a session.
    pub(crate) fn close(&self, id: &str) {
        lock(&self.open).remove(&digest(id));
    }
}

/// A panic elsewhere leaves these maps whole, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn make_room<V>(map: &mut HashMap<[u8; 32], V>, now: Time, ends: impl Fn(&V) -> Time) {
    if map.len() >= MAX_ENTRIES {
        map.retain(|_, value| ends(value) > now);
    }
    if map.len() >= MAX_ENTRIES
        && let Some(key) = map
            .iter()
            .min_by_key(|(_, value)| ends(value))
            .map(|(key, _)| *key)
    {
        map.remove(&key);
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn random_text() -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_works_once_and_for_an_hour() {
        let sessions = Sessions::default();
        let link = sessions.new_link(Time(0)).unwrap();
        assert!(!sessions.use_link("other", Time(1)));
        assert!(sessions.use_link(&link, Time(1)));
        assert!(!sessions.use_link(&link, Time(2)));
        let late = sessions.new_link(Time(0)).unwrap();
        assert!(!sessions.use_link(&late, Time(LINK_LIFE)));
    }

    #[test]
    fn sessions_end() {
        let sessions = Sessions::default();
        let id = sessions.open(Holder::Operator, Time(0)).unwrap();
        assert_eq!(sessions.holder(&id, Time(1)), Some(Holder::Operator));
        assert_eq!(sessions.holder(&id, Time(SESSION_LIFE)), None);
        sessions.close(&id);
        assert_eq!(sessions.holder(&id, Time(1)), None);
    }

    #[test]
    fn the_oldest_makes_room() {
        let sessions = Sessions::default();
        let first = sessions.open(Holder::Operator, Time(0)).unwrap();
        for n in 1..=10_000 {
            sessions.open(Holder::Operator, Time(n)).unwrap();
        }
        assert_eq!(sessions.holder(&first, Time(1)), None);
        assert_eq!(lock(&sessions.open).len(), MAX_ENTRIES);
    }
}

//! The debug sessions there are: who waits with which key, until when, and who has come. No clock, no network.

use std::collections::BTreeMap;

use assay_plan::{Build, Job, RepoId, Repository};
use russh::keys::ssh_key::public::KeyData;
use tokio::sync::watch;
use tokio::time::Instant;

/// What a session is about.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// Its name, random; the user name to connect as.
    pub(super) name: String,
    /// The only key that opens it.
    pub(super) key: KeyData,
    /// Who asked for it.
    pub(super) by: String,
    pub(super) repository: Repository,
    pub(super) build: Build,
    pub(super) job: Job,
}

/// Why a session is to end before its person wants it to.
pub(super) type Stop = watch::Receiver<Option<&'static str>>;

#[derive(Debug)]
struct Entry {
    session: Session,
    /// Until when it waits; `None` once the person has come.
    waits: Option<Instant>,
    stop: watch::Sender<Option<&'static str>>,
}

/// All sessions.
#[derive(Debug)]
pub(super) struct Table {
    entries: BTreeMap<String, Entry>,
    most: usize,
}

impl Table {
    /// For at most so many sessions, waiting ones included.
    pub(super) fn new(most: usize) -> Self {
        Table {
            entries: BTreeMap::new(),
            most,
        }
    }

    /// Lets a session wait until then; takes the place of one that waits for the same person and job, which is given back.
    /// An error when there are too many.
    pub(super) fn wait(&mut self, session: Session, until: Instant) -> Result<Option<Session>, ()> {
        let same = |entry: &&Entry| {
            entry.waits.is_some()
                && entry.session.job.id == session.job.id
                && entry.session.by == session.by
        };
        let old = self.entries.values().find(same);
        let old = old.map(|entry| entry.session.name.clone());
        let old = old.and_then(|name| self.entries.remove(&name));
        if self.entries.len() >= self.most {
            return Err(());
        }
        let entry = Entry {
            waits: Some(until),
            stop: watch::Sender::new(None),
            session,
        };
        self.entries.insert(entry.session.name.clone(), entry);
        Ok(old.map(|entry| entry.session))
    }

    /// Whether anybody is waited for.
    pub(super) fn is_waiting(&self, now: Instant) -> bool {
        self.entries.values().any(|entry| waits(entry, now))
    }

    /// Whether the session of this name waits for this key.
    pub(super) fn expects(&self, name: &str, key: &KeyData, now: Instant) -> bool {
        self.entries
            .get(name)
            .is_some_and(|entry| waits(entry, now) && entry.session.key == *key)
    }

    /// The person has come: from now on the key opens nothing. Only the first one gets the session.
    pub(super) fn open(
        &mut self,
        name: &str,
        key: &KeyData,
        now: Instant,
    ) -> Option<(Session, Stop)> {
        if !self.expects(name, key, now) {
            return None;
        }
        let entry = self.entries.get_mut(name)?;
        entry.waits = None;
        Some((entry.session.clone(), entry.stop.subscribe()))
    }

    /// Takes the session away if it has waited in vain.
    pub(super) fn expire(&mut self, name: &str, now: Instant) -> Option<Session> {
        let entry = self.entries.get(name)?;
        let over = entry.waits.is_some_and(|until| until <= now);
        over.then(|| self.entries.remove(name))?
            .map(|entry| entry.session)
    }

    /// An open session is over.
    pub(super) fn end(&mut self, name: &str) {
        self.entries.remove(name);
    }

    /// Tells the sessions of a repository (all sessions) to end for this reason; gives back those that only waited.
    pub(super) fn stop(&mut self, repo: Option<RepoId>, reason: &'static str) -> Vec<Session> {
        let of = |entry: &Entry| repo.is_none_or(|repo| repo == entry.session.repository.id);
        let waiting = self
            .entries
            .extract_if(.., |_, entry| of(entry) && entry.waits.is_some())
            .map(|(_, entry)| entry.session)
            .collect();
        for entry in self.entries.values().filter(|entry| of(entry)) {
            let _ = entry.stop.send(Some(reason));
        }
        waiting
    }
}

fn waits(entry: &Entry, now: Instant) -> bool {
    entry.waits.is_some_and(|until| now < until)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{key, session};
    use super::*;

    const WAIT: Duration = Duration::from_secs(300);

    #[test]
    fn only_the_right_key_opens_a_session_and_only_once() {
        let (mut table, now) = (Table::new(2), Instant::now());
        let (own, other) = (key(), key());
        assert!(!table.is_waiting(now));
        let one = session("one", "ann", 1, own.clone());
        assert!(table.wait(one, now + WAIT).unwrap().is_none());
        assert!(table.is_waiting(now));
        assert!(table.expects("one", &own, now));
        assert!(!table.expects("one", &other, now) && !table.expects("two", &own, now));
        assert!(table.open("one", &other, now).is_none());
        assert!(table.open("one", &own, now).is_some());
        assert!(table.open("one", &own, now).is_none());
        assert!(!table.expects("one", &own, now) && !table.is_waiting(now));
        // It has come, so it can't expire.
        assert!(table.expire("one", now + WAIT).is_none());
    }

    #[test]
    fn a_session_waits_no_longer_than_it_should() {
        let (mut table, now) = (Table::new(2), Instant::now());
        let own = key();
        let one = session("one", "ann", 1, own.clone());
        table.wait(one, now + WAIT).unwrap();
        assert!(table.expire("one", now).is_none());
        assert!(table.open("one", &own, now + WAIT).is_none());
        assert_eq!(table.expire("one", now + WAIT).unwrap().name, "one");
        assert!(table.expire("one", now + WAIT).is_none());
    }

    #[test]
    fn there_are_not_too_many_and_asking_again_takes_the_place() {
        let (mut table, now) = (Table::new(2), Instant::now());
        let mut ask = |name, by, job| {
            let asked = table.wait(session(name, by, job, key()), now + WAIT);
            asked.map(|old| old.map(|old| old.name))
        };
        assert_eq!(ask("a", "ann", 1), Ok(None));
        assert_eq!(ask("b", "bob", 1), Ok(None));
        assert_eq!(ask("c", "cid", 1), Err(()));
        assert_eq!(ask("d", "ann", 1), Ok(Some("a".to_owned())));
        assert_eq!(ask("e", "ann", 2), Err(()));
        table.end("b");
        let again = table.wait(session("f", "cid", 1, key()), now + WAIT);
        assert!(again.is_ok());
    }

    #[test]
    fn stopping_ends_those_that_wait_and_tells_those_that_run() {
        let (mut table, now) = (Table::new(3), Instant::now());
        let own = key();
        table
            .wait(session("open", "ann", 1, own.clone()), now + WAIT)
            .unwrap();
        let (_, stop) = table.open("open", &own, now).unwrap();
        table
            .wait(session("waits", "ann", 1, own), now + WAIT)
            .unwrap();
        assert!(table.stop(Some(RepoId(9)), "other").is_empty());
        assert_eq!(*stop.borrow(), None);
        let waited = table.stop(Some(RepoId(1)), "withdrawn");
        assert_eq!(waited.len(), 1);
        assert_eq!(*stop.borrow(), Some("withdrawn"));
        assert!(!table.is_waiting(now));
    }
}

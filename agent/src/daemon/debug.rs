//! Debug sessions: a person gets a shell in the environment of a job, over an SSH server of our own.
//!
//! Two consents are needed: the repository's, looked at here, and the person's request, which the API has checked. A session
//! is no job: the engine knows nothing of it, the job it is about stays as it is, and nothing of it is kept but what the
//! audit log says. The sandbox starts when the person has come, and is dead when they have gone.

mod key;
mod shell;
mod ssh;
mod strangers;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use assay_api::{CommandError, DebugSession};
use assay_plan::{Build, DebugConsent, Job, JobId, RepoId, Repository};
use assay_store::{Act, Audit, Change, Store, StoreError};
use russh::keys::ssh_key::HashAlg;
use russh::keys::{PrivateKey, PublicKey};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::runner::Runner;
use crate::clock;
use crate::config::DebugSessions;
use strangers::Strangers;
use table::{Session, Table};

/// Connections at once that have no session yet, or none any more; more than have a place among the former, because one
/// that was cut takes a moment to end.
const OTHERS: u32 = 2 * strangers::MOST;
/// Entries of the audit log that are looked through for sessions of a daemon that was killed.
const LOOK_BACK: usize = 1000;
/// Longest public key that is read.
const LONGEST_KEY: usize = 4096;

/// Why there can be no debug sessions.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DebugError {
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("cannot use the host key keys/ssh-host of the state folder: {0}")]
    Key(std::io::Error),
}

/// Debug sessions of a daemon.
#[derive(Debug)]
pub(super) struct Debugger {
    settings: DebugSessions,
    store: Store,
    runner: Arc<Runner>,
    /// Where the SSH server listens, and its key; none: there are no debug sessions.
    server: Option<(SocketAddr, PrivateKey)>,
    table: Mutex<Table>,
    strangers: Arc<Strangers>,
    /// Held by each connection; all of them are back when nothing goes on any more.
    places: Arc<Semaphore>,
    most_places: u32,
    /// True once the daemon ends: connections that have no session yet are cut.
    ending: watch::Sender<bool>,
}

impl Debugger {
    /// Reads the host key and listens, if the operator wants debug sessions.
    pub(super) async fn start(
        settings: DebugSessions,
        store: &Store,
        runner: Arc<Runner>,
        state: &Path,
    ) -> Result<(Arc<Debugger>, Option<TcpListener>), DebugError> {
        let (mut server, mut listener) = (None, None);
        if let Some(address) = settings.listen {
            let listen = |source| DebugError::Listen { address, source };
            let bound = TcpListener::bind(address).await.map_err(listen)?;
            let at = bound.local_addr().map_err(listen)?;
            server = Some((at, key::host_key(state).map_err(DebugError::Key)?));
            listener = Some(bound);
            tracing::info!(address = %at, "debug sessions");
        }
        let most_places = OTHERS + u32::try_from(settings.sessions).unwrap_or(u32::MAX / 4);
        let debugger = Arc::new(Debugger {
            table: Mutex::new(Table::new(settings.sessions)),
            settings,
            store: store.clone(),
            runner,
            server,
            strangers: Arc::default(),
            places: Arc::new(Semaphore::new(most_places as usize)),
            most_places,
            ending: watch::Sender::new(false),
        });
        let closing = Arc::clone(&debugger);
        let closed = tokio::task::spawn_blocking(move || closing.close_cut_off()).await;
        if let Ok(Err(error)) = closed {
            tracing::error!(%error, "cannot complete the audit log");
        }
        Ok((debugger, listener))
    }

    /// Takes connections in until the daemon ends.
    pub(super) async fn serve(self: Arc<Self>, listener: Option<TcpListener>) {
        if let (Some(listener), Some((_, key))) = (listener, &self.server) {
            let config = ssh::config(key.clone());
            ssh::serve(self, listener, config).await;
        }
    }

    /// Waits for the person who has this key, if all consents are there.
    pub(super) async fn request(
        self: &Arc<Self>,
        job: JobId,
        key: &str,
        by: String,
    ) -> Result<DebugSession, CommandError> {
        let key = read_key(key).map_err(CommandError::Refused)?;
        let debugger = Arc::clone(self);
        let found = tokio::task::spawn_blocking(move || debugger.find(job)).await;
        let found = found
            .unwrap_or(Err(CommandError::Unavailable))?
            .ok_or(CommandError::NotFound)?;
        let (repository, build, job) = found;
        let session = Session {
            name: name().ok_or(CommandError::Unavailable)?,
            key: key.key_data().clone(),
            by,
            repository,
            build,
            job,
        };
        let checked = self.check(&session);
        let Ok((at, host_key)) = checked else {
            let error = checked.map(|_| ()).err().unwrap_or(CommandError::NotFound);
            self.record(Act::DebugRefused, &session, "", &error.to_string())
                .await
                .map_err(unwritten)?;
            return Err(error);
        };
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        self.record(Act::DebugRequested, &session, "", &fingerprint)
            .await
            .map_err(unwritten)?;
        self.wait(session, at, host_key).await
    }

    /// Lets the session wait for its person, who is told how to come.
    async fn wait(
        self: &Arc<Self>,
        session: Session,
        at: SocketAddr,
        host_key: &PrivateKey,
    ) -> Result<DebugSession, CommandError> {
        let wait = self.settings.wait.duration();
        let access = self.access(&session, at, host_key)?;
        let waiting = self.table().wait(session.clone(), Instant::now() + wait);
        match waiting {
            Err(()) => {
                let words = "there are as many debug sessions as there may be; try again later";
                self.record(Act::DebugRefused, &session, "", words)
                    .await
                    .map_err(unwritten)?;
                return Err(CommandError::Forbidden(words.to_owned()));
            }
            Ok(Some(old)) => self.ended(&old, "", "another one was asked for").await,
            Ok(None) => {}
        }
        let (debugger, name) = (Arc::clone(self), session.name);
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let expired = debugger.table().expire(&name, Instant::now());
            if let Some(session) = expired {
                debugger.ended(&session, "", "nobody came").await;
            }
        });
        Ok(access)
    }

    /// Blocking: the job with everything around it.
    fn find(&self, id: JobId) -> Result<Option<(Repository, Build, Job)>, CommandError> {
        let failed = |error: StoreError| CommandError::Refused(error.to_string());
        let Some(job) = self.store.job(id).map_err(failed)? else {
            return Ok(None);
        };
        let build = self.store.build(job.build).map_err(failed)?;
        let repository = self.store.repository(job.repo).map_err(failed)?;
        Ok(repository
            .zip(build)
            .map(|(repository, build)| (repository, build, job)))
    }

    /// The repository's consent, and whether there is an environment to be had.
    fn check(&self, session: &Session) -> Result<(SocketAddr, &PrivateKey), CommandError> {
        let Some((at, key)) = &self.server else {
            let words = "there are no debug sessions here: assay.yml has no debug.listen";
            return Err(CommandError::Forbidden(words.to_owned()));
        };
        consent(session).map_err(CommandError::Forbidden)?;
        let dist = session.job.given("dist");
        let chosen =
            self.runner
                .choices
                .choose(dist, &session.repository.slug, session.build.event);
        match chosen {
            Ok(_) => Ok((*at, key)),
            Err(words) => Err(CommandError::Refused(words)),
        }
    }

    fn access(
        &self,
        session: &Session,
        at: SocketAddr,
        key: &PrivateKey,
    ) -> Result<DebugSession, CommandError> {
        let public = key.public_key();
        let told = self.settings.address.as_deref().map(host_and_port);
        let listens = (!at.ip().is_unspecified()).then(|| at.ip().to_string());
        let (host, port) = match told {
            Some((host, port)) => (Some(host.to_owned()), port.unwrap_or_else(|| at.port())),
            None => (listens, at.port()),
        };
        let host_key = public.to_openssh().map_err(|_| CommandError::Unavailable)?;
        Ok(DebugSession {
            user: session.name.clone(),
            host,
            port,
            host_key: host_key.trim().to_owned(),
            fingerprint: public.fingerprint(HashAlg::Sha256).to_string(),
            connect_within: self.settings.wait.duration(),
            time_limit: self.settings.time.duration(),
        })
    }

    /// Ends the sessions of a repository whose consent is gone.
    pub(super) async fn withdraw(&self, repo: RepoId) {
        self.stop(Some(repo), "the repository's consent was withdrawn")
            .await;
    }

    /// Ends all sessions; returns when everything of them is dead and written down, or after a while.
    pub(super) async fn shut_down(&self) {
        self.stop(None, "the daemon ended").await;
        self.ending.send_replace(true);
        let all = self.places.acquire_many(self.most_places);
        if tokio::time::timeout(Duration::from_secs(10), all)
            .await
            .is_err()
        {
            tracing::warn!("a debug session doesn't end");
        }
        self.places.close();
    }

    async fn stop(&self, repo: Option<RepoId>, reason: &'static str) {
        let waited = self.table().stop(repo, reason);
        for session in waited {
            self.ended(&session, "", reason).await;
        }
    }

    /// Writes down that a session is over. There is nobody left who could be told that this failed.
    async fn ended(&self, session: &Session, from: &str, reason: &str) {
        if let Err(error) = self.record(Act::DebugEnded, session, from, reason).await {
            tracing::error!(session = session.name, %error, "cannot write to the audit log");
        }
    }

    /// Adds to the audit log; durable when it returns.
    async fn record(
        &self,
        act: Act,
        session: &Session,
        from: &str,
        note: &str,
    ) -> Result<(), StoreError> {
        let (by, job) = (session.by.as_str(), session.job.id);
        tracing::info!(
            session = session.name, repository = %session.repository.slug, %job, by, from, note, "{}", act.name()
        );
        let entry = Audit {
            id: self.store.audit_id()?,
            at: clock::now(),
            by: by.to_owned(),
            act,
            repo: session.repository.id,
            slug: session.repository.slug.to_string(),
            job,
            session: session.name.clone(),
            from: from.to_owned(),
            note: note.to_owned(),
        };
        tokio::task::block_in_place(|| self.store.commit(vec![Change::Audit(entry)]))
    }

    /// Blocking: sessions that a killed daemon had are over, and nobody wrote it down.
    fn close_cut_off(&self) -> Result<(), StoreError> {
        let (over, open): (Vec<_>, Vec<_>) = self
            .store
            .audit(LOOK_BACK)?
            .into_iter()
            .filter(|entry| !entry.session.is_empty())
            .partition(|entry| matches!(entry.act, Act::DebugEnded | Act::DebugRefused));
        let mut over: BTreeSet<String> = over.into_iter().map(|entry| entry.session).collect();
        let mut changes = Vec::new();
        for entry in open {
            if over.insert(entry.session.clone()) {
                changes.push(Change::Audit(Audit {
                    id: self.store.audit_id()?,
                    at: clock::now(),
                    act: Act::DebugEnded,
                    note: "the daemon was cut off".to_owned(),
                    ..entry
                }));
            }
        }
        self.store.commit(changes)
    }

    /// A poisoned lock's data is still whole here: every change under it is a single insert or remove.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the repository consents, and there is a shell to be had.
fn consent(session: &Session) -> Result<(), String> {
    let (repository, event) = (&session.repository, session.build.event);
    let slug = &repository.slug;
    if !repository.debug.covers(event) {
        return Err(match repository.debug {
            DebugConsent::On => format!(
                "{slug} allows no debug sessions for pull requests (assay repo settings {slug} --debug forks)"
            ),
            _ => format!("{slug} allows no debug sessions (assay repo settings {slug} --debug on)"),
        });
    }
    if session.job.config.text("virt") == Some("wasm") {
        return Err("a job with virt: wasm has no shell to debug it with".to_owned());
    }
    Ok(())
}

/// The host and the port of `HOST`, `HOST:PORT`, `[HOST]:PORT`.
fn host_and_port(text: &str) -> (&str, Option<u16>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host.trim_matches(['[', ']']), port.parse().ok())
        }
        _ => (text.trim_matches(['[', ']']), None),
    }
}

fn unwritten(error: StoreError) -> CommandError {
    CommandError::Refused(format!("cannot write to the audit log: {error}"))
}

/// One line of `authorized_keys`, without options.
fn read_key(text: &str) -> Result<PublicKey, String> {
    if text.len() > LONGEST_KEY {
        return Err("the key is too long".to_owned());
    }
    PublicKey::from_openssh(text.trim())
        .map_err(|error| format!("the key is no SSH public key: {error}"))
}

/// A name that nobody guesses; the key is the secret, though.
fn name() -> Option<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).ok()?;
    Some(format!("debug-{:016x}", u64::from_be_bytes(bytes)))
}

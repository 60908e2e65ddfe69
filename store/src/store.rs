//! The store: one handle on journal, view, logs and Git.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};

use assay_plan::{
    Build, BuildId, CommitId, Counters, EventKind, Job, JobId, RefName, RepoId, Repository,
    Request, RequestId, Time,
};
use tokio::sync::broadcast;

use crate::archives::{self, Archives};
use crate::error::StoreError;
use crate::git::Git;
use crate::keys::STATE;
use crate::logs::Logs;
use crate::open;
use crate::record::Entry;
use crate::seal;
use crate::shared::Shared;
use crate::tokens;
use crate::types::{Audit, BuildQuery, Change, Changed, Opened, Right, Token, Unfinished};
use crate::writer::{Command, Commit, Writer};

/// Longest sealed commit; a build with its jobs is a few hundred kilobytes at most.
const LARGEST_COMMIT: usize = 64 << 20;

/// One handle on everything remembered; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    // Dropped in this order: the writer's last checkpoint, then the view, then the lock.
    writer: Writer,
    git: Git,
    shared: Arc<Shared>,
    _lock: File,
}

impl Store {
    /// Opens the state folder, makes it if it isn't there, brings back what a crash left behind.
    ///
    /// # Errors
    /// When another daemon has it, it was written by a newer version, or its files can't be read or written.
    pub fn open(dir: &Path) -> Result<(Store, Opened), StoreError> {
        let open::Ready {
            shared,
            journal,
            sizes,
            lock,
            opened,
        } = open::open(dir)?;
        let shared = Arc::new(shared);
        let writer = Writer::start(&shared, journal, sizes)?;
        let git = Git::new(Arc::clone(&shared));
        Ok((
            Store {
                inner: Arc::new(Inner {
                    writer,
                    git,
                    shared,
                    _lock: lock,
                }),
            },
            opened,
        ))
    }

    /// Durable when it returns: one journal append, one flush (shared with other callers), then the view.
    ///
    /// All changes become visible after a crash, or none.
    pub fn commit(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut entries = Vec::with_capacity(changes.len());
        {
            let _guard = self
                .shared()
                .removal
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            for change in changes {
                entries.push(self.seal(Entry::Change(change))?);
            }
        }
        if entries
            .iter()
            .map(|(_, sealed)| sealed.len())
            .sum::<usize>()
            > LARGEST_COMMIT
        {
            let record = entries
                .iter()
                .max_by_key(|(_, sealed)| sealed.len())
                .map(|(entry, _)| entry.name());
            return Err(StoreError::Record {
                record: record.unwrap_or_default(),
                what: "it is too large to be stored".to_owned(),
            });
        }
        self.inner
            .writer
            .ask(|reply| Command::Commit(Commit { entries, reply }))
    }

    fn seal(&self, entry: Entry) -> Result<(Entry, Vec<u8>), StoreError> {
        let (keys, repo) = (&self.shared().keys, entry.repo());
        let key = match &entry {
            Entry::Change(Change::Repository(_)) if repo != STATE => keys.get_or_make(repo)?,
            Entry::Change(
                Change::Repository(_)
                | Change::Request(_)
                | Change::Build(_)
                | Change::Job(_)
                | Change::Handled(..),
            ) if repo == STATE => return Err(StoreError::UnknownRepository(repo)),
            _ => keys.get(repo)?.ok_or(StoreError::UnknownRepository(repo))?,
        };
        let sealed = seal::seal(&key, &entry)?;
        Ok((entry, sealed))
    }

    /// Sent after each commit.
    pub fn watch(&self) -> broadcast::Receiver<Changed> {
        self.shared().changed.subscribe()
    }

    /// All repositories, by id.
    pub fn repositories(&self) -> Result<Vec<Repository>, StoreError> {
        self.open_all(self.shared().view.repositories()?, repository)
    }

    /// One repository.
    pub fn repository(&self, id: RepoId) -> Result<Option<Repository>, StoreError> {
        self.open_one(self.shared().view.repository(id)?, repository)
    }

    /// One repository by `owner/name`, without regard to case.
    pub fn repository_by_slug(&self, slug: &str) -> Result<Option<Repository>, StoreError> {
        match self.shared().view.slug(slug)? {
            Some(id) => self.repository(id),
            None => Ok(None),
        }
    }

    /// One request.
    pub fn request(&self, id: RequestId) -> Result<Option<Request>, StoreError> {
        self.open_one(self.shared().view.request(id.0)?, request)
    }

    /// Requests of a repository, newest first.
    pub fn requests(
        &self,
        repo: RepoId,
        older_than: Option<RequestId>,
        limit: usize,
    ) -> Result<Vec<Request>, StoreError> {
        self.open_all(
            self.shared()
                .view
                .requests(repo, older_than.map(|id| id.0), limit)?,
            request,
        )
    }

    /// One build.
    pub fn build(&self, id: BuildId) -> Result<Option<Build>, StoreError> {
        self.open_one(self.shared().view.build(id.0)?, build)
    }

    /// Builds of a repository, number descending.
    pub fn builds(&self, repo: RepoId, query: &BuildQuery) -> Result<Vec<Build>, StoreError> {
        self.open_all(self.shared().view.builds(repo, query)?, build)
    }

    /// Newest build of each branch (pushes only, tags left out): unfinished first, then by finish time, newest first.
    pub fn branches(&self, repo: RepoId, limit: usize) -> Result<Vec<Build>, StoreError> {
        self.open_all(self.shared().view.branches(repo, limit)?, build)
    }

    /// Newest build that is no pull request's.
    pub fn last_build(&self, repo: RepoId) -> Result<Option<Build>, StoreError> {
        let kinds = vec![EventKind::Push, EventKind::Api, EventKind::Cron];
        let query = BuildQuery {
            kinds,
            limit: 1,
            ..BuildQuery::default()
        };
        Ok(self.builds(repo, &query)?.pop())
    }

    /// One job.
    pub fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.open_one(self.shared().view.job(id.0)?, job)
    }

    /// Jobs of a build, in matrix order.
    pub fn jobs(&self, build: &Build) -> Result<Vec<Job>, StoreError> {
        let jobs = build.jobs.iter().filter_map(|id| self.job(*id).transpose());
        jobs.collect()
    }

    /// Everything that was not finished when the daemon last ended.
    pub fn unfinished(&self) -> Result<Unfinished, StoreError> {
        let (requests, builds) = self.shared().view.unfinished()?;
        let mut unfinished = Unfinished::default();
        for id in requests {
            unfinished.requests.extend(self.request(RequestId(id))?);
        }
        for id in builds {
            if let Some(build) = self.build(RequestId(id))? {
                let jobs = self.jobs(&build)?;
                unfinished.builds.push((build, jobs));
            }
        }
        Ok(unfinished)
    }

    /// The highest numbers given out.
    pub fn counters(&self) -> Result<Counters, StoreError> {
        let view = &self.shared().view;
        let mut builds = BTreeMap::new();
        for repository in self.repositories()? {
            builds.insert(repository.id, view.last_number(repository.id)?);
        }
        Ok(Counters {
            request: view.counter("request")?,
            job: view.counter("job")?,
            repo: view.counter("repo")?,
            builds,
        })
    }

    /// The values of a repository's refs that were last handled.
    pub fn handled(&self, repo: RepoId) -> Result<BTreeMap<RefName, CommitId>, StoreError> {
        let entries = self.open_all(self.shared().view.handled(repo)?, |change| match change {
            Change::Handled(_, name, value) => Some((name, value)),
            _ => None,
        })?;
        Ok(entries
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect())
    }

    /// Whether a delivery with this id was committed (as part of a request) lately.
    pub fn delivery_seen(&self, id: &str) -> Result<bool, StoreError> {
        self.shared().view.delivery_seen(id)
    }

    /// Makes a token: the text to show once, and the record to commit.
    pub fn new_token(
        &self,
        user: &str,
        admin: bool,
        rights: Vec<(String, Right)>,
        now: Time,
        expires_at: Option<Time>,
    ) -> Result<(String, Token), StoreError> {
        let (text, id) = tokens::make()?;
        let hash = tokens::hash(&text);
        Ok((
            text,
            Token {
                id,
                hash,
                user: user.to_owned(),
                admin,
                rights,
                created_at: now,
                expires_at,
            },
        ))
    }

    /// All tokens, expired ones too.
    pub fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        self.open_all(self.shared().view.tokens()?, token)
    }

    /// The token with this text, unless expired.
    pub fn token(&self, text: &str, now: Time) -> Result<Option<Token>, StoreError> {
        let found = self.open_one(
            self.shared().view.token_by_hash(&tokens::hash(text))?,
            token,
        )?;
        Ok(found.filter(|token| !token.is_expired(now)))
    }

    /// An id for a new entry of the audit log. Entries of one moment sort by it, in the order of the calls; the random half
    /// keeps apart what two processes write when the clock is set back.
    pub fn audit_id(&self) -> Result<u64, StoreError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = u64::from(NEXT.fetch_add(1, Ordering::Relaxed));
        Ok(next << 32 | tokens::random_id()? & u64::from(u32::MAX))
    }

    /// The audit log, newest first.
    pub fn audit(&self, limit: usize) -> Result<Vec<Audit>, StoreError> {
        self.open_all(self.shared().view.audit(limit)?, audit)
    }

    /// The job logs.
    pub fn logs(&self) -> &Logs {
        &self.shared().logs
    }

    /// Caches of jobs, by branch and slug.
    pub fn caches(&self) -> Archives {
        Archives::new(&self.inner.shared, archives::CACHES)
    }

    /// Artifacts of jobs, by the job's id, with an empty name.
    pub fn artifacts(&self) -> Archives {
        Archives::new(&self.inner.shared, archives::ARTIFACTS)
    }

    /// Repositories and mirrors.
    pub fn git(&self) -> &Git {
        &self.inner.git
    }

    /// Flushes the view and marks the place in the journal.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        self.inner.writer.ask(Command::Checkpoint)
    }

    /// Writes the present state down as a base, verifies it, and lets older segments of the journal go.
    pub fn compact(&self) -> Result<(), StoreError> {
        self.inner.writer.ask(Command::Base)
    }

    /// Flushes of the journal since it was opened.
    pub fn flushes(&self) -> u64 {
        self.shared().flushes.load(Ordering::Relaxed)
    }

    fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    fn open_one<T>(
        &self,
        sealed: Option<sled::IVec>,
        pick: impl Fn(Change) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        match sealed {
            Some(sealed) => self.shared().read(&sealed, pick),
            None => Ok(None),
        }
    }

    fn open_all<T>(
        &self,
        sealed: Vec<sled::IVec>,
        pick: impl Fn(Change) -> Option<T>,
    ) -> Result<Vec<T>, StoreError> {
        sealed
            .iter()
            .filter_map(|sealed| self.shared().read(sealed, &pick).transpose())
            .collect()
    }
}

pub(crate) fn repository(change: Change) -> Option<Repository> {
    if let Change::Repository(repository) = change {
        Some(repository)
    } else {
        None
    }
}

fn request(change: Change) -> Option<Request> {
    if let Change::Request(request) = change {
        Some(request)
    } else {
        None
    }
}

fn build(change: Change) -> Option<Build> {
    if let Change::Build(build) = change {
        Some(build)
    } else {
        None
    }
}

fn job(change: Change) -> Option<Job> {
    if let Change::Job(job) = change {
        Some(job)
    } else {
        None
    }
}

fn audit(change: Change) -> Option<Audit> {
    if let Change::Audit(audit) = change {
        Some(audit)
    } else {
        None
    }
}

fn token(change: Change) -> Option<Token> {
    if let Change::Token(token) = change {
        Some(token)
    } else {
        None
    }
}

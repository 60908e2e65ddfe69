//! The writer thread: the one place where the journal grows and the view follows.
//!
//! Commits that arrive together share one flush. A second thread, the keeper, makes checkpoints and bases, so that no
//! commit waits for them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

use assay_plan::RepoId;
use tokio::sync::broadcast;

use crate::error::StoreError;
use crate::folder::Folder;
use crate::git::Mirrors;
use crate::journal::{self, Journal, Position};
use crate::keys::{Keys, STATE};
use crate::logs::Logs;
use crate::record::Entry;
use crate::seal;
use crate::types::{Change, Changed};
use crate::view::View;

/// A checkpoint is made after so many commits, or so many bytes of journal.
const CHECKPOINT_COMMITS: u64 = 512;
const CHECKPOINT_BYTES: u64 = 1 << 20;
/// A base is made when the journal has grown by this much and by the size of the last base.
const BASE_BYTES: u64 = 16 << 20;
/// Commits that share a flush at most.
const GROUP: usize = 256;
/// Commits that may wait; a caller beyond that waits for a place.
const QUEUE: usize = 1024;

/// What both threads and all handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) folder: Folder,
    pub(crate) keys: Keys,
    pub(crate) view: View,
    pub(crate) logs: Logs,
    pub(crate) mirrors: Mirrors,
    pub(crate) changed: broadcast::Sender<Changed>,
    pub(crate) flushes: AtomicU64,
    /// Held for writing while a repository is removed, so that nobody seals under a key that is going away.
    pub(crate) removal: RwLock<()>,
}

/// One call of `commit`, sealed.
pub(crate) struct Commit {
    pub(crate) entries: Vec<(Entry, Vec<u8>)>,
    pub(crate) reply: Sender<Result<(), StoreError>>,
}

impl Commit {
    fn is_removal(&self) -> bool {
        self.entries.iter().any(|(entry, _)| matches!(entry, Entry::Change(Change::RemoveRepository(_))))
    }
}

/// What the writer is asked to do.
pub(crate) enum Command {
    Commit(Commit),
    Checkpoint(Sender<Result<(), StoreError>>),
    Base(Sender<Result<(), StoreError>>),
    Stop,
}

enum Chore {
    Checkpoint(Position, Option<Sender<Result<(), StoreError>>>),
    Base(Position, Option<Sender<Result<(), StoreError>>>),
}

/// Bytes that start-up found, from which the next base is reckoned.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sizes {
    pub(crate) journal: u64,
    pub(crate) base: u64,
}

/// The running threads.
#[derive(Debug)]
pub(crate) struct Writer {
    commands: SyncSender<Command>,
    threads: Vec<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(shared: &Arc<Shared>, journal: Journal, sizes: Sizes) -> Result<Writer, StoreError> {
        let (commands, inbox) = mpsc::sync_channel(QUEUE);
        let (chores, chore_inbox) = mpsc::channel();
        let base_size = Arc::new(AtomicU64::new(sizes.base));
        let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(body)
                .map_err(StoreError::io("start a thread for", shared.folder.root()))
        };
        let keeper = Keeper { shared: Arc::clone(shared), base_size: Arc::clone(&base_size) };
        let keeper = spawn("store-keeper", Box::new(move || keeper.run(&chore_inbox)))?;
        let worker = Worker {
            shared: Arc::clone(shared),
            journal,
            chores,
            since_checkpoint: (0, 0),
            since_base: sizes.journal,
            base_size,
        };
        let worker = spawn("store-writer", Box::new(move || worker.run(&inbox)))?;
        Ok(Writer { commands, threads: vec![worker, keeper] })
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn ask(
        &self,
        command: impl FnOnce(Sender<Result<(), StoreError>>) -> Command,
    ) -> Result<(), StoreError> {
        let (reply, answer) = mpsc::channel();
        self.commands.send(command(reply)).map_err(|_| StoreError::Closing)?;
        answer.recv().unwrap_or(Err(StoreError::Closing))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // A send fails only when the writer has ended already.
        let _ = self.commands.send(Command::Stop);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
    journal: Journal,
    chores: Sender<Chore>,
    /// Commits and bytes since the last checkpoint.
    since_checkpoint: (u64, u64),
    /// Bytes of journal since the last base.
    since_base: u64,
    base_size: Arc<AtomicU64>,
}

impl Worker {
    fn run(mut self, inbox: &Receiver<Command>) {
        while let Ok(first) = inbox.recv() {
            let mut next = Some(first);
            let mut group = Vec::new();
            while let Some(Command::Commit(commit)) = next {
                let is_removal = commit.is_removal();
                if is_removal {
                    self.commit(std::mem::take(&mut group));
                }
                group.push(commit);
                if is_removal {
                    self.remove(std::mem::take(&mut group));
                }
                next = if group.len() < GROUP { inbox.try_recv().ok() } else { None };
            }
            self.commit(group);
            match next {
                Some(Command::Checkpoint(reply)) => self.checkpoint(Some(reply)),
                Some(Command::Base(reply)) => self.base(Some(reply)),
                Some(Command::Stop) => break,
                Some(Command::Commit(_)) | None => {}
            }
        }
        self.checkpoint(None);
    }

    /// Commits a removal, by itself, and with it the numbers given out so far: the records that tell them become
    /// unreadable.
    fn remove(&mut self, mut group: Vec<Commit>) {
        for commit in &mut group {
            match self.shared.counters() {
                Ok(counters) => commit.entries.push(counters),
                Err(error) => {
                    answer(&commit.reply, Err(error));
                    return;
                }
            }
        }
        self.commit(group);
    }

    fn commit(&mut self, group: Vec<Commit>) {
        let (mut ready, mut frames) = (Vec::with_capacity(group.len()), Vec::new());
        for commit in group {
            match self.admit(&commit, &ready) {
                Ok(()) => {
                    frames.extend(journal::records(commit.entries.iter().map(|(_, sealed)| sealed.as_slice())));
                    ready.push(commit);
                }
                Err(error) => answer(&commit.reply, Err(error)),
            }
        }
        if ready.is_empty() {
            return;
        }
        let written = self.journal.append(&frames);
        self.shared.flushes.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = written {
            for commit in ready {
                answer(&commit.reply, Err(error.again()));
            }
            return;
        }
        self.since_checkpoint.0 += ready.len() as u64;
        self.since_checkpoint.1 += frames.len() as u64;
        self.since_base += frames.len() as u64;
        for commit in ready {
            let result = self.apply(&commit.entries);
            answer(&commit.reply, result);
        }
        self.chores();
    }

    /// Refuses what must not be written: records of a repository that is gone, a name that is taken.
    fn admit(&self, commit: &Commit, before: &[Commit]) -> Result<(), StoreError> {
        let waiting = || before.iter().chain([commit]).flat_map(|commit| commit.entries.iter().map(|(entry, _)| entry));
        for (entry, _) in &commit.entries {
            let repo = entry.repo();
            if let Entry::Change(Change::Repository(repository)) = entry {
                let taken = |other: &Entry| match other {
                    Entry::Change(Change::Repository(other)) => {
                        other.id != repository.id && same_slug(other.slug.as_str(), repository.slug.as_str())
                    }
                    _ => false,
                };
                let holder = self.shared.view.slug(repository.slug.as_str())?;
                if holder.is_some_and(|holder| holder != repository.id) || waiting().any(taken) {
                    return Err(StoreError::SlugTaken(repository.slug.to_string()));
                }
            } else if repo != STATE {
                let added = |entry: &Entry| matches!(entry, Entry::Change(Change::Repository(new)) if new.id == repo);
                let removed = |entry: &Entry| matches!(entry, Entry::Change(Change::RemoveRepository(id)) if *id == repo);
                let is_known = self.shared.view.repository(repo)?.is_some() || waiting().any(added);
                if !is_known || waiting().any(removed) {
                    return Err(StoreError::UnknownRepository(repo));
                }
            }
        }
        Ok(())
    }

    fn apply(&self, entries: &[(Entry, Vec<u8>)]) -> Result<(), StoreError> {
        let shared = &self.shared;
        for (entry, sealed) in entries {
            match entry {
                Entry::Change(Change::RemoveRepository(id)) => shared.remove(*id)?,
                Entry::Change(Change::Repository(repository)) => shared.move_mirror(repository)?,
                _ => {}
            }
            shared.view.apply(entry, sealed, &shared.keys)?;
        }
        for (entry, _) in entries {
            let changed = match entry {
                Entry::Change(Change::Repository(repository)) => Changed::Repository(repository.id),
                Entry::Change(Change::RemoveRepository(id)) => Changed::Repository(*id),
                Entry::Change(Change::Request(request)) => Changed::Request(request.id),
                Entry::Change(Change::Build(build)) => Changed::Build(build.id),
                Entry::Change(Change::Job(job)) => Changed::Job(job.id),
                _ => continue,
            };
            // Nobody listening is fine.
            let _ = shared.changed.send(changed);
        }
        Ok(())
    }

    fn chores(&mut self) {
        if self.since_base > BASE_BYTES.max(self.base_size.load(Ordering::Relaxed)) {
            self.base(None);
        } else if self.since_checkpoint.0 >= CHECKPOINT_COMMITS || self.since_checkpoint.1 >= CHECKPOINT_BYTES {
            self.checkpoint(None);
        }
    }

    fn checkpoint(&mut self, reply: Option<Sender<Result<(), StoreError>>>) {
        self.since_checkpoint = (0, 0);
        self.hand_over(Chore::Checkpoint(self.journal.end(), reply));
    }

    fn base(&mut self, reply: Option<Sender<Result<(), StoreError>>>) {
        // Also after a failure: the next try comes when as much again has been written.
        self.since_base = 0;
        if let Err(error) = self.journal.rotate() {
            tracing::error!(%error, "no new journal segment");
            if let Some(reply) = reply {
                answer(&reply, Err(error));
            }
            return;
        }
        self.since_checkpoint = (0, 0);
        self.hand_over(Chore::Base(self.journal.end(), reply));
    }

    fn hand_over(&self, chore: Chore) {
        // The keeper ends only after the writer.
        let _ = self.chores.send(chore);
    }
}

fn same_slug(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

fn answer(reply: &Sender<Result<(), StoreError>>, result: Result<(), StoreError>) {
    // A caller that went away doesn't want to know.
    let _ = reply.send(result);
}

impl Shared {
    /// Takes everything of a repository away that is no record. May be done twice.
    pub(crate) fn remove(&self, id: RepoId) -> Result<(), StoreError> {
        let _guard = self.removal.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(sealed) = self.view.repository(id)?
            && let Ok(Entry::Change(Change::Repository(repository))) = seal::unseal(&self.keys, &sealed)
        {
            self.mirrors.remove(&repository.slug)?;
        }
        self.keys.forget(id)?;
        self.logs.remove_repository(id)
    }

    /// The highest ids given out, as a record.
    fn counters(&self) -> Result<(Entry, Vec<u8>), StoreError> {
        let counter = |name| self.view.counter(name);
        let entry = Entry::Counters { request: counter("request")?, job: counter("job")?, repo: counter("repo")? };
        let sealed = seal::seal(&*self.keys.get_or_make(STATE)?, &entry)?;
        Ok((entry, sealed))
    }

    /// A repository that gets another name starts with an empty mirror; the old one goes.
    fn move_mirror(&self, repository: &assay_plan::Repository) -> Result<(), StoreError> {
        if let Some(sealed) = self.view.repository(repository.id)?
            && let Ok(Entry::Change(Change::Repository(old))) = seal::unseal(&self.keys, &sealed)
            && (old.slug != repository.slug || old.source != repository.source)
        {
            self.mirrors.remove(&old.slug)?;
        }
        Ok(())
    }
}

struct Keeper {
    shared: Arc<Shared>,
    base_size: Arc<AtomicU64>,
}

impl Keeper {
    fn run(self, inbox: &Receiver<Chore>) {
        for chore in inbox {
            let (result, reply) = match chore {
                Chore::Checkpoint(position, reply) => (self.shared.view.mark(position), reply),
                Chore::Base(position, reply) => (self.base(position), reply),
            };
            if let Err(error) = &result {
                tracing::error!(%error, "the journal could not be tidied; nothing is lost");
            }
            if let Some(reply) = reply {
                answer(&reply, result);
            }
        }
    }

    /// Writes the state down as a base in front of the segment that has just begun.
    ///
    /// Commits go on meanwhile. The base may hold some of them already: replaying them once more changes nothing.
    fn base(&self, position: Position) -> Result<(), StoreError> {
        let shared = &self.shared;
        shared.view.mark(position)?;
        let (_, sealed) = shared.counters()?;
        let mut records = std::iter::once(Ok(sealed)).chain(shared.view.records());
        let mut check = |sealed: &[u8]| match seal::unseal(&shared.keys, sealed) {
            Ok(_) => Ok(()),
            // Removed while the base was being written.
            Err(seal::Unreadable::NoKey(repo)) if shared.view.repository(repo)?.is_none() => Ok(()),
            Err(error) => Err(StoreError::Record { record: "in the database".to_owned(), what: error.to_string() }),
        };
        let size = journal::write_base(&shared.folder.join("journal"), position.segment, &mut records, &mut check)?;
        self.base_size.store(size, Ordering::Relaxed);
        Ok(())
    }
}

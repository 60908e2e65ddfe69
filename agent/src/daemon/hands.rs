//! The engine's hands: they read commits, run jobs, kill runs and keep the alarm clock, each in a task of its own, and
//! tell the core how it went.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use assay_plan::{
    Build, ConfigFile, Decision, Input, Job, JobId, MAX_CONFIG_BYTES, RepoId, Repository, Request,
    Source, Time,
};
use assay_store::{FileAt, Store};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

use super::core::{Mailbox, Message, until};
use super::imports::Importer;
use super::runner::{self, Local, Runner};

/// Name of the configuration in a repository.
const CONFIG: &str = ".travis.yml";

/// Why a run is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Not at all.
    No,
    /// A person canceled it, or its repository is gone.
    Canceled,
    /// The daemon ends.
    Shutdown,
}

struct Running {
    attempt: u32,
    stop: watch::Sender<Stop>,
    task: Option<JoinHandle<()>>,
}

/// Performs effects. Shared by the core and the daemon.
pub(super) struct Hands {
    mailbox: Mailbox,
    runtime: Handle,
    runner: Arc<Runner>,
    running: Arc<Mutex<BTreeMap<JobId, Running>>>,
    /// The last read of each repository.
    reading: Mutex<BTreeMap<RepoId, JoinHandle<()>>>,
    alarm: Mutex<Option<AbortHandle>>,
    by_path: Mutex<BTreeMap<PathBuf, Repository>>,
}

impl Hands {
    pub(super) fn new(store: &Store, mailbox: Mailbox, runner: Runner) -> Self {
        let hands = Hands {
            mailbox,
            runtime: Handle::current(),
            runner: Arc::new(runner),
            running: Arc::default(),
            reading: Mutex::default(),
            alarm: Mutex::default(),
            by_path: Mutex::default(),
        };
        hands.repositories_changed(store);
        hands
    }

    /// What runs jobs.
    pub(super) fn runner(&self) -> Arc<Runner> {
        Arc::clone(&self.runner)
    }

    /// The active or inactive repository at this path.
    pub(super) fn repository_at(&self, path: &Path) -> Option<Repository> {
        lock(&self.by_path).get(path).cloned()
    }

    /// All repositories.
    pub(super) fn repositories(&self) -> Vec<Repository> {
        lock(&self.by_path).values().cloned().collect()
    }

    /// Reads the repositories again.
    pub(super) fn repositories_changed(&self, store: &Store) {
        match store.repositories() {
            Ok(all) => {
                let by_path = |repository: Repository| {
                    let Source::Path(path) = &repository.source;
                    (PathBuf::from(path), repository)
                };
                *lock(&self.by_path) = all.into_iter().map(by_path).collect();
            }
            Err(error) => tracing::error!(%error, "cannot read the repositories"),
        }
    }

    /// Reads a request's commit and its file, and decides about it. Requests of one repository are read one after the
    /// other, so that builds are numbered in the order of the pushes.
    pub(super) fn read(&self, request: Request) {
        let (runner, mailbox) = (Arc::clone(&self.runner), self.mailbox.clone());
        let (id, repo) = (request.id, request.event.repo);
        let mut reading = lock(&self.reading);
        let before = reading.remove(&repo);
        let task = self.runtime.spawn(async move {
            if let Some(before) = before {
                // However it ended.
                let _ = before.await;
            }
            let input =
                tokio::task::spawn_blocking(move || read(&runner.store, &runner.local, &request))
                    .await;
            mailbox.tell(input.unwrap_or_else(|_| {
                tracing::error!(request = %id, "reading the commit ended in a panic");
                rejected(
                    id,
                    None,
                    "reading its commit failed inside assay; this is a bug".to_owned(),
                )
            }));
        });
        reading.insert(repo, task);
    }

    /// Runs a job.
    pub(super) fn run(&self, build: Build, job: Job) {
        let (stop, stopped) = watch::channel(Stop::No);
        let (id, attempt) = (job.id, job.attempt);
        let (mailbox, runner) = (self.mailbox.clone(), Arc::clone(&self.runner));
        let entries = Arc::clone(&self.running);
        // The entry must be there before the task can end, so the lock is held until both are.
        let mut running = lock(&self.running);
        let task = self.runtime.spawn(async move {
            let run = tokio::spawn(runner::run(runner, mailbox.clone(), build, job, stopped));
            let (verdict, remains) = run.await.unwrap_or_else(|_| {
                tracing::error!(job = %id, "the runner ended in a panic");
                let words = "running it failed inside assay; this is a bug".to_owned();
                (assay_plan::Verdict::Broken(words), None)
            });
            mailbox.tell(Input::Finished(id, attempt, verdict));
            if let Some(remains) = remains {
                remains.gone().await;
            }
            let mut running = lock(&entries);
            // The job may run again already.
            if running.get(&id).is_some_and(|run| run.attempt == attempt) {
                running.remove(&id);
            }
        });
        running.insert(
            id,
            Running {
                attempt,
                stop,
                task: Some(task),
            },
        );
    }

    /// Stops a run, if this attempt is still going on.
    pub(super) fn kill(&self, job: JobId, attempt: u32) {
        if let Some(running) = lock(&self.running)
            .get(&job)
            .filter(|running| running.attempt == attempt)
        {
            let _ = running.stop.send(Stop::Canceled);
        }
    }

    /// Lets no further job start, gives those that run their grace, then cuts them off; returns when all are over.
    pub(super) async fn shut_down(&self, grace: Duration) {
        let drain = |reply| Message::Ask(Input::Drain, reply);
        let _ = self.mailbox.ask(drain).await;
        let mut runs: Vec<JoinHandle<()>> = lock(&self.running)
            .values_mut()
            .filter_map(|run| run.task.take())
            .collect();
        if tokio::time::timeout(grace, ended(&mut runs)).await.is_err() {
            for run in lock(&self.running).values() {
                run.stop.send_if_modified(|stop| {
                    let go = *stop == Stop::No;
                    if go {
                        *stop = Stop::Shutdown;
                    }
                    go
                });
            }
            ended(&mut runs).await;
        }
    }

    /// Sets the alarm clock.
    pub(super) fn wake_at(&self, time: Time) {
        let mailbox = self.mailbox.clone();
        let task = self.runtime.spawn(async move {
            tokio::time::sleep(until(time)).await;
            mailbox.tell(Input::Wake);
        });
        if let Some(old) = lock(&self.alarm).replace(task.abort_handle()) {
            old.abort();
        }
    }
}

/// Waits for the runs, and takes out each that has ended.
async fn ended(runs: &mut Vec<JoinHandle<()>>) {
    while let Some(run) = runs.last_mut() {
        let _ = run.await;
        runs.pop();
    }
}

/// A poisoned lock's data is still whole here: every change under one is a single insert or remove.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn rejected(
    id: assay_plan::RequestId,
    commit: Option<assay_plan::Commit>,
    reason: String,
) -> Input {
    Input::Decided(
        id,
        commit,
        Decision::Reject {
            reason,
            messages: Vec::new(),
        },
    )
}

/// Blocking: copies what is missing of the commit, reads its `.travis.yml`, decides.
fn read(store: &Store, local: &Local, request: &Request) -> Input {
    let repo: RepoId = request.event.repo;
    let repository = match store.repository(repo) {
        Ok(Some(repository)) => repository,
        Ok(None) => {
            return rejected(
                request.id,
                None,
                "its repository is no longer registered".to_owned(),
            );
        }
        Err(error) => {
            tracing::error!(request = %request.id, %error, "cannot read the repository's record");
            return Input::Unread(request.id, format!("cannot read its commit: {error}"));
        }
    };
    let Some(tip) = &request.event.after else {
        return rejected(request.id, None, "it names no commit".to_owned());
    };
    let commit = match store.git().fetch(&repository, tip) {
        Ok(commit) => commit,
        Err(error) if error.is_final() => {
            return rejected(request.id, None, format!("cannot read its commit: {error}"));
        }
        Err(error) => {
            tracing::warn!(request = %request.id, %error, "cannot read the commit now; it is tried again");
            return Input::Unread(request.id, format!("cannot read its commit: {error}"));
        }
    };
    let file = match &local.tree {
        Some(tree) => tree
            .file(CONFIG, MAX_CONFIG_BYTES)
            .map_err(|error| error.to_string()),
        None => store
            .git()
            .file(&repository, &commit.id, CONFIG, MAX_CONFIG_BYTES)
            .map_err(|error| error.to_string()),
    };
    let file = match file {
        Ok(file) => file,
        Err(error) => {
            tracing::warn!(request = %request.id, error, "cannot read .travis.yml now; it is tried again");
            return Input::Unread(request.id, format!("cannot read its commit: {error}"));
        }
    };
    let file = match &file {
        FileAt::Missing => ConfigFile::Missing,
        FileAt::NotAFile => ConfigFile::NotAFile,
        FileAt::TooLarge(size) => ConfigFile::TooLarge(*size),
        FileAt::Bytes(bytes) => ConfigFile::Bytes(bytes),
    };
    let importer = Importer {
        store,
        repository: &repository,
        commit: &commit,
        tree: local.tree.as_ref(),
    };
    let mut decision = match importer.decide(request, file) {
        Ok(decision) => decision,
        Err(error) => {
            tracing::warn!(request = %request.id, error, "cannot read an imported file now; it is tried again");
            return Input::Unread(request.id, error);
        }
    };
    if let Some(job) = local.job {
        keep_one(&mut decision, job);
    }
    Input::Decided(request.id, Some(commit), decision)
}

/// Leaves only one job, counted from 1; its stage doesn't matter then.
fn keep_one(decision: &mut Decision, job: u32) {
    let Decision::Accept(blueprint) = decision else {
        return;
    };
    let there = blueprint.jobs.len();
    let wanted = usize::try_from(job)
        .ok()
        .and_then(|job| job.checked_sub(1))
        .and_then(|at| blueprint.jobs.get(at));
    match wanted.cloned() {
        Some(row) => blueprint.jobs = vec![row],
        None => {
            let reason = format!("there is no job {job}; the file makes {there}");
            *decision = Decision::Reject {
                reason,
                messages: Vec::new(),
            };
        }
    }
}

//! What a person asks of the daemon through the API, and how the answer comes back.

use std::time::Duration;

use assay_plan::{DebugConsent, JobId, RepoId, Repository, Slug, Target, Visibility};
use tokio::sync::oneshot;

/// Where the daemon sends its answer; dropping it counts as [`CommandError::Unavailable`].
type Reply<T> = oneshot::Sender<Result<T, CommandError>>;

/// A wish, sent to the daemon after the API has checked that the person may have it.
///
/// The daemon answers when the change is durable, so that a client that reads again at once sees it.
#[derive(Debug)]
pub enum Command {
    /// Stop a build or a job.
    Cancel {
        /// Which.
        target: Target,
        /// Who asked.
        by: String,
        /// The answer.
        reply: Reply<()>,
    },
    /// Run a build or a job again.
    Restart {
        /// Which.
        target: Target,
        /// Who asked.
        by: String,
        /// The answer.
        reply: Reply<()>,
    },
    /// Serve one more repository.
    AddRepository {
        /// Absolute path on this host.
        path: String,
        /// `owner/name`; `None` takes the path's last two parts.
        slug: Option<Slug>,
        /// Who may read it.
        visibility: Visibility,
        /// Whether the default branch is built now.
        build: bool,
        /// The record that was made.
        reply: Reply<Repository>,
    },
    /// Forget a repository and everything of it.
    RemoveRepository {
        /// Which.
        id: RepoId,
        /// The answer.
        reply: Reply<()>,
    },
    /// Change a repository's settings.
    UpdateRepository {
        /// Which.
        id: RepoId,
        /// What is to be different.
        patch: RepositoryPatch,
        /// The record as it is now.
        reply: Reply<Repository>,
    },
    /// Wait for a person who wants to debug a job.
    Debug {
        /// Which.
        job: JobId,
        /// The SSH public key that they will come with, as a line of `authorized_keys`.
        key: String,
        /// Who asked.
        by: String,
        /// How to connect.
        reply: Reply<DebugSession>,
    },
    /// Look at the host, as the process that runs the jobs finds it.
    Doctor {
        /// What was found.
        reply: Reply<Vec<HostCheck>>,
    },
    /// Compare refs with the values last handled, now.
    Reconcile {
        /// Only this repository; `None` for all.
        repo: Option<RepoId>,
        /// The answer.
        reply: Reply<()>,
    },
}

/// What is to be different in a repository; `None` leaves a field alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositoryPatch {
    /// Whether pushes are built.
    pub active: Option<bool>,
    /// Who may read its builds.
    pub visibility: Option<Visibility>,
    /// Repositories that may read this one.
    pub share: Option<Vec<Slug>>,
    /// Whether there may be debug sessions.
    pub debug: Option<DebugConsent>,
    /// Free text; `Some(None)` takes it away.
    pub description: Option<Option<String>>,
}

/// One fact about the host.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HostCheck {
    /// What was looked at.
    pub name: String,
    /// `good`, `weak` (a promise falls back to something weaker) or `missing` (jobs can't run).
    pub state: String,
    /// One line: what was found, and what to do if it is not as wished.
    pub detail: String,
}

/// A debug session that waits for its person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebugSession {
    /// Its name, which is the user name to connect as.
    pub user: String,
    /// Host to connect to, if the operator says; else the one that the API is at.
    pub host: Option<String>,
    /// Port to connect to.
    pub port: u16,
    /// The host's public key, as in `known_hosts`: algorithm and base64.
    pub host_key: String,
    /// Its fingerprint, as `ssh` shows it.
    pub fingerprint: String,
    /// How long it waits.
    pub connect_within: Duration,
    /// How long it lasts once there is a connection.
    pub time_limit: Duration,
}

/// Why the daemon didn't.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// It is gone.
    #[error("not found")]
    NotFound,
    /// Nothing of it is unfinished.
    #[error("nothing is left to cancel")]
    CantCancel,
    /// It is unfinished, or can't be run; the text says why.
    #[error("{0}")]
    CantRestart(String),
    /// Somebody's consent is missing; the text says whose.
    #[error("{0}")]
    Forbidden(String),
    /// The request makes no sense; the text says why.
    #[error("{0}")]
    Refused(String),
    /// The daemon is shutting down or gave no answer in time.
    #[error("the daemon gave no answer")]
    Unavailable,
}

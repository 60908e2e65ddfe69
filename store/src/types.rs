//! What the rest of the program says to the store, and hears from it.

use assay_plan::{
    Build, BuildId, CommitId, EventKind, Job, JobId, RefName, RepoId, Repository, Request,
    RequestId, Time,
};

/// One change to what is remembered.
#[derive(Debug, Clone)]
pub enum Change {
    /// Adds or replaces a repository.
    Repository(Repository),
    /// Forgets a repository and everything of it: records, logs, caches, artifacts, mirror, data key.
    RemoveRepository(RepoId),
    /// Adds or replaces a request.
    Request(Request),
    /// Adds or replaces a build.
    Build(Build),
    /// Adds or replaces a job.
    Job(Job),
    /// The value of a ref last handled; `None` when the ref is gone.
    Handled(RepoId, RefName, Option<CommitId>),
    /// Adds or replaces a token.
    Token(Token),
    /// Takes a token away.
    RevokeToken(u64),
}

/// What somebody may do with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// See builds and logs.
    Read,
    /// Restart, cancel, settings.
    Push,
    /// Everything.
    Admin,
}

/// An API token. The token itself is never stored, only its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: u64,
    /// SHA-256 of the token text.
    pub hash: [u8; 32],
    /// Whose.
    pub user: String,
    /// Every right on every repository.
    pub admin: bool,
    /// Rights by slug (`owner/name`, or `owner/*`).
    pub rights: Vec<(String, Right)>,
    /// When it was made.
    pub created_at: Time,
    /// When it stops working.
    pub expires_at: Option<Time>,
}

/// Which builds to list.
#[derive(Debug, Clone, Default)]
pub struct BuildQuery {
    /// Only numbers below this one.
    pub below_number: Option<u64>,
    /// Only exactly this number.
    pub number: Option<u64>,
    /// Only these kinds; empty for all.
    pub kinds: Vec<EventKind>,
    /// Only this branch.
    pub branch: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// Something changed; sent after it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// A repository was added, changed or removed.
    Repository(RepoId),
    /// A request.
    Request(RequestId),
    /// A build.
    Build(BuildId),
    /// A job.
    Job(JobId),
}

/// Everything that was not finished when the daemon last ended.
#[derive(Debug, Clone, Default)]
pub struct Unfinished {
    /// Requests still pending.
    pub requests: Vec<Request>,
    /// Builds that are not final, with all their jobs.
    pub builds: Vec<(Build, Vec<Job>)>,
}

/// What opening the state folder found.
#[derive(Debug, Clone, Default)]
pub struct Opened {
    /// Lines for the operator: database rebuilt, torn record cut off, migrated.
    pub notes: Vec<String>,
}

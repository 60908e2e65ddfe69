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
    /// Adds an entry to the audit log.
    Audit(Audit),
}

/// One entry of the audit log: what somebody did to see the inside of a repository or of a sandbox. Entries are never
/// changed and never removed, not even with their repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// Its id, from [`Store::audit_id`](crate::Store::audit_id).
    pub id: u64,
    /// When.
    pub at: Time,
    /// Who, as the API knows them.
    pub by: String,
    /// What.
    pub act: Act,
    /// The repository.
    pub repo: RepoId,
    /// The repository's name at that time.
    pub slug: String,
    /// The job.
    pub job: JobId,
    /// The debug session; empty when there is none.
    pub session: String,
    /// Address of the person's side of the connection; empty when there is none.
    pub from: String,
    /// More, such as the reason.
    pub note: String,
}

/// What the audit log speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A debug session was asked for and is waited for.
    DebugRequested,
    /// A debug session was asked for in vain.
    DebugRefused,
    /// The person has connected; the sandbox starts.
    DebugStarted,
    /// The session is over, and everything of it dead.
    DebugEnded,
}

impl Act {
    const ALL: [Act; 4] = [
        Act::DebugRequested,
        Act::DebugRefused,
        Act::DebugStarted,
        Act::DebugEnded,
    ];

    /// `debug.requested` and so on.
    pub fn name(self) -> &'static str {
        match self {
            Act::DebugRequested => "debug.requested",
            Act::DebugRefused => "debug.refused",
            Act::DebugStarted => "debug.started",
            Act::DebugEnded => "debug.ended",
        }
    }

    /// Reads what [`Act::name`] made.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.name() == name)
    }
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

//! What assay remembers.
//!
//! [`Store`] holds the journal (the durable truth) and the sled database (the queryable view of it); [`Logs`] the job
//! logs; [`Git`] reads repositories and keeps mirrors. All calls block unless they say otherwise: use them from a
//! blocking thread.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use assay_plan::{
    Build, Commit, CommitId, Counters, EventKind, Job, JobId, RefName, RepoId, Repository, Request, RequestId, Source,
    Time, BuildId,
};

/// One change to what is remembered.
#[derive(Debug, Clone)]
pub enum Change {
    /// Adds or replaces a repository.
    Repository(Repository),
    /// Forgets a repository and everything of it: records, logs, mirror, data key.
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

impl Token {
    /// The right this token gives on a repository.
    pub fn right_on(&self, _repository: &Repository) -> Option<Right> {
        todo!()
    }
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

/// Why the store can't do something. Names the file or key.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// placeholder until implemented
    #[error("{0}")]
    Other(String),
}

/// One handle on everything remembered; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {}

#[allow(missing_docs)]
impl Store {
    pub fn open(_dir: &Path) -> Result<(Store, Opened), StoreError> { todo!() }
    /// Durable when it returns: one journal append, one flush (shared with other callers), then the view.
    pub fn commit(&self, _changes: Vec<Change>) -> Result<(), StoreError> { todo!() }
    /// Sent after each commit.
    pub fn watch(&self) -> tokio::sync::broadcast::Receiver<Changed> { todo!() }
    pub fn repositories(&self) -> Result<Vec<Repository>, StoreError> { todo!() }
    pub fn repository(&self, _id: RepoId) -> Result<Option<Repository>, StoreError> { todo!() }
    /// Without regard to case.
    pub fn repository_by_slug(&self, _slug: &str) -> Result<Option<Repository>, StoreError> { todo!() }
    pub fn request(&self, _id: RequestId) -> Result<Option<Request>, StoreError> { todo!() }
    /// Newest first.
    pub fn requests(&self, _repo: RepoId, _older_than: Option<RequestId>, _limit: usize) -> Result<Vec<Request>, StoreError> { todo!() }
    pub fn build(&self, _id: BuildId) -> Result<Option<Build>, StoreError> { todo!() }
    /// Number descending.
    pub fn builds(&self, _repo: RepoId, _query: &BuildQuery) -> Result<Vec<Build>, StoreError> { todo!() }
    /// Newest build of each branch (pushes only, tags left out): unfinished first, then by finish time, newest first.
    pub fn branches(&self, _repo: RepoId, _limit: usize) -> Result<Vec<Build>, StoreError> { todo!() }
    /// Newest build that is no pull request's.
    pub fn last_build(&self, _repo: RepoId) -> Result<Option<Build>, StoreError> { todo!() }
    pub fn job(&self, _id: JobId) -> Result<Option<Job>, StoreError> { todo!() }
    /// In matrix order.
    pub fn jobs(&self, _build: &Build) -> Result<Vec<Job>, StoreError> { todo!() }
    pub fn unfinished(&self) -> Result<Unfinished, StoreError> { todo!() }
    pub fn counters(&self) -> Result<Counters, StoreError> { todo!() }
    pub fn handled(&self, _repo: RepoId) -> Result<BTreeMap<RefName, CommitId>, StoreError> { todo!() }
    /// Whether a delivery with this id was committed (as part of a request) lately.
    pub fn delivery_seen(&self, _id: &str) -> Result<bool, StoreError> { todo!() }
    /// Makes a token: the text to show once, and the record to commit.
    pub fn new_token(&self, _user: &str, _admin: bool, _rights: Vec<(String, Right)>, _now: Time, _expires_at: Option<Time>) -> Result<(String, Token), StoreError> { todo!() }
    pub fn tokens(&self) -> Result<Vec<Token>, StoreError> { todo!() }
    /// The token with this text, unless expired.
    pub fn token(&self, _text: &str, _now: Time) -> Result<Option<Token>, StoreError> { todo!() }
    pub fn logs(&self) -> &Logs { todo!() }
    pub fn git(&self) -> &Git { todo!() }
    /// Flushes the view and marks the place in the journal.
    pub fn checkpoint(&self) -> Result<(), StoreError> { todo!() }
    /// Flushes of the journal since it was opened.
    pub fn flushes(&self) -> u64 { todo!() }
}

/// One numbered piece of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPart {
    /// From 1, rising by one.
    pub number: u32,
    /// Text (bytes that are no UTF-8 are replaced before they get here; never cut inside a character).
    pub content: String,
    /// Whether it is the last one.
    pub last: bool,
}

/// All job logs.
#[derive(Debug)]
pub struct Logs {}

#[allow(missing_docs)]
impl Logs {
    /// Opens the log of a job for writing; goes on after the parts that are there (an interrupted attempt's).
    pub fn write(&self, _repo: RepoId, _job: JobId) -> Result<LogWriter, StoreError> { todo!() }
    /// Takes away what is there (a restart).
    pub fn clear(&self, _repo: RepoId, _job: JobId) -> Result<(), StoreError> { todo!() }
    /// Parts with a number above `after`; empty if there is no log yet.
    pub fn parts(&self, _repo: RepoId, _job: JobId, _after: u32) -> Result<Vec<LogPart>, StoreError> { todo!() }
    /// Whether the last part is there.
    pub fn is_complete(&self, _repo: RepoId, _job: JobId) -> Result<bool, StoreError> { todo!() }
    /// Stored parts above `after`, then live ones, until the last; waits for a log that has not begun.
    pub fn follow(&self, _repo: RepoId, _job: JobId, _after: u32) -> LogFeed { todo!() }
}

/// Writes one job's log.
#[derive(Debug)]
pub struct LogWriter {}

#[allow(missing_docs)]
impl LogWriter {
    /// Appends bytes; they become a part (or wait, if they end inside a character).
    pub fn append(&mut self, _bytes: &[u8]) -> Result<(), StoreError> { todo!() }
    /// Writes the last part, durable and compressed when it returns.
    pub fn finish(self) -> Result<(), StoreError> { todo!() }
}

/// A log as it grows.
#[derive(Debug)]
pub struct LogFeed {}

impl LogFeed {
    /// The next part; `None` after the last.
    pub async fn next(&mut self) -> Option<LogPart> { todo!() }
}

/// Reads repositories, keeps mirrors.
#[derive(Debug)]
pub struct Git {}

/// The refs of a source repository.
#[derive(Debug, Clone, Default)]
pub struct SourceRefs {
    /// Branches and tags with their values (unpeeled).
    pub refs: BTreeMap<RefName, CommitId>,
    /// Refs that can't be built, with the reason (name is not text, value is not a commit …).
    pub refused: Vec<(String, String)>,
    /// Short name of the branch HEAD points to.
    pub head: Option<String>,
}

/// Why Git data can't be had. Names the repository and the object.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// placeholder until implemented
    #[error("{0}")]
    Other(String),
}

/// What is under a path of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileAt {
    /// Nothing.
    Missing,
    /// A link, a folder or a submodule.
    NotAFile,
    /// More bytes than were asked for.
    TooLarge(u64),
    /// Its bytes.
    Bytes(Vec<u8>),
}

/// What a job's work tree is to look like.
#[derive(Debug, Clone)]
pub struct Checkout {
    /// The commit.
    pub commit: CommitId,
    /// The ref it was pushed to.
    pub ref_name: RefName,
    /// Commits of history; `None` for all.
    pub depth: Option<u32>,
    /// Whether submodules are laid out.
    pub submodules: bool,
    /// Whether LFS pointers are left as they are (otherwise they are refused).
    pub lfs_pointers: bool,
    /// Where the mirror's objects will be seen inside the sandbox.
    pub objects_at: String,
    /// Address to write down as the remote `origin`.
    pub origin: String,
    /// Modification time that all files will have, seconds since the epoch.
    pub mtime: i64,
}

/// One thing to write into a work tree; paths are relative to it.
#[derive(Debug)]
pub enum TreeItem<'a> {
    /// A regular file.
    File {
        /// Path.
        path: &'a [u8],
        /// Whether it may be executed.
        executable: bool,
        /// Content.
        content: &'a [u8],
    },
    /// A symbolic link.
    Link {
        /// Path.
        path: &'a [u8],
        /// Target.
        target: &'a [u8],
    },
    /// A folder.
    Folder {
        /// Path.
        path: &'a [u8],
    },
}

/// What laying out found, for the job's log.
#[derive(Debug, Clone, Default)]
pub struct LaidOut {
    /// Lines for the log (submodules laid out, …).
    pub notes: Vec<String>,
    /// Further mirrors whose objects the work tree needs: (host folder, path inside the sandbox).
    pub objects: Vec<(PathBuf, String)>,
}

#[allow(missing_docs)]
impl Git {
    /// Reads branches and tags of a source, with our configuration only.
    pub fn refs(&self, _source: &Source) -> Result<SourceRefs, GitError> { todo!() }
    /// Copies what is missing of `tip` (commit or annotated tag) into the mirror; returns the commit it leads to.
    pub fn fetch(&self, _repository: &Repository, _tip: &CommitId) -> Result<Commit, GitError> { todo!() }
    /// Reads a file of a fetched commit from the mirror.
    pub fn file(&self, _repository: &Repository, _commit: &CommitId, _path: &str, _max: u64) -> Result<FileAt, GitError> { todo!() }
    /// The folder of the mirror's objects on the host, for a read-only bind.
    pub fn objects(&self, _repository: &Repository) -> PathBuf { todo!() }
    /// Streams the tree and its `.git` to `sink`.
    /// `may_read` finds a registered repository by submodule address, if this repository may read it.
    pub fn lay_out(
        &self,
        _repository: &Repository,
        _checkout: &Checkout,
        _sink: &mut dyn FnMut(TreeItem<'_>) -> std::io::Result<()>,
    ) -> Result<LaidOut, GitError> { todo!() }
}

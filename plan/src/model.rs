//! The nouns: repository, request, build, stage, job, and the identifiers that name them.
//!
//! Everything here is plain data. How it is stored is `store`'s business, how it is shown `api`'s.

mod names;

use std::fmt;

use crate::message::Message;
use crate::value::{Map, Text};

pub use names::*;

/// State of a build or of a job (Travis CI API v2, `reference` section "States").
///
/// Builds are never `queued` or `received`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Known, nothing started.
    Created,
    /// Ready to run, waiting for a free place.
    Queued,
    /// Handed to a runner.
    Received,
    /// Running.
    Started,
    /// All went well.
    Passed,
    /// A test command failed.
    Failed,
    /// Set-up, a limit or the infrastructure failed.
    Errored,
    /// Ended by a person or by an earlier stage.
    Canceled,
}

impl State {
    /// All states, in the order of a job's life.
    pub const ALL: [State; 8] = [
        State::Created,
        State::Queued,
        State::Received,
        State::Started,
        State::Passed,
        State::Failed,
        State::Errored,
        State::Canceled,
    ];

    /// Travis' name of the state.
    pub fn name(self) -> &'static str {
        match self {
            State::Created => "created",
            State::Queued => "queued",
            State::Received => "received",
            State::Started => "started",
            State::Passed => "passed",
            State::Failed => "failed",
            State::Errored => "errored",
            State::Canceled => "canceled",
        }
    }

    /// Reads a name made by [`State::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Passed, failed, errored or canceled.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            State::Passed | State::Failed | State::Errored | State::Canceled
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a repository's objects are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A repository on this host, by absolute path.
    Path(String),
}

/// Who may read a repository's builds without being named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Only people with a right on it.
    Private,
    /// Everyone.
    Public,
}

/// A repository that the daemon builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Its id.
    pub id: RepoId,
    /// `owner/name`.
    pub slug: Slug,
    /// Where its objects are.
    pub source: Source,
    /// Free text.
    pub description: Option<String>,
    /// Who may read its builds.
    pub visibility: Visibility,
    /// Whether pushes are built.
    pub active: bool,
    /// Short name of the branch HEAD points to.
    pub default_branch: Option<String>,
    /// Repositories of the same owner that may read this one (submodules, imports).
    pub share: Vec<Slug>,
    /// Whether people may open debug sessions in the environment of its jobs.
    pub debug: DebugConsent,
    /// When it was added.
    pub created_at: Time,
}

/// A repository's consent to debug sessions; the other one is the person's own request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DebugConsent {
    /// None.
    #[default]
    Off,
    /// For jobs of everything but pull requests.
    On,
    /// For those of pull requests too, from forks as well.
    Forks,
}

impl DebugConsent {
    /// All of them.
    pub const ALL: [DebugConsent; 3] = [DebugConsent::Off, DebugConsent::On, DebugConsent::Forks];

    /// `off`, `on` or `forks`.
    pub fn name(self) -> &'static str {
        match self {
            DebugConsent::Off => "off",
            DebugConsent::On => "on",
            DebugConsent::Forks => "forks",
        }
    }

    /// Reads what [`DebugConsent::name`] made.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Whether it covers jobs that an event of this kind made.
    pub fn covers(self, event: EventKind) -> bool {
        match self {
            DebugConsent::Off => false,
            DebugConsent::On => event != EventKind::PullRequest,
            DebugConsent::Forks => true,
        }
    }
}

/// What kind of event made a request (Travis' `event_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A branch or tag moved.
    Push,
    /// A pull request was opened or changed.
    PullRequest,
    /// Somebody asked through the API.
    Api,
    /// A timer.
    Cron,
}

impl EventKind {
    /// Travis' name.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::Push => "push",
            EventKind::PullRequest => "pull_request",
            EventKind::Api => "api",
            EventKind::Cron => "cron",
        }
    }

    /// Reads a name made by [`EventKind::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        [
            EventKind::Push,
            EventKind::PullRequest,
            EventKind::Api,
            EventKind::Cron,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }
}

/// Something happened outside: a ref has another value than the one last handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The repository.
    pub repo: RepoId,
    /// Push, api, …
    pub kind: EventKind,
    /// The ref that moved, or is asked for.
    pub ref_name: RefName,
    /// The value last handled; `None` for a new ref.
    pub before: Option<CommitId>,
    /// The value now; `None` for a deletion. For an annotated tag, the tag object's id.
    pub after: Option<CommitId>,
    /// Push options, as given (`ci.skip`, …).
    pub options: Vec<String>,
    /// Who pushed, as far as known.
    pub pusher: Option<String>,
    /// Random id of the delivery this event came with; `None` when it was found by comparing refs.
    pub delivery: Option<String>,
    /// Said by whoever found the event, when it must not be built: it becomes a rejected request with this reason.
    pub refuse: Option<String>,
}

/// A person as a commit names them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// Name.
    pub name: String,
    /// E-mail address.
    pub email: String,
}

/// What is known of the commit a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id (for an annotated tag, of the commit the tag points to).
    pub id: CommitId,
    /// Whole message.
    pub message: String,
    /// Committer's time.
    pub committed_at: Time,
    /// Author.
    pub author: Person,
    /// Committer.
    pub committer: Person,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestState {
    /// The commit and its configuration are still being read.
    Pending,
    /// There is a build.
    Accepted,
    /// There is no build; the request's message says why.
    Rejected,
}

impl RequestState {
    /// `pending`, `accepted` or `rejected`.
    pub fn name(self) -> &'static str {
        match self {
            RequestState::Pending => "pending",
            RequestState::Accepted => "accepted",
            RequestState::Rejected => "rejected",
        }
    }

    /// Reads a name made by [`RequestState::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        [
            RequestState::Pending,
            RequestState::Accepted,
            RequestState::Rejected,
        ]
        .into_iter()
        .find(|state| state.name() == name)
    }
}

/// Our decision record about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its id; also the build's, if there is one.
    pub id: RequestId,
    /// The event.
    pub event: Event,
    /// When the event was noticed.
    pub created_at: Time,
    /// Pending, accepted, rejected.
    pub state: RequestState,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// The commit, once read.
    pub commit: Option<Commit>,
    /// Messages about the configuration, when there is no build that carries them.
    pub messages: Vec<Message>,
}

impl Request {
    /// Short name of the branch; for a tag the tag's name (as in `TRAVIS_BRANCH`).
    pub fn branch(&self) -> &str {
        let name = &self.event.ref_name;
        name.branch()
            .or_else(|| name.tag())
            .unwrap_or_else(|| name.as_str())
    }

    /// The tag's name, when a tag was pushed.
    pub fn tag(&self) -> Option<&str> {
        self.event.ref_name.tag()
    }
}

/// One configuration run for one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Its id: that of its request.
    pub id: BuildId,
    /// The repository.
    pub repo: RepoId,
    /// Counts per repository, from 1.
    pub number: u64,
    /// Kind of the event.
    pub event: EventKind,
    /// Short name of the branch; the tag's name for a tag.
    pub branch: String,
    /// The tag's name, if a tag was pushed.
    pub tag: Option<String>,
    /// Value of the ref before the push.
    pub before: Option<CommitId>,
    /// The commit.
    pub commit: Commit,
    /// The normalised configuration.
    pub config: Map,
    /// Messages about the configuration.
    pub messages: Vec<Message>,
    /// The files that the configuration was read from, the repository's own first: `OWNER/NAME:PATH@COMMIT`.
    pub sources: Vec<String>,
    /// Names of the stages in order; empty when the build has none.
    pub stages: Vec<String>,
    /// Whether the build is finished as soon as its required jobs are.
    pub fast_finish: bool,
    /// Its jobs, in matrix order.
    pub jobs: Vec<JobId>,
    /// Created, started or a final state.
    pub state: State,
    /// When it was made.
    pub created_at: Time,
    /// When the first job started.
    pub started_at: Option<Time>,
    /// When it was finished.
    pub finished_at: Option<Time>,
}

/// One row of the matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id; also the id of its log.
    pub id: JobId,
    /// Its build.
    pub build: BuildId,
    /// The repository.
    pub repo: RepoId,
    /// `BUILD.N`.
    pub number: JobNumber,
    /// The expanded configuration: a flat map, phases filled in.
    pub config: Map,
    /// Its keys that the author left to their defaults.
    pub assumed: Vec<Text>,
    /// Index into the build's stages.
    pub stage: Option<u32>,
    /// Whether a failure leaves the build's verdict alone.
    pub allow_failure: bool,
    /// Its state.
    pub state: State,
    /// How often it was handed to a runner; 0 before the first time.
    pub attempt: u32,
    /// Whether the attempt before this one was cut off (the daemon ended) rather than asked for.
    pub interrupted: bool,
    /// When it was last put in the queue.
    pub queued_at: Option<Time>,
    /// When the sandbox began.
    pub started_at: Option<Time>,
    /// When it ended.
    pub finished_at: Option<Time>,
    /// When a person last asked for it to run again, and who.
    pub restarted: Option<(Time, String)>,
    /// Whether its build's verdict is made without it: nothing here runs its `os` or `arch` (`unsupported: skip`).
    pub left_out: bool,
    /// Why it ended as it did, where the log alone doesn't say.
    pub reason: Option<String>,
    /// What its last run was made of and used.
    pub used: Option<Used>,
    /// Versions that ran in the place of those asked for (`versions: nearest`).
    pub substitutes: Vec<Substitute>,
}

impl Job {
    /// A job that nobody has run yet, outside of any stage.
    pub fn new(id: JobId, build: BuildId, repo: RepoId, number: JobNumber, config: Map) -> Job {
        Job {
            id,
            build,
            repo,
            number,
            config,
            assumed: Vec::new(),
            stage: None,
            allow_failure: false,
            state: State::Created,
            attempt: 0,
            interrupted: false,
            queued_at: None,
            started_at: None,
            finished_at: None,
            restarted: None,
            left_out: false,
            reason: None,
            used: None,
            substitutes: Vec::new(),
        }
    }

    /// The text of a key that the author gave.
    pub fn given(&self, key: &str) -> Option<&str> {
        let is_assumed = self.assumed.iter().any(|assumed| assumed == key);
        self.config.text(key).filter(|_| !is_assumed)
    }
}

/// What a run was made of and used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Used {
    /// The root image: `host`, or an imported one's name and digest (`focal sha256:…`).
    pub image: String,
    /// CPU time, milliseconds.
    pub cpu_ms: u64,
    /// Highest memory, bytes; 0 where it can't be measured.
    pub memory: u64,
    /// Bytes read from disks.
    pub read: u64,
    /// Bytes written to disks.
    pub written: u64,
    /// Most processes and threads at once; 0 where they can't be counted.
    pub processes: u64,
}

/// A version of a language that ran in the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Substitute {
    /// The language or tool: `Python`.
    pub name: String,
    /// The version asked for.
    pub asked: String,
    /// The version that ran.
    pub used: String,
}

impl std::fmt::Display for Substitute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} instead of {}", self.name, self.used, self.asked)
    }
}

/// How one run of a job ended, as the engine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The job's script ended with this code: 0 passed, 1 failed, anything else errored
    /// (travis-ci/worker, `step_run_script.go`).
    Exit(i32),
    /// A limit was reached; the text names it.
    Limit(String),
    /// The job could not be set up or its sandbox broke; the text says why.
    Broken(String),
    /// It was told to stop.
    Canceled,
    /// Nothing here can run it, and its build's verdict is made without it; the text says why.
    LeftOut(String),
    /// The run was cut off by something that is not the job's fault (shutdown, crash): it may be tried again.
    Lost(String),
}

impl Verdict {
    /// The state a job with this verdict ends in.
    pub fn state(&self) -> State {
        match self {
            Verdict::Exit(0) => State::Passed,
            Verdict::Exit(1) => State::Failed,
            Verdict::Canceled | Verdict::LeftOut(_) => State::Canceled,
            Verdict::Exit(_) | Verdict::Limit(_) | Verdict::Broken(_) | Verdict::Lost(_) => {
                State::Errored
            }
        }
    }
}

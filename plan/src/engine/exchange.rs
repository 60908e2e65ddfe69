//! What the engine is set up with, what it is told, and what it wants done.

use std::collections::BTreeMap;

use crate::decide::Decision;
use crate::model::{
    Build, BuildId, Commit, CommitId, Event, Job, JobId, RefName, RepoId, Request, RequestId,
    Substitute, Time, Used, Verdict,
};

/// The highest numbers given out so far; the engine goes on from them and never gives one out twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counters {
    /// Last request id.
    pub request: u64,
    /// Last job id.
    pub job: u64,
    /// Last repository id.
    pub repo: u64,
    /// Last build number of each repository.
    pub builds: BTreeMap<RepoId, u64>,
}

/// What a person may point at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// A whole build.
    Build(BuildId),
    /// One job.
    Job(JobId),
}

/// Something to be remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A request, new or changed.
    Request(Request),
    /// A build, new or changed.
    Build(Build),
    /// A job, new or changed.
    Job(Job),
    /// The value of a ref last handled.
    Handled(RepoId, RefName, Option<CommitId>),
}

/// How the engine is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Jobs at once.
    pub workers: usize,
    /// Requests made from one look at a repository's refs; what is beyond is rejected with the reason.
    pub burst: usize,
    /// Milliseconds a runner may take from being handed a job to starting it.
    pub start_limit: i64,
    /// Milliseconds after which a started job is taken for lost, should its runner keep no limit of its own.
    pub run_limit: i64,
    /// Milliseconds a runner may take to answer a kill.
    pub kill_limit: i64,
    /// Milliseconds until a request that could not be read is tried again.
    pub read_again: i64,
    /// Milliseconds after which a request that still can't be read is rejected with the reason.
    pub read_limit: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            workers: 2,
            burst: 100,
            start_limit: 4 * 60_000,
            run_limit: 24 * 3_600_000,
            kill_limit: 60_000,
            read_again: 10_000,
            read_limit: 3_600_000,
        }
    }
}

/// One line a Git hook handed over: a hint that a ref moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Its value before; `None` for a new ref.
    pub before: Option<CommitId>,
    /// Its value after; `None` for a deletion.
    pub after: Option<CommitId>,
    /// The ref.
    pub ref_name: RefName,
}

/// One hook delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its random id.
    pub id: String,
    /// Its lines.
    pub updates: Vec<Update>,
    /// Push options.
    pub options: Vec<String>,
    /// Who pushed, as far as known.
    pub pusher: Option<String>,
}

/// One look at a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The repository.
    pub repo: RepoId,
    /// All its branches and tags, read after the deliveries arrived.
    pub refs: BTreeMap<RefName, CommitId>,
    /// Commit times of values, for putting the newest first; may be incomplete.
    pub times: BTreeMap<CommitId, Time>,
    /// Hook deliveries not seen before, oldest first.
    pub deliveries: Vec<Delivery>,
}

/// What the engine is told.
#[derive(Debug, Clone)]
pub enum Input {
    /// A repository was looked at; refs that moved become requests.
    Observed(Observed),
    /// A repository was added: its refs count as handled.
    Added(RepoId, BTreeMap<RefName, CommitId>),
    /// A repository was removed: forget it, end its jobs.
    Removed(RepoId),
    /// Somebody asked for a build of a ref.
    Asked(Event),
    /// A request's commit and file were read and decided about.
    Decided(RequestId, Option<Commit>, Decision),
    /// A request's commit could not be read, for this reason, which may pass.
    Unread(RequestId, String),
    /// A job's sandbox runs the job's script.
    Started(JobId, u32),
    /// What a job's run was made of and used; comes before its end.
    Used(JobId, u32, Used),
    /// A job runs under another version than it asked for.
    Substituted(JobId, u32, Substitute),
    /// A job's run is over, its sandbox gone.
    Finished(JobId, u32, Verdict),
    /// A person cancels.
    Cancel(Target),
    /// A person runs something again. Finished builds are not the engine's: the caller gives the records back.
    Restart {
        /// What.
        target: Target,
        /// Who asked.
        by: String,
        /// The build with its jobs, as stored.
        stored: Option<Box<(Build, Vec<Job>)>>,
    },
    /// The time asked for by [`Effect::WakeAt`] has come.
    Wake,
    /// Start nothing more; runs that end as lost are queued again at no cost.
    Drain,
}

/// What the engine wants done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Remember these, durably, before the effects that follow.
    Save(Vec<Record>),
    /// Read the commit and its file; answer with [`Input::Decided`] or [`Input::Unread`].
    Read(Box<Request>),
    /// Take away the job's log: it starts anew.
    ClearLog(RepoId, JobId),
    /// Write the log of a job that ended without running: one line.
    EndLog(RepoId, JobId, String),
    /// Run the job; answer with [`Input::Started`] and [`Input::Finished`].
    Run(Box<Build>, Box<Job>),
    /// Stop the run of this attempt.
    Kill(JobId, u32),
    /// Come back with [`Input::Wake`] at this time; takes the place of what was asked before.
    WakeAt(Time),
}

/// Why a person's command was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such build or job.
    #[error("there is no such build or job")]
    NotFound,
    /// Nothing of it is unfinished.
    #[error("it is finished already")]
    Finished,
    /// It is not finished yet.
    #[error("it is not finished yet")]
    Unfinished,
}

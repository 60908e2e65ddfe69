//! The build engine: `(now, input) → effects`.

use std::collections::BTreeMap;

use crate::model::{BuildId, CommitId, Job, JobId, RefName, RepoId, Request};

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
    Build(crate::model::Build),
    /// A job, new or changed.
    Job(Job),
    /// The value of a ref last handled.
    Handled(RepoId, RefName, Option<CommitId>),
}

/// Engine settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Jobs at once.
    pub workers: usize,
}

/// Inputs.
#[derive(Debug, Clone)]
pub enum Input {}

/// Effects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {}

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {}

/// The engine.
#[derive(Debug)]
pub struct Engine {}

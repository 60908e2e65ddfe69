//! From an event and the `.travis.yml` of its commit to a blueprint of a build, or to the reason why there is none.

use crate::message::Message;
use crate::model::{Commit, Repository, Request};
use crate::value::Map;

/// What was found under `.travis.yml` in the commit.
#[derive(Debug, Clone, Copy)]
pub enum ConfigFile<'a> {
    /// No such file.
    Missing,
    /// It is no regular file.
    NotAFile,
    /// It is larger than is read; bytes.
    TooLarge(u64),
    /// Its bytes.
    Bytes(&'a [u8]),
}

/// Everything a build is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blueprint {
    /// The normalised configuration.
    pub config: Map,
    /// Names of the stages that have jobs, in order; empty without stages.
    pub stages: Vec<String>,
    /// Jobs in final order; never empty.
    pub jobs: Vec<JobBlueprint>,
    /// `jobs.fast_finish`.
    pub fast_finish: bool,
    /// Messages about the file.
    pub messages: Vec<Message>,
}

/// One row of the matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobBlueprint {
    /// Flat configuration, the root's phases filled in.
    pub config: Map,
    /// Index into the stages.
    pub stage: Option<u32>,
    /// Whether its failure is allowed.
    pub allow_failure: bool,
}

/// Whether there is a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// There is.
    Accept(Box<Blueprint>),
    /// There isn't: why, and what was said of the file.
    Reject {
        /// One sentence for the request record.
        reason: String,
        /// Messages about the file.
        messages: Vec<Message>,
    },
}

/// Decides about a request whose commit has been read: skip commands, `branches`, the file itself, its conditions.
///
/// Sources: Travis docs "Customizing the Build" (skipping, safelisting), travis-core `request/approval.rb`.
pub fn decide(_repository: &Repository, _request: &Request, _commit: &Commit, _file: ConfigFile<'_>) -> Decision {
    todo!()
}

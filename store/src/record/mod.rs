//! Stored forms of the nouns: what a record says inside its seal, as JSON, apart from the live types.
//!
//! Every form is version 1. A field may be added with a default; anything else is a new version.

mod audit;
mod build;
mod repository;
mod request;
mod token;

use assay_plan::{CommitId, RefName, RepoId};
use serde::{Deserialize, Serialize};

use crate::keys::STATE;
use crate::types::Change;

/// What one record says.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every entry is a change; the other kind is rare"
)]
pub(crate) enum Entry {
    /// A change somebody committed.
    Change(Change),
    /// The highest ids given out, written down when old segments go.
    Counters {
        /// Last request id.
        request: u64,
        /// Last job id.
        job: u64,
        /// Last repository id.
        repo: u64,
    },
}

/// A record that makes no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FormError {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Name(#[from] assay_plan::NameError),
    #[error("unknown {what} {name:?}")]
    Word { what: &'static str, name: String },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    Repository(Box<repository::Form>),
    RemoveRepository(u64),
    Request(Box<request::Form>),
    Build(Box<build::BuildForm>),
    Job(Box<build::JobForm>),
    Handled {
        repo: u64,
        name: String,
        value: Option<String>,
    },
    Token(token::Form),
    RevokeToken(u64),
    Audit(audit::Form),
    Counters {
        request: u64,
        job: u64,
        repo: u64,
    },
}

impl Entry {
    /// The repository whose key seals the record.
    pub(crate) fn repo(&self) -> RepoId {
        match self {
            Entry::Change(Change::Repository(repository)) => repository.id,
            Entry::Change(Change::Request(request)) => request.event.repo,
            Entry::Change(Change::Build(build)) => build.repo,
            Entry::Change(Change::Job(job)) => job.repo,
            Entry::Change(Change::Handled(repo, ..)) => *repo,
            Entry::Change(
                Change::RemoveRepository(_)
                | Change::Token(_)
                | Change::RevokeToken(_)
                | Change::Audit(_),
            )
            | Entry::Counters { .. } => STATE,
        }
    }

    /// Kind and id, for messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Entry::Change(Change::Repository(repository)) => {
                format!("repository {}", repository.id)
            }
            Entry::Change(Change::RemoveRepository(id)) => format!("removal of repository {id}"),
            Entry::Change(Change::Request(request)) => format!("request {}", request.id),
            Entry::Change(Change::Build(build)) => format!("build {}", build.id),
            Entry::Change(Change::Job(job)) => format!("job {}", job.id),
            Entry::Change(Change::Handled(_, name, _)) => format!("handled {name}"),
            Entry::Change(Change::Token(token)) => format!("token {}", token.id),
            Entry::Change(Change::RevokeToken(id)) => format!("end of token {id}"),
            Entry::Change(Change::Audit(audit)) => format!("audit entry {}", audit.id),
            Entry::Counters { .. } => "counters".to_owned(),
        }
    }

    /// The bytes to seal.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let form = match self {
            Entry::Change(Change::Repository(repository)) => {
                Form::Repository(Box::new(repository.into()))
            }
            Entry::Change(Change::RemoveRepository(id)) => Form::RemoveRepository(id.0),
            Entry::Change(Change::Request(request)) => Form::Request(Box::new(request.into())),
            Entry::Change(Change::Build(build)) => Form::Build(Box::new(build.into())),
            Entry::Change(Change::Job(job)) => Form::Job(Box::new(job.into())),
            Entry::Change(Change::Handled(repo, name, value)) => Form::Handled {
                repo: repo.0,
                name: name.as_str().to_owned(),
                value: value.as_ref().map(|id| id.as_str().to_owned()),
            },
            Entry::Change(Change::Token(token)) => Form::Token(token.into()),
            Entry::Change(Change::RevokeToken(id)) => Form::RevokeToken(*id),
            Entry::Change(Change::Audit(audit)) => Form::Audit(audit.into()),
            Entry::Counters { request, job, repo } => Form::Counters {
                request: *request,
                job: *job,
                repo: *repo,
            },
        };
        serde_json::to_vec(&form)
    }

    /// Reads what [`Entry::encode`] made.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Entry, FormError> {
        Ok(Entry::Change(match serde_json::from_slice(bytes)? {
            Form::Repository(form) => Change::Repository((*form).try_into()?),
            Form::RemoveRepository(id) => Change::RemoveRepository(RepoId(id)),
            Form::Request(form) => Change::Request((*form).try_into()?),
            Form::Build(form) => Change::Build((*form).try_into()?),
            Form::Job(form) => Change::Job((*form).try_into()?),
            Form::Handled { repo, name, value } => {
                let value = value.map(|id| CommitId::parse(&id)).transpose()?;
                Change::Handled(RepoId(repo), RefName::parse(&name)?, value)
            }
            Form::Token(form) => Change::Token(form.try_into()?),
            Form::RevokeToken(id) => Change::RevokeToken(id),
            Form::Audit(form) => Change::Audit(form.try_into()?),
            Form::Counters { request, job, repo } => {
                return Ok(Entry::Counters { request, job, repo });
            }
        }))
    }
}

/// Reads a word of a closed set.
fn word<T>(
    what: &'static str,
    name: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, FormError> {
    read(name).ok_or_else(|| FormError::Word {
        what,
        name: name.to_owned(),
    })
}

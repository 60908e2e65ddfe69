//! The stored form of an entry of the audit log.

use assay_plan::{JobId, RepoId, Time};
use serde::{Deserialize, Serialize};

use super::{FormError, word};
use crate::types::{Act, Audit};

#[derive(Serialize, Deserialize)]
pub(super) struct Form {
    id: u64,
    at: i64,
    by: String,
    act: String,
    repo: u64,
    slug: String,
    job: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    session: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    from: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    note: String,
}

impl From<&Audit> for Form {
    fn from(live: &Audit) -> Form {
        Form {
            id: live.id,
            at: live.at.0,
            by: live.by.clone(),
            act: live.act.name().to_owned(),
            repo: live.repo.0,
            slug: live.slug.clone(),
            job: live.job.0,
            session: live.session.clone(),
            from: live.from.clone(),
            note: live.note.clone(),
        }
    }
}

impl TryFrom<Form> for Audit {
    type Error = FormError;

    fn try_from(form: Form) -> Result<Audit, FormError> {
        Ok(Audit {
            id: form.id,
            at: Time(form.at),
            by: form.by,
            act: word("act", &form.act, Act::from_name)?,
            repo: RepoId(form.repo),
            slug: form.slug,
            job: JobId(form.job),
            session: form.session,
            from: form.from,
            note: form.note,
        })
    }
}

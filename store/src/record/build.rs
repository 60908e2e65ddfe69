//! The stored forms of a build and of a job.

use assay_plan::{
    Build, Job, JobId, JobNumber, Map, RepoId, RequestId, State, Substitute, Text, Time, Used,
};
use serde::{Deserialize, Serialize};

use super::request::{CommitForm, MessageForm, id_read, id_text, kind_read};
use super::{FormError, word};

#[derive(Serialize, Deserialize)]
pub(super) struct BuildForm {
    id: u64,
    repo: u64,
    number: u64,
    event: String,
    branch: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    commit: CommitForm,
    config: Map,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    messages: Vec<MessageForm>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sources: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stages: Vec<String>,
    fast_finish: bool,
    jobs: Vec<u64>,
    state: String,
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct JobForm {
    id: u64,
    build: u64,
    repo: u64,
    number: (u64, u32),
    config: Map,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    assumed: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<u32>,
    allow_failure: bool,
    state: String,
    attempt: u32,
    interrupted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    queued_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restarted: Option<(i64, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    left_out: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    used: Option<UsedForm>,
    /// Name, version asked for, version used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    substitutes: Vec<(String, String, String)>,
}

#[derive(Serialize, Deserialize)]
struct UsedForm {
    image: String,
    cpu_ms: u64,
    memory: u64,
    read: u64,
    written: u64,
    processes: u64,
}

impl From<&Used> for UsedForm {
    fn from(live: &Used) -> UsedForm {
        UsedForm {
            image: live.image.clone(),
            cpu_ms: live.cpu_ms,
            memory: live.memory,
            read: live.read,
            written: live.written,
            processes: live.processes,
        }
    }
}

impl From<UsedForm> for Used {
    fn from(form: UsedForm) -> Used {
        Used {
            image: form.image,
            cpu_ms: form.cpu_ms,
            memory: form.memory,
            read: form.read,
            written: form.written,
            processes: form.processes,
        }
    }
}

fn millis(time: Option<Time>) -> Option<i64> {
    time.map(|time| time.0)
}

impl From<&Build> for BuildForm {
    fn from(live: &Build) -> BuildForm {
        BuildForm {
            id: live.id.0,
            repo: live.repo.0,
            number: live.number,
            event: live.event.name().to_owned(),
            branch: live.branch.clone(),
            tag: live.tag.clone(),
            before: id_text(live.before.as_ref()),
            commit: (&live.commit).into(),
            config: live.config.clone(),
            messages: live.messages.iter().map(Into::into).collect(),
            sources: live.sources.clone(),
            stages: live.stages.clone(),
            fast_finish: live.fast_finish,
            jobs: live.jobs.iter().map(|id| id.0).collect(),
            state: live.state.name().to_owned(),
            created_at: live.created_at.0,
            started_at: millis(live.started_at),
            finished_at: millis(live.finished_at),
        }
    }
}

impl TryFrom<BuildForm> for Build {
    type Error = FormError;

    fn try_from(form: BuildForm) -> Result<Build, FormError> {
        Ok(Build {
            id: RequestId(form.id),
            repo: RepoId(form.repo),
            number: form.number,
            event: kind_read(&form.event)?,
            branch: form.branch,
            tag: form.tag,
            before: id_read(form.before)?,
            commit: form.commit.try_into()?,
            config: form.config,
            messages: form
                .messages
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
            sources: form.sources,
            stages: form.stages,
            fast_finish: form.fast_finish,
            jobs: form.jobs.into_iter().map(JobId).collect(),
            state: word("state", &form.state, State::from_name)?,
            created_at: Time(form.created_at),
            started_at: form.started_at.map(Time),
            finished_at: form.finished_at.map(Time),
        })
    }
}

impl From<&Job> for JobForm {
    fn from(live: &Job) -> JobForm {
        JobForm {
            id: live.id.0,
            build: live.build.0,
            repo: live.repo.0,
            number: (live.number.build, live.number.job),
            config: live.config.clone(),
            assumed: live.assumed.iter().map(ToString::to_string).collect(),
            stage: live.stage,
            allow_failure: live.allow_failure,
            state: live.state.name().to_owned(),
            attempt: live.attempt,
            interrupted: live.interrupted,
            queued_at: millis(live.queued_at),
            started_at: millis(live.started_at),
            finished_at: millis(live.finished_at),
            restarted: live
                .restarted
                .as_ref()
                .map(|(time, who)| (time.0, who.clone())),
            reason: live.reason.clone(),
            left_out: live.left_out,
            used: live.used.as_ref().map(Into::into),
            substitutes: live
                .substitutes
                .iter()
                .map(|one| (one.name.clone(), one.asked.clone(), one.used.clone()))
                .collect(),
        }
    }
}

impl TryFrom<JobForm> for Job {
    type Error = FormError;

    fn try_from(form: JobForm) -> Result<Job, FormError> {
        Ok(Job {
            id: JobId(form.id),
            build: RequestId(form.build),
            repo: RepoId(form.repo),
            number: JobNumber {
                build: form.number.0,
                job: form.number.1,
            },
            config: form.config,
            assumed: form.assumed.into_iter().map(Text::from).collect(),
            stage: form.stage,
            allow_failure: form.allow_failure,
            state: word("state", &form.state, State::from_name)?,
            attempt: form.attempt,
            interrupted: form.interrupted,
            queued_at: form.queued_at.map(Time),
            started_at: form.started_at.map(Time),
            finished_at: form.finished_at.map(Time),
            restarted: form.restarted.map(|(time, who)| (Time(time), who)),
            reason: form.reason,
            left_out: form.left_out,
            used: form.used.map(Into::into),
            substitutes: form
                .substitutes
                .into_iter()
                .map(|(name, asked, used)| Substitute { name, asked, used })
                .collect(),
        })
    }
}

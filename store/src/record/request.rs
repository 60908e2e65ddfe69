//! The stored forms of a request, its event, its commit and its messages.

use assay_plan::{
    Commit, CommitId, Event, EventKind, Level, Message, Person, Place, RefName, RepoId, Request,
    RequestId, RequestState, Time, Value,
};
use serde::{Deserialize, Serialize};

use super::{FormError, word};

#[derive(Serialize, Deserialize)]
pub(super) struct Form {
    id: u64,
    event: EventForm,
    created_at: i64,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<CommitForm>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    messages: Vec<MessageForm>,
}

#[derive(Serialize, Deserialize)]
struct EventForm {
    repo: u64,
    kind: String,
    #[serde(rename = "ref")]
    ref_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    options: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pusher: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refuse: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CommitForm {
    id: String,
    message: String,
    committed_at: i64,
    author: (String, String),
    committer: (String, String),
}

#[derive(Serialize, Deserialize)]
pub(super) struct MessageForm {
    level: String,
    key: String,
    code: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    args: Vec<(String, Value)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

pub(super) fn id_text(id: Option<&CommitId>) -> Option<String> {
    id.map(|id| id.as_str().to_owned())
}

pub(super) fn id_read(text: Option<String>) -> Result<Option<CommitId>, FormError> {
    Ok(text.map(|text| CommitId::parse(&text)).transpose()?)
}

pub(super) fn kind_read(name: &str) -> Result<EventKind, FormError> {
    word("kind of event", name, EventKind::from_name)
}

impl From<&Request> for Form {
    fn from(live: &Request) -> Form {
        Form {
            id: live.id.0,
            event: (&live.event).into(),
            created_at: live.created_at.0,
            state: live.state.name().to_owned(),
            reason: live.reason.clone(),
            commit: live.commit.as_ref().map(Into::into),
            messages: live.messages.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<Form> for Request {
    type Error = FormError;

    fn try_from(form: Form) -> Result<Request, FormError> {
        Ok(Request {
            id: RequestId(form.id),
            event: form.event.try_into()?,
            created_at: Time(form.created_at),
            state: word("state of a request", &form.state, RequestState::from_name)?,
            reason: form.reason,
            commit: form.commit.map(TryInto::try_into).transpose()?,
            messages: form
                .messages
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl From<&Event> for EventForm {
    fn from(live: &Event) -> EventForm {
        EventForm {
            repo: live.repo.0,
            kind: live.kind.name().to_owned(),
            ref_name: live.ref_name.as_str().to_owned(),
            before: id_text(live.before.as_ref()),
            after: id_text(live.after.as_ref()),
            options: live.options.clone(),
            pusher: live.pusher.clone(),
            delivery: live.delivery.clone(),
            refuse: live.refuse.clone(),
        }
    }
}

impl TryFrom<EventForm> for Event {
    type Error = FormError;

    fn try_from(form: EventForm) -> Result<Event, FormError> {
        Ok(Event {
            repo: RepoId(form.repo),
            kind: kind_read(&form.kind)?,
            ref_name: RefName::parse(&form.ref_name)?,
            before: id_read(form.before)?,
            after: id_read(form.after)?,
            options: form.options,
            pusher: form.pusher,
            delivery: form.delivery,
            refuse: form.refuse,
        })
    }
}

impl From<&Commit> for CommitForm {
    fn from(live: &Commit) -> CommitForm {
        let person = |person: &Person| (person.name.clone(), person.email.clone());
        CommitForm {
            id: live.id.as_str().to_owned(),
            message: live.message.clone(),
            committed_at: live.committed_at.0,
            author: person(&live.author),
            committer: person(&live.committer),
        }
    }
}

impl TryFrom<CommitForm> for Commit {
    type Error = FormError;

    fn try_from(form: CommitForm) -> Result<Commit, FormError> {
        let person = |(name, email)| Person { name, email };
        Ok(Commit {
            id: CommitId::parse(&form.id)?,
            message: form.message,
            committed_at: Time(form.committed_at),
            author: person(form.author),
            committer: person(form.committer),
        })
    }
}

impl From<&Message> for MessageForm {
    fn from(live: &Message) -> MessageForm {
        MessageForm {
            level: live.level.name().to_owned(),
            key: live.key.clone(),
            code: live.code.clone(),
            args: live.args.clone(),
            line: live.place.map(|place| place.line),
            column: live.place.map(|place| place.column),
            width: live.place.map(|place| place.width),
            file: live.file.clone(),
        }
    }
}

impl TryFrom<MessageForm> for Message {
    type Error = FormError;

    fn try_from(form: MessageForm) -> Result<Message, FormError> {
        // Records of the time before columns name a line only.
        let place = form.line.map(|line| Place {
            line,
            column: form.column.unwrap_or(1),
            width: form.width.unwrap_or(1),
        });
        Ok(Message {
            level: word("level", &form.level, Level::from_name)?,
            key: form.key,
            code: form.code,
            args: form.args,
            place,
            file: form.file,
        })
    }
}

//! Who is asking, and what they may see and do.

mod credentials;
mod session;

use assay_plan::{Repository, Visibility};
use assay_store::{Right, Token};

pub(crate) use credentials::{Credentials, identify};
pub(crate) use session::{Holder, SESSION_LIFE, Sessions};

use crate::api::Mode;
use crate::http::{Fail, Version};

/// Whoever sent a request.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    /// Nobody in particular.
    Anonymous,
    /// The holder of a token.
    User(Token),
    /// The operator, by the control socket or the one-time link; the text says which.
    Operator(String),
}

impl Who {
    /// Whether there is no user.
    pub(crate) fn is_anonymous(&self) -> bool {
        matches!(self, Who::Anonymous)
    }

    /// Whether they have every right.
    pub(crate) fn is_admin(&self) -> bool {
        match self {
            Who::Anonymous => false,
            Who::User(token) => token.admin,
            Who::Operator(_) => true,
        }
    }

    /// The name for the record of what they did.
    pub(crate) fn name(&self) -> &str {
        match self {
            Who::Anonymous => "anonymous",
            Who::User(token) => &token.user,
            Who::Operator(by) => by,
        }
    }

    /// The right that was given to them on a repository; being public gives none.
    pub(crate) fn right_on(&self, repository: &Repository) -> Option<Right> {
        match self {
            Who::Anonymous => None,
            Who::User(token) if token.admin => Some(Right::Admin),
            Who::User(token) => token.right_on(repository),
            Who::Operator(_) => Some(Right::Admin),
        }
    }

    /// Whether they may restart, cancel and change settings.
    pub(crate) fn may_push(&self, repository: &Repository) -> bool {
        self.right_on(repository) >= Some(Right::Push)
    }

    /// Whether they may see a repository's builds, once [`gate`] let them in.
    pub(crate) fn sees(&self, repository: &Repository) -> bool {
        repository.visibility == Visibility::Public || self.right_on(repository).is_some()
    }
}

/// The first question of every read: strangers are turned away before anything is looked up, so that an answer never
/// tells whether something exists. (Travis' modes: "org" shows what is public to all, "public" only to those who speak
/// version 2.1, "private" to nobody.)
pub(crate) fn gate(mode: Mode, who: &Who, version: Version) -> Result<(), Fail> {
    let open = match mode {
        Mode::Org => true,
        Mode::Public => version == Version::V21,
        Mode::Private => false,
    };
    if open || !who.is_anonymous() {
        Ok(())
    } else {
        Err(Fail::Hidden)
    }
}

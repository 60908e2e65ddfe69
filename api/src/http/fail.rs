//! Everything that can go wrong with a request, and the status and body that Travis' clients expect for it.

use assay_store::StoreError;
use axum::http::StatusCode;
use serde_json::json;

use super::{Content, Reply};
use crate::command::CommandError;

/// Why a request gets no proper answer.
#[derive(Debug)]
pub(crate) enum Fail {
    /// The endpoint needs a user.
    NoToken,
    /// What is asked for is hidden from strangers.
    Hidden,
    /// The token is unknown or expired, or anonymous may not do this.
    AccessDenied,
    /// A known user without the right; the text says which.
    Forbidden(String),
    /// No such path or thing, or one that this user may not know of.
    NotFound,
    /// No such job.
    NoJob(String),
    /// No such repository, for requests.
    NoRepository,
    /// Nothing that the client accepts can be served.
    NotAcceptable,
    /// The body was said to be JSON and isn't.
    NotJson,
    /// Something in the request can't be read.
    BadRequest,
    /// The body is too large.
    TooLarge,
    /// Nothing is left to cancel; the text names what.
    CantCancel(String),
    /// A restart is refused; one reason.
    CantRestart(String),
    /// The request makes no sense; the text says why.
    Unprocessable(String),
    /// Too many live streams, or the daemon gives no answer.
    Unavailable,
    /// The store failed us.
    Store(StoreError),
    /// Something that should not happen; the text is for the log.
    Internal(String),
}

impl From<StoreError> for Fail {
    fn from(error: StoreError) -> Self {
        Fail::Store(error)
    }
}

impl From<CommandError> for Fail {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotFound => Fail::NotFound,
            CommandError::CantCancel => Fail::CantCancel("request".to_owned()),
            CommandError::CantRestart(why) => Fail::CantRestart(why),
            CommandError::Forbidden(why) => Fail::Forbidden(why),
            CommandError::Refused(why) => Fail::Unprocessable(why),
            CommandError::Unavailable => Fail::Unavailable,
        }
    }
}

impl Fail {
    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Fail::NoToken | Fail::Hidden => StatusCode::UNAUTHORIZED,
            Fail::AccessDenied | Fail::Forbidden(_) => StatusCode::FORBIDDEN,
            Fail::NotFound | Fail::NoJob(_) | Fail::NoRepository => StatusCode::NOT_FOUND,
            Fail::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Fail::NotJson | Fail::BadRequest | Fail::CantRestart(_) => StatusCode::BAD_REQUEST,
            Fail::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Fail::CantCancel(_) | Fail::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Fail::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Fail::Store(_) | Fail::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// One sentence for a page.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Fail::NoToken | Fail::Hidden => "You need to sign in to see this.".to_owned(),
            Fail::AccessDenied => "This token is not known or has expired.".to_owned(),
            Fail::Forbidden(why) | Fail::CantRestart(why) | Fail::Unprocessable(why) => why.clone(),
            Fail::NotFound | Fail::NoJob(_) | Fail::NoRepository => {
                "There is nothing here, or nothing that you may see.".to_owned()
            }
            Fail::CantCancel(_) => {
                "It has already finished: there is nothing left to cancel.".to_owned()
            }
            Fail::Unavailable => {
                "The daemon is busy or shutting down. Try again in a moment.".to_owned()
            }
            Fail::Store(_) | Fail::Internal(_) => {
                "Something went wrong here; the daemon's log says what.".to_owned()
            }
            Fail::TooLarge => "That is more than we read.".to_owned(),
            Fail::NotAcceptable | Fail::NotJson | Fail::BadRequest => {
                "We did not understand this request.".to_owned()
            }
        }
    }

    /// Writes what an operator must know to the log.
    pub(crate) fn log(&self) {
        match self {
            Fail::Store(error) => tracing::error!(%error, "the store could not answer"),
            Fail::Internal(error) => tracing::error!(error, "a reply could not be made"),
            _ => {}
        }
    }

    /// The reply of the API.
    pub(crate) fn reply(&self) -> Reply {
        let content = match self {
            Fail::NoToken => Content::text("no access token supplied"),
            Fail::AccessDenied => Content::text("access denied"),
            Fail::Hidden | Fail::NotAcceptable => Content::Empty,
            Fail::Forbidden(message) | Fail::Unprocessable(message) => {
                Content::value(&json!({"error": {"message": message}}))
            }
            Fail::NotFound => Content::value(&json!({"file": "not found"})),
            Fail::NoJob(id) => Content::value(
                &json!({"error": {"message": format!("The job({id}) couldn't be found")}}),
            ),
            Fail::NoRepository => {
                Content::value(&json!({"error": "Repository could not be found"}))
            }
            Fail::NotJson => Content::value(&json!({"error": "Failed to parse body as JSON"})),
            Fail::BadRequest => Content::text("Bad Request"),
            Fail::TooLarge => Content::value(&json!({"error": "request body too large"})),
            Fail::CantCancel(what) => Content::value(
                &json!({"error": {"message": format!("The {what} can't be canceled"), "code": "cant_cancel"}}),
            ),
            Fail::CantRestart(why) => {
                Content::value(&json!({"result": false, "flash": [{"error": why}]}))
            }
            Fail::Unavailable => {
                Content::value(&json!({"error": "the daemon is busy or shutting down"}))
            }
            Fail::Store(_) | Fail::Internal(_) => {
                Content::text("Sorry, we experienced an error.\n")
            }
        };
        Reply::new(self.status(), content)
    }
}

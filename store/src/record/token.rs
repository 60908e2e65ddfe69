//! The stored form of a token.

use assay_plan::Time;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{FormError, word};
use crate::types::{Right, Token};

#[derive(Serialize, Deserialize)]
pub(super) struct Form {
    id: u64,
    hash: String,
    user: String,
    admin: bool,
    rights: Vec<(String, String)>,
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

const RIGHTS: [(Right, &str); 3] = [(Right::Read, "read"), (Right::Push, "push"), (Right::Admin, "admin")];

fn right_name(right: Right) -> &'static str {
    match right {
        Right::Read => "read",
        Right::Push => "push",
        Right::Admin => "admin",
    }
}

impl From<&Token> for Form {
    fn from(live: &Token) -> Form {
        Form {
            id: live.id,
            hash: STANDARD.encode(live.hash),
            user: live.user.clone(),
            admin: live.admin,
            rights: live.rights.iter().map(|(slug, right)| (slug.clone(), right_name(*right).to_owned())).collect(),
            created_at: live.created_at.0,
            expires_at: live.expires_at.map(|time| time.0),
        }
    }
}

impl TryFrom<Form> for Token {
    type Error = FormError;

    fn try_from(form: Form) -> Result<Token, FormError> {
        let hash = STANDARD.decode(&form.hash).ok().and_then(|bytes| bytes.try_into().ok());
        let rights = form.rights.into_iter().map(|(slug, name)| {
            let right = word("right", &name, |name| {
                RIGHTS.iter().find(|(_, known)| *known == name).map(|(right, _)| *right)
            })?;
            Ok((slug, right))
        });
        Ok(Token {
            id: form.id,
            hash: hash.ok_or(FormError::Word { what: "token hash", name: form.hash })?,
            user: form.user,
            admin: form.admin,
            rights: rights.collect::<Result<_, FormError>>()?,
            created_at: Time(form.created_at),
            expires_at: form.expires_at.map(Time),
        })
    }
}

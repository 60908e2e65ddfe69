//! The stored form of a repository.

use assay_plan::{DebugConsent, RepoId, Repository, Slug, Source, Time, Visibility};
use serde::{Deserialize, Serialize};

use super::{FormError, word};

#[derive(Serialize, Deserialize)]
pub(super) struct Form {
    id: u64,
    slug: String,
    source: SourceForm,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    visibility: String,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_branch: Option<String>,
    #[serde(default)]
    share: Vec<String>,
    #[serde(default = "off", skip_serializing_if = "is_off")]
    debug: String,
    created_at: i64,
}

fn off() -> String {
    DebugConsent::Off.name().to_owned()
}

fn is_off(name: &str) -> bool {
    name == DebugConsent::Off.name()
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SourceForm {
    Path(String),
}

impl From<&Repository> for Form {
    fn from(live: &Repository) -> Form {
        Form {
            id: live.id.0,
            slug: live.slug.as_str().to_owned(),
            source: match &live.source {
                Source::Path(path) => SourceForm::Path(path.clone()),
            },
            description: live.description.clone(),
            visibility: match live.visibility {
                Visibility::Private => "private",
                Visibility::Public => "public",
            }
            .to_owned(),
            active: live.active,
            default_branch: live.default_branch.clone(),
            share: live
                .share
                .iter()
                .map(|slug| slug.as_str().to_owned())
                .collect(),
            debug: live.debug.name().to_owned(),
            created_at: live.created_at.0,
        }
    }
}

impl TryFrom<Form> for Repository {
    type Error = FormError;

    fn try_from(form: Form) -> Result<Repository, FormError> {
        let SourceForm::Path(path) = form.source;
        Ok(Repository {
            id: RepoId(form.id),
            slug: Slug::parse(&form.slug)?,
            source: Source::Path(path),
            description: form.description,
            visibility: word("visibility", &form.visibility, |name| match name {
                "private" => Some(Visibility::Private),
                "public" => Some(Visibility::Public),
                _ => None,
            })?,
            active: form.active,
            default_branch: form.default_branch,
            share: form
                .share
                .iter()
                .map(|slug| Slug::parse(slug))
                .collect::<Result<_, _>>()?,
            debug: word("debug consent", &form.debug, DebugConsent::from_name)?,
            created_at: Time(form.created_at),
        })
    }
}

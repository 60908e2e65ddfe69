//! Cancel and restart from a page's form.

use std::sync::Arc;

use assay_plan::Target;
use axum::http::StatusCode;

use super::repository;
use crate::api::Api;
use crate::http::{Call, Fail, Reply};
use crate::v2::{Verb, check, run};

/// Does it, then shows the page again.
pub(super) async fn answer(
    api: &Api,
    call: &Arc<Call>,
    slug: &str,
    verb: Verb,
    target: Target,
) -> Result<Reply, Fail> {
    // A session's cookie alone is no proof of intent: another site's form would bring it, too.
    if !call.is_same_origin() {
        return Err(Fail::Forbidden(
            "This form was not sent from our own page.".to_owned(),
        ));
    }
    let wanted = slug.to_owned();
    let (slug, by) = api
        .read(call, move |cx| {
            Ok((repository(cx, &wanted)?.slug, check(cx, verb, target)?))
        })
        .await?;
    run(api, verb, target, by).await?;
    let page = match target {
        Target::Build(id) => format!("/{slug}/builds/{id}"),
        Target::Job(id) => format!("/{slug}/jobs/{id}"),
    };
    Ok(Reply::redirect(StatusCode::SEE_OTHER, &page))
}

//! What people ask for through the API, done.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use assay_api::{Command, CommandError, HostCheck, RepositoryPatch};
use assay_plan::{
    DebugConsent, Event, EventKind, Input, RefName, Refused, RepoId, Repository, Slug, Source,
    Target, Visibility,
};
use assay_store::{GitError, SourceRefs, StoreError};
use tokio::sync::mpsc;

use super::core::{Message, NewRepository};
use super::debug::Debugger;
use super::intake::Intake;
use crate::clock;

/// Obeys commands until nobody can send one.
pub(super) async fn obey(
    mut commands: mpsc::Receiver<Command>,
    intake: Arc<Intake>,
    debugger: Arc<Debugger>,
) {
    while let Some(command) = commands.recv().await {
        let (intake, debugger) = (Arc::clone(&intake), Arc::clone(&debugger));
        tokio::spawn(async move { do_one(command, &intake, &debugger).await });
    }
}

async fn do_one(command: Command, intake: &Intake, debugger: &Arc<Debugger>) {
    // A client that went away while its command was carried out has lost only the answer.
    match command {
        Command::Cancel { target, by, reply } => {
            tracing::info!(?target, by, "cancel");
            let _ = reply.send(cancel(intake, target).await);
        }
        Command::Restart { target, by, reply } => {
            tracing::info!(?target, by, "restart");
            let _ = reply.send(restart(intake, target, by).await);
        }
        Command::AddRepository {
            path,
            slug,
            visibility,
            build,
            reply,
        } => {
            let wanted = Wanted {
                path: PathBuf::from(path),
                slug,
                visibility,
                share: Vec::new(),
                debug: None,
                build,
            };
            let _ = reply.send(add(intake, wanted).await);
        }
        Command::RemoveRepository { id, reply } => {
            let removed = remove(intake, id).await;
            if removed.is_ok() {
                debugger.withdraw(id).await;
            }
            let _ = reply.send(removed);
        }
        Command::UpdateRepository { id, patch, reply } => {
            let updated = update(intake, id, patch).await;
            if updated
                .as_ref()
                .is_ok_and(|one| one.debug == DebugConsent::Off)
            {
                debugger.withdraw(id).await;
            }
            let _ = reply.send(updated);
        }
        Command::Debug {
            job,
            key,
            by,
            reply,
        } => {
            let _ = reply.send(debugger.request(job, &key, by).await);
        }
        Command::Doctor { reply } => {
            let _ = reply.send(look_at_host().await);
        }
        Command::Reconcile { repo, reply } => {
            for one in intake
                .hands
                .repositories()
                .into_iter()
                .filter(|one| repo.is_none_or(|id| id == one.id))
            {
                intake.look_at(&one).await;
            }
            let _ = reply.send(Ok(()));
        }
    }
}

/// What a child of the daemon finds.
async fn look_at_host() -> Result<Vec<HostCheck>, CommandError> {
    let looked = tokio::task::spawn_blocking(|| {
        std::process::Command::new(super::launcher().program)
            .arg(crate::DOCTOR)
            .stdin(std::process::Stdio::null())
            .output()
    });
    let output = match looked.await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(CommandError::Refused(format!("cannot look: {error}"))),
        Err(_) => return Err(CommandError::Unavailable),
    };
    serde_json::from_slice(&output.stdout).map_err(|error| {
        tracing::warn!(%error, status = %output.status, "the host can't be looked at");
        CommandError::Unavailable
    })
}

async fn cancel(intake: &Intake, target: Target) -> Result<(), CommandError> {
    match intake
        .mailbox
        .ask(|reply| Message::Ask(Input::Cancel(target), reply))
        .await
    {
        Some(Ok(())) => Ok(()),
        Some(Err(Refused::NotFound)) => Err(CommandError::NotFound),
        Some(Err(_)) => Err(CommandError::CantCancel),
        None => Err(CommandError::Unavailable),
    }
}

async fn restart(intake: &Intake, target: Target, by: String) -> Result<(), CommandError> {
    let store = intake.store.clone();
    let stored = blocking(move || {
        let build = match target {
            Target::Build(id) => store.build(id)?,
            Target::Job(id) => match store.job(id)? {
                Some(job) => store.build(job.build)?,
                None => None,
            },
        };
        let Some(build) = build else { return Ok(None) };
        let jobs = store.jobs(&build)?;
        Ok(Some(Box::new((build, jobs))))
    })
    .await?;
    match intake
        .mailbox
        .ask(|reply| Message::Ask(Input::Restart { target, by, stored }, reply))
        .await
    {
        Some(Ok(())) => Ok(()),
        Some(Err(Refused::NotFound)) => Err(CommandError::NotFound),
        Some(Err(refused)) => Err(CommandError::CantRestart(refused.to_string())),
        None => Err(CommandError::Unavailable),
    }
}

/// A repository that is to be served.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) path: PathBuf,
    pub(super) slug: Option<Slug>,
    pub(super) visibility: Visibility,
    pub(super) share: Vec<Slug>,
    /// `None` leaves what there is.
    pub(super) debug: Option<DebugConsent>,
    pub(super) build: bool,
}

/// Registers a repository: its refs count as handled, unless its default branch is to be built.
pub(super) async fn add(intake: &Intake, wanted: Wanted) -> Result<Repository, CommandError> {
    let refuse = |text: String| Err(CommandError::Refused(text));
    let path = match git_dir(&wanted.path) {
        Ok(path) => path,
        Err(error) => {
            return refuse(format!(
                "cannot find a repository at {}: {error}",
                wanted.path.display()
            ));
        }
    };
    let Some(text) = path.to_str().map(str::to_owned) else {
        return refuse(format!("the path {} is not text (UTF-8)", path.display()));
    };
    let slug = match wanted.slug.map_or_else(|| slug_of(&path), Ok) {
        Ok(slug) => slug,
        Err(text) => return refuse(text),
    };
    for other in intake.hands.repositories() {
        if other.slug.as_str().eq_ignore_ascii_case(slug.as_str()) {
            return refuse(format!("{slug} is registered already"));
        }
        if other.source == Source::Path(text.clone()) {
            return refuse(format!(
                "{} is registered already, as {}",
                path.display(),
                other.slug
            ));
        }
    }
    let (store, source) = (intake.store.clone(), Source::Path(text.clone()));
    let refs: Result<SourceRefs, GitError> =
        tokio::task::spawn_blocking(move || store.git().refs(&source))
            .await
            .map_err(|_| CommandError::Unavailable)?;
    let refs = match refs {
        Ok(refs) => refs,
        Err(error) => {
            return refuse(format!(
                "cannot read the repository at {}: {error}",
                path.display()
            ));
        }
    };
    let build = if wanted.build {
        first_event(&refs)?
    } else {
        None
    };
    let repository = Repository {
        id: RepoId(0),
        slug,
        source: Source::Path(text),
        description: None,
        visibility: wanted.visibility,
        active: true,
        default_branch: refs.head.clone(),
        share: wanted.share,
        debug: wanted.debug.unwrap_or_default(),
        created_at: clock::now(),
    };
    let new = NewRepository {
        repository,
        refs: refs.refs,
        build,
    };
    match intake
        .mailbox
        .ask(|reply| Message::Add(Box::new(new), reply))
        .await
    {
        Some(result) => result.map_err(failed),
        None => Err(CommandError::Unavailable),
    }
}

/// The event that builds the default branch.
fn first_event(refs: &SourceRefs) -> Result<Option<Event>, CommandError> {
    let head = refs.head.as_deref().unwrap_or_default();
    let name = RefName::parse(&format!("refs/heads/{head}"));
    let value = name.as_ref().ok().and_then(|name| refs.refs.get(name));
    match (name, value) {
        (Ok(ref_name), Some(value)) => Ok(Some(Event {
            repo: RepoId(0),
            kind: EventKind::Push,
            ref_name,
            before: None,
            after: Some(value.clone()),
            options: Vec::new(),
            pusher: None,
            delivery: None,
            refuse: None,
        })),
        _ => Err(CommandError::Refused(
            "the repository's default branch has no commit to build".to_owned(),
        )),
    }
}

async fn remove(intake: &Intake, id: RepoId) -> Result<(), CommandError> {
    if !intake
        .hands
        .repositories()
        .iter()
        .any(|repository| repository.id == id)
    {
        return Err(CommandError::NotFound);
    }
    match intake.mailbox.ask(|reply| Message::Remove(id, reply)).await {
        Some(result) => result.map_err(failed),
        None => Err(CommandError::Unavailable),
    }
}

pub(super) async fn update(
    intake: &Intake,
    id: RepoId,
    patch: RepositoryPatch,
) -> Result<Repository, CommandError> {
    let mut repository = intake
        .hands
        .repositories()
        .into_iter()
        .find(|one| one.id == id)
        .ok_or(CommandError::NotFound)?;
    repository.active = patch.active.unwrap_or(repository.active);
    repository.visibility = patch.visibility.unwrap_or(repository.visibility);
    repository.debug = patch.debug.unwrap_or(repository.debug);
    repository.share = patch.share.unwrap_or(repository.share);
    repository.description = patch.description.unwrap_or(repository.description);
    let changed = Box::new(repository.clone());
    match intake
        .mailbox
        .ask(|reply| Message::Update(changed, reply))
        .await
    {
        Some(result) => result.map(|()| repository).map_err(failed),
        None => Err(CommandError::Unavailable),
    }
}

fn failed(error: StoreError) -> CommandError {
    CommandError::Refused(format!("cannot write it down: {error}"))
}

async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, CommandError> {
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => result.map_err(|error| CommandError::Refused(error.to_string())),
        Err(_) => Err(CommandError::Unavailable),
    }
}

/// The folder with `objects` and `refs` in it, links resolved: `path` itself, or its `.git`.
pub(super) fn git_dir(path: &Path) -> std::io::Result<PathBuf> {
    let path = path.canonicalize()?;
    let inner = path.join(".git");
    let found = [path, inner]
        .into_iter()
        .find(|dir| dir.join("objects").is_dir() && dir.join("refs").is_dir());
    let missing = || {
        std::io::Error::new(
            std::io::ErrorKind::NotFound,
            "no objects and refs folders there",
        )
    };
    found.ok_or_else(missing)?.canonicalize()
}

/// `owner/name` from the last two parts of a repository's path, `.git` taken off.
pub(super) fn slug_of(path: &Path) -> Result<Slug, String> {
    let path = if path.file_name().is_some_and(|name| name == ".git") {
        path.parent().unwrap_or(path)
    } else {
        path
    };
    let part = |path: &Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let name = part(path).unwrap_or_default();
    let owner = path.parent().and_then(part).unwrap_or_default();
    let text = format!("{owner}/{}", name.strip_suffix(".git").unwrap_or(&name));
    Slug::parse(&text)
        .map_err(|_| format!("{text} cannot be a slug: give one as OWNER/NAME (--slug)"))
}

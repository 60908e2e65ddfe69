//! Intake: hook deliveries over `hook.sock`, spool folders, and looks at repositories on a timer.
//!
//! What a hook says is a hint. The daemon reads the refs itself; a hint only tells it when to look, which pushes were in
//! between, and with what options.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use assay_hooks::{Accepted, Answer, Hint, MAX_LINE, RefUpdate, Refusal};
use assay_plan::{
    CommitId, Delivery, Observed, RefName, RepoId, Repository, Request, Source, Time, Update,
};
use assay_store::{GitError, Store, StoreError};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::core::{Mailbox, Message};
use super::hands::Hands;
use super::waiting;

/// How long a hook may take to say what it has to say.
const HINT_TIME: Duration = Duration::from_secs(5);

/// How far back an earlier look's request is searched for.
const EARLIER: usize = 50;

/// Hooks served at once; waiting ones included.
const CONNECTIONS: usize = 512;

/// Why a repository could not be looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the daemon is ending")]
    Ending,
}

/// Looks at repositories, one look at a time for each.
pub(super) struct Intake {
    pub(super) store: Store,
    pub(super) mailbox: Mailbox,
    pub(super) hands: Arc<Hands>,
    /// Address of the web pages, without a slash at the end.
    pub(super) web: String,
    pub(super) burst: usize,
    locks: Mutex<BTreeMap<RepoId, Arc<tokio::sync::Mutex<()>>>>,
}

impl Intake {
    pub(super) fn new(
        store: Store,
        mailbox: Mailbox,
        hands: Arc<Hands>,
        web: String,
        burst: usize,
    ) -> Self {
        Intake {
            store,
            mailbox,
            hands,
            web,
            burst,
            locks: Mutex::default(),
        }
    }

    /// Compares a repository's refs with the values last handled, deliveries first, the spooled ones before the one at
    /// hand; returns the requests made.
    pub(super) async fn look(
        &self,
        repo: &Repository,
        deliveries: Vec<Delivery>,
    ) -> Result<Vec<Request>, LookError> {
        let one_at_a_time = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(locks.entry(repo.id).or_default())
        };
        let _guard = one_at_a_time.lock().await;
        let (store, repository, burst) = (self.store.clone(), repo.clone(), self.burst);
        let seen = tokio::task::spawn_blocking(move || {
            // What waits in the spool was pushed before: taken later, it would look like old news.
            let (files, mut all) = spooled(&repository);
            all.extend(deliveries);
            observe(&store, &repository, all, burst).map(|(observed, head)| (observed, head, files))
        });
        let (observed, head, files) = seen.await.map_err(|_| LookError::Ending)??;
        if head.is_some() && head != repo.default_branch {
            self.set_default_branch(repo, head).await;
        }
        let requests = self
            .mailbox
            .ask(|reply| Message::Observe(observed, reply))
            .await
            .ok_or(LookError::Ending)?;
        for file in files {
            if let Err(error) = assay_hooks::drop_spooled(&file) {
                // It is remembered and not taken twice. Said once, not at every look.
                match requests.is_empty() {
                    false => {
                        tracing::warn!(file = %file.display(), %error, "cannot remove a spooled delivery")
                    }
                    true => {
                        tracing::debug!(file = %file.display(), %error, "cannot remove a spooled delivery")
                    }
                }
            }
        }
        Ok(requests)
    }

    async fn set_default_branch(&self, repo: &Repository, head: Option<String>) {
        let Some(mut now) = self
            .hands
            .repositories()
            .into_iter()
            .find(|other| other.id == repo.id)
        else {
            return;
        };
        now.default_branch = head;
        let _ = self
            .mailbox
            .ask(|reply| Message::Update(Box::new(now), reply))
            .await;
    }

    /// Looks at every repository. Failures are the operator's to see, and stop nothing.
    pub(super) async fn look_at_all(&self) {
        for repo in self
            .hands
            .repositories()
            .into_iter()
            .filter(|repo| repo.active)
        {
            self.look_at(&repo).await;
        }
    }

    /// Looks at one repository, with no delivery at hand.
    pub(super) async fn look_at(&self, repo: &Repository) {
        match self.look(repo, Vec::new()).await {
            Ok(requests) if requests.is_empty() => {}
            Ok(requests) => {
                tracing::info!(repository = %repo.slug, requests = requests.len(), "refs moved")
            }
            Err(LookError::Ending) => {}
            Err(error) => {
                tracing::warn!(repository = %repo.slug, %error, "cannot look at a repository")
            }
        }
    }

    /// Serves the hook socket until the listener's task is aborted.
    pub(super) async fn serve(self: Arc<Self>, listener: UnixListener) {
        let places = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let intake = Arc::clone(&self);
                    tokio::spawn(async move {
                        let _place = place;
                        if let Err(error) = intake.answer(stream).await {
                            tracing::debug!(%error, "a hook went away");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a hook");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn answer(&self, stream: UnixStream) -> std::io::Result<()> {
        let peer = stream.peer_cred()?;
        let (read, mut write) = stream.into_split();
        let mut line = Vec::new();
        let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
        let mut reader = BufReader::new(read.take(limit));
        let got = tokio::time::timeout(HINT_TIME, reader.read_until(b'\n', &mut line)).await;
        if !matches!(got, Ok(Ok(_))) {
            return Ok(());
        }
        let accepted = match Hint::decode(&line) {
            Ok(hint) => self
                .take(&hint, peer.uid(), peer.gid())
                .await
                .map(|answer| (hint, answer)),
            Err(error) => Err(refusal(
                format!("this daemon does not understand the hook: {error}"),
                false,
            )),
        };
        match accepted {
            Ok((hint, (entries, requests))) => {
                write.write_all(&encode(&Answer::Accepted(entries))).await?;
                if hint.wait {
                    waiting::stream(&self.store, &self.web, requests, &mut write).await?;
                }
            }
            Err(refused) => write.write_all(&encode(&Answer::Refused(refused))).await?,
        }
        write.shutdown().await
    }

    /// Takes one hint; returns what becomes of each of its refs.
    async fn take(
        &self,
        hint: &Hint,
        uid: u32,
        gid: u32,
    ) -> Result<(Vec<Accepted>, Vec<Request>), Refusal> {
        let path = PathBuf::from(&hint.repository);
        let Some(repo) = self.hands.repository_at(&path) else {
            return Err(refusal(
                format!("{} is not registered (assay repo add PATH)", path.display()),
                false,
            ));
        };
        if !repo.active {
            return Err(refusal(
                format!("builds of {} are switched off", repo.slug),
                false,
            ));
        }
        if !allowed(path, uid, gid).await {
            return Err(refusal(
                format!(
                    "uid {uid} cannot write {}, so it is not heard",
                    hint.repository
                ),
                false,
            ));
        }
        let made = self
            .look(&repo, vec![delivery(hint)])
            .await
            .map_err(|error| {
                tracing::warn!(repository = %repo.slug, %error, "cannot look at a repository");
                refusal(format!("cannot look at the repository now: {error}"), true)
            })?;
        let is_known = |update| made.iter().any(|request| is_about(request, update));
        let earlier = if hint.updates.iter().all(is_known) {
            Vec::new()
        } else {
            self.earlier(repo.id).await
        };
        Ok(describe(&self.web, &repo, hint, &made, &earlier))
    }

    /// The requests of earlier looks, newest first: the timer may have been quicker than the hook.
    async fn earlier(&self, repo: RepoId) -> Vec<Request> {
        let store = self.store.clone();
        let read = move || store.requests(repo, None, EARLIER).unwrap_or_default();
        tokio::task::spawn_blocking(read).await.unwrap_or_default()
    }
}

fn refusal(text: String, spool: bool) -> Refusal {
    Refusal { text, spool }
}

pub(super) fn encode(answer: &Answer) -> Vec<u8> {
    answer.encode().unwrap_or_else(|error| {
        tracing::error!(%error, "an answer to a hook could not be written");
        Vec::new()
    })
}

async fn allowed(path: PathBuf, uid: u32, gid: u32) -> bool {
    let check = move || {
        assay_hooks::may_write(&path, uid, gid, &[])
            || assay_hooks::may_write(&path, uid, gid, &assay_hooks::groups_of(uid))
    };
    tokio::task::spawn_blocking(check).await.unwrap_or(false)
}

/// Blocking: what hooks of this repository left in its spool, with the files it is in.
fn spooled(repo: &Repository) -> (Vec<PathBuf>, Vec<Delivery>) {
    let Source::Path(path) = &repo.source;
    let found = assay_hooks::read_spool(Path::new(path)).unwrap_or_else(|error| {
        tracing::warn!(path, %error, "cannot read the spool");
        Vec::new()
    });
    found
        .into_iter()
        .map(|(file, hint)| (file, delivery(&hint)))
        .unzip()
}

/// A hint in the engine's words. Lines that say nothing that could be built are left out.
fn delivery(hint: &Hint) -> Delivery {
    let value = |text: &str| CommitId::parse(text).ok().filter(|id| !id.is_zero());
    let updates = hint.updates.iter().filter_map(|update| {
        let ref_name = RefName::parse(&update.ref_name).ok()?;
        let ours = ref_name.branch().is_some() || ref_name.tag().is_some();
        ours.then(|| Update {
            before: value(&update.old),
            after: value(&update.new),
            ref_name,
        })
    });
    Delivery {
        id: hint.delivery.clone(),
        updates: updates.collect(),
        options: hint.options.clone(),
        pusher: hint.pusher.clone(),
    }
}

/// Blocking: reads the refs, leaves out deliveries that were handled before, and looks up commit times when more refs
/// moved than will be built.
fn observe(
    store: &Store,
    repo: &Repository,
    mut deliveries: Vec<Delivery>,
    burst: usize,
) -> Result<(Observed, Option<String>), LookError> {
    let mut fresh = Vec::with_capacity(deliveries.len());
    for delivery in deliveries.drain(..) {
        if !store.delivery_seen(&delivery.id)? {
            fresh.push(delivery);
        }
    }
    let found = store.git().refs(&repo.source)?;
    for (name, reason) in &found.refused {
        tracing::warn!(repository = %repo.slug, name, reason, "a ref cannot be built");
    }
    let handled = store.handled(repo.id)?;
    let moved: Vec<&CommitId> = found
        .refs
        .iter()
        .filter(|(name, value)| handled.get(*name) != Some(*value))
        .map(|(_, value)| value)
        .collect();
    let mut times: BTreeMap<CommitId, Time> = BTreeMap::new();
    if moved.len() > burst {
        for value in moved {
            if let Ok(Some(time)) = store.git().commit_time(&repo.source, value) {
                times.insert(value.clone(), time);
            }
        }
    }
    Ok((
        Observed {
            repo: repo.id,
            refs: found.refs,
            times,
            deliveries: fresh,
        },
        found.head,
    ))
}

/// What becomes of each ref of a hint.
fn describe(
    web: &str,
    repo: &Repository,
    hint: &Hint,
    made: &[Request],
    earlier: &[Request],
) -> (Vec<Accepted>, Vec<Request>) {
    let mut entries = Vec::new();
    let mut chosen = Vec::new();
    for update in &hint.updates {
        let found = made
            .iter()
            .rev()
            .chain(earlier)
            .find(|request| is_about(request, update));
        entries.push(entry(web, repo, &update.ref_name, found));
        chosen.extend(found.cloned());
    }
    (entries, chosen)
}

/// Whether a request was made of this line.
fn is_about(request: &Request, update: &RefUpdate) -> bool {
    let same_value = match &request.event.after {
        Some(after) => after.as_str() == update.new,
        None => update.new.bytes().all(|digit| digit == b'0'),
    };
    same_value && request.event.ref_name.as_str() == update.ref_name
}

fn entry(web: &str, repo: &Repository, ref_name: &str, request: Option<&Request>) -> Accepted {
    let (url, note) = match request {
        Some(request) if request.state == assay_plan::RequestState::Rejected => {
            (None, request.reason.clone())
        }
        Some(request) => (Some(build_url(web, repo, request)), None),
        None => (
            None,
            Some("neither a branch nor a tag that is built".to_owned()),
        ),
    };
    Accepted {
        ref_name: ref_name.to_owned(),
        url,
        note,
    }
}

/// Address of a request's build: known before the build is.
pub(super) fn build_url(web: &str, repo: &Repository, request: &Request) -> String {
    format!("{web}/{}/builds/{}", repo.slug, request.id)
}

/// Opens a socket file, taking the place of one that nobody listens on any more.
pub(super) fn bind(path: &Path, mode: u32) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

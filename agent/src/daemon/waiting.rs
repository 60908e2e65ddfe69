//! A push that waits: the logs of its jobs as they grow, the states, and the verdict.

use std::collections::BTreeSet;

use assay_hooks::{Answer, End, LogText, StateOf};
use assay_plan::{Build, JobId, RepoId, Request, RequestId, RequestState, State};
use assay_store::{Changed, Store};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::intake::encode;

/// Answers that may wait for a slow reader; a full channel makes the log's readers wait, nothing else.
const WAITING: usize = 64;

/// Streams all builds of a push until they are done. Ends early when the hook goes away.
pub(super) async fn stream(
    store: &Store,
    web: &str,
    requests: Vec<Request>,
    write: &mut (impl AsyncWrite + Unpin),
) -> std::io::Result<()> {
    let (sender, mut answers) = mpsc::channel(WAITING);
    let mut followers = JoinSet::new();
    for request in requests {
        followers.spawn(follow_request(
            store.clone(),
            web.to_owned(),
            request,
            sender.clone(),
        ));
    }
    drop(sender);
    while let Some(answer) = answers.recv().await {
        write.write_all(&encode(&answer)).await?;
    }
    let mut ends = Vec::new();
    while let Some(end) = followers.join_next().await {
        ends.extend(end.ok().flatten());
    }
    // Travis' order of seriousness: errored, failed, canceled, passed.
    let rank = |end: &End| {
        ["errored", "failed", "canceled", "rejected", "passed"]
            .iter()
            .position(|name| *name == end.verdict)
    };
    ends.sort_by_key(rank);
    if let Some(end) = ends.into_iter().next() {
        write.write_all(&encode(&Answer::End(end))).await?;
    }
    Ok(())
}

async fn follow_request(
    store: Store,
    web: String,
    request: Request,
    out: mpsc::Sender<Answer>,
) -> Option<End> {
    let mut changes = store.watch();
    let id = request.id;
    let repo = store_call(&store, move |store| store.repository(request.event.repo)).await??;
    let url = format!("{web}/{}/builds/{id}", repo.slug);
    loop {
        let now = store_call(&store, move |store| store.request(id)).await??;
        match now.state {
            RequestState::Pending => {
                wait(&mut changes, |change| *change == Changed::Request(id)).await?
            }
            RequestState::Accepted => break,
            RequestState::Rejected => {
                let text = format!("no build: {}\r\n", now.reason.unwrap_or_default());
                out.send(Answer::Log(LogText {
                    job: String::new(),
                    text,
                }))
                .await
                .ok()?;
                return Some(End {
                    verdict: "rejected".to_owned(),
                    url,
                });
            }
        }
    }
    let build = store_call(&store, move |store| store.build(id)).await??;
    let mut logs = JoinSet::new();
    let all = build.clone();
    for job in store_call(&store, move |store| store.jobs(&all)).await? {
        logs.spawn(follow_log(
            store.clone(),
            repo.id,
            job.id,
            job.number.to_string(),
            out.clone(),
        ));
    }
    let end = follow_states(&store, build, &mut changes, &out).await?;
    while logs.join_next().await.is_some() {}
    Some(End {
        verdict: end.to_string(),
        url,
    })
}

async fn follow_log(
    store: Store,
    repo: RepoId,
    job: JobId,
    number: String,
    out: mpsc::Sender<Answer>,
) {
    let mut feed = store.logs().follow(repo, job, 0);
    while let Some(part) = feed.next().await {
        let text = LogText {
            job: number.clone(),
            text: part.content,
        };
        if out.send(Answer::Log(text)).await.is_err() {
            return;
        }
    }
}

/// Reports each new state until the build is final and all its jobs are.
async fn follow_states(
    store: &Store,
    build: Build,
    changes: &mut tokio::sync::broadcast::Receiver<Changed>,
    out: &mpsc::Sender<Answer>,
) -> Option<State> {
    let id: RequestId = build.id;
    let jobs: BTreeSet<JobId> = build.jobs.iter().copied().collect();
    let mut told: std::collections::BTreeMap<JobId, State> = std::collections::BTreeMap::new();
    loop {
        let (now, states) = store_call(store, move |store| {
            let Some(build) = store.build(id)? else {
                return Ok(None);
            };
            let jobs = store.jobs(&build)?;
            Ok(Some((build, jobs)))
        })
        .await??;
        for job in &states {
            let news = told.insert(job.id, job.state) != Some(job.state);
            if news && !matches!(job.state, State::Created | State::Queued | State::Received) {
                let state = StateOf {
                    job: Some(job.number.to_string()),
                    build: None,
                    state: job.state.to_string(),
                };
                out.send(Answer::State(state)).await.ok()?;
            }
        }
        if now.state.is_final() && states.iter().all(|job| job.state.is_final()) {
            let state = StateOf {
                job: None,
                build: Some(now.number.to_string()),
                state: now.state.to_string(),
            };
            out.send(Answer::State(state)).await.ok()?;
            return Some(now.state);
        }
        wait(changes, |change| match change {
            Changed::Build(build) => *build == id,
            Changed::Job(job) => jobs.contains(job),
            _ => false,
        })
        .await?;
    }
}

/// Waits for a change that matters; a receiver that fell behind has missed something, which may have been it.
async fn wait(
    changes: &mut tokio::sync::broadcast::Receiver<Changed>,
    matters: impl Fn(&Changed) -> bool,
) -> Option<()> {
    use tokio::sync::broadcast::error::RecvError;
    loop {
        match changes.recv().await {
            Ok(change) if !matters(&change) => {}
            Ok(_) | Err(RecvError::Lagged(_)) => return Some(()),
            Err(RecvError::Closed) => return None,
        }
    }
}

async fn store_call<T: Send + 'static>(
    store: &Store,
    call: impl FnOnce(&Store) -> Result<T, assay_store::StoreError> + Send + 'static,
) -> Option<T> {
    let store = store.clone();
    let result = tokio::task::spawn_blocking(move || call(&store))
        .await
        .ok()?;
    result
        .inspect_err(|error| tracing::error!(%error, "cannot read for a waiting push"))
        .ok()
}

//! Live streams as server-sent events: a job's log, a build's states.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use assay_plan::{Build, BuildId, Job, JobId, RepoId, State};
use assay_store::{Changed, LogFeed, LogPart};
use axum::body::{Body, Bytes};
use futures_util::StreamExt as _;
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use crate::access::gate;
use crate::api::{Api, Cx};
use crate::clock;
use crate::http::{Call, Content, Fail, Reply, Shutdown};
use crate::page::LogView;
use crate::v2::shown_state;

/// Comment lines keep proxies from closing a silent stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Between the last part of a log and the job's final state, either of which may come first.
const SETTLE: Duration = Duration::from_secs(10);
/// Frames that wait for a slow reader.
const WAITING: usize = 16;

/// One event, as bytes of the stream.
fn frame(event: Option<&str>, id: Option<u32>, data: &impl Serialize) -> Bytes {
    let mut text = String::new();
    if let Some(event) = event {
        text.push_str(&format!("event: {event}\n"));
    }
    if let Some(id) = id {
        text.push_str(&format!("id: {id}\n"));
    }
    // JSON has no line breaks of its own, so one data line is enough.
    text.push_str(&format!(
        "data: {}\n\n",
        serde_json::to_string(data).unwrap_or_default()
    ));
    Bytes::from(text)
}

fn reply(frames: mpsc::Receiver<Bytes>) -> Reply {
    let body = Body::from_stream(ReceiverStream::new(frames).map(Ok::<_, Infallible>));
    Reply::ok(Content::Stream("text/event-stream", body))
}

fn job_state(job: &Job) -> serde_json::Value {
    json!({
        "job_id": job.id.0,
        "number": job.number.to_string(),
        "state": shown_state(job.state),
        "started_at": job.started_at.map(clock::text),
        "finished_at": job.finished_at.map(clock::text),
    })
}

fn build_state(build: &Build) -> serde_json::Value {
    json!({
        "build_id": build.id.0,
        "number": build.number.to_string(),
        "state": shown_state(build.state),
        "started_at": build.started_at.map(clock::text),
        "finished_at": build.finished_at.map(clock::text),
    })
}

/// What ends a stream from outside.
struct Line {
    frames: mpsc::Sender<Bytes>,
    changes: broadcast::Receiver<Changed>,
    shutdown: Option<Shutdown>,
    _place: OwnedSemaphorePermit,
}

impl Line {
    /// Sends; `false` when nobody listens any more.
    async fn send(&self, frame: Bytes) -> bool {
        self.frames.send(frame).await.is_ok()
    }

    async fn end(&self) {
        self.send(frame(Some("end"), None, &json!({}))).await;
    }
}

/// What may happen while a stream waits.
enum Happened {
    /// Something with one of the ids was changed; `None` when so much was that we lost count.
    Changed(Option<Changed>),
    /// Nothing for a while.
    Silence,
    /// The reader left, or the daemon ends.
    Over,
}

impl Line {
    async fn next(&mut self) -> Happened {
        let stopping = async {
            match &mut self.shutdown {
                Some(shutdown) => {
                    let _ = shutdown.wait_for(|stop| *stop).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            change = self.changes.recv() => match change {
                Ok(change) => Happened::Changed(Some(change)),
                Err(RecvError::Lagged(_)) => Happened::Changed(None),
                Err(RecvError::Closed) => Happened::Over,
            },
            () = tokio::time::sleep(KEEP_ALIVE) => Happened::Silence,
            () = self.frames.closed() => Happened::Over,
            () = stopping => Happened::Over,
        }
    }
}

/// The right to a stream, and the two ends of it.
fn open(api: &Api, call: &Call) -> Result<(Line, mpsc::Receiver<Bytes>), Fail> {
    let place = api.stream_place()?;
    let (frames, receiver) = mpsc::channel(WAITING);
    let line = Line {
        frames,
        changes: api.store().watch(),
        shutdown: call.shutdown.clone(),
        _place: place,
    };
    Ok((line, receiver))
}

/// `GET /assay/jobs/{id}/log/events`.
pub(super) async fn of_log(api: &Api, call: &Arc<Call>, id: JobId) -> Result<Reply, Fail> {
    let (line, receiver) = open(api, call)?;
    let resumed = call
        .header("last-event-id")
        .and_then(|id| id.trim().parse().ok());
    let asked = call
        .params
        .number("after")
        .map(|after| u32::try_from(after).unwrap_or(u32::MAX));
    let after = resumed.or(asked).unwrap_or(0);
    let as_html = call.params.text("render").as_deref() == Some("html");
    let job = api.read(call, move |cx| readable_job(cx, id)).await?;
    let (repo, view) = (job.repo, as_html.then(LogView::default));
    let (feed, view) = api
        .blocking(move |store| prepare(store.logs(), repo, id, after, view))
        .await?;
    let stream = LogStream {
        api: api.clone(),
        job,
        view,
        log_done: false,
        told: None,
        line,
    };
    tokio::spawn(stream.run(feed));
    Ok(reply(receiver))
}

fn readable_job(cx: &Cx<'_>, id: JobId) -> Result<Job, Fail> {
    gate(cx.settings.mode, cx.who, cx.call.accept.version())?;
    let job = cx.store.job(id)?.ok_or(Fail::NotFound)?;
    let repository = cx.store.repository(job.repo)?.ok_or(Fail::NotFound)?;
    if cx.who.sees(&repository) {
        Ok(job)
    } else {
        Err(Fail::NotFound)
    }
}

/// Follows the log; a rendered stream has to go through what the reader already has, to know colours and folds.
fn prepare(
    logs: &assay_store::Logs,
    repo: RepoId,
    id: JobId,
    after: u32,
    mut view: Option<LogView>,
) -> Result<(LogFeed, Option<LogView>), Fail> {
    if let Some(view) = view.as_mut().filter(|_| after > 0) {
        for part in logs
            .parts(repo, id, 0)?
            .into_iter()
            .take_while(|part| part.number <= after)
        {
            view.feed(&part.content);
            view.take();
        }
    }
    Ok((logs.follow(repo, id, after), view))
}

/// The next part, with the feed to go on from. Never dropped half-way, so that no part is lost.
async fn next_part(mut feed: LogFeed) -> (LogFeed, Option<LogPart>) {
    let part = feed.next().await;
    (feed, part)
}

struct LogStream {
    api: Api,
    job: Job,
    view: Option<LogView>,
    /// Whether the last part has been sent.
    log_done: bool,
    /// The state last sent.
    told: Option<State>,
    line: Line,
}

impl LogStream {
    async fn run(mut self, feed: LogFeed) {
        let mut part = Box::pin(next_part(feed));
        let settle = tokio::time::sleep(SETTLE);
        tokio::pin!(settle);
        if !self.tell_state().await {
            return;
        }
        loop {
            let final_state = self.job.state.is_final();
            if self.log_done && final_state {
                break;
            }
            let half_done = self.log_done || final_state;
            tokio::select! {
                (feed, got) = &mut part, if !self.log_done => {
                    part = Box::pin(next_part(feed));
                    self.log_done = got.as_ref().is_none_or(|part| part.last);
                    if self.log_done {
                        settle.as_mut().reset(tokio::time::Instant::now() + SETTLE);
                        self.reload().await;
                    }
                    if let Some(got) = got {
                        let shown = self.show(&got);
                        if !self.line.send(shown).await {
                            return;
                        }
                    }
                    if !self.tell_state().await {
                        return;
                    }
                }
                happened = self.line.next() => match happened {
                    Happened::Over => return,
                    Happened::Silence => {
                        if !self.line.send(Bytes::from_static(b": still here\n\n")).await {
                            return;
                        }
                    }
                    Happened::Changed(change) => {
                        if change.is_none_or(|change| change == Changed::Job(self.job.id)) {
                            let was_final = self.job.state.is_final();
                            self.reload().await;
                            if !self.tell_state().await {
                                return;
                            }
                            if self.job.state.is_final() && !was_final {
                                settle.as_mut().reset(tokio::time::Instant::now() + SETTLE);
                            }
                        }
                    }
                },
                () = &mut settle, if half_done => break,
            }
        }
        self.line.end().await;
    }

    /// Reads the job again; a job that has been removed stays as it was.
    async fn reload(&mut self) {
        let id = self.job.id;
        if let Ok(Some(job)) = self.api.blocking(move |store| Ok(store.job(id)?)).await {
            self.job = job;
        }
    }

    /// Sends the job's state if it is not the one last sent; `false` when nobody listens any more.
    async fn tell_state(&mut self) -> bool {
        let news = self.told.replace(self.job.state) != Some(self.job.state);
        !news
            || self
                .line
                .send(frame(Some("state"), None, &job_state(&self.job)))
                .await
    }

    fn show(&mut self, part: &LogPart) -> Bytes {
        match &mut self.view {
            None => {
                let data =
                    json!({"number": part.number, "content": part.content, "final": part.last});
                frame(None, Some(part.number), &data)
            }
            Some(view) => {
                view.feed(&part.content);
                if part.last {
                    view.finish();
                }
                let update = view.take();
                frame(
                    None,
                    Some(part.number),
                    &json!({"number": part.number, "final": part.last, "update": update}),
                )
            }
        }
    }
}

/// `GET /assay/builds/{id}/events`.
pub(super) async fn of_build(api: &Api, call: &Arc<Call>, id: BuildId) -> Result<Reply, Fail> {
    let (line, receiver) = open(api, call)?;
    let readable = move |cx: &Cx<'_>| {
        gate(cx.settings.mode, cx.who, cx.call.accept.version())?;
        // A request without a build yet may get one: its stream waits for it.
        let request = cx.store.request(id)?.ok_or(Fail::NotFound)?;
        let repository = cx
            .store
            .repository(request.event.repo)?
            .ok_or(Fail::NotFound)?;
        if cx.who.sees(&repository) {
            Ok(())
        } else {
            Err(Fail::NotFound)
        }
    };
    api.read(call, readable).await?;
    tokio::spawn(
        BuildStream {
            api: api.clone(),
            id,
            told: HashMap::new(),
            build: None,
            line,
        }
        .run(),
    );
    Ok(reply(receiver))
}

struct BuildStream {
    api: Api,
    id: BuildId,
    /// The state each job was last told in.
    told: HashMap<JobId, State>,
    /// The state the build was last told in.
    build: Option<State>,
    line: Line,
}

impl BuildStream {
    async fn run(mut self) {
        let mut decided = self.tell().await;
        while decided == Some(false) {
            match self.line.next().await {
                Happened::Over => return,
                Happened::Silence => {
                    if !self
                        .line
                        .send(Bytes::from_static(b": still here\n\n"))
                        .await
                    {
                        return;
                    }
                }
                Happened::Changed(change) => {
                    let ours = match change {
                        None => true,
                        Some(Changed::Build(id) | Changed::Request(id)) => id == self.id,
                        Some(Changed::Job(id)) => self.told.contains_key(&id),
                        Some(Changed::Repository(_)) => false,
                    };
                    if ours {
                        decided = self.tell().await;
                    }
                }
            }
        }
        if decided == Some(true) {
            self.line.end().await;
        }
    }

    /// Sends what has changed. Whether the build is decided; `None` when nobody listens any more.
    async fn tell(&mut self) -> Option<bool> {
        let id = self.id;
        let load = move |store: &assay_store::Store| {
            let request = store.request(id)?;
            let build = store.build(id)?;
            let jobs = build
                .as_ref()
                .map(|build| store.jobs(build))
                .transpose()?
                .unwrap_or_default();
            Ok((request, build, jobs))
        };
        let (request, build, jobs) = self.api.blocking(load).await.ok()?;
        for job in jobs {
            if self.told.insert(job.id, job.state) != Some(job.state)
                && !self
                    .line
                    .send(frame(Some("job"), None, &job_state(&job)))
                    .await
            {
                return None;
            }
        }
        let Some(build) = build else {
            return Some(
                request.is_none_or(|request| request.state == assay_plan::RequestState::Rejected),
            );
        };
        if self.build.replace(build.state) != Some(build.state)
            && !self
                .line
                .send(frame(Some("build"), None, &build_state(&build)))
                .await
        {
            return None;
        }
        Some(build.state.is_final())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_one_event() {
        let text = frame(Some("state"), Some(3), &json!({"a": "x\ny"}));
        assert_eq!(text, "event: state\nid: 3\ndata: {\"a\":\"x\\ny\"}\n\n");
    }
}

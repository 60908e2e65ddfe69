//! Artifacts of a job: listed, and fetched one by one.
//!
//! Names were made by jobs: they are shown escaped, and a file is asked for by its number.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use assay_plan::JobId;
use assay_store::{Archive, Entry};
use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_DISPOSITION;
use futures_util::StreamExt as _;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::access::gate;
use crate::api::{Api, Cx};
use crate::http::{Call, Content, Fail, Reply};

/// Bytes that are sent at once.
const CHUNK: usize = 64 * 1024;
/// Chunks that wait for a slow reader.
const WAITING: usize = 4;

#[derive(Serialize)]
struct ArtifactEntity {
    number: usize,
    /// Relative to the work tree where it lies below it; escaped as in Rust's strings.
    path: String,
    kind: &'static str,
    size: u64,
    target: Option<String>,
}

/// `GET /assay/jobs/{id}/artifacts`.
pub(super) fn list(cx: &Cx<'_>, id: JobId) -> Result<Reply, Fail> {
    let (archive, build_dir) = find(cx, id)?;
    let Some(archive) = archive else {
        return cx.json(&json!({"artifacts": []}));
    };
    let shown = |path: &[u8]| {
        let path = path.strip_prefix(build_dir.as_bytes()).unwrap_or(path);
        path.escape_ascii().to_string()
    };
    let mut entities: Vec<ArtifactEntity> = Vec::new();
    let mut number = 0;
    archive.read(&mut |entry| {
        let (path, kind, size, target) = match entry {
            Entry::Time(_) => return Ok(()),
            Entry::File {
                path,
                executable,
                length,
                ..
            } => {
                let kind = if executable { "program" } else { "file" };
                (shown(path), kind, length, None)
            }
            Entry::Link { path, target } => {
                let target = target.escape_ascii().to_string();
                (shown(path), "link", 0, Some(target))
            }
            Entry::Folder { path } => (shown(path), "folder", 0, None),
        };
        entities.push(ArtifactEntity {
            number,
            path,
            kind,
            size,
            target,
        });
        number += 1;
        Ok(())
    })?;
    cx.json(&json!({"artifacts": entities}))
}

/// The artifacts of a job that the user may see, and the work tree's path with a slash at its end.
fn find(cx: &Cx<'_>, id: JobId) -> Result<(Option<Archive>, String), Fail> {
    gate(cx.settings.mode, cx.who, cx.call.accept.version())?;
    let job = cx.store.job(id)?.ok_or(Fail::NotFound)?;
    let repository = cx.store.repository(job.repo)?;
    let repository = repository.filter(|repository| cx.who.sees(repository));
    let repository = repository.ok_or(Fail::NotFound)?;
    let archive = cx.store.artifacts().find(job.repo, &id.to_string(), "")?;
    Ok((archive, format!("/home/travis/build/{}/", repository.slug)))
}

/// `GET /assay/jobs/{id}/artifacts/{number}`: the bytes of a file.
pub(super) async fn get(
    api: &Api,
    call: &Arc<Call>,
    id: JobId,
    number: usize,
) -> Result<Reply, Fail> {
    let place = api.stream_place()?;
    let archive = api.read(call, move |cx| find(cx, id)).await?.0;
    let archive = archive.ok_or(Fail::NotFound)?;
    let (chunks, waiting) = mpsc::channel(WAITING);
    let (found, is_there) = tokio::sync::oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let _place = place;
        // A reader that went away, or a damaged archive: the connection is cut off either way.
        if let Err(error) = send(&archive, number, found, &chunks) {
            tracing::warn!(%error, "an artifact can't be sent");
        }
    });
    is_there.await.map_err(|_| Fail::NotFound)?;
    let body = Body::from_stream(ReceiverStream::new(waiting).map(Ok::<_, Infallible>));
    let reply = Reply::ok(Content::Stream("application/octet-stream", body));
    Ok(reply.with(CONTENT_DISPOSITION, "attachment"))
}

fn send(
    archive: &Archive,
    wanted: usize,
    found: tokio::sync::oneshot::Sender<()>,
    chunks: &mpsc::Sender<Bytes>,
) -> Result<(), assay_store::StoreError> {
    let mut found = Some(found);
    let mut number = 0;
    archive.read(&mut |entry| {
        if matches!(entry, Entry::Time(_)) {
            return Ok(());
        }
        number += 1;
        let Entry::File { content, .. } = entry else {
            return Ok(());
        };
        if number != wanted + 1 {
            return Ok(());
        }
        if let Some(found) = found.take() {
            // The request may be gone; sending will tell.
            let _ = found.send(());
        }
        let mut buffer = vec![0; CHUNK];
        loop {
            match content.read(&mut buffer)? {
                0 => return Ok(()),
                read => chunks
                    .blocking_send(Bytes::copy_from_slice(&buffer[..read]))
                    .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?,
            }
        }
    })
}

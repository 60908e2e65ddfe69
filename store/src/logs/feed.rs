//! Following a log: stored parts first, then live ones, each exactly once.

use std::collections::VecDeque;
use std::sync::Arc;

use assay_plan::{JobId, RepoId};
use tokio::sync::watch;

use super::live::{Live, Mark, Recent};
use super::{Files, Found, LogPart, Wanted};
use crate::error::StoreError;

/// Bytes read from a file at a time.
const READ: usize = 512 << 10;

/// A log as it grows.
#[derive(Debug)]
pub struct LogFeed {
    files: Arc<Files>,
    live: Arc<Live>,
    marks: watch::Receiver<Mark>,
    repo: RepoId,
    job: JobId,
    generation: u64,
    after: u32,
    /// Offset in the plain file behind part `after` and what is in the queue; 0 if not known.
    offset: u64,
    queue: VecDeque<LogPart>,
    ended: bool,
}

impl LogFeed {
    pub(super) fn new(files: Arc<Files>, repo: RepoId, job: JobId, after: u32) -> LogFeed {
        let live = files.live(repo, job);
        let mut marks = live.subscribe();
        let generation = marks.borrow_and_update().generation;
        LogFeed {
            files,
            live,
            marks,
            repo,
            job,
            generation,
            after,
            offset: 0,
            queue: VecDeque::new(),
            ended: false,
        }
    }

    /// The next part; `None` after the last.
    ///
    /// May be dropped and called again at any time. Never blocks its thread: files are read on a blocking one.
    pub async fn next(&mut self) -> Option<LogPart> {
        loop {
            if self.ended {
                return None;
            }
            let mark = *self.marks.borrow_and_update();
            if mark.gone {
                self.ended = true;
                continue;
            }
            if mark.generation != self.generation {
                self.begin_again(mark.generation);
            }
            if let Some(part) = self.queue.pop_front() {
                self.after = part.number;
                self.ended = part.last;
                return Some(part);
            }
            match self.live.recent(self.generation, self.after) {
                Recent::Parts(parts) => {
                    self.queue = parts;
                    self.offset = 0;
                }
                Recent::Ended => self.ended = true,
                Recent::None => self.wait().await,
                Recent::Unknown => self.read().await,
                Recent::Stale => {}
            }
        }
    }

    fn begin_again(&mut self, generation: u64) {
        self.generation = generation;
        self.after = 0;
        self.offset = 0;
        self.queue.clear();
    }

    async fn wait(&mut self) {
        if self.marks.changed().await.is_err() {
            self.ended = true;
        }
    }

    /// Fills the queue from the file, or waits if there is nothing new in it.
    async fn read(&mut self) {
        let found = self.look().await;
        if self.marks.borrow().generation != self.generation {
            return;
        }
        match found {
            Ok(found) if !found.parts.is_empty() => {
                self.offset = found.offset;
                self.queue = found.parts.into();
            }
            Ok(found) if found.complete => self.ended = true,
            Ok(_) => self.wait().await,
            Err(error) => {
                tracing::warn!(%error, job = self.job.0, "log can't be read");
                self.ended = true;
            }
        }
    }

    async fn look(&self) -> Result<Found, StoreError> {
        let (files, repo, job) = (Arc::clone(&self.files), self.repo, self.job);
        let wanted = Wanted { after: self.after, offset: self.offset, limit: READ };
        let read = tokio::task::spawn_blocking(move || files.read(repo, job, wanted));
        read.await.map_err(|_| StoreError::Closing)?
    }
}

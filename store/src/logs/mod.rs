//! Job logs: one framed, append-only file per running job; compressed, with the same frames, once it is finished.
//!
//! Logs are neither in the journal nor in the view. A part is written before anybody sees it.

mod feed;
mod file;
mod live;
mod pack;
mod text;
mod write;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use assay_plan::{JobId, RepoId};

pub use feed::LogFeed;
pub use write::LogWriter;

use crate::error::StoreError;
use crate::folder::remove_all;
use file::Parts;
use live::Live;
use pack::{Finished, Packer};

/// One numbered piece of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPart {
    /// From 1, rising by one.
    pub number: u32,
    /// Text (bytes that are no UTF-8 are replaced before they get here; never cut inside a character).
    pub content: String,
    /// Whether it is the last one.
    pub last: bool,
}

/// All job logs; cheap to clone.
#[derive(Debug, Clone)]
pub struct Logs {
    files: Arc<Files>,
}

/// The folder of logs, and who is writing or following which.
#[derive(Debug)]
struct Files {
    dir: PathBuf,
    live: Mutex<HashMap<(RepoId, JobId), Weak<Live>>>,
    packer: Packer,
}

/// What one look at a log found.
#[derive(Debug, Default)]
struct Found {
    parts: Vec<LogPart>,
    /// Offset in the plain file behind the last part found; 0 when the log is compressed or not there.
    offset: u64,
    /// Whether the last part has been written (it need not be among those found).
    complete: bool,
}

/// From where on a log is read, and how much at most.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    after: u32,
    /// Offset in the plain file behind part `after`, if known.
    offset: u64,
    /// Bytes of content after which to stop; only for plain files.
    limit: usize,
}

impl Logs {
    /// Opens the folder; completes what a crash left half done.
    pub(crate) fn open(dir: PathBuf) -> Result<Logs, StoreError> {
        let logs = Logs {
            files: Arc::new(Files {
                dir,
                live: Mutex::default(),
                packer: Packer::start()?,
            }),
        };
        logs.files.recover()?;
        Ok(logs)
    }

    /// Opens the log of a job for writing; goes on after the parts that are there (an interrupted attempt's).
    pub fn write(&self, repo: RepoId, job: JobId) -> Result<LogWriter, StoreError> {
        LogWriter::open(Arc::clone(&self.files), repo, job)
    }

    /// Takes away what is there (a restart). Feeds wait for the new first part.
    pub fn clear(&self, repo: RepoId, job: JobId) -> Result<(), StoreError> {
        let live = self.files.live(repo, job);
        live.reset(|| {
            remove_all(&self.files.running(repo, job))?;
            remove_all(&self.files.finished(repo, job))
        })
    }

    /// Parts with a number above `after`; empty if there is no log yet.
    pub fn parts(&self, repo: RepoId, job: JobId, after: u32) -> Result<Vec<LogPart>, StoreError> {
        Ok(self
            .files
            .read(
                repo,
                job,
                Wanted {
                    after,
                    offset: 0,
                    limit: usize::MAX,
                },
            )?
            .parts)
    }

    /// Whether the last part is there.
    pub fn is_complete(&self, repo: RepoId, job: JobId) -> Result<bool, StoreError> {
        if let Some(complete) = self.files.live(repo, job).is_complete() {
            return Ok(complete);
        }
        Ok(self
            .files
            .read(
                repo,
                job,
                Wanted {
                    after: u32::MAX,
                    offset: 0,
                    limit: usize::MAX,
                },
            )?
            .complete)
    }

    /// Stored parts above `after`, then live ones, until the last; waits for a log that has not begun.
    pub fn follow(&self, repo: RepoId, job: JobId, after: u32) -> LogFeed {
        LogFeed::new(Arc::clone(&self.files), repo, job, after)
    }

    /// Removes all logs of a repository; feeds of them end.
    pub(crate) fn remove_repository(&self, repo: RepoId) -> Result<(), StoreError> {
        let lives: Vec<_> = {
            let map = self.files.lives();
            map.iter()
                .filter(|((of, _), _)| *of == repo)
                .filter_map(|(_, live)| live.upgrade())
                .collect()
        };
        for live in lives {
            live.end();
        }
        for (of, _, path) in self.files.list_running()? {
            if of == repo {
                remove_all(&path)?;
            }
        }
        remove_all(&self.files.dir.join(repo.to_string()))
    }
}

impl Files {
    fn running(&self, repo: RepoId, job: JobId) -> PathBuf {
        self.dir.join("running").join(format!("{repo}-{job}.log"))
    }

    fn finished(&self, repo: RepoId, job: JobId) -> PathBuf {
        self.dir.join(repo.to_string()).join(format!("{job}.zst"))
    }

    fn lives(&self) -> MutexGuard<'_, HashMap<(RepoId, JobId), Weak<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What writers and followers of one log share.
    fn live(&self, repo: RepoId, job: JobId) -> Arc<Live> {
        let mut lives = self.lives();
        if let Some(live) = lives.get(&(repo, job)).and_then(Weak::upgrade) {
            return live;
        }
        lives.retain(|_, live| live.strong_count() > 0);
        let live = Arc::new(Live::default());
        lives.insert((repo, job), Arc::downgrade(&live));
        live
    }

    /// Reads a log from its plain file, or from its compressed one.
    fn read(&self, repo: RepoId, job: JobId, wanted: Wanted) -> Result<Found, StoreError> {
        let (running, finished) = (self.running(repo, job), self.finished(repo, job));
        // A log moves from one to the other when it is finished, so look once more where it was not.
        for _ in 0..2 {
            if let Some(found) =
                read_plain(&running, wanted).map_err(StoreError::io("read", &running))?
            {
                return Ok(found);
            }
            if let Some(found) =
                read_finished(&finished, wanted).map_err(StoreError::io("read", &finished))?
            {
                return Ok(found);
            }
        }
        Ok(Found::default())
    }

    fn list_running(&self) -> Result<Vec<(RepoId, JobId, PathBuf)>, StoreError> {
        let dir = self.dir.join("running");
        let mut found = Vec::new();
        for entry in fs::read_dir(&dir).map_err(StoreError::io("read", &dir))? {
            let path = entry.map_err(StoreError::io("read", &dir))?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.strip_suffix(".log"));
            let ids = name.and_then(|name| name.split_once('-'));
            if let Some((repo, job)) =
                ids.and_then(|(repo, job)| Some((repo.parse().ok()?, job.parse().ok()?)))
            {
                found.push((RepoId(repo), JobId(job), path));
            }
        }
        Ok(found)
    }

    /// Finishes logs whose last part was written before a crash.
    fn recover(&self) -> Result<(), StoreError> {
        for (repo, job, path) in self.list_running()? {
            let wanted = Wanted {
                after: u32::MAX,
                offset: 0,
                limit: usize::MAX,
            };
            let found = read_plain(&path, wanted).map_err(StoreError::io("read", &path))?;
            if found.is_some_and(|found| found.complete) {
                self.finished_log(repo, job).pack()?;
            }
        }
        Ok(())
    }

    /// A log that has its last part, to be packed.
    fn finished_log(&self, repo: RepoId, job: JobId) -> Finished {
        Finished {
            plain: self.running(repo, job),
            packed: self.finished(repo, job),
            by: None,
        }
    }
}

fn read_plain(path: &std::path::Path, wanted: Wanted) -> io::Result<Option<Found>> {
    let Some(mut parts) = Parts::plain(path, wanted.offset)? else {
        return Ok(None);
    };
    let mut found = collect(&mut parts, wanted)?;
    found.offset = parts.end();
    Ok(Some(found))
}

fn read_finished(path: &std::path::Path, wanted: Wanted) -> io::Result<Option<Found>> {
    let Some(mut parts) = Parts::finished(path)? else {
        return Ok(None);
    };
    let mut found = collect(
        &mut parts,
        Wanted {
            limit: usize::MAX,
            ..wanted
        },
    )?;
    found.complete = true;
    Ok(Some(found))
}

fn collect(parts: &mut Parts<impl io::Read>, wanted: Wanted) -> io::Result<Found> {
    let (mut found, mut bytes) = (Found::default(), 0);
    while bytes < wanted.limit
        && let Some(part) = parts.next()?
    {
        found.complete = part.last;
        if part.number > wanted.after {
            bytes += part.content.len();
            found.parts.push(part);
        }
    }
    Ok(found)
}

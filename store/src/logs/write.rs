//! Writing one job's log.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use assay_plan::{JobId, RepoId};

use super::file::{self, HEADER, LONGEST, Parts};
use super::live::Live;
use super::pack::Finished;
use super::text::{Decoder, pieces};
use super::{Files, LogPart};
use crate::error::StoreError;
use crate::folder::remove_all;

/// Writes one job's log. Dropped without [`LogWriter::finish`], the log stays open for a further attempt.
#[derive(Debug)]
pub struct LogWriter {
    files: Arc<Files>,
    live: Arc<Live>,
    repo: RepoId,
    job: JobId,
    writer: u64,
    output: Output,
    number: u32,
    decoder: Decoder,
}

#[derive(Debug)]
struct Output {
    file: File,
    path: PathBuf,
    end: u64,
}

impl LogWriter {
    pub(super) fn open(
        files: Arc<Files>,
        repo: RepoId,
        job: JobId,
    ) -> Result<LogWriter, StoreError> {
        let live = files.live(repo, job);
        let writer = live.claim();
        let path = files.running(repo, job);
        reopen(&path, &files.finished(repo, job))?;
        let (end, last) = measure(&path)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(StoreError::io("open", &path))?;
        file.set_len(end).map_err(StoreError::io("cut", &path))?;
        let mut output = Output { file, path, end };
        if end == 0 {
            output.put(HEADER)?;
        }
        let mut number = last.as_ref().map_or(0, |last| last.number);
        if let Some(part) = last.filter(|part| part.last) {
            // It was finished once; its end is taken back.
            output.end -= file::frame(&part).len() as u64;
            number = part.number;
            output.put(&file::frame(&LogPart {
                last: false,
                ..part
            }))?;
        }
        live.begin(writer, number);
        Ok(LogWriter {
            files,
            live,
            repo,
            job,
            writer,
            output,
            number,
            decoder: Decoder::default(),
        })
    }

    /// Appends bytes; they become a part (or wait, if they end inside a character).
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let text = self.decoder.push(bytes);
        for content in pieces(&text, LONGEST) {
            self.publish(content.to_owned(), false)?;
        }
        Ok(())
    }

    /// Writes the last part. The log is compressed a little later.
    pub fn finish(mut self) -> Result<(), StoreError> {
        let rest = self.decoder.finish();
        self.publish(rest, true)?;
        let by = Some((Arc::clone(&self.live), self.writer));
        self.files.packer.pack(Finished {
            by,
            ..self.files.finished_log(self.repo, self.job)
        });
        Ok(())
    }

    fn publish(&mut self, content: String, last: bool) -> Result<(), StoreError> {
        let part = LogPart {
            number: self.number + 1,
            content,
            last,
        };
        let output = &mut self.output;
        let result = self
            .live
            .publish(self.writer, &part, || output.put(&file::frame(&part)));
        result.unwrap_or(Err(StoreError::LogCleared(self.job.0)))?;
        self.number += 1;
        Ok(())
    }
}

impl Output {
    fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        match self.file.write_all_at(bytes, self.end) {
            Ok(()) => {
                self.end += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Half a frame would hide what comes after it. If cutting fails too, the reader stops here.
                let _ = self.file.set_len(self.end);
                Err(StoreError::io("write", &self.path)(error))
            }
        }
    }
}

/// Makes the plain file of a finished log again.
fn reopen(running: &Path, finished: &Path) -> Result<(), StoreError> {
    if !running.exists() {
        let packed = match std::fs::read(finished) {
            Ok(packed) => packed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(StoreError::io("read", finished)(error)),
        };
        let plain =
            zstd::decode_all(packed.as_slice()).map_err(StoreError::io("read", finished))?;
        crate::folder::write_file(running, &plain, 0o600)?;
    }
    remove_all(finished)
}

/// Where the last whole frame of a plain file ends, and that part.
fn measure(path: &Path) -> Result<(u64, Option<LogPart>), StoreError> {
    let read = || {
        let Some(mut parts) = Parts::plain(path, 0)? else {
            return Ok((0, None));
        };
        let mut last = None;
        while let Some(part) = parts.next()? {
            last = Some(part);
        }
        Ok((parts.end(), last))
    };
    read().map_err(StoreError::io("read", path))
}

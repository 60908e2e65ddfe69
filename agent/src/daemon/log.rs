//! A job's log as the runner writes it.

use std::time::Duration;

use assay_store::LogWriter;
use tokio::time::Instant;

/// Output is put together for this long before it becomes a part of the log, so that a chatty job makes few parts.
const GATHER: Duration = Duration::from_millis(50);

/// Output that becomes a part at once, bytes.
const FULL: usize = 16 << 10;

/// A job's log, with output gathered into parts.
pub(super) struct Log {
    writer: LogWriter,
    gathered: Vec<u8>,
    since: Option<Instant>,
}

impl Log {
    pub(super) fn new(writer: LogWriter) -> Log {
        Log {
            writer,
            gathered: Vec::new(),
            since: None,
        }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= FULL {
            self.flush();
        } else if self.since.is_none() {
            self.since = Some(Instant::now());
        }
    }

    /// When what has been gathered is to become a part.
    pub(super) fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + GATHER)
    }

    pub(super) fn flush(&mut self) {
        self.since = None;
        if !self.gathered.is_empty() {
            let bytes = std::mem::take(&mut self.gathered);
            if let Err(error) = tokio::task::block_in_place(|| self.writer.append(&bytes)) {
                tracing::error!(%error, "cannot write to a log");
            }
        }
    }

    /// A line of our own.
    pub(super) fn say(&mut self, line: &str) {
        self.gathered.extend_from_slice(line.as_bytes());
        self.gathered.extend_from_slice(b"\r\n");
        self.flush();
    }

    pub(super) fn end(self) -> Result<(), assay_store::StoreError> {
        tokio::task::block_in_place(|| self.writer.finish())
    }
}

/// Waits for what is due, if anything is.
pub(super) async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

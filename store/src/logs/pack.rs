//! Compressing finished logs, behind everybody's back: a verdict need not wait for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use super::live::Live;
use crate::error::StoreError;
use crate::folder::{make_dir, remove_all, sync_dir, write_file};

/// A finished log.
#[derive(Debug)]
pub(super) struct Finished {
    /// Its plain file.
    pub(super) plain: PathBuf,
    /// Where it goes.
    pub(super) packed: PathBuf,
    /// Who finished it; whatever has been done to the log since wins.
    pub(super) by: Option<(Arc<Live>, u64)>,
}

/// The thread that packs. What it doesn't get round to is packed when the folder is opened next.
#[derive(Debug)]
pub(super) struct Packer {
    queue: Option<Sender<Finished>>,
    thread: Option<JoinHandle<()>>,
}

impl Packer {
    pub(super) fn start() -> Result<Packer, StoreError> {
        let (queue, finished) = channel::<Finished>();
        let work = move || {
            for log in finished {
                if let Err(error) = log.pack() {
                    tracing::error!(%error, "cannot compress a log; it is tried again at the next start");
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("store-logs".to_owned())
            .spawn(work)
            .map_err(StoreError::io("start", Path::new("store-logs")))?;
        Ok(Packer {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    pub(super) fn pack(&self, log: Finished) {
        if let Some(queue) = &self.queue {
            // It only hangs up when this is dropped.
            let _ = queue.send(log);
        }
    }
}

impl Drop for Packer {
    /// Waits for what is in the queue.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Finished {
    /// Makes the compressed file, durably, then removes the plain one. Readers may find both meanwhile.
    pub(super) fn pack(&self) -> Result<(), StoreError> {
        let plain = match fs::read(&self.plain) {
            Ok(plain) => plain,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(StoreError::io("read", &self.plain)(error)),
        };
        let folder = self.packed.parent().unwrap_or(&self.packed);
        let failed = |error| StoreError::io("write", &self.packed)(error);
        let packed = zstd::encode_all(plain.as_slice(), 3).map_err(failed)?;
        self.unless_changed(|| make_dir(folder, 0o700))?;
        let ready = self.packed.with_extension("packed");
        write_file(&ready, &packed, 0o600)?;
        let moved = self.unless_changed(|| fs::rename(&ready, &self.packed).map_err(failed))?;
        if moved.is_none() {
            return remove_all(&ready);
        }
        sync_dir(folder)?;
        self.unless_changed(|| remove_all(&self.plain)).map(drop)
    }

    /// Does it, unless the log was cleared, opened again or removed since it was finished.
    fn unless_changed<T>(
        &self,
        act: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match &self.by {
            None => act().map(Some),
            Some((live, writer)) => live.while_latest(*writer, act).transpose(),
        }
    }
}

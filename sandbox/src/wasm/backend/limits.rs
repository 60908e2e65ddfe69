//! What holds programs back while they run: the word to stop, the memory they share, the room in their folder.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};
use wasmtime::{Engine, ResourceLimiter};

/// Most entries of a table.
const TABLE: usize = 1 << 20;
/// Bytes of an entry.
const ENTRY: usize = 16;
/// Most instances, tables and memories of a program; components have more than one of each.
const PARTS: usize = 64;
/// How often the room in the folder is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// The word to stop: a trap for programs that compute, a wake-up for commands that wait.
pub(super) struct Stop {
    raised: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
    engine: Engine,
}

impl Stop {
    pub(super) fn new(engine: Engine) -> Stop {
        Stop {
            raised: AtomicBool::new(false),
            lock: Mutex::new(()),
            wake: Condvar::new(),
            engine,
        }
    }

    pub(super) fn raise(&self) {
        self.raised.store(true, Ordering::SeqCst);
        self.engine.increment_epoch();
        let _held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.wake.notify_all();
    }

    pub(super) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::SeqCst)
    }

    /// Sleeps, unless told to stop; `false` when it was.
    pub(super) fn sleep(&self, time: Duration) -> bool {
        let held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .wake
            .wait_timeout_while(held, time, |()| !self.is_raised());
        drop(waited);
        !self.is_raised()
    }
}

/// Memory that all programs of a run share.
#[derive(Clone)]
pub(super) struct Budget(Arc<AtomicUsize>);

impl Budget {
    pub(super) fn new(bytes: u64) -> Budget {
        Budget(Arc::new(AtomicUsize::new(
            usize::try_from(bytes).unwrap_or(usize::MAX),
        )))
    }

    fn take(&self, bytes: usize) -> bool {
        self.0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(bytes)
            })
            .is_ok()
    }
}

/// One program's share of it, given back at its end.
pub(super) struct Meter {
    budget: Budget,
    taken: usize,
}

impl Meter {
    pub(super) fn new(budget: &Budget) -> Meter {
        Meter {
            budget: budget.clone(),
            taken: 0,
        }
    }

    fn grow(&mut self, bytes: usize) -> bool {
        let granted = self.budget.take(bytes);
        if granted {
            self.taken += bytes;
        }
        granted
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.taken, Ordering::SeqCst);
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current).saturating_mul(ENTRY);
        Ok(desired <= TABLE && self.grow(more))
    }

    fn instances(&self) -> usize {
        PARTS
    }

    fn tables(&self) -> usize {
        PARTS
    }

    fn memories(&self) -> usize {
        PARTS
    }
}

/// Bytes and files that a run's folder may hold. The place itself knows no such limit for a single folder, so it is
/// measured again whenever enough has been written anywhere in the place to make a difference.
pub(super) struct Room {
    pub(super) folder: OwnedFd,
    pub(super) bytes: u64,
    pub(super) files: u64,
}

impl Room {
    /// Looks until the room is used up, and returns then; or until told to stop.
    pub(super) fn watch(&self, stop: &Stop) -> bool {
        let (mut next_bytes, mut next_files) = (0, 0);
        while stop.sleep(LOOK) {
            let Ok(place) = rustix::fs::fstatvfs(&self.folder) else {
                continue;
            };
            let bytes = (place.f_blocks - place.f_bfree).saturating_mul(place.f_frsize);
            let files = place.f_files - place.f_ffree;
            if bytes < next_bytes && files < next_files {
                continue;
            }
            let (held, count) = self.measure();
            if held > self.bytes || count > self.files {
                return true;
            }
            // Half of what is left: the closer to the limit, the sooner the next look.
            next_bytes = bytes + ((self.bytes - held) / 2).max(1);
            next_files = files + ((self.files - count) / 2).max(1);
        }
        false
    }

    /// Whether the place as a whole has no room left.
    pub(super) fn place_is_full(&self) -> bool {
        rustix::fs::fstatvfs(&self.folder)
            .is_ok_and(|place| place.f_bfree <= place.f_blocks / 256 || place.f_ffree <= 1)
    }

    /// Bytes and files in the folder.
    fn measure(&self) -> (u64, u64) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let (mut bytes, mut files) = (0, 0);
        let mut todo = vec![PathBuf::from(".")];
        while let Some(path) = todo.pop() {
            let opened = rustix::fs::openat2(&self.folder, &path, flags, Mode::empty(), resolve);
            let Ok(entries) = opened.and_then(Dir::new) else {
                continue;
            };
            for entry in entries.flatten() {
                let name = OsStr::from_bytes(entry.file_name().to_bytes());
                if name == "." || name == ".." {
                    continue;
                }
                let inner = path.join(name);
                if let Ok(stat) =
                    rustix::fs::statat(&self.folder, &inner, AtFlags::SYMLINK_NOFOLLOW)
                {
                    bytes += u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
                    files += 1;
                }
                if entry.file_type() == FileType::Directory {
                    todo.push(inner);
                }
            }
        }
        (bytes, files)
    }
}

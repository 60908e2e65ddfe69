//! Jails built ahead of time.
//!
//! Starting the program, joining its control groups and making namespaces and mounts takes several times as long as
//! everything else: again and again the kernel waits until all processors have passed through the scheduler. So a few
//! jails stand ready, built as the usual run wants them up to what depends on the job, with nothing of any job in them,
//! until a run takes one. A run that wants another jail than the usual has its own built.

use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFlags, Timespec};
use rustix::net::RecvFlags;

use crate::host::{self, Host};
use crate::net::{self, Egress};
use crate::process::Process;
use crate::run::{self, Launcher};
use crate::spec::{Image, RunSpec};
use crate::wire::{self, Jail, Report};
use crate::{jail, sys};

/// How long a run waits for a jail that is still being built; building another one takes as long.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// How long a new job runs before the launcher it took is replaced: many jobs are over by then.
const HEAD_START: Duration = Duration::from_millis(30);

/// What the usual run is at the moment, if there is one.
type Usual = Arc<dyn Fn() -> Option<RunSpec> + Send + Sync>;

static POOL: Mutex<Option<Pool>> = Mutex::new(None);

struct Pool {
    launcher: Launcher,
    prefix: String,
    most: usize,
    usual: Usual,
    waiting: Vec<Waiting>,
    /// Being started at the moment.
    coming: usize,
}

/// A launcher that has built, or is building, a jail.
struct Waiting {
    process: Process,
    jail: Jail,
    /// What the jail's copies of files are of.
    host: Arc<Host>,
    /// Which folder the image was: a jail that waits keeps nobody from removing it, or from putting another one there.
    image: Option<(u64, u64)>,
}

impl Waiting {
    /// Whether this run would have built the same.
    fn suits(&self, spec: &RunSpec, egress: Option<&Egress>) -> bool {
        let host = host::look();
        Arc::ptr_eq(&host, &self.host)
            && self.image == folder_of(&spec.image)
            && self.jail == jail::jail(spec, &host, &run::facts(&self.process), egress)
    }
}

/// Device and inode of an image's folder.
fn folder_of(image: &Image) -> Option<(u64, u64)> {
    match image {
        Image::Host { .. } => None,
        Image::Imported(image) => {
            let folder = std::fs::metadata(&image.tree).ok()?;
            Some((folder.dev(), folder.ino()))
        }
    }
}

fn pool() -> MutexGuard<'static, Option<Pool>> {
    // Nothing panics while it is held, and a half-filled pool is a pool.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps jails ready for as long as it lives; dropping it ends them and removes their groups.
#[derive(Debug)]
#[must_use = "dropping it ends the launchers"]
pub struct Warm(());

/// Keeps up to `count` jails ready, so that runs that use the same `launcher`, and differ from `usual` only in command,
/// working folder, environment and binds, start sooner. One for each run that may go on at once is enough. Their groups'
/// names begin with `prefix`, for [`clean_up`](crate::clean_up). `usual` is asked again whenever jails are built: images come
/// and go. There is one such stock per process; a second call replaces it.
///
/// Blocks for a few milliseconds for each jail.
pub fn keep_warm(
    launcher: &Launcher,
    prefix: &str,
    count: usize,
    usual: impl Fn() -> Option<RunSpec> + Send + Sync + 'static,
) -> Warm {
    let fresh = Pool {
        launcher: launcher.clone(),
        prefix: prefix.to_owned(),
        most: count,
        usual: Arc::new(usual),
        waiting: Vec::new(),
        coming: 0,
    };
    let old = pool().replace(fresh);
    dismiss(old.into_iter().flat_map(|pool| pool.waiting));
    refill();
    Warm(())
}

impl Drop for Warm {
    fn drop(&mut self) {
        let old = pool().take();
        dismiss(old.into_iter().flat_map(|pool| pool.waiting));
        // A launcher that is being started meanwhile finds no pool and is dismissed by whoever starts it.
        let starting = STARTING.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = STARTING
            .1
            .wait_timeout_while(starting, PATIENCE_AT_END, |number| *number > 0);
    }
}

/// How many threads are starting launchers, and the news that one is through.
static STARTING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// How long the end of the stock waits for launchers that are being started.
const PATIENCE_AT_END: Duration = Duration::from_secs(5);

/// Counts a thread that is starting launchers, for as long as it lives.
struct Starter;

impl Starter {
    fn new() -> Starter {
        *STARTING.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Starter
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        *STARTING.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        STARTING.1.notify_all();
    }
}

fn dismiss(waiting: impl IntoIterator<Item = Waiting>) {
    for waiting in waiting {
        waiting.process.dismiss();
    }
}

/// Starts what is missing once a job that has just begun has had the processors to itself for a moment.
pub(crate) async fn refill_soon() {
    tokio::time::sleep(HEAD_START).await;
    drop(tokio::task::spawn_blocking(refill).await);
}

/// Builds what is missing, and anew what the usual run would no longer take. A jail that can't be built is left to the
/// next run, which will say why.
pub(crate) fn refill() {
    let _starter = Starter::new();
    let Some(usual) = pool().as_ref().map(|pool| Arc::clone(&pool.usual)) else {
        return;
    };
    let Some(spec) = usual() else {
        let old = pool()
            .as_mut()
            .map(|pool| std::mem::take(&mut pool.waiting));
        dismiss(old.into_iter().flatten());
        return;
    };
    let Ok((egress, _)) = net::prepare(&spec.network) else {
        return;
    };
    dismiss(outdated(&spec, egress.as_ref()));
    while let Some((launcher, id)) = next() {
        let (host, folder) = (host::look(), folder_of(&spec.image));
        let built = run::build(&launcher, &id, &spec, egress.as_ref());
        let mut pool = pool();
        let pool_now = pool
            .as_mut()
            .filter(|pool| Arc::ptr_eq(&pool.usual, &usual));
        match (pool_now, built) {
            (Some(pool), Ok((process, jail))) => {
                pool.coming = pool.coming.saturating_sub(1);
                pool.waiting.push(Waiting {
                    process,
                    jail,
                    host,
                    image: folder,
                });
            }
            (other, built) => {
                if let Some(pool) = other {
                    pool.coming = pool.coming.saturating_sub(1);
                }
                drop(pool);
                if let Ok((process, _)) = built {
                    process.dismiss();
                }
                return;
            }
        }
    }
}

/// Takes out what the usual run would build otherwise by now.
fn outdated(usual: &RunSpec, egress: Option<&Egress>) -> Vec<Waiting> {
    pool().as_mut().map_or_else(Vec::new, |pool| {
        let old = pool
            .waiting
            .extract_if(.., |waiting| !waiting.suits(usual, egress));
        old.collect()
    })
}

/// The launcher and id of the next jail to be built, if one is missing.
fn next() -> Option<(Launcher, String)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut pool = pool();
    let pool = pool
        .as_mut()
        .filter(|pool| pool.waiting.len() + pool.coming < pool.most)?;
    pool.coming += 1;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let id = format!("{}warm-{}-{number}", pool.prefix, std::process::id());
    Some((pool.launcher.clone(), id))
}

/// A launcher that has built the jail this run wants, and waits for the plan.
pub(crate) fn take(
    launcher: &Launcher,
    spec: &RunSpec,
    egress: Option<&Egress>,
) -> Option<Process> {
    loop {
        let waiting = {
            let mut pool = pool();
            let pool = pool.as_mut().filter(|pool| pool.launcher == *launcher)?;
            let place = pool
                .waiting
                .iter()
                .position(|waiting| waiting.suits(spec, egress))?;
            pool.waiting.remove(place)
        };
        if is_ready(&waiting.process) {
            return Some(waiting.process);
        }
        tracing::warn!("a waiting jail is not ready");
        waiting.process.dismiss();
    }
}

fn is_ready(process: &Process) -> bool {
    let mut fds = [sys::readable(&process.control)];
    if !rustix::event::poll(&mut fds, Some(&PATIENCE)).is_ok_and(|ready| ready > 0) {
        return false;
    }
    if fds[0].revents().contains(PollFlags::HUP) {
        return false;
    }
    wire::receive(process.control.as_fd(), RecvFlags::DONTWAIT).is_ok_and(|(bytes, _)| {
        serde_json::from_slice(&bytes).is_ok_and(|report: Report| report == Report::Ready)
    })
}

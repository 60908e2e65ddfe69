//! Launchers started ahead of time.
//!
//! Starting the program and joining its control groups takes several times as long as everything else: the kernel lets a
//! process change groups only after all processors have passed through the scheduler. So a few wait in groups of their
//! own, with no rights given up and nothing of any job in them, until a run takes them.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFlags, Timespec};
use rustix::net::RecvFlags;

use crate::process::Process;
use crate::run::Launcher;
use crate::sys;
use crate::wire::{self, ORDER_JOIN, Report};

/// How long a run waits for a launcher that is still joining; starting another one takes as long.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// How long a new job runs before the launcher it took is replaced: many jobs are over by then.
const HEAD_START: Duration = Duration::from_millis(30);

static POOL: Mutex<Option<Pool>> = Mutex::new(None);

struct Pool {
    launcher: Launcher,
    prefix: String,
    most: usize,
    waiting: Vec<Process>,
    /// Being started at the moment.
    coming: usize,
}

fn pool() -> MutexGuard<'static, Option<Pool>> {
    // Nothing panics while it is held, and a half-filled pool is a pool.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps launchers waiting for as long as it lives; dropping it ends them and removes their groups.
#[derive(Debug)]
#[must_use = "dropping it ends the launchers"]
pub struct Warm(());

/// Keeps up to `count` launchers ready, so that runs that use the same `launcher` start sooner. One for each run that
/// may go on at once is enough. Their groups' names begin with `prefix`, for [`clean_up`](crate::clean_up). There is one
/// such stock per process; a second call replaces it.
///
/// Blocks for a few milliseconds for each launcher.
pub fn keep_warm(launcher: &Launcher, prefix: &str, count: usize) -> Warm {
    let fresh = Pool {
        launcher: launcher.clone(),
        prefix: prefix.to_owned(),
        most: count,
        waiting: Vec::new(),
        coming: 0,
    };
    let old = pool().replace(fresh);
    dismiss(old);
    refill();
    Warm(())
}

impl Drop for Warm {
    fn drop(&mut self) {
        let old = pool().take();
        dismiss(old);
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

fn dismiss(old: Option<Pool>) {
    for process in old.into_iter().flat_map(|pool| pool.waiting) {
        process.dismiss();
    }
}

/// Starts what is missing once a job that has just begun has had the processors to itself for a moment.
pub(crate) async fn refill_soon() {
    tokio::time::sleep(HEAD_START).await;
    drop(tokio::task::spawn_blocking(refill).await);
}

/// Starts what is missing. A launcher that can't be started is left to the next run, which will say why.
pub(crate) fn refill() {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let _starter = Starter::new();
    loop {
        let (launcher, id) = {
            let mut pool = pool();
            let Some(pool) = pool
                .as_mut()
                .filter(|pool| pool.waiting.len() + pool.coming < pool.most)
            else {
                return;
            };
            pool.coming += 1;
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            (
                pool.launcher.clone(),
                format!("{}warm-{}-{number}", pool.prefix, std::process::id()),
            )
        };
        let made = Process::start(&launcher, &id)
            .ok()
            .filter(|process| order_to_join(process).is_ok());
        let mut pool = pool();
        match (pool.as_mut(), made) {
            (Some(pool), Some(process)) if pool.launcher == launcher => {
                pool.coming = pool.coming.saturating_sub(1);
                pool.waiting.push(process);
            }
            (other, made) => {
                if let Some(pool) = other {
                    pool.coming = pool.coming.saturating_sub(1);
                }
                drop(pool);
                if let Some(process) = made {
                    process.dismiss();
                }
                return;
            }
        }
    }
}

fn order_to_join(process: &Process) -> std::io::Result<()> {
    let mut order = vec![ORDER_JOIN];
    serde_json::to_writer(&mut order, process.groups.paths())?;
    wire::send(process.control.as_fd(), &order, &[])
}

/// A launcher that is in its groups and waits for its plan.
pub(crate) fn take(launcher: &Launcher) -> Option<Process> {
    loop {
        let process = pool()
            .as_mut()
            .filter(|pool| pool.launcher == *launcher)?
            .waiting
            .pop()?;
        if is_ready(&process) {
            return Some(process);
        }
        tracing::warn!("a waiting launcher is not ready");
        process.dismiss();
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

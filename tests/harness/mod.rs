//! Everything the cases need of the outside: a real daemon in a folder of its own, real repositories pushed to by real
//! git, the API read over a plain socket. Nothing here knows Assay's insides.

mod http;
mod repo;
mod server;

pub(crate) use repo::{Repo, git, git_command};
pub(crate) use server::{ASSAY, Server};

use std::time::{Duration, Instant};

/// Says that a case can't be shown on this host. Past the test runner's capture, so that it is seen of a case that passes.
pub(crate) fn skip(why: &str) {
    use std::io::Write as _;
    let line = format!("\nSKIP {why}\n");
    drop(std::io::stderr().write_all(line.as_bytes()));
}

/// No step of a case may take longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Asks again until there is an answer; fails the case at the deadline, saying what was waited for.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            Instant::now() < end,
            "waited {} s in vain for {what}",
            DEADLINE.as_secs()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

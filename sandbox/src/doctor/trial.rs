//! The proof of it all: a sandbox is made, and something runs in it.

use std::time::{Duration, Instant};

use super::{Check, CheckState, check};
use crate::{Image, Launcher, Limits, Network, Outcome, Profile, Run, RunError, RunEvent, RunSpec};

/// Runs `true` in the view of this host, with a way out as jobs have it by default; if that fails, without. Takes a tenth
/// of a second. What the single checks find good can still fail together, by a security module for instance.
pub async fn trial(launcher: &Launcher) -> Check {
    let began = Instant::now();
    let egress = Network::Egress { hosts: Vec::new() };
    let Err(error) = run(launcher, egress).await else {
        let detail = format!("ran in a sandbox, in {} ms", began.elapsed().as_millis());
        return check(NAME, CheckState::Good, detail);
    };
    match run(launcher, Network::None).await {
        Ok(()) => check(
            NAME,
            CheckState::Degraded,
            format!("runs only with sandbox.network: none, since {error}"),
        ),
        Err(error) => check(NAME, CheckState::Missing, error),
    }
}

const NAME: &str = "a job";

async fn run(launcher: &Launcher, network: Network) -> Result<(), String> {
    let text = |error: RunError| error.to_string();
    let (mut run, tree) = Run::start(launcher, spec(network)).await.map_err(text)?;
    // What the launcher refuses shows as a broken pipe here, and is named by `end`.
    drop(tokio::task::spawn_blocking(move || tree.finish()).await);
    let mut said = Vec::new();
    while let Some(event) = run.event().await {
        if let RunEvent::Output(bytes) = event {
            said.extend(bytes);
        }
    }
    let (ended, remains) = run.end().await;
    remains.gone().await;
    match ended.map_err(text)? {
        (Outcome::Exited(0), _) => Ok(()),
        (other, _) => {
            let said = String::from_utf8_lossy(&said).replace(char::is_control, " ");
            Err(format!("it ended with {other:?} {said}")
                .trim_end()
                .to_owned())
        }
    }
}

fn spec(network: Network) -> RunSpec {
    let home = "/home/travis".to_owned();
    RunSpec {
        id: format!(
            "doctor-{}-{}",
            std::process::id(),
            u8::from(network != Network::None)
        ),
        argv: vec!["/bin/bash".to_owned(), "-c".to_owned(), "true".to_owned()],
        env: vec![("HOME".to_owned(), home.clone())],
        cwd: home.clone(),
        home,
        user: "travis".to_owned(),
        image: Image::Host {
            folders: Vec::new(),
        },
        profile: Profile::Strict,
        first: None,
        network,
        binds: Vec::new(),
        limits: Limits {
            wall: Duration::from_secs(30),
            silence: Duration::from_secs(30),
            grace: Duration::from_millis(100),
            memory: 64 << 20,
            processes: 10,
            disk: 1 << 20,
            inodes: 100,
            output: 1 << 16,
            cpu_weight: 100,
        },
        // Jobs of a daemon beside this process have those from there on.
        uid_base: crate::sys::SOME_UID - 1,
        require: Vec::new(),
        terminal: (80, 24),
        keep: Vec::new(),
        scratch: None,
    }
}

//! `assay demo`: the whole product in one go. Makes a bare repository and a clone, starts the daemon, pushes with the
//! git of this host and shows what comes of it. Nothing is played: it uses only what everybody else uses.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::scratch::Scratch;
use super::{Daemon, Options};
use crate::cli::args::{Demo, Global};
use crate::cli::client::Client;
use crate::cli::output::{Cell, Screen, Table};
use crate::config::Config;
use crate::exit::{Exit, Failure, Outcome};
use crate::runtime;

/// The sample's configuration: a matrix of three jobs of which one may fail, and a second stage.
const SAMPLE: &str = include_str!("demo/travis.yml");
const SAMPLE_MAKEFILE: &str = include_str!("demo/Makefile");
const SAMPLE_SOURCE: &str = include_str!("demo/touchstone.sh");

/// What the sample comes to, job by job.
const EXPECTED: [&str; 4] = ["passed", "passed", "failed", "passed"];

/// Runs the demo; with `keep` the daemon stays up until Ctrl-C.
pub(crate) fn demo(args: &Demo, global: &Global, screen: &Screen) -> Outcome {
    let keep = args.keep;
    let scratch = Scratch::new()?;
    let state = scratch.path().join("state");
    let bare = scratch.path().join("git/demo/hallmark.git");
    let clone = scratch.path().join("hallmark");

    screen.line(&format!(
        "Everything of this demo lives in {} and goes with it.\n",
        scratch.path().display()
    ))?;
    git(
        scratch.path(),
        &[
            "init",
            "--quiet",
            "--bare",
            "--initial-branch=main",
            &bare.to_string_lossy(),
        ],
    )?;
    screen.line("1. A bare repository, as a Git server has it:  git/demo/hallmark.git")?;

    let runtime = runtime()?;
    let mut config = Config::default();
    config.listen.set_port(0);
    let options = Options {
        state: state.clone(),
        config,
        repositories: vec![bare.clone()],
        install_hooks: true,
    };
    let daemon = runtime
        .block_on(Daemon::start(options))
        .map_err(|error| crate::cli::daemon_failure(&error))?;
    screen.line(&format!(
        "2. Its post-receive hook, and the daemon:      {}",
        daemon.address()
    ))?;

    make_clone(scratch.path(), &bare, &clone)?;
    screen.line("3. A clone with a .travis.yml of three jobs and a second stage.\n")?;
    screen.line("$ git push -o assay.wait origin main")?;
    let pushed = git_command(&clone, &["push", "-o", "assay.wait", "origin", "main"])
        .status()
        .map_err(|error| no_git(&error))?;
    let result = if pushed.success() {
        report(screen, global, &state, &daemon, keep)
    } else {
        Err(Failure::new(Exit::Internal, "git push failed"))
    };
    let ended = if keep && result.is_ok() {
        runtime
            .block_on(daemon.run_until_shutdown())
            .map_err(|error| crate::cli::daemon_failure(&error))
    } else {
        runtime.block_on(daemon.shut_down());
        Ok(())
    };
    result.and_then(|code| ended.map(|()| code))
}

fn make_clone(scratch: &Path, bare: &Path, clone: &Path) -> Result<(), Failure> {
    git(
        scratch,
        &[
            "clone",
            "--quiet",
            &bare.to_string_lossy(),
            &clone.to_string_lossy(),
        ],
    )?;
    let files = [
        (".travis.yml", SAMPLE),
        ("Makefile", SAMPLE_MAKEFILE),
        ("touchstone.sh", SAMPLE_SOURCE),
    ];
    for (name, text) in files {
        std::fs::write(clone.join(name), text).map_err(|error| {
            Failure::new(Exit::Internal, format!("cannot write {name}")).because(&error)
        })?;
    }
    git(clone, &["checkout", "--quiet", "-B", "main"])?;
    git(clone, &["add", "."])?;
    git(clone, &["commit", "--quiet", "-m", "Assay the first ingot"])
}

/// Reads the result back through the API, as any Travis client would, and compares it with what must come out.
fn report(screen: &Screen, global: &Global, state: &Path, daemon: &Daemon, keep: bool) -> Outcome {
    let local = Global {
        state: Some(state.to_owned()),
        server: None,
        token: None,
        ..global.clone()
    };
    let client = Client::new(&local)?;
    let list = client.get("/repos/demo/hallmark/builds", &[])?;
    let id = list["builds"][0]["id"].as_u64().ok_or_else(|| {
        Failure::new(
            Exit::BuildFailed,
            "the push made no build (its page says why)",
        )
    })?;
    let answer = client.get(&format!("/builds/{id}"), &[])?;
    let jobs = answer["jobs"].as_array().cloned().unwrap_or_default();
    let mut table = Table::new(&["JOB", "STAGE", "STATE", "ENV"]);
    for job in &jobs {
        let allowed = if job["allow_failure"] == Value::Bool(true) {
            " (allowed)"
        } else {
            ""
        };
        let state = job["state"].as_str().unwrap_or_default();
        let mut cell = screen.state(state);
        cell.push(allowed);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        table.row(vec![
            Cell::from(text(&job["number"]).as_str()),
            Cell::from(text(&job["config"]["stage"]).as_str()),
            cell,
            Cell::from(text(&job["config"]["env"]).as_str()),
        ]);
    }
    screen.line("\nThe same from the API (GET /builds/ID):\n")?;
    screen.table(&table)?;
    let verdict = answer["build"]["state"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    screen.line(&format!(
        "\nBuild {}: {verdict}",
        answer["build"]["number"].as_str().unwrap_or_default()
    ))?;

    let body = json!({"user": "demo", "admin": true});
    let token = client.ask(reqwest::Method::POST, "/assay/tokens", Some(&body))?;
    screen.line(&format!(
        "\nAPI:    {}/repos/demo/hallmark/builds",
        daemon.address()
    ))?;
    screen.line(&format!(
        "Token:  {}",
        token["token"].as_str().unwrap_or_default()
    ))?;
    if keep {
        screen.line(&format!("Pages:  {}  (opens once)", daemon.link()))?;
        screen.line("\nThe daemon stays up until Ctrl-C.")?;
    } else {
        screen.line(&format!("Pages:  {}/demo/hallmark", daemon.address()))?;
        screen.line("\nThe daemon ends now; assay demo --keep stays up, to look around.")?;
    }
    let states: Vec<&str> = jobs
        .iter()
        .filter_map(|job| job["state"].as_str())
        .collect();
    if verdict == "passed" && states == EXPECTED {
        return Ok(Exit::Ok);
    }
    for check in assay_sandbox::doctor() {
        if check.state == assay_sandbox::CheckState::Missing {
            screen.say(&format!(
                "this host can't run jobs: {}: {}",
                check.name, check.detail
            ));
        }
    }
    let text = format!(
        "the demo came out otherwise than it must: {verdict}, jobs {}",
        states.join(", ")
    );
    Err(Failure::new(Exit::BuildFailed, text))
}

fn git(dir: &Path, args: &[&str]) -> Result<(), Failure> {
    let output = git_command(dir, args)
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| no_git(&error))?;
    if output.status.success() {
        return Ok(());
    }
    let text = format!(
        "git {} failed: {}",
        args.first().unwrap_or(&""),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Err(Failure::new(Exit::Internal, text))
}

/// git with nobody's configuration and a fixed author.
fn git_command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.args(args).current_dir(dir).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "Touchstone")
            .env(format!("GIT_{role}_EMAIL"), "touchstone@example.org");
    }
    command
}

fn no_git(error: &std::io::Error) -> Failure {
    Failure::new(Exit::Internal, "cannot run git")
        .because(error)
        .hint("install git and try again")
}

//! `assay hook`: the Git hook of a repository. Works on the repository itself; the daemon need not run.

use std::path::Path;

use assay_hooks::{HookError, InstallOptions, Placement, PushOptions};
use serde_json::json;

use super::args::{Global, HookCommand};
use super::output::Screen;
use crate::config::{self, Config};
use crate::exit::{Exit, Failure, Outcome};

/// Runs the command.
pub(crate) fn run(command: HookCommand, global: &Global, screen: &Screen) -> Outcome {
    match command {
        HookCommand::Install { path: None, .. } | HookCommand::Install { print: true, .. } => {
            print(global, screen)
        }
        HookCommand::Install {
            path: Some(path), ..
        } => install(&path, global, screen),
        HookCommand::Remove { path } => remove(&path, screen),
        HookCommand::Check { path } => check(&path, global, screen),
    }
}

/// What the hook has to know: this program, and the socket of the daemon on this host.
fn options(global: &Global) -> Result<InstallOptions, Failure> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::new(Exit::Internal, "cannot find this program's own path").because(&error)
    })?;
    let config = match &global.state {
        Some(_) => None,
        None => Config::find(None).ok().map(|(config, _)| config),
    };
    let state = config::state_folder(global.state.as_deref(), config.as_ref());
    Ok(InstallOptions {
        program,
        socket: state.join("run/hook.sock"),
    })
}

fn print(global: &Global, screen: &Screen) -> Outcome {
    let script = assay_hooks::hook_script(&options(global)?);
    screen.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}

fn install(path: &Path, global: &Global, screen: &Screen) -> Outcome {
    let path = repository(path)?;
    let done = assay_hooks::install(&path, &options(global)?).map_err(|error| {
        failure(
            format!("cannot install the hook in {}", path.display()),
            &error,
        )
    })?;
    if screen.json {
        screen.json(&json!({
            "hook": done.hook,
            "placement": placement(done.placement),
            "changed": done.changed,
            "push_options": push_options(done.push_options),
            "spool": done.spool,
            "notes": done.notes,
        }))?;
        return Ok(Exit::Ok);
    }
    screen.line(&done.hook.display().to_string())?;
    screen.say(match (done.changed, done.placement) {
        (false, _) => "the hook was there already",
        (true, Placement::Alone) => "the hook is installed",
        (true, Placement::Before) => "the hook is installed; the one that was there is run first",
        (true, Placement::DropIn) => "the hook is installed in post-receive.d",
        (true, Placement::Common) => "the hook is the shared one",
    });
    screen.say(match done.push_options {
        PushOptions::Set => "receive.advertisePushOptions is now true, so that git push -o works",
        PushOptions::AlreadyOn => "receive.advertisePushOptions was true before",
        PushOptions::LeftOff => {
            "receive.advertisePushOptions is false, and stays: git push -o is refused by this repository"
        }
    });
    for note in &done.notes {
        screen.say(note);
    }
    Ok(Exit::Ok)
}

fn remove(path: &Path, screen: &Screen) -> Outcome {
    let path = repository(path)?;
    let done = assay_hooks::remove(&path).map_err(|error| {
        failure(
            format!("cannot remove the hook from {}", path.display()),
            &error,
        )
    })?;
    if screen.json {
        screen.json(&json!({
            "hook": done.hook,
            "restored": done.restored,
            "push_options": done.push_options,
            "dropped": done.dropped,
            "notes": done.notes,
        }))?;
        return Ok(Exit::Ok);
    }
    match &done.hook {
        Some(hook) => screen.say(&format!("{} is removed", hook.display())),
        None => screen.say("there is no hook of ours to remove"),
    }
    if let Some(restored) = &done.restored {
        screen.say(&format!("{} is as it was before", restored.display()));
    }
    if done.push_options {
        screen.say("receive.advertisePushOptions is taken back");
    }
    if done.dropped > 0 {
        screen.say(&format!(
            "{} noted pushes go with it; a daemon that serves the repository finds them",
            done.dropped
        ));
    }
    for note in &done.notes {
        screen.say(note);
    }
    Ok(Exit::Ok)
}

fn check(path: &Path, global: &Global, screen: &Screen) -> Outcome {
    let path = repository(path)?;
    let report = assay_hooks::check(&path, &options(global)?).map_err(|error| {
        failure(
            format!("cannot check the hook of {}", path.display()),
            &error,
        )
    })?;
    let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    let exit = if problems.is_empty() {
        Exit::Ok
    } else {
        Exit::BuildFailed
    };
    if screen.json {
        screen.json(&json!({
            "repository": report.repository,
            "hook": report.hook,
            "placement": report.placement.map(placement),
            "push_options": report.push_options,
            "waiting": report.waiting,
            "problems": problems,
        }))?;
        return Ok(exit);
    }
    for problem in &problems {
        screen.line(problem)?;
    }
    if problems.is_empty() {
        screen.say("the hook is in order");
    }
    if report.waiting > 0 {
        screen.say(&format!("{} pushes wait for the daemon", report.waiting));
    }
    Ok(exit)
}

fn placement(placement: Placement) -> &'static str {
    match placement {
        Placement::Alone => "alone",
        Placement::Before => "before",
        Placement::DropIn => "drop-in",
        Placement::Common => "common",
    }
}

fn push_options(push_options: PushOptions) -> &'static str {
    match push_options {
        PushOptions::Set => "set",
        PushOptions::AlreadyOn => "on",
        PushOptions::LeftOff => "off",
    }
}

fn repository(path: &Path) -> Result<std::path::PathBuf, Failure> {
    std::fs::canonicalize(path).map_err(|error| {
        Failure::io(
            format!("cannot find the repository {}", path.display()),
            &error,
        )
    })
}

fn failure(what: String, error: &HookError) -> Failure {
    let exit = match error {
        HookError::NotARepository(_) => Exit::NotFound,
        HookError::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
            Exit::NotAllowed
        }
        HookError::Io { .. } | HookError::Git { .. } | HookError::Spool(_) => Exit::Internal,
        _ => Exit::Usage,
    };
    let failure = Failure::new(exit, what).because(error);
    match error.way_out() {
        Some(way_out) => failure.hint(way_out),
        None => failure,
    }
}

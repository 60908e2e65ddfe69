//! `assay doctor`: whether this host has what jobs need. What the sandbox looks at itself comes from there; here are
//! the things around it.

mod host;
mod unit;

use std::path::Path;
use std::process::ExitCode;

use assay_api::HostCheck;
use assay_sandbox::CheckState;
use serde_json::json;

use super::args::Global;
use super::client::{Client, decode};
use super::output::{Cell, Color, Screen, Table};
use crate::config::{self, Config};
use crate::daemon;
use crate::exit::{Exit, Outcome};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    name: String,
    state: CheckState,
    detail: String,
}

impl Finding {
    fn new(name: &str, state: CheckState, detail: impl Into<String>) -> Self {
        Finding {
            name: name.to_owned(),
            state,
            detail: detail.into(),
        }
    }
}

/// `assay doctor`
pub(crate) fn doctor(global: &Global, screen: &Screen) -> Outcome {
    let mut findings = Vec::new();
    match daemons_checks(global) {
        Ok(checks) => {
            let detail = "runs, and what follows about the sandbox is what it finds itself";
            findings.push(Finding::new("daemon", CheckState::Good, detail));
            findings.extend(checks);
        }
        Err(why) => {
            let detail = format!(
                "{why}: what follows is what this process finds, and a service may be given more or less"
            );
            findings.push(Finding::new("daemon", CheckState::Good, detail));
            findings.extend(own_checks());
        }
    }
    findings.extend(findings_around(global));
    let hopeless = findings
        .iter()
        .any(|finding| finding.state == CheckState::Missing);
    let exit = if hopeless {
        Exit::BuildFailed
    } else {
        Exit::Ok
    };
    if screen.json {
        let list: Vec<_> = findings
            .iter()
            .map(|finding| {
                json!({ "name": finding.name, "state": finding.state.name(), "detail": finding.detail })
            })
            .collect();
        screen.json(&json!({ "checks": list }))?;
        return Ok(exit);
    }
    if screen.style.terminal {
        // Advice is worth more than columns that fit.
        for finding in &findings {
            let state = super::output::paint(
                finding.state.name(),
                Some(color(finding.state)),
                &screen.style,
            );
            screen.line(&format!(
                "{state}  {}: {}",
                finding.name,
                super::output::one_line(&finding.detail)
            ))?;
        }
    } else {
        let mut table = Table::new(&["STATE", "WHAT", "DETAIL"]);
        for finding in &findings {
            let state = Cell::colored(finding.state.name(), Some(color(finding.state)));
            table.row(vec![
                state,
                finding.name.as_str().into(),
                finding.detail.as_str().into(),
            ]);
        }
        screen.table(&table)?;
    }
    if hopeless {
        screen.say("jobs can't run here as it is");
    }
    Ok(exit)
}

/// For the daemon, whose child this is: JSON on standard output.
pub(crate) fn print_checks() -> ExitCode {
    let checks: Vec<HostCheck> = own_checks()
        .into_iter()
        .map(|found| HostCheck {
            name: found.name,
            state: found.state.name().to_owned(),
            detail: found.detail,
        })
        .collect();
    match serde_json::to_writer(std::io::stdout().lock(), &checks) {
        Ok(()) => Exit::Ok.into(),
        Err(_) => Exit::Internal.into(),
    }
}

/// What this process finds, and whether a job runs.
fn own_checks() -> Vec<Finding> {
    let mut checks = assay_sandbox::doctor();
    // Only now: the checks before it need a process without threads.
    if let Ok(runtime) = crate::runtime() {
        checks.push(runtime.block_on(assay_sandbox::trial(&daemon::launcher())));
    }
    checks
        .into_iter()
        .map(|check| Finding::new(check.name, check.state, check.detail))
        .collect()
}

/// What the daemon of this host finds; what a service unit gave and took counts, not what this shell has.
fn daemons_checks(global: &Global) -> Result<Vec<Finding>, String> {
    let here = Global {
        server: None,
        ..global.clone()
    };
    let client = Client::new(&here).map_err(|failure| failure.to_string())?;
    let answer = match client.find("/assay/doctor", &[]) {
        Ok(Some(answer)) => answer,
        Ok(None) => return Err("runs, in a version that looks at nothing itself".to_owned()),
        Err(failure) if failure.exit() == Exit::Unreachable => return Err("none runs".to_owned()),
        Err(failure) => return Err(format!("does not say ({failure})")),
    };
    let checks: Vec<HostCheck> =
        decode(&answer, "checks").map_err(|failure| failure.to_string())?;
    Ok(checks
        .into_iter()
        .map(|check| {
            let state = CheckState::of(&check.state).unwrap_or(CheckState::Degraded);
            Finding::new(&check.name, state, check.detail)
        })
        .collect())
}

fn findings_around(global: &Global) -> Vec<Finding> {
    let config = match Config::find(None) {
        Ok((config, _)) => Ok(config),
        Err(error) => Err(Finding::new(
            "configuration",
            CheckState::Missing,
            error.to_string(),
        )),
    };
    let state = config::state_folder(global.state.as_deref(), config.as_ref().ok());
    let mut findings = Vec::new();
    findings.extend(config.err());
    findings.push(host::git());
    findings.push(host::state_folder(&state));
    findings.push(host::socket(
        "control socket",
        &state.join("run/assay.sock"),
    ));
    findings.push(host::socket("hook socket", &state.join("run/hook.sock")));
    findings.extend(unit::findings(Path::new("/")));
    findings
}

fn color(state: CheckState) -> Color {
    match state {
        CheckState::Good => Color::Green,
        CheckState::Degraded => Color::Yellow,
        CheckState::Missing => Color::Red,
    }
}

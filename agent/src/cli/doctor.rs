//! `assay doctor`: whether this host has what jobs need. What the sandbox looks at itself comes from there; here are
//! the things around it.

mod host;
mod unit;

use std::path::Path;

use assay_sandbox::CheckState;
use serde_json::json;

use super::args::Global;
use super::output::{Cell, Color, Screen, Table};
use crate::config::{self, Config};
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
    let mut findings: Vec<Finding> = assay_sandbox::doctor()
        .into_iter()
        .map(|check| Finding::new(check.name, check.state, check.detail))
        .collect();
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
                json!({ "name": finding.name, "state": state_name(finding.state), "detail": finding.detail })
            })
            .collect();
        screen.json(&json!({ "checks": list }))?;
        return Ok(exit);
    }
    if screen.style.terminal {
        // Advice is worth more than columns that fit.
        for finding in &findings {
            let state = super::output::paint(
                state_name(finding.state),
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
            let state = Cell::colored(state_name(finding.state), Some(color(finding.state)));
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

fn state_name(state: CheckState) -> &'static str {
    match state {
        CheckState::Good => "good",
        CheckState::Degraded => "weak",
        CheckState::Missing => "missing",
    }
}

fn color(state: CheckState) -> Color {
    match state {
        CheckState::Good => Color::Green,
        CheckState::Degraded => Color::Yellow,
        CheckState::Missing => Color::Red,
    }
}

//! `assay audit`: who asked for debug sessions, when, from where, and how each ended.

use serde::Deserialize;

use super::args::{self, Global};
use super::client::{Client, decode};
use super::output::{Screen, Table, moment};
use crate::exit::{Exit, Outcome};

#[derive(Debug, Deserialize)]
struct Entry {
    at: String,
    by: String,
    act: String,
    repository_slug: String,
    job_id: u64,
    session: String,
    from: String,
    note: String,
}

/// `assay audit`
pub(crate) fn audit(args: &args::Audit, global: &Global, screen: &Screen) -> Outcome {
    let client = Client::new(global)?;
    let answer = client.get("/assay/audit", &[("limit", args.limit.to_string())])?;
    if screen.json {
        screen.json(&answer)?;
        return Ok(Exit::Ok);
    }
    let entries: Vec<Entry> = decode(&answer, "audit")?;
    let mut table = Table::new(&[
        "TIME",
        "WHO",
        "WHAT",
        "REPOSITORY",
        "JOB",
        "SESSION",
        "FROM",
        "NOTE",
    ]);
    for entry in &entries {
        table.row(vec![
            moment(Some(&entry.at), &screen.style).into(),
            entry.by.as_str().into(),
            entry.act.as_str().into(),
            entry.repository_slug.as_str().into(),
            entry.job_id.to_string().into(),
            entry.session.as_str().into(),
            entry.from.as_str().into(),
            entry.note.as_str().into(),
        ]);
    }
    if entries.is_empty() {
        screen.say("nothing has happened that is to be recorded");
    }
    screen.table(&table)?;
    Ok(Exit::Ok)
}

//! Builds, jobs, requests and branches: listing, showing, running again, cancelling.

use reqwest::Method;
use serde_json::{Value, json};

use super::args::{self, Global};
use super::client::{Branch, Build, Client, Commit, Job, Request, decode, job_details};
use super::output::{Cell, Color, Screen, Table, duration, moment, one_line, paint, state_color};
use super::target::{Found, find_build, find_repository};
use crate::exit::{Exit, Failure, Outcome};

/// `assay builds`
pub(crate) fn builds(args: &args::Builds, global: &Global, screen: &Screen) -> Outcome {
    let client = Client::new(global)?;
    let repo = find_repository(&client, &args.repo)?;
    let mut pairs: Vec<(Value, Value)> = Vec::new();
    let mut below: Option<u64> = None;
    loop {
        let mut query = vec![("repository_id", repo.id.to_string())];
        query.extend(below.map(|number| ("after_number", number.to_string())));
        let page = client.get("/builds", &query)?;
        let (builds, commits): (Vec<Value>, Vec<Value>) =
            (decode(&page, "builds")?, decode(&page, "commits")?);
        let lowest = builds
            .iter()
            .filter_map(|build| build["number"].as_str()?.parse().ok())
            .min();
        pairs.extend(builds.into_iter().zip(commits).filter(|(_, commit)| {
            args.branch
                .as_deref()
                .is_none_or(|branch| commit["branch"].as_str() == Some(branch))
        }));
        // A server that doesn't go down would keep us here for ever.
        if pairs.len() >= args.limit || lowest.is_none() || (below.is_some() && lowest >= below) {
            break;
        }
        below = lowest;
    }
    pairs.truncate(args.limit);
    if screen.json {
        let (builds, commits): (Vec<Value>, Vec<Value>) = pairs.into_iter().unzip();
        screen.json(&json!({ "builds": builds, "commits": commits }))?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&[
        "BUILD", "STATE", "BRANCH", "COMMIT", "EVENT", "DURATION", "FINISHED", "MESSAGE",
    ]);
    for (build, commit) in &pairs {
        let build: Build = decode(&json!({ "build": build }), "build")?;
        let commit: Commit = decode(&json!({ "commit": commit }), "commit")?;
        table.row(vec![
            build.number.into(),
            screen.state(&build.state),
            commit.ref_name().into(),
            commit.short().into(),
            build.event_type.as_deref().unwrap_or("-").into(),
            duration(build.duration, &screen.style).into(),
            moment(build.finished_at.as_deref(), &screen.style).into(),
            commit.subject().into(),
        ]);
    }
    if pairs.is_empty() {
        screen.say("no builds");
    }
    screen.table(&table)?;
    Ok(Exit::Ok)
}

/// `assay show`
pub(crate) fn show(args: &args::Show, global: &Global, screen: &Screen) -> Outcome {
    let client = Client::new(global)?;
    let repo = find_repository(&client, &args.repo)?;
    let found = find_build(&client, &repo, args.number.as_deref())?;
    match found.named_job() {
        Some(job) => show_job(&client, &found, job, screen)?,
        None => show_build(&repo.slug, &found, screen)?,
    }
    Ok(Exit::Ok)
}

fn show_build(slug: &str, found: &Found, screen: &Screen) -> Result<(), Failure> {
    if screen.json {
        return screen.json(&found.raw);
    }
    let (build, style) = (&found.build, &screen.style);
    let commit: Commit = decode(&found.raw, "commit")?;
    let state = paint(&one_line(&build.state), state_color(&build.state), style);
    screen.line(&format!("{slug} build {}: {state}", build.number))?;
    head(
        screen,
        "commit",
        &format!("{} {}", commit.short(), commit.subject()),
    )?;
    head(screen, "branch", commit.ref_name())?;
    head(
        screen,
        "author",
        commit.author_name.as_deref().unwrap_or("-"),
    )?;
    head(screen, "event", build.event_type.as_deref().unwrap_or("-"))?;
    head(
        screen,
        "started",
        &moment(build.started_at.as_deref(), style),
    )?;
    head(
        screen,
        "finished",
        &moment(build.finished_at.as_deref(), style),
    )?;
    head(screen, "duration", &duration(build.duration, style))?;
    screen.line("")?;
    screen.table(&jobs_table(&found.jobs, screen))
}

fn show_job(client: &Client, found: &Found, job: &Job, screen: &Screen) -> Result<(), Failure> {
    let raw = client.get(&format!("/jobs/{}", job.id), &[])?;
    if screen.json {
        return screen.json(&raw);
    }
    let style = &screen.style;
    let commit: Commit = decode(&found.raw, "commit")?;
    let state = paint(&one_line(&job.state), state_color(&job.state), style);
    screen.line(&format!("job {}: {state}", job.number))?;
    head(
        screen,
        "commit",
        &format!("{} {}", commit.short(), commit.subject()),
    )?;
    head(screen, "started", &moment(job.started_at.as_deref(), style))?;
    head(
        screen,
        "finished",
        &moment(job.finished_at.as_deref(), style),
    )?;
    head(screen, "duration", &duration(job.duration(), style))?;
    if job.allow_failure {
        head(screen, "failure", "allowed")?;
    }
    if let Some(used) = &job.used {
        head(screen, "image", &used.image)?;
        head(screen, "used", &used.text())?;
    }
    for one in &job.substitutes {
        let words = format!("{} {} instead of {}", one.name, one.used, one.asked);
        head(screen, "ran", &words)?;
    }
    let config = serde_yaml::to_string(&job.config).map_err(|error| {
        Failure::new(Exit::Internal, "cannot show the configuration").because(&error)
    })?;
    screen.line("")?;
    for line in config.lines() {
        screen.line(&format!("  {}", one_line(line)))?;
    }
    Ok(())
}

fn head(screen: &Screen, name: &str, value: &str) -> Result<(), Failure> {
    let name = paint(&format!("{name:>9}:"), Some(Color::Grey), &screen.style);
    screen.line(&format!("{name} {}", one_line(value)))
}

fn jobs_table(jobs: &[Job], screen: &Screen) -> Table {
    let mut table = Table::new(&["JOB", "STATE", "DURATION", "FAILURE", "DETAILS"]);
    for job in jobs {
        let allowed = if job.allow_failure { "allowed" } else { "-" };
        table.row(vec![
            job.number.as_str().into(),
            screen.state(&job.state),
            duration(job.duration(), &screen.style).into(),
            Cell::colored(allowed, Some(Color::Grey)),
            job_details(&job.config).into(),
        ]);
    }
    table
}

/// `assay restart`
pub(crate) fn restart(args: &args::Restart, global: &Global, screen: &Screen) -> Outcome {
    change(
        "restart",
        "restarted",
        &args.number,
        &args.repo,
        global,
        screen,
    )
}

/// `assay cancel`
pub(crate) fn cancel(args: &args::Cancel, global: &Global, screen: &Screen) -> Outcome {
    change(
        "cancel",
        "canceled",
        &args.number,
        &args.repo,
        global,
        screen,
    )
}

fn change(
    verb: &str,
    done: &str,
    number: &str,
    repo: &args::RepoArg,
    global: &Global,
    screen: &Screen,
) -> Outcome {
    let client = Client::new(global)?;
    let repo = find_repository(&client, repo)?;
    let found = find_build(&client, &repo, Some(number))?;
    let (path, what) = match found.named_job() {
        Some(job) => (
            format!("/jobs/{}/{verb}", job.id),
            format!("job {}", job.number),
        ),
        None => (
            format!("/builds/{}/{verb}", found.build.id),
            format!("build {}", found.build.number),
        ),
    };
    let answer = client.ask(Method::POST, &path, None::<&Value>)?;
    if screen.json {
        screen.json(&answer)?;
    } else {
        screen.say(&format!("{} {what} {done}", repo.slug));
    }
    Ok(Exit::Ok)
}

/// `assay requests`
pub(crate) fn requests(args: &args::Requests, global: &Global, screen: &Screen) -> Outcome {
    let client = Client::new(global)?;
    let repo = find_repository(&client, &args.repo)?;
    let query = [
        ("repository_id", repo.id.to_string()),
        ("limit", args.limit.to_string()),
    ];
    let mut answer = client.get("/requests", &query)?;
    if let Some(list) = answer.get_mut("requests").and_then(Value::as_array_mut) {
        list.truncate(args.limit);
    }
    if screen.json {
        screen.json(&answer)?;
        return Ok(Exit::Ok);
    }
    let list: Vec<Request> = decode(&answer, "requests")?;
    let mut table = Table::new(&[
        "REQUEST", "RESULT", "EVENT", "BRANCH", "COMMIT", "CREATED", "REASON",
    ]);
    for request in &list {
        let commit = request.head_commit.as_deref().unwrap_or("-");
        let name = request
            .tag
            .as_deref()
            .or(request.branch.as_deref())
            .unwrap_or("-");
        table.row(vec![
            request.id.to_string().into(),
            screen.state(request.result.as_deref().unwrap_or("pending")),
            request.event_type.as_deref().unwrap_or("-").into(),
            name.into(),
            commit.get(..7).unwrap_or(commit).into(),
            moment(request.created_at.as_deref(), &screen.style).into(),
            request.message.as_deref().unwrap_or_default().into(),
        ]);
    }
    if list.is_empty() {
        screen.say("no requests");
    }
    screen.table(&table)?;
    Ok(Exit::Ok)
}

/// `assay branches`
pub(crate) fn branches(args: &args::Branches, global: &Global, screen: &Screen) -> Outcome {
    let client = Client::new(global)?;
    let repo = find_repository(&client, &args.repo)?;
    let answer = client.get("/branches", &[("repository_id", repo.id.to_string())])?;
    if screen.json {
        screen.json(&answer)?;
        return Ok(Exit::Ok);
    }
    let (branches, commits): (Vec<Branch>, Vec<Commit>) =
        (decode(&answer, "branches")?, decode(&answer, "commits")?);
    let mut table = Table::new(&["BRANCH", "BUILD", "STATE", "COMMIT", "FINISHED", "MESSAGE"]);
    for (branch, commit) in branches.iter().zip(&commits) {
        table.row(vec![
            commit.branch.as_deref().unwrap_or("-").into(),
            branch.number.as_str().into(),
            screen.state(&branch.state),
            commit.short().into(),
            moment(branch.finished_at.as_deref(), &screen.style).into(),
            commit.subject().into(),
        ]);
    }
    screen.table(&table)?;
    Ok(Exit::Ok)
}

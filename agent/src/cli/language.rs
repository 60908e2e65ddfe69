//! `assay lint`, `expand` and `script`: the language of `.travis.yml`, without a daemon.

use std::io::Read;
use std::path::Path;

use assay_plan::{
    Build, BuildId, Commit, CommitId, EventKind, Job, JobContext, JobId, JobNumber, Level, Map,
    Message, Person, RepoId, Repository, Slug, Source, State, Time, Value, Visibility,
};
use serde_json::json;

use super::args::{self, EventArgs};
use super::client::{job_details, matrix_values};
use super::output::{Cell, Color, Screen, Table};
use crate::exit::{Exit, Failure, Outcome};

/// More than any `.travis.yml` has.
const MOST_BYTES: u64 = 1 << 20;

/// `assay lint`
pub(crate) fn lint(args: &args::Lint, screen: &Screen) -> Outcome {
    let bytes = read(&args.file)?;
    let data = event_data(&args.event)?;
    let linted = match assay_plan::lint(&bytes) {
        Ok(linted) => linted,
        Err(error) => {
            if screen.json {
                let message = json!({ "level": "error", "key": "root", "code": "parse_error", "args": { "message": error.to_string() } });
                screen.json(&json!({ "messages": [message] }))?;
            } else {
                screen.line(&format!("error\troot\t{error}"))?;
            }
            return Ok(Exit::BuildFailed);
        }
    };
    let mut messages = linted.messages;
    messages.extend(assay_plan::expand(&linted.config, &data).messages);
    if screen.json {
        screen.json(&json!({ "messages": messages_json(&messages) }))?;
    } else {
        screen.table(&messages_table(&messages))?;
        if messages.is_empty() {
            screen.say("nothing to say about it");
        }
    }
    let bad = messages.iter().any(|message| message.level >= Level::Error);
    Ok(if bad { Exit::BuildFailed } else { Exit::Ok })
}

/// `assay expand`
pub(crate) fn expand(args: &args::Expand, screen: &Screen) -> Outcome {
    let linted = normalised(&args.file)?;
    let expansion = assay_plan::expand(&linted.config, &event_data(&args.event)?);
    let mut messages = linted.messages;
    messages.extend(expansion.messages);
    if screen.json {
        screen.json(&json!({
            "config": linted.config,
            "stages": expansion.stages,
            "jobs": expansion.jobs,
            "messages": messages_json(&messages),
        }))?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["JOB", "STAGE", "LANGUAGE", "FAILURE", "DETAILS"]);
    for (index, job) in expansion.jobs.iter().enumerate() {
        let allowed = job
            .get("allow_failure")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        let config = serde_json::to_value(job).map_err(|error| {
            Failure::new(Exit::Internal, "cannot show the jobs").because(&error)
        })?;
        table.row(vec![
            (index + 1).to_string().into(),
            job.text("stage").unwrap_or("-").into(),
            job.text("language").unwrap_or("-").into(),
            Cell::colored(if allowed { "allowed" } else { "-" }, Some(Color::Grey)),
            job_details(&config).into(),
        ]);
    }
    for message in messages
        .iter()
        .filter(|message| message.level >= Level::Warn)
    {
        screen.say(&describe(message));
    }
    screen.table(&table)?;
    Ok(Exit::Ok)
}

/// `assay script`
pub(crate) fn script(args: &args::Script, screen: &Screen) -> Outcome {
    let linted = normalised(&args.file)?;
    let data = event_data(&args.event)?;
    let expansion = assay_plan::expand(&linted.config, &data);
    let place = usize::try_from(args.job).unwrap_or(usize::MAX);
    let Some(config) = place
        .checked_sub(1)
        .and_then(|place| expansion.jobs.get(place))
    else {
        return Err(
            Failure::new(Exit::NotFound, format!("there is no job {}", args.job))
                .cause(format!("the file expands to {} jobs", expansion.jobs.len()))
                .hint("assay expand lists them"),
        );
    };
    let (repository, build) = made_up(&data, linted.config)?;
    let job = made_up_job(&build, args.job, config.clone());
    let plan = assay_plan::plan_job(&JobContext {
        repository: &repository,
        build: &build,
        job: &job,
        web: "http://127.0.0.1:27729",
        dist: None,
        arch: arch(),
        env: &[],
    });
    if screen.json {
        screen.json(&json!({ "script": plan.script, "env": plan.env, "notes": plan.notes }))?;
    } else {
        for note in &plan.notes {
            screen.say(note);
        }
        screen.data(&plan.script)?;
    }
    Ok(Exit::Ok)
}

/// Travis' name of this processor.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

fn normalised(file: &Path) -> Result<assay_plan::Linted, Failure> {
    assay_plan::lint(&read(file)?).map_err(|error| {
        Failure::new(Exit::BuildFailed, format!("cannot use {}", shown(file))).because(&error)
    })
}

fn shown(file: &Path) -> String {
    if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let result = if file == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(MOST_BYTES + 1)
            .read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
    };
    result.map_err(|error| Failure::io(format!("cannot read {}", shown(file)), &error))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(
            Failure::new(Exit::BuildFailed, format!("cannot use {}", shown(file)))
                .cause("it is larger than 1 MiB"),
        );
    }
    Ok(bytes)
}

/// The event that was given, over a push to `master`.
fn event_data(args: &EventArgs) -> Result<Map, Failure> {
    let mut data: Map = [
        ("type", "push"),
        ("branch", "master"),
        ("head_branch", "master"),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), Value::from(value)))
    .collect();
    data.insert("tag", Value::Null);
    data.insert("fork", Value::Bool(false));
    if let Some(file) = &args.event {
        let bytes = std::fs::read(file)
            .map_err(|error| Failure::io(format!("cannot read {}", file.display()), &error))?;
        merge(&mut data, &bytes, &file.display().to_string())?;
    }
    if let Some(text) = &args.data {
        merge(&mut data, text.as_bytes(), "--data")?;
    }
    Ok(data)
}

fn merge(data: &mut Map, bytes: &[u8], from: &str) -> Result<(), Failure> {
    let more: Map = serde_json::from_slice(bytes).map_err(|error| {
        Failure::usage(format!("cannot read the event of {from}"))
            .because(&error)
            .hint(r#"write it like {"type": "push", "branch": "main"}"#)
    })?;
    for (key, value) in more {
        data.insert(key, value);
    }
    Ok(())
}

/// A repository and a build around a job that no daemon knows: what the event says of them, plain values for the rest.
fn made_up(data: &Map, config: Map) -> Result<(Repository, Build), Failure> {
    let wrong =
        |error: assay_plan::NameError| Failure::usage("cannot use the event").because(&error);
    let slug = Slug::parse(data.text("repo").unwrap_or("owner/name")).map_err(wrong)?;
    let zero = "0".repeat(40);
    let commit = CommitId::parse(data.text("commit").unwrap_or(&zero)).map_err(wrong)?;
    let event = data
        .text("type")
        .and_then(EventKind::from_name)
        .unwrap_or(EventKind::Push);
    let now = Time(0);
    let sender = Person {
        name: data.text("sender").unwrap_or("nobody").to_owned(),
        email: String::new(),
    };
    let repository = Repository {
        id: RepoId(1),
        source: Source::Path(format!("/srv/git/{slug}.git")),
        slug,
        description: None,
        visibility: Visibility::Private,
        active: true,
        default_branch: Some("master".to_owned()),
        share: Vec::new(),
        created_at: now,
    };
    let build = Build {
        id: BuildId { 0: 1 },
        repo: RepoId(1),
        number: 1,
        event,
        branch: data.text("branch").unwrap_or("master").to_owned(),
        tag: data.text("tag").map(str::to_owned),
        before: None,
        commit: Commit {
            id: commit,
            message: data.text("commit_message").unwrap_or_default().to_owned(),
            committed_at: now,
            author: sender.clone(),
            committer: sender,
        },
        config,
        messages: Vec::new(),
        stages: Vec::new(),
        fast_finish: false,
        jobs: vec![JobId(1)],
        state: State::Created,
        created_at: now,
        started_at: None,
        finished_at: None,
    };
    Ok((repository, build))
}

fn made_up_job(build: &Build, place: u32, config: Map) -> Job {
    Job {
        id: JobId(u64::from(place)),
        build: build.id,
        repo: build.repo,
        number: JobNumber {
            build: build.number,
            job: place,
        },
        allow_failure: config
            .get("allow_failure")
            .and_then(Value::as_bool)
            .unwrap_or(false),
        config,
        stage: None,
        state: State::Created,
        attempt: 1,
        interrupted: false,
        queued_at: None,
        started_at: None,
        finished_at: None,
        restarted: None,
        reason: None,
    }
}

fn messages_json(messages: &[Message]) -> Vec<serde_json::Value> {
    messages
        .iter()
        .map(|message| {
            let args: Map = message.args.iter().cloned().collect();
            json!({
                "level": message.level.name(),
                "key": message.key,
                "code": message.code,
                "args": args,
                "line": message.line,
            })
        })
        .collect()
}

fn messages_table(messages: &[Message]) -> Table {
    let mut table = Table::new(&["LEVEL", "LINE", "KEY", "MESSAGE"]);
    for message in messages {
        let color = match message.level {
            Level::Info => Color::Grey,
            Level::Warn => Color::Yellow,
            Level::Error | Level::Alert => Color::Red,
        };
        table.row(vec![
            Cell::colored(message.level.name(), Some(color)),
            message
                .line
                .map_or("-".to_owned(), |line| line.to_string())
                .into(),
            message.key.as_str().into(),
            sentence(message).into(),
        ]);
    }
    table
}

/// A message in a line: level, key, words.
pub(crate) fn describe(message: &Message) -> String {
    format!(
        "{}: {}: {}",
        message.level.name(),
        message.key,
        sentence(message)
    )
}

/// What tells a job from its siblings, beside stage and name.
pub(crate) fn varying(config: &Map) -> Option<String> {
    let config = serde_json::to_value(config).ok()?;
    Some(matrix_values(&config)).filter(|text| !text.is_empty())
}

/// A message in words: its code, spaced, and its arguments.
fn sentence(message: &Message) -> String {
    let mut text = message.code.replace('_', " ");
    let args: Vec<String> = message
        .args
        .iter()
        .map(|(name, value)| {
            format!(
                "{name}: {}",
                serde_json::to_string(value).unwrap_or_default()
            )
        })
        .collect();
    if !args.is_empty() {
        text.push_str(&format!(" ({})", args.join(", ")));
    }
    text
}

//! `assay lint`, `expand` and `script`: the language of `.travis.yml`, without a daemon.

mod event;
mod sources;
mod words;

use std::io::Read;
use std::path::Path;

use assay_plan::{JobContext, Level, Map, Message, Place, Value};
use serde::Serialize;
use serde_json::json;

use self::event::{event_data, made_up, made_up_job};
use self::sources::{Sourced, sourced};
use self::words::{Files, MessageJson, messages_json};
use super::args;
use super::client::job_details;
use super::output::{Cell, Color, Screen, Table};
use crate::exit::{Exit, Failure, Outcome};

pub(crate) use self::words::{describe, varying};

/// More than any `.travis.yml` has.
const MOST_BYTES: u64 = 1 << 20;

/// Said of a matrix that is cut off.
const TOO_MANY: &str =
    "the matrix has more jobs than a build may have; these are the first of them";

/// `assay lint`
pub(crate) fn lint(args: &args::Lint, screen: &Screen) -> Outcome {
    let bytes = read(&args.file)?;
    let data = event_data(&args.event)?;
    let (messages, truncated, files) = match assay_plan::lint(&bytes) {
        Ok(linted) => {
            let (linted, files) = if args.sources {
                let sourced = sources::followed(&args.file, bytes, &data)?;
                (sourced.linted, sourced.files)
            } else {
                (linted, Files::of(shown(&args.file), bytes))
            };
            let expansion = assay_plan::expand(&linted, &data);
            let needs = assay_plan::needs_root(&linted.config);
            let mut messages = linted.messages;
            messages.extend(located(expansion.messages, &files));
            messages.extend(located(needs, &files));
            (messages, expansion.truncated, files)
        }
        Err(error) => {
            let files = Files::of(shown(&args.file), bytes);
            (vec![error.to_message()], false, files)
        }
    };
    if screen.json {
        screen.json(&json!({ "messages": messages_json(&messages, &files) }))?;
    } else {
        screen.data(&words::report(&messages, &files, &screen.style))?;
        screen
            .say(&words::tally(&messages).unwrap_or_else(|| "nothing to say about it".to_owned()));
    }
    if truncated {
        screen.say(TOO_MANY);
    }
    let bad = truncated || messages.iter().any(|message| message.level >= Level::Error);
    Ok(if bad { Exit::BuildFailed } else { Exit::Ok })
}

/// Messages of the expansion, with their places.
fn located(mut messages: Vec<Message>, files: &Files) -> Vec<Message> {
    let imported = files.imported.iter();
    let imported = imported.map(|(name, _, bytes)| (name.clone(), bytes.as_slice()));
    assay_plan::locate(&files.bytes, imported, &mut messages);
    messages
}

/// The JSON form of an expansion. A struct, because `json!` would sort the keys, and the order of variables counts.
#[derive(Serialize)]
struct Expanded<'a> {
    config: &'a Map,
    stages: &'a [Map],
    jobs: Vec<&'a Map>,
    messages: &'a [MessageJson<'a>],
    /// With `--sources`: the files that were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    sources: Option<&'a [String]>,
}

/// `assay expand`
pub(crate) fn expand(args: &args::Expand, screen: &Screen) -> Outcome {
    let data = event_data(&args.event)?;
    let Sourced {
        linted,
        files,
        sources,
    } = sourced(&args.file, args.sources, &data, screen)?;
    let expansion = assay_plan::expand(&linted, &data);
    let mut messages = linted.messages;
    messages.extend(located(expansion.messages, &files));
    if expansion.truncated {
        screen.say(TOO_MANY);
    }
    if screen.json {
        screen.json(&Expanded {
            config: &linted.config,
            stages: &expansion.stages,
            jobs: expansion.jobs.iter().map(|row| &row.config).collect(),
            messages: &messages_json(&messages, &files),
            sources: args.sources.then_some(&sources),
        })?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["JOB", "STAGE", "LANGUAGE", "FAILURE", "DETAILS"]);
    for (index, row) in expansion.jobs.iter().enumerate() {
        let job = &row.config;
        let allowed = row.may_fail();
        table.row(vec![
            (index + 1).to_string().into(),
            job.text("stage").unwrap_or("-").into(),
            job.text("language").unwrap_or("-").into(),
            Cell::colored(if allowed { "allowed" } else { "-" }, Some(Color::Grey)),
            job_details(job).into(),
        ]);
    }
    for message in messages
        .iter()
        .filter(|message| message.level >= Level::Warn)
    {
        screen.say(&describe(message));
    }
    screen.table(&table)?;
    if args.sources {
        let mut table = Table::new(&["SOURCE"]);
        for source in &sources {
            table.row(vec![source.as_str().into()]);
        }
        screen.line("")?;
        screen.table(&table)?;
    }
    Ok(Exit::Ok)
}

/// `assay script`
pub(crate) fn script(args: &args::Script, screen: &Screen) -> Outcome {
    let data = event_data(&args.event)?;
    let Sourced { linted, .. } = sourced(&args.file, args.sources, &data, screen)?;
    let expansion = assay_plan::expand(&linted, &data);
    let place = usize::try_from(args.job).unwrap_or(usize::MAX);
    let Some(row) = place
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
    let job = made_up_job(&build, args.job, row.clone());
    let plan = assay_plan::plan_job(&JobContext {
        repository: &repository,
        build: &build,
        job: &job,
        web: "http://127.0.0.1:27729",
        dist: None,
        arch: arch(),
        env: &[],
        versions: assay_plan::Versions::Exact,
        packages: false,
    });
    if screen.json {
        let env: Map = plan
            .env
            .into_iter()
            .map(|(name, value)| (name, Value::from(value)))
            .collect();
        screen.json(&json!({ "script": plan.script, "env": env, "notes": plan.notes }))?;
    } else {
        for note in &plan.notes {
            screen.say(note);
        }
        screen.foreign(&plan.script)?;
    }
    Ok(Exit::Ok)
}

/// `assay condition`
pub(crate) fn condition(args: &args::Condition, screen: &Screen) -> Outcome {
    let data = event_data(&args.event)?;
    let holds = assay_plan::eval_condition(&args.expression, &data).map_err(|error| {
        let failure = Failure::usage("cannot use the condition");
        let Some(position) = error.position() else {
            return failure.because(&error);
        };
        screen.say(&pointed(&args.expression, position));
        failure.cause(error.reason())
    })?;
    if screen.json {
        screen.json(&holds)?;
    } else {
        screen.line(if holds { "true" } else { "false" })?;
    }
    Ok(Exit::Ok)
}

/// `assay schema`
pub(crate) fn schema(screen: &Screen) -> Outcome {
    screen.json(&assay_plan::json_schema())?;
    Ok(Exit::Ok)
}

/// A condition with a mark below the byte where reading stopped.
fn pointed(condition: &str, position: usize) -> String {
    let before = condition.get(..position).unwrap_or(condition);
    let column = u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX);
    let place = Place {
        line: 1,
        column,
        width: 1,
    };
    let (line, mark) = words::marked(condition, place, usize::MAX);
    format!("  {line}\n  {mark}")
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

/// A file read and normalised; one that is no YAML is shown where it breaks.
fn linted(file: &Path, screen: &Screen) -> Result<(assay_plan::Linted, Vec<u8>), Failure> {
    let bytes = read(file)?;
    let linted = assay_plan::lint(&bytes).map_err(|error| {
        let files = Files::of(shown(file), bytes.clone());
        let report = words::report(&[error.to_message()], &files, &screen.style);
        screen.say(report.trim_end());
        Failure::new(Exit::BuildFailed, format!("cannot use {}", shown(file))).because(&error)
    })?;
    Ok((linted, bytes))
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

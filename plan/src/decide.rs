//! From an event and the `.travis.yml` of its commit to a blueprint of a build, or to the reason why there is none.

mod branches;
mod skip;

use crate::condition;
use crate::message::Message;
use crate::model::{Commit, EventKind, Repository, Request};
use crate::value::{Map, Text, Value};
use crate::yml::{
    self, ConfigRef, Expansion, ImportError, Imports, Linted, ReadError, Reading, Row,
};

/// Path of the configuration in a repository.
const CONFIG: &str = ".travis.yml";
/// Bytes of a `.travis.yml` that are read.
pub const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// Jobs of one build (Travis docs, "Build Matrix").
pub const MAX_JOBS: usize = 200;

/// What was found under `.travis.yml` in the commit.
#[derive(Debug, Clone, Copy)]
pub enum ConfigFile<'a> {
    /// No such file.
    Missing,
    /// It is no regular file.
    NotAFile,
    /// It is larger than is read; bytes.
    TooLarge(u64),
    /// Its bytes.
    Bytes(&'a [u8]),
}

/// Everything a build is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blueprint {
    /// The normalised configuration.
    pub config: Map,
    /// Names of the stages that have jobs, in order; empty without stages.
    pub stages: Vec<String>,
    /// Jobs in final order; never empty.
    pub jobs: Vec<JobBlueprint>,
    /// `jobs.fast_finish`.
    pub fast_finish: bool,
    /// Messages about the file.
    pub messages: Vec<Message>,
    /// The files it was read from, the repository's own first: `OWNER/NAME:PATH@COMMIT`.
    pub sources: Vec<String>,
}

/// One row of the matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobBlueprint {
    /// Flat configuration, the root's phases filled in.
    pub config: Map,
    /// Its keys that the author left to their defaults.
    pub assumed: Vec<Text>,
    /// Index into the stages.
    pub stage: Option<u32>,
    /// Whether its failure is allowed.
    pub allow_failure: bool,
}

/// Whether there is a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// There is.
    Accept(Box<Blueprint>),
    /// There isn't: why, and what was said of the file.
    Reject {
        /// One sentence for the request record.
        reason: String,
        /// Messages about the file.
        messages: Vec<Message>,
    },
}

/// Decides about a request whose commit has been read: skip commands, `branches`, the file itself, its conditions. Asks for
/// the files that are imported, one after another, until `imports` holds them all.
///
/// Sources: Travis docs "Customizing the Build" (skipping, safelisting), travis-core `request/approval.rb`.
pub fn decide(
    repository: &Repository,
    request: &Request,
    commit: &Commit,
    file: ConfigFile<'_>,
    imports: &Imports,
) -> Reading<Decision> {
    let data = event_data(repository, request, commit);
    let origin = ConfigRef {
        slug: repository.slug.clone(),
        path: CONFIG.to_owned(),
        at: Some(commit.id.to_string()),
    };
    Reading::Done(
        match check(request, commit, file, &origin, &data, imports) {
            Ok(Reading::Needs(wanted)) => return Reading::Needs(wanted),
            Ok(Reading::Done(blueprint)) => Decision::Accept(Box::new(blueprint)),
            Err(Refusal { reason, messages }) => Decision::Reject { reason, messages },
        },
    )
}

/// Why there is no build.
struct Refusal {
    reason: String,
    messages: Vec<Message>,
}

impl Refusal {
    fn new(reason: impl Into<String>) -> Self {
        Refusal {
            reason: reason.into(),
            messages: Vec::new(),
        }
    }
}

fn check(
    request: &Request,
    commit: &Commit,
    file: ConfigFile<'_>,
    origin: &ConfigRef,
    data: &Map,
    imports: &Imports,
) -> Result<Reading<Blueprint>, Refusal> {
    if let Some(option) = request
        .event
        .options
        .iter()
        .find(|option| skip::is_skip_option(option))
    {
        return Err(Refusal::new(format!(
            "the push asked for no build (push option {option})"
        )));
    }
    if request.event.kind != EventKind::Cron
        && let Some(command) = skip::skip_command(&commit.message)
    {
        return Err(Refusal::new(format!("the commit message says {command}")));
    }
    let bytes = bytes_of(commit, file)?;
    let resolved = yml::resolve(bytes, origin, data, imports);
    let resolved = match resolved.map_err(|error| unusable(commit, &error))? {
        Reading::Needs(wanted) => return Ok(Reading::Needs(wanted)),
        Reading::Done(resolved) => resolved,
    };
    let messages = resolved.linted.messages.clone();
    let sources = resolved.sources().map(ToString::to_string).collect();
    let files: Vec<(String, &[u8])> = resolved.files().collect();
    let mut blueprint = build(request, resolved.linted, sources, data)
        .map_err(|reason| Refusal { reason, messages })?;
    yml::locate(bytes, files, &mut blueprint.messages);
    Ok(Reading::Done(blueprint))
}

fn unusable(commit: &Commit, error: &ImportError) -> Refusal {
    let id = commit.id.short();
    match error {
        ImportError::Read(error) => Refusal {
            reason: match error {
                ReadError::Syntax { .. } => format!("{CONFIG} of commit {id} is {error}"),
                ReadError::NotAMap(what) => format!(
                    "{CONFIG} of commit {id} must be a map of keys at its top level, but it is {what}"
                ),
            },
            messages: vec![error.to_message()],
        },
        error => Refusal::new(error.to_string()),
    }
}

fn bytes_of<'f>(commit: &Commit, file: ConfigFile<'f>) -> Result<&'f [u8], Refusal> {
    let id = commit.id.short();
    let too_large = |size: u64| {
        Refusal::new(format!(
            ".travis.yml of commit {id} has {size} bytes, more than the limit of {MAX_CONFIG_BYTES} (1 MiB)"
        ))
    };
    match file {
        ConfigFile::Missing => Err(Refusal::new(format!(
            "there is no .travis.yml in commit {id}"
        ))),
        ConfigFile::NotAFile => Err(Refusal::new(format!(
            ".travis.yml of commit {id} is not a regular file"
        ))),
        ConfigFile::TooLarge(size) => Err(too_large(size)),
        ConfigFile::Bytes(bytes) => match u64::try_from(bytes.len()) {
            Ok(size) if size <= MAX_CONFIG_BYTES => Ok(bytes),
            Ok(size) => Err(too_large(size)),
            Err(_) => Err(too_large(u64::MAX)),
        },
    }
}

/// Everything after the file has been read; the error is the reason.
fn build(
    request: &Request,
    linted: Linted,
    sources: Vec<String>,
    data: &Map,
) -> Result<Blueprint, String> {
    branches::check(&linted.config, request.branch())?;
    let expansion = yml::expand(&linted, data);
    let Linted {
        config,
        mut messages,
        ..
    } = linted;
    check_condition(&config, data, &expansion)?;
    let count = expansion.jobs.len();
    if count > MAX_JOBS {
        let more = if expansion.truncated { " or more" } else { "" };
        return Err(format!(
            "the matrix has {count}{more} jobs, and the limit is {MAX_JOBS}"
        ));
    }
    if expansion.truncated {
        return Err(format!(
            "the matrix is too large for its configuration: expansion stopped after {count} jobs"
        ));
    }
    if expansion.jobs.is_empty() {
        return Err(
            "the matrix has no jobs: all of them are excluded or their conditions are false"
                .to_owned(),
        );
    }
    messages.extend(expansion.messages.iter().cloned());
    let fast_finish = config
        .get("jobs")
        .and_then(Value::as_map)
        .and_then(|jobs| jobs.get("fast_finish"));
    let fast_finish = fast_finish.and_then(Value::as_bool).unwrap_or(false);
    let (stages, jobs) = stages_and_jobs(expansion);
    Ok(Blueprint {
        config,
        stages,
        jobs,
        fast_finish,
        messages,
        sources,
    })
}

/// The condition at the top decides about the build, unless a job that has it from there passed it with its own
/// variables.
fn check_condition(config: &Map, data: &Map, expansion: &Expansion) -> Result<(), String> {
    let Some(Value::Str(text)) = config.get("if") else {
        return Ok(());
    };
    let result = condition::eval_scoped(text, config, data);
    let is_passed = expansion
        .jobs
        .iter()
        .any(|job| job.config.text("if") == Some(text));
    match result {
        Ok(true) => Ok(()),
        _ if is_passed => Ok(()),
        Ok(false) => Err(format!(
            "the condition at the top of .travis.yml is false: if: {text}"
        )),
        Err(error) => Err(format!(
            "the condition at the top of .travis.yml cannot be used: {error}"
        )),
    }
}

fn stages_and_jobs(expansion: Expansion) -> (Vec<String>, Vec<JobBlueprint>) {
    let stages: Vec<String> = expansion
        .stages
        .iter()
        .map(|stage| stage.text("name").unwrap_or_default().to_owned())
        .collect();
    let place = |job: &Map| {
        let name = job.text("stage")?.to_lowercase();
        let place = stages
            .iter()
            .position(|stage| stage.to_lowercase() == name)?;
        u32::try_from(place).ok()
    };
    let job = |row: Row| JobBlueprint {
        stage: place(&row.config),
        allow_failure: row.may_fail(),
        config: row.config,
        assumed: row.assumed,
    };
    let jobs = expansion.jobs.into_iter().map(job).collect();
    (stages, jobs)
}

/// What conditions may ask about an event.
fn event_data(repository: &Repository, request: &Request, commit: &Commit) -> Map {
    let text = |text: &str| Value::from(text);
    let slug = repository.slug.as_str();
    let entries = [
        ("type", text(request.event.kind.name())),
        ("repo", text(slug)),
        ("head_repo", text(slug)),
        ("branch", text(request.branch())),
        ("head_branch", text(request.branch())),
        ("tag", request.tag().map_or(Value::Null, text)),
        ("commit_message", text(&commit.message)),
        (
            "sender",
            request.event.pusher.as_deref().map_or(Value::Null, text),
        ),
        ("fork", Value::Bool(false)),
        ("draft", Value::Bool(false)),
    ];
    entries
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

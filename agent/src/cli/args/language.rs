//! Commands about the language, which need no daemon.

use std::path::PathBuf;

use clap::Args;

/// What conditions and matrices are expanded for.
#[derive(Debug, Clone, Args)]
pub(crate) struct EventArgs {
    /// The event, as a JSON file: branch, tag, type, env and what else conditions may ask for
    ///
    /// Without --event and --data it is a push to the branch master.
    #[arg(long, value_name = "FILE")]
    pub(crate) event: Option<PathBuf>,
    /// The same, as JSON text; its keys go before those of --event
    #[arg(long, value_name = "JSON")]
    pub(crate) data: Option<String>,
}

/// Check a .travis.yml
///
/// Prints what there is to say about the file, in its order: place, level and cause, the line with the place marked, and what
/// to do about it. With --json, each message has level, key, code, args, line, column, width, source, cause and suggestion. The
/// exit status is 1 if there is an error among the messages, or if the file is no YAML.
#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// The file; - for standard input
    #[arg(default_value = ".travis.yml", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Follow import: too, in the folder of FILE
    #[arg(long)]
    pub(crate) sources: bool,
    /// The event.
    #[command(flatten)]
    pub(crate) event: EventArgs,
}

/// Show the jobs that a .travis.yml expands to
///
/// With --json: config, stages, jobs and messages in one object, each job complete with its own phases.
#[derive(Debug, Args)]
pub(crate) struct Expand {
    /// The file; - for standard input
    #[arg(default_value = ".travis.yml", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Follow import: too, and list the files that were read
    ///
    /// Files of the same repository are read from the folder of FILE. Those of other repositories only the daemon can read.
    #[arg(long)]
    pub(crate) sources: bool,
    /// The event.
    #[command(flatten)]
    pub(crate) event: EventArgs,
}

/// Show the script that a job would run
#[derive(Debug, Args)]
pub(crate) struct Script {
    /// The file; - for standard input
    #[arg(default_value = ".travis.yml", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Follow import: too, in the folder of FILE
    #[arg(long)]
    pub(crate) sources: bool,
    /// The job, counted from 1 as assay-expand(1) lists them
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) job: u32,
    /// The event.
    #[command(flatten)]
    pub(crate) event: EventArgs,
}

/// Evaluate a condition, as it stands after if: in a .travis.yml
///
/// Prints true or false. The exit status is 0 for both, and 2 if the condition can't be understood.
#[derive(Debug, Args)]
pub(crate) struct Condition {
    /// The condition
    #[arg(value_name = "EXPR")]
    pub(crate) expression: String,
    /// The event.
    #[command(flatten)]
    pub(crate) event: EventArgs,
}

/// Print a JSON Schema of .travis.yml
///
/// For editors: with it they complete keys and values, say what each is for, and mark what is wrong. travis.yml(5) says the same in
/// words.
#[derive(Debug, Args)]
pub(crate) struct Schema {}

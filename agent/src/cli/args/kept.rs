//! `assay cache` and `assay artifacts`, as clap reads them.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::RepoArg;

/// Caches that jobs left for later ones
#[derive(Debug, Args)]
pub(crate) struct Cache {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: CacheCommand,
}

/// What to do with caches.
#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// List caches by branch, newest first
    List {
        /// Repository.
        #[command(flatten)]
        repo: RepoArg,
        /// Which.
        #[command(flatten)]
        chosen: ChosenCaches,
    },
    /// Remove caches: the next jobs begin without
    Rm {
        /// Repository.
        #[command(flatten)]
        repo: RepoArg,
        /// Which.
        #[command(flatten)]
        chosen: ChosenCaches,
    },
}

/// Which caches; all, unless something is said.
#[derive(Debug, Args)]
pub(crate) struct ChosenCaches {
    /// Only of this branch
    #[arg(long, value_name = "BRANCH")]
    pub(crate) branch: Option<String>,
    /// Only those with this text in their name
    #[arg(long = "match", value_name = "TEXT")]
    pub(crate) part: Option<String>,
}

/// Files that jobs left for people
#[derive(Debug, Args)]
pub(crate) struct Artifacts {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: ArtifactsCommand,
}

/// What to do with artifacts.
#[derive(Debug, Subcommand)]
pub(crate) enum ArtifactsCommand {
    /// List the artifacts of a job
    ///
    /// Paths are relative to the work tree; odd letters of names are shown escaped.
    List {
        /// Job number (12.3), or the number of a build with one job (12)
        #[arg(value_name = "JOB")]
        job: String,
        /// Repository.
        #[command(flatten)]
        repo: RepoArg,
    },
    /// Fetch an artifact, or all of a job
    ///
    /// Without --output the file goes to standard output. Links are never made.
    Get {
        /// Job number (12.3), or the number of a build with one job (12)
        #[arg(value_name = "JOB")]
        job: String,
        /// The file, as assay artifacts list shows it; default: all, below the folder that --output names
        #[arg(value_name = "PATH")]
        path: Option<String>,
        /// Where to write: a file that isn't there yet, or a folder for all files
        #[arg(short, long, value_name = "PATH")]
        output: Option<PathBuf>,
        /// Repository.
        #[command(flatten)]
        repo: RepoArg,
    },
}

//! Arguments of `assay debug` and `assay audit`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::RepoArg;

/// Get a shell in the environment of a job
///
/// The job's environment is made anew: image, source, cache, services, variables, language. No phase is run; travis_run_install,
/// travis_run_script and so on run them in the shell. The job itself, its result and its log stay as they are.
///
/// Two consents are needed: that of the repository (assay repo settings --debug on, or assay.yml) and yours, which is this
/// command; it needs the right to push. The daemon must have an SSH server (debug.listen in assay.yml). A key is made that is good
/// for this one session, and ssh is started with it; the daemon's host key is checked against what its API says. The session ends
/// after a while (debug.time), or when you leave or lose the connection, and its sandbox with it. It gets no secrets. That it
/// took place is in the audit log.
///
/// When standard input or output is no terminal, or with --print or --key, the ssh command is printed instead. The folder that
/// it names (in $XDG_RUNTIME_DIR, else in the place for temporary files) is left there; it is of no use after the session.
#[derive(Debug, Args)]
pub(crate) struct Debug {
    /// Job number (12.3), or number of a build with one job (12)
    #[arg(value_name = "NUMBER")]
    pub(crate) number: String,
    /// Your own public key instead of a new one
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Print the ssh command instead of running it
    #[arg(long)]
    pub(crate) print: bool,
    /// Repository.
    #[command(flatten)]
    pub(crate) repo: RepoArg,
}

/// A repository's consent to debug sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Consent {
    /// None
    Off,
    /// For all jobs but those of pull requests
    On,
    /// For those of pull requests too, also from forks
    Forks,
}

impl Consent {
    /// The word of the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Consent::Off => "off",
            Consent::On => "on",
            Consent::Forks => "forks",
        }
    }
}

/// Show the audit log, newest first
///
/// Who asked for a debug session, whether it was refused, when and from where they came, and how it ended. Entries stay when their
/// repository goes.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// At most so many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 25)]
    pub(crate) limit: usize,
}

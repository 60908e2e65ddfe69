//! The command line, as clap reads it. The words here are also those of the man pages.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config;

mod debug;
mod kept;
mod language;

pub(crate) use debug::{Audit, Consent, Debug};
pub(crate) use kept::{Artifacts, ArtifactsCommand, Cache, CacheCommand};
pub(crate) use language::{Condition, EventArgs, Expand, Lint, Schema, Script};

/// A CI agent that sits next to any Git host and understands .travis.yml
///
/// Assay is told of a push by a Git hook, reads .travis.yml from the pushed commit, runs its jobs in disposable
/// sandboxes on this host, and shows builds and logs through the Travis CI API, as pages and on this command line.
///
/// To see all of it at once, without configuration: assay demo
#[derive(Debug, Parser)]
#[command(
    name = "assay",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// State folder of the daemon on this host
    ///
    /// Default: what the configuration says, else /var/lib/assay for root, else $XDG_STATE_HOME/assay.
    #[arg(
        long,
        global = true,
        env = "ASSAY_STATE",
        hide_env_values = true,
        value_name = "DIR"
    )]
    pub(crate) state: Option<PathBuf>,
    /// Talk to the daemon at this address instead of the one on this host
    #[arg(
        long,
        global = true,
        env = "ASSAY_SERVER",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(crate) server: Option<String>,
    /// Access token for --server (see assay-token(1))
    #[arg(
        long,
        global = true,
        env = "ASSAY_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub(crate) token: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: When,
    /// Say more on standard error; twice for still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// All commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(Demo),
    Up(Up),
    Serve(Serve),
    Run(Run),
    Lint(Lint),
    Expand(Expand),
    Script(Script),
    Condition(Condition),
    Schema(Schema),
    Repo(Repo),
    Hook(Hook),
    Builds(Builds),
    Show(Show),
    Logs(Logs),
    Restart(Restart),
    Cancel(Cancel),
    Debug(Debug),
    Requests(Requests),
    Branches(Branches),
    Cache(Cache),
    Artifacts(Artifacts),
    Token(Token),
    Whoami(Whoami),
    Audit(Audit),
    Config(Config),
    Doctor(Doctor),
    Image(Image),
    Fsck(Fsck),
    Man(Man),
}

/// See the whole product at work, with nothing to configure
///
/// Makes a bare repository and a clone of it in a temporary folder, installs the hook, starts a daemon, pushes with the
/// git of this host, shows the log as it is written, and ends with the table of results and the addresses of API and
/// pages.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Stay up afterwards, until Ctrl-C, to look around
    #[arg(long)]
    pub(crate) keep: bool,
}

/// Serve repositories from here, with defaults
///
/// Registers the repositories, installs their hooks, and runs the daemon until Ctrl-C. Once it is ready, one line on
/// standard output says where it listens, and a second one is a link that opens the pages once.
///
/// The name of a repository is made from the last two parts of its path: /srv/git/team/app.git is team/app.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Repositories: bare ones, or work trees
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Address and port to listen at; port 0 for any free one
    #[arg(long, value_name = "ADDR", value_parser = listen_address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Leave the hooks of the repositories alone
    ///
    /// Pushes are then noticed with the next reconciliation only.
    #[arg(long)]
    pub(crate) no_hook: bool,
}

/// Run the daemon as its configuration says
///
/// Once it takes work, one line on standard output says where it listens, and systemd is told (Type=notify). It writes
/// its own log to standard error.
///
/// Ends on SIGTERM or Ctrl-C: running jobs get a moment to finish (shutdown.grace) and are put back into the queue
/// otherwise.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Configuration file
    ///
    /// Default: /etc/assay/assay.yml; if that isn't there, the defaults of every key.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Run the .travis.yml of a work tree in the sandbox, without a daemon
///
/// Uncommitted changes are included. All jobs run, stage after stage. With one job, standard output is exactly its log.
/// The exit status is the verdict: 0 if the build passed.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The work tree
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Only this job, counted from 1 as assay-expand(1) lists them
    #[arg(long, value_name = "N")]
    pub(crate) job: Option<u32>,
    /// Variable for the jobs, beside those of the file; may be given again
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) env: Vec<(String, String)>,
}

/// Repositories that the daemon builds
#[derive(Debug, Args)]
pub(crate) struct Repo {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: RepoCommand,
}

/// What to do with repositories.
#[derive(Debug, Subcommand)]
pub(crate) enum RepoCommand {
    /// Register a repository of the daemon's host
    ///
    /// What is in it already is not built, unless --build is given. Pushes are noticed at once after
    /// assay hook install, else with the next reconciliation.
    Add {
        /// The repository: a bare one, or a work tree
        #[arg(value_name = "PATH")]
        path: PathBuf,
        /// Its name; default: the last two parts of the path
        #[arg(long, value_name = "OWNER/NAME")]
        slug: Option<String>,
        /// Let everyone read its builds and logs
        #[arg(long)]
        public: bool,
        /// Build its default branch now
        #[arg(long)]
        build: bool,
    },
    /// List the repositories with their last builds
    List,
    /// Show one repository
    Show {
        /// The repository; default: that of this folder
        #[arg(value_name = "OWNER/NAME")]
        repository: Option<String>,
    },
    /// Change the settings of a repository
    Settings {
        /// The repository; default: that of this folder
        #[arg(value_name = "OWNER/NAME")]
        repository: Option<String>,
        /// Whether people with the right to push may open debug sessions (see assay-debug(1))
        #[arg(long, value_name = "WHETHER", required = true)]
        debug: Option<Consent>,
    },
    /// Forget a repository: its builds, its logs and the mirror of its objects
    ///
    /// The repository itself is left alone; so is its hook (see assay-hook(1)).
    Rm {
        /// The repository
        #[arg(value_name = "OWNER/NAME")]
        repository: String,
        /// Really do it
        #[arg(long)]
        yes: bool,
    },
}

/// The Git hook that tells the daemon of pushes
///
/// The hook never fails and never delays a push: when the daemon isn't there, it leaves a note that the daemon finds
/// later.
#[derive(Debug, Args)]
pub(crate) struct Hook {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: HookCommand,
}

/// What to do with a hook.
#[derive(Debug, Subcommand)]
pub(crate) enum HookCommand {
    /// Install the hook
    ///
    /// An existing post-receive becomes post-receive.before-assay and is run first, as before. The key
    /// receive.advertisePushOptions of the repository is set, without which git refuses push -o.
    Install {
        /// The repository: a bare one, or a work tree
        #[arg(value_name = "REPO", required_unless_present = "print")]
        path: Option<PathBuf>,
        /// Print the hook instead of installing it, for a folder of hooks that many repositories share
        #[arg(long)]
        print: bool,
    },
    /// Take the hook away and put back what was there before
    Remove {
        /// The repository
        #[arg(value_name = "REPO")]
        path: PathBuf,
    },
    /// Say whether the hook is in order
    Check {
        /// The repository
        #[arg(value_name = "REPO")]
        path: PathBuf,
    },
}

/// Which repository.
#[derive(Debug, Clone, Args)]
pub(crate) struct RepoArg {
    /// The repository
    ///
    /// Default: what the Git key assay.slug of the current folder says, else the repository its remotes lead to, else
    /// the only one that the daemon has.
    #[arg(short, long = "repo", value_name = "OWNER/NAME")]
    pub(crate) repository: Option<String>,
}

/// List builds, newest first
#[derive(Debug, Args)]
pub(crate) struct Builds {
    /// Repository.
    #[command(flatten)]
    pub(crate) repo: RepoArg,
    /// Only of this branch
    #[arg(long, value_name = "BRANCH")]
    pub(crate) branch: Option<String>,
    /// At most so many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 25)]
    pub(crate) limit: usize,
}

/// Show a build with its jobs, or one job
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Build number (12) or job number (12.3); default: the newest build
    #[arg(value_name = "NUMBER")]
    pub(crate) number: Option<String>,
    /// Repository.
    #[command(flatten)]
    pub(crate) repo: RepoArg,
}

/// Print logs
///
/// For a build, the logs of its jobs one after another. With --follow, a log is shown as it is written, and the exit
/// status is the verdict: 0 if the build (the job, if one is named) passed.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Build number (12) or job number (12.3); default: the newest build
    #[arg(value_name = "NUMBER")]
    pub(crate) number: Option<String>,
    /// Show the log as it is written, to its end
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Repository.
    #[command(flatten)]
    pub(crate) repo: RepoArg,
}

/// Run a build or a job again
#[derive(Debug, Args)]
pub(crate) struct Restart {
    /// Build number (12) or job number (12.3)
    #[arg(value_name = "NUMBER")]
    pub(crate) number: String,
    /// Repository.
    #[command(flatten)]
    pub(crate) repo: RepoArg,
}

/// Cancel a build or a job
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// Build number (12) or job number (12.3)
    #[arg(value_name = "NUMBER")]
    pub(crate) number: String,
    /// Repository.
    #[command(flatten)]
    pub(crate) repo: RepoArg,
}

/// List requests, newest first: what became of each push, and why
#[derive(Debug, Args)]
pub(crate) struct Requests {
    /// Repository.
    #[command(flatten)]
    pub(crate) repo: RepoArg,
    /// At most so many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 25)]
    pub(crate) limit: usize,
}

/// List branches with their newest builds
#[derive(Debug, Args)]
pub(crate) struct Branches {
    /// Repository.
    #[command(flatten)]
    pub(crate) repo: RepoArg,
}

/// Access tokens
#[derive(Debug, Args)]
pub(crate) struct Token {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it: it is never shown again
    Create {
        /// Whose token it is
        #[arg(long, value_name = "NAME")]
        user: String,
        /// Every right on every repository
        #[arg(long, conflicts_with = "repo")]
        admin: bool,
        /// A right on a repository: read (the default), push or admin; may be given again
        ///
        /// OWNER/* means every repository of an owner.
        #[arg(long, value_name = "OWNER/NAME[:RIGHT]", value_parser = right)]
        repo: Vec<(String, String)>,
        /// How long it is good for, such as 12h or 90d; default: for ever
        #[arg(long, value_name = "TIME", value_parser = config::Span::parse)]
        expires: Option<config::Span>,
    },
    /// List tokens (not their text, which nobody knows)
    List,
    /// Make a token useless
    Revoke {
        /// Its id, as assay token list shows it
        #[arg(value_name = "ID")]
        id: u64,
    },
}

/// Say who the daemon takes you for
#[derive(Debug, Args)]
pub(crate) struct Whoami {}

/// The daemon's configuration
#[derive(Debug, Args)]
pub(crate) struct Config {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say everything that is wrong with a configuration file
    Check {
        /// The file; default: /etc/assay/assay.yml
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Print the configuration with all defaults filled in
    Show {
        /// The file; default: /etc/assay/assay.yml
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// Say whether this host has what jobs need
///
/// Looks at the kernel (namespaces, seccomp, Landlock, cgroups) and at swap, has a first job run in a sandbox, and looks
/// at git, the state folder and its sockets, and an installed systemd unit for settings that break the sandbox. Where
/// the daemon runs, the sandbox is tried by the daemon itself, with what its service gave it and took. The exit status is
/// 1 if jobs can't run here.
#[derive(Debug, Args)]
pub(crate) struct Doctor {}

/// Root images for jobs
///
/// Without any, jobs see a read-only view of this host. An image is another system: assay.yml says under images: which
/// jobs get it. Jobs may write everywhere in it, in memory; the image itself never changes. The state folder's images
/// are used by the daemon at once; no restart is needed.
#[derive(Debug, Args)]
pub(crate) struct Image {
    #[command(subcommand)]
    pub(crate) command: ImageCommand,
}

/// Commands on images.
#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// List the images
    List,
    /// Make an image
    ///
    /// The source is a tarball of a root folder (plain, or compressed with gzip, zstd or xz), an OCI layout, or a root
    /// folder as debootstrap makes it. The same content always gets the same digest, which is shown, and recorded with
    /// every job. Devices are left out; names that lead outside, and files written through links, are refused. A
    /// name that is there already means the new image from now on; the old one goes, or, while a run uses it,
    /// with the next import.
    Import {
        /// What to call it
        #[arg(value_name = "NAME")]
        name: String,
        /// Tarball, OCI layout or folder
        #[arg(value_name = "SOURCE")]
        source: PathBuf,
    },
    /// Remove an image
    Rm {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Compare images with what was imported
    ///
    /// Reads every file. Differences are printed; the exit code is 1 if there are any.
    Verify {
        /// Their names; default: all
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
}

/// Check the state folder
///
/// The daemon must not run. With --rebuild, the database is made anew from the journal, which is the durable truth.
#[derive(Debug, Args)]
pub(crate) struct Fsck {
    /// Make the database anew from the journal
    #[arg(long)]
    pub(crate) rebuild: bool,
}

/// Show a man page of this version
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The page: a command such as logs, or a page name such as assay-logs; default: assay
    #[arg(value_name = "PAGE")]
    pub(crate) page: Option<String>,
    /// Write all pages of section 1 into this folder
    #[arg(long, value_name = "DIR", hide = true)]
    pub(crate) generate: Option<PathBuf>,
}

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    config::parse_address(text)
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let head = name
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if head && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        Ok((name.to_owned(), value.to_owned()))
    } else {
        Err(format!("{name:?} is not a name for a variable"))
    }
}

fn right(text: &str) -> Result<(String, String), String> {
    let (slug, right) = text.split_once(':').unwrap_or((text, "read"));
    if !matches!(right, "read" | "push" | "admin") {
        return Err(format!("{right:?} is not one of read, push, admin"));
    }
    let whole_owner = slug.strip_suffix("/*").map(|owner| format!("{owner}/any"));
    assay_plan::Slug::parse(whole_owner.as_deref().unwrap_or(slug))
        .map_err(|error| error.to_string())?;
    Ok((slug.to_owned(), right.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_may_follow_the_command() {
        let cli = Cli::try_parse_from([
            "assay", "builds", "--json", "--server", "http://x", "-r", "a/b",
        ])
        .unwrap();
        assert!(cli.global.json);
        assert_eq!(cli.global.server.as_deref(), Some("http://x"));
    }

    #[test]
    fn variables_and_rights_are_checked() {
        assert_eq!(variable("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert!(variable("1A=b").is_err());
        assert!(variable("A").is_err());
        assert_eq!(right("a/b"), Ok(("a/b".into(), "read".into())));
        assert_eq!(right("a/*:admin"), Ok(("a/*".into(), "admin".into())));
        assert!(right("a/b:write").is_err());
        assert!(right("a").is_err());
    }
}

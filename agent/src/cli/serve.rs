//! `assay serve` and `assay up`: the daemon, in the foreground.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::json;
use tracing_subscriber::filter::LevelFilter;

use super::args::{self, Global};
use super::configuration;
use super::output::Screen;
use super::owner::refuse_root;
use crate::config::{self, Config, LogFormat, LogLevel};
use crate::daemon::{Daemon, DaemonError, Options};
use crate::exit::{Exit, Failure, Outcome};
use crate::notify;

/// `assay serve`
pub(crate) fn serve(args: args::Serve, global: &Global, screen: &Screen) -> Outcome {
    let (config, read) = configuration::load(args.config.as_deref())?;
    start_log(&config, screen.verbosity());
    match read {
        Some(path) => tracing::info!(path = %path.display(), "configuration read"),
        None => tracing::info!(
            path = config::DEFAULT_FILE,
            "no configuration file, defaults hold"
        ),
    }
    let state = config::state_folder(global.state.as_deref(), Some(&config));
    refuse_root(&state)?;
    let options = Options {
        state,
        config,
        repositories: Vec::new(),
        install_hooks: false,
    };
    run(options, |address, _| {
        if screen.json {
            screen.json(&json!({ "address": address }))
        } else {
            screen.line(&format!("ready: {address}"))
        }
    })
}

/// `assay up`
pub(crate) fn up(args: args::Up, global: &Global, screen: &Screen) -> Outcome {
    let mut config = Config::default();
    if let Some(listen) = args.listen {
        if !listen.ip().is_loopback() {
            return Err(Failure::usage(format!(
                "{listen} is not a loopback address, and assay up has no TLS"
            ))
            .hint("use assay serve with a configuration that sets tls (or insecure: true)"));
        }
        config.listen = listen;
    }
    if screen.verbosity() == 0 {
        // The person at this terminal sees the ready line; the rest only where it is trouble.
        config.log.level = LogLevel::Warn;
    }
    start_log(&config, screen.verbosity());
    let repositories = args
        .paths
        .iter()
        .map(|path| absolute(path))
        .collect::<Result<Vec<_>, _>>()?;
    let state = config::state_folder(global.state.as_deref(), None);
    refuse_root(&state)?;
    let options = Options {
        state,
        config,
        repositories,
        install_hooks: !args.no_hook,
    };
    run(options, |address, link| {
        if screen.json {
            screen.json(&json!({ "address": address, "link": link }))
        } else {
            screen.line(&format!("ready: {address}"))?;
            screen.line(&format!("open once: {link}"))?;
            screen.say("Ctrl-C ends it");
            Ok(())
        }
    })
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::fs::canonicalize(path)
        .map_err(|error| Failure::io(format!("cannot serve {}", path.display()), &error))
}

/// Runs the daemon until it is told to stop; `ready` is told address and one-time link once it takes work.
fn run(options: Options, ready: impl FnOnce(&str, &str) -> Result<(), Failure>) -> Outcome {
    crate::runtime()?.block_on(async {
        let daemon = Daemon::start(options)
            .await
            .map_err(|error| daemon_failure(&error))?;
        ready(daemon.address(), &daemon.link())?;
        notify::ready();
        daemon
            .run_until_shutdown()
            .await
            .map_err(|error| daemon_failure(&error))?;
        Ok(Exit::Ok)
    })
}

/// The daemon's trouble in words, with the way out.
pub(crate) fn daemon_failure(error: &DaemonError) -> Failure {
    let (exit, hint) = match error {
        DaemonError::Listen { source, .. } if source.kind() == ErrorKind::AddrInUse => (
            Exit::BadConfig,
            Some("another program listens there; choose another port by listen in assay.yml, or by assay up --listen".to_owned()),
        ),
        DaemonError::Listen { source, .. } if source.kind() == ErrorKind::AddrNotAvailable => {
            (Exit::BadConfig, Some("this host does not have that address".to_owned()))
        }
        DaemonError::Scratch(_) => (Exit::BadConfig, None),
        DaemonError::Listen { .. } => (Exit::NotAllowed, None),
        DaemonError::Store { .. } => (
            Exit::BadConfig,
            Some("if another daemon uses it, name another folder by --state; assay fsck looks into it".to_owned()),
        ),
        DaemonError::Socket { .. } => {
            (Exit::BadConfig, Some("the path of the state folder may be too long: name a shorter one by --state".to_owned()))
        }
        DaemonError::Hook { source, .. } => (Exit::BadConfig, source.way_out()),
        _ => (Exit::Internal, None),
    };
    let failure = Failure::new(exit, "cannot run the daemon").because(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Sends the daemon's own log to standard error.
fn start_log(config: &Config, verbosity: u8) {
    let level = match (config.log.level, verbosity) {
        (LogLevel::Trace, _) | (_, 2..) => LevelFilter::TRACE,
        (LogLevel::Debug, _) | (_, 1) => LevelFilter::DEBUG,
        (LogLevel::Info, _) => LevelFilter::INFO,
        (LogLevel::Warn, _) => LevelFilter::WARN,
        (LogLevel::Error, _) => LevelFilter::ERROR,
    };
    let colors = std::io::IsTerminal::is_terminal(&std::io::stderr()) && config::wants_colors();
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(colors)
        .with_target(false);
    // A second subscriber in one process (tests) is no trouble: the first one stays.
    let _ = match config.log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

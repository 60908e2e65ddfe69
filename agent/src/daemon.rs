//! The daemon: opens the state, starts the core, the intake, the timer and the API, and ends them in order.

mod commands;
mod core;
mod debug;
mod demo;
mod hands;
mod host;
mod image;
mod imports;
mod intake;
mod kept;
mod log;
mod marks;
mod run;
mod runner;
mod scratch;
mod waiting;
mod wasm;
mod worktree;

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use assay_api::{Api, ApiSettings, CommandError, RepositoryPatch, Tls, TlsError};
use assay_plan::Settings;
use assay_sandbox::Launcher;
use assay_store::{Opened, Store, StoreError};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

pub(crate) use demo::demo;
pub(crate) use run::run;

use self::core::{Core, Mailbox, Message};
use crate::config::{AccessMode, Config};
use debug::{DebugError, Debugger};
use hands::Hands;
use image::Choices;
use intake::Intake;
use runner::Runner;
use wasm::Wasm;

/// What a daemon is started with.
#[derive(Debug)]
pub(crate) struct Options {
    /// State folder.
    pub(crate) state: PathBuf,
    /// Configuration.
    pub(crate) config: Config,
    /// Further repositories to serve, by path.
    pub(crate) repositories: Vec<PathBuf>,
    /// Whether to install the Git hook in those.
    pub(crate) install_hooks: bool,
}

/// Why the daemon can't start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    #[error("cannot open the state folder {path}: {source}")]
    Store { path: PathBuf, source: StoreError },
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("cannot make the socket {path}: {source}")]
    Socket {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot serve {path}: {source}")]
    Repository { path: PathBuf, source: CommandError },
    #[error("cannot install the hook in {path}: {source}")]
    Hook {
        path: PathBuf,
        source: assay_hooks::HookError,
    },
    #[error("there can be no debug sessions: {0}")]
    Debug(#[from] DebugError),
    #[error("{0}")]
    Tls(#[from] TlsError),
    #[error("cannot keep sandbox.scratch: {0}")]
    Scratch(String),
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    #[error("cannot watch for signals: {0}")]
    Signals(std::io::Error),
}

/// A daemon that is up.
pub(crate) struct Daemon {
    address: String,
    api: Api,
    mailbox: Mailbox,
    hands: Arc<Hands>,
    debugger: Arc<Debugger>,
    core: std::thread::JoinHandle<()>,
    grace: Duration,
    sockets: Vec<PathBuf>,
    shutdown: watch::Sender<bool>,
    intakes: Vec<JoinHandle<()>>,
    servers: Vec<JoinHandle<()>>,
    warm: JoinHandle<assay_sandbox::Warm>,
}

impl Daemon {
    /// Starts everything. When this returns, pushes are taken in and the API answers.
    pub(crate) async fn start(options: Options) -> Result<Daemon, DaemonError> {
        let Options {
            state,
            config,
            repositories,
            install_hooks,
        } = options;
        let store = open(&state).await?;
        let listener =
            TcpListener::bind(config.listen)
                .await
                .map_err(|source| DaemonError::Listen {
                    address: config.listen,
                    source,
                })?;
        let bound = listener.local_addr().unwrap_or(config.listen);
        let tls = config
            .tls
            .as_ref()
            .map(|tls| Tls::load(tls.cert.clone(), tls.key.clone()))
            .transpose()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let address = config
            .web
            .clone()
            .unwrap_or_else(|| format!("{scheme}://{bound}"));
        let run = state.join("run");
        let (control, hook) = (run.join("assay.sock"), run.join("hook.sock"));
        let (control_listener, hook_listener) = (bind(&control, 0o600)?, bind(&hook, 0o666)?);

        let prefix = run_prefix(&state);
        assay_sandbox::clean_up(&prefix);
        assay_sandbox::clean_up_dead(LOCAL_PREFIX);
        let (mailbox, inbox) = Mailbox::new();
        let runner = runner(&store, &config, &state, address.clone(), prefix)?;
        let hands = Arc::new(Hands::new(&store, mailbox.clone(), runner));
        let warm = keep_warm(hands.runner(), config.jobs);
        let sessions = config.debug.clone();
        let (debugger, ssh) = Debugger::start(sessions, &store, hands.runner(), &state).await?;
        let core = start_core(&store, &hands, &state, &config, inbox).await?;
        let burst = config.reconcile.limit;
        let intake = Arc::new(Intake::new(
            store.clone(),
            mailbox.clone(),
            Arc::clone(&hands),
            address.clone(),
            burst,
        ));
        let (commands, obeyed) = mpsc::channel(64);
        let api = Api::new(store, commands, api_settings(&config, &address, &state));
        let (shutdown, ending) = watch::channel(false);

        register(
            &intake,
            &config,
            repositories,
            install_hooks.then_some(hook.as_path()),
        )
        .await?;
        let interval = config.reconcile.interval.duration();
        let intakes = vec![
            tokio::spawn(Arc::clone(&intake).serve(hook_listener)),
            tokio::spawn(commands::obey(
                obeyed,
                Arc::clone(&intake),
                Arc::clone(&debugger),
            )),
            tokio::spawn(Arc::clone(&debugger).serve(ssh)),
            tokio::spawn(look_on_a_timer(intake, interval)),
        ];
        let servers = vec![
            tokio::spawn(assay_api::serve_control(
                control_listener,
                api.clone(),
                ending.clone(),
            )),
            tokio::spawn(assay_api::serve(listener, tls, api.clone(), ending)),
        ];
        tracing::info!(address, state = %state.display(), "ready");
        Ok(Daemon {
            address,
            api,
            mailbox,
            hands,
            debugger,
            core,
            grace: config.shutdown.grace.duration(),
            sockets: vec![hook, control],
            shutdown,
            intakes,
            servers,
            warm,
        })
    }

    /// Address of the API and the pages, without a slash at the end.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A one-time link that opens the pages.
    pub(crate) fn link(&self) -> String {
        format!(
            "{}{}",
            self.address,
            self.api.one_time_link().unwrap_or_default()
        )
    }

    /// Serves until SIGTERM, SIGINT or SIGHUP, then ends in order.
    pub(crate) async fn run_until_shutdown(self) -> Result<(), DaemonError> {
        use tokio::signal::unix::{SignalKind, signal};
        let on = |kind| signal(kind).map_err(DaemonError::Signals);
        let (mut term, mut int) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
        let mut hang_up = on(SignalKind::hangup())?;
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            _ = hang_up.recv() => {}
        }
        self.shut_down().await;
        Ok(())
    }

    /// Ends in order: intake, then the runs (after their grace, put back into the queue), then the servers, then the
    /// core with its checkpoint.
    pub(crate) async fn shut_down(self) {
        tracing::info!("ending");
        crate::notify::stopping();
        for socket in &self.sockets {
            let _ = std::fs::remove_file(socket);
        }
        self.intakes.iter().for_each(JoinHandle::abort);
        self.debugger.shut_down().await;
        self.hands.shut_down(self.grace).await;
        let _ = self.shutdown.send(true);
        for server in self.servers {
            let _ = tokio::time::timeout(Duration::from_secs(5), server).await;
        }
        drop(self.warm.await);
        let _ = self.mailbox.ask(Message::Stop).await;
        let core = self.core;
        let _ = tokio::task::spawn_blocking(move || core.join()).await;
    }
}

fn bind(path: &Path, mode: u32) -> Result<tokio::net::UnixListener, DaemonError> {
    intake::bind(path, mode).map_err(|source| DaemonError::Socket {
        path: path.to_owned(),
        source,
    })
}

async fn open(state: &Path) -> Result<Store, DaemonError> {
    let path = state.to_owned();
    let opened = tokio::task::spawn_blocking(move || Store::open(&path)).await;
    let result = opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    let (store, Opened { notes }) = result.map_err(|source| DaemonError::Store {
        path: state.to_owned(),
        source,
    })?;
    for note in notes {
        tracing::warn!(note, "state folder");
    }
    Ok(store)
}

async fn start_core(
    store: &Store,
    hands: &Arc<Hands>,
    state: &Path,
    config: &Config,
    inbox: mpsc::UnboundedReceiver<Message>,
) -> Result<std::thread::JoinHandle<()>, DaemonError> {
    let run_limit =
        i64::try_from((config.limits.time.duration() + config.limits.grace.duration()).as_millis());
    let settings = Settings {
        workers: config.jobs,
        burst: config.reconcile.limit,
        // The sandbox keeps the job's limit; this one is for a runner that doesn't come back at all.
        run_limit: run_limit.unwrap_or(i64::MAX).saturating_add(5 * 60_000),
        ..Settings::default()
    };
    let (store, hands) = (store.clone(), Arc::clone(hands));
    let restored = tokio::task::spawn_blocking(move || Core::restore(store, hands, settings)).await;
    let core = restored
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
        .map_err(|source| DaemonError::Store {
            path: state.to_owned(),
            source,
        })?;
    std::thread::Builder::new()
        .name("core".to_owned())
        .spawn(move || core.work(inbox))
        .map_err(DaemonError::Thread)
}

/// Registers the repositories of the configuration and of the command line that aren't yet, and installs hooks.
async fn register(
    intake: &Intake,
    config: &Config,
    paths: Vec<PathBuf>,
    hook_socket: Option<&Path>,
) -> Result<(), DaemonError> {
    let configured = config.repositories.iter().map(|entry| commands::Wanted {
        path: entry.path.clone(),
        slug: Some(entry.slug.clone()),
        visibility: entry.visibility,
        share: entry.share.clone(),
        debug: entry.debug,
        build: false,
    });
    let given = paths.iter().map(|path| commands::Wanted {
        path: path.clone(),
        slug: None,
        visibility: assay_plan::Visibility::Private,
        share: Vec::new(),
        debug: None,
        build: false,
    });
    for wanted in configured.chain(given) {
        let path = wanted.path.clone();
        let known = commands::git_dir(&path)
            .ok()
            .and_then(|dir| intake.hands.repository_at(&dir));
        let done = match (known, wanted.debug) {
            (None, _) => commands::add(intake, wanted).await,
            // A consent is what the configuration says now, not what it said once.
            (Some(known), Some(debug)) if known.debug != debug => {
                let patch = RepositoryPatch {
                    debug: Some(debug),
                    ..RepositoryPatch::default()
                };
                commands::update(intake, known.id, patch).await
            }
            (Some(known), _) => Ok(known),
        };
        done.map_err(|source| DaemonError::Repository { path, source })?;
    }
    let Some(socket) = hook_socket else {
        return Ok(());
    };
    for path in paths {
        let dir = commands::git_dir(&path).unwrap_or_else(|_| path.clone());
        let options = assay_hooks::InstallOptions {
            program: program(),
            socket: socket.to_owned(),
        };
        assay_hooks::install(&dir, &options)
            .map_err(|source| DaemonError::Hook { path, source })?;
    }
    Ok(())
}

async fn look_on_a_timer(intake: Arc<Intake>, interval: Duration) {
    intake.look_at_all().await;
    while !interval.is_zero() {
        tokio::time::sleep(interval).await;
        intake.look_at_all().await;
    }
}

fn api_settings(config: &Config, address: &str, state: &Path) -> ApiSettings {
    let mode = match config.access.mode {
        AccessMode::Org => assay_api::Mode::Org,
        AccessMode::Public => assay_api::Mode::Public,
        AccessMode::Private => assay_api::Mode::Private,
    };
    ApiSettings {
        mode,
        web: address.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        state: state.to_owned(),
        workers: config.jobs,
    }
}

/// This program, by its path.
pub(crate) fn program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"))
}

/// How sandboxes are launched: this very program, even when its file has been replaced meanwhile.
pub(crate) fn launcher() -> Launcher {
    Launcher {
        program: PathBuf::from("/proc/self/exe"),
        args: vec![crate::LAUNCH.to_owned()],
    }
}

/// The images of a state folder.
pub(crate) fn images(state: &Path) -> assay_sandbox::Images {
    assay_sandbox::Images::new(state.join("images"), launcher())
}

/// Keeps a jail ready for each job that may run at once, so that sandboxes start sooner; nobody waits for it.
fn keep_warm(runner: Arc<Runner>, jobs: usize) -> JoinHandle<assay_sandbox::Warm> {
    tokio::task::spawn_blocking(move || {
        let prefix = runner.prefix.clone();
        assay_sandbox::keep_warm(&launcher(), &prefix, jobs, move || runner.usual())
    })
}

fn runner(
    store: &Store,
    config: &Config,
    state: &Path,
    address: String,
    prefix: String,
) -> Result<Runner, DaemonError> {
    let scratch = scratch(config, state)?;
    let choices = Choices::new(config, images(state));
    let wasm = Wasm::new(config, state);
    let mut runner = Runner::new(store.clone(), config, address, prefix, choices, wasm);
    runner.scratch = scratch;
    Ok(runner)
}

/// What ids of the sandboxes of `assay run` begin with, before the number of its process.
const LOCAL_PREFIX: &str = "assay-run-";

/// Room on the state folder's disk for jobs, if the operator wants that. Refused where it can't be encrypted: nothing of a
/// job is ever written to a disk in the clear, and nobody is left to think that there is room.
fn scratch(config: &Config, state: &Path) -> Result<Option<assay_sandbox::Scratch>, DaemonError> {
    let Some(size) = config.sandbox.scratch else {
        return Ok(None);
    };
    if let Some(missing) = assay_sandbox::Scratch::missing() {
        return Err(DaemonError::Scratch(missing.to_owned()));
    }
    let folder = state.join("scratch");
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder);
    made.map_err(|error| DaemonError::Scratch(format!("{}: {error}", folder.display())))?;
    Ok(Some(assay_sandbox::Scratch {
        folder: std::path::absolute(&folder).unwrap_or(folder),
        bytes: size.bytes(),
    }))
}

/// Prefix of this daemon's sandboxes, so that a new daemon finds what a dead one left, and nobody else's.
fn run_prefix(state: &Path) -> String {
    let path = state.canonicalize().unwrap_or_else(|_| state.to_owned());
    let hash = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("assay-{hash:016x}-")
}

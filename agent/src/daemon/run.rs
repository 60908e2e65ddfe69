//! `assay run`: the `.travis.yml` of a working tree, without a daemon. The engine, the runner and the sandbox are the
//! daemon's own; the state lives in a temporary folder and goes with it.

use std::sync::Arc;

use assay_plan::{
    Build, CommitId, Event, EventKind, Job, RefName, RepoId, Repository, RequestState, Settings,
    Slug, Source, State, Visibility,
};
use assay_store::{Changed, Store};

use super::core::{Core, Mailbox, Message, NewRepository};
use super::hands::Hands;
use super::image::Choices;
use super::kept::Caps;
use super::runner::{Local, Runner};
use super::scratch::Scratch;
use super::wasm::Wasm;
use super::worktree::{WorkTree, WorkTreeError};
use super::{commands, images};
use crate::cli::args::{Global, Run};
use crate::cli::output::{LogWriter, Screen, one_line};
use crate::clock;
use crate::config::{self, Config};
use crate::exit::{Exit, Failure, Outcome};
use crate::runtime;

/// Runs the jobs of a working tree; the exit code is the verdict.
pub(crate) fn run(args: &Run, global: &Global, screen: &Screen) -> Outcome {
    let tree = WorkTree::read(&args.dir).map_err(|error| unreadable(&error))?;
    let scratch = Scratch::new()?;
    let runtime = runtime()?;
    let result = runtime.block_on(go(screen, global, args, tree, &scratch));
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    result
}

fn unreadable(error: &WorkTreeError) -> Failure {
    let hint = match error {
        WorkTreeError::NoGit(_) => "install git and try again",
        WorkTreeError::Git { .. } => "name a Git work tree with --dir",
        WorkTreeError::Unborn { .. } => {
            "commit once; later changes need not be committed to be run"
        }
    };
    Failure::new(Exit::Usage, "cannot read the work tree")
        .because(error)
        .hint(hint)
}

async fn go(
    screen: &Screen,
    global: &Global,
    args: &Run,
    tree: WorkTree,
    scratch: &Scratch,
) -> Outcome {
    let internal = |what: &str, error: &dyn std::error::Error| {
        Failure::new(Exit::Internal, what).because(error)
    };
    let source = Source::Path(tree.git_dir().to_string_lossy().into_owned());
    let slug = commands::slug_of(tree.root())
        .or_else(|_| Slug::parse("local/tree").map_err(|e| e.to_string()));
    let slug = slug.map_err(|text| Failure::new(Exit::Usage, text))?;
    let (store, _) = Store::open(&scratch.path().join("state"))
        .map_err(|error| internal("cannot make a state folder", &error))?;
    let refs = store
        .git()
        .refs(&source)
        .map_err(|error| internal("cannot read the repository", &error))?;
    let head = tree.head().clone();

    let config = Config::default();
    let (mailbox, inbox) = Mailbox::new();
    assay_sandbox::clean_up_dead(super::LOCAL_PREFIX);
    let prefix = format!("{}{}-", super::LOCAL_PREFIX, std::process::id());
    let lasting = config::state_folder(global.state.as_deref(), Some(&config));
    let mut runner = Runner::new(
        store.clone(),
        &config,
        "http://localhost".to_owned(),
        prefix,
        Choices::new(&config, images(&lasting)),
        Wasm::new(&config, &lasting),
    );
    // Its state is gone when it ends.
    runner.caps = Caps::default();
    runner.local = Local {
        tree: Some(tree),
        job: args.job,
        env: args.env.clone(),
    };
    let hands = Arc::new(Hands::new(&store, mailbox.clone(), runner));
    let settings = Settings {
        workers: config.jobs,
        ..Settings::default()
    };
    let core = Core::restore(store.clone(), Arc::clone(&hands), settings)
        .map_err(|error| internal("cannot start the engine", &error))?;
    let thread = std::thread::spawn(move || core.work(inbox));

    let mut changes = store.watch();
    let event = event_of(&head, refs.head.as_deref())?;
    let repository = Repository {
        id: RepoId(0),
        slug,
        source,
        description: None,
        visibility: Visibility::Private,
        active: true,
        default_branch: refs.head.clone(),
        share: Vec::new(),
        debug: assay_plan::DebugConsent::Off,
        created_at: clock::now(),
    };
    let new = NewRepository {
        repository,
        refs: refs.refs,
        build: Some(event),
    };
    let added = mailbox
        .ask(|reply| Message::Add(Box::new(new), reply))
        .await;
    let added = added.ok_or_else(|| Failure::new(Exit::Internal, "the engine has ended"))?;
    let repository = added.map_err(|error| internal("cannot write to the state folder", &error))?;

    let code = tokio::select! {
        code = show(screen, &store, &repository, &mut changes) => code,
        _ = tokio::signal::ctrl_c() => {
            hands.shut_down(std::time::Duration::ZERO).await;
            Err(Failure::new(Exit::BuildFailed, "interrupted"))
        }
    };
    let _ = mailbox.ask(Message::Stop).await;
    let _ = thread.join();
    code
}

fn event_of(head: &CommitId, branch: Option<&str>) -> Result<Event, Failure> {
    let name = format!("refs/heads/{}", branch.unwrap_or("detached"));
    let ref_name = RefName::parse(&name)
        .map_err(|error| Failure::new(Exit::Usage, "cannot use the branch").because(&error))?;
    Ok(Event {
        repo: RepoId(0),
        kind: EventKind::Push,
        ref_name,
        before: None,
        after: Some(head.clone()),
        options: Vec::new(),
        pusher: None,
        delivery: None,
        refuse: None,
    })
}

/// Shows the build's logs one after another, as they grow, and gives its verdict as exit code.
async fn show(
    screen: &Screen,
    store: &Store,
    repository: &Repository,
    changes: &mut tokio::sync::broadcast::Receiver<Changed>,
) -> Outcome {
    let build = decided(screen, store, repository, changes).await?;
    let failed = |error: assay_store::StoreError| {
        Failure::new(Exit::Internal, "cannot read the state").because(&error)
    };
    let jobs = store.jobs(&build).map_err(failed)?;
    let several = jobs.len() > 1;
    for job in &jobs {
        if several {
            screen.say(&format!("== job {} {}", job.number.job, summary(job)));
        }
        let mut feed = store.logs().follow(repository.id, job.id, 0);
        let mut log = LogWriter::new(screen);
        while let Some(part) = feed.next().await {
            log.write(&part.content)?;
        }
        log.finish()?;
    }
    let build = loop {
        let now = store
            .build(build.id)
            .map_err(failed)?
            .unwrap_or_else(|| build.clone());
        let jobs = store.jobs(&now).map_err(failed)?;
        if now.state.is_final() && jobs.iter().all(|job| job.state.is_final()) {
            break now;
        }
        let _ = changes.recv().await;
    };
    if several {
        for job in store.jobs(&build).map_err(failed)? {
            let allowed = if job.allow_failure { " (allowed)" } else { "" };
            screen.say(&format!(
                "job {}: {}{allowed} {}",
                job.number.job,
                job.state,
                summary(&job)
            ));
        }
    }
    screen.whisper(&format!("build: {}", build.state));
    Ok(if build.state == State::Passed {
        Exit::Ok
    } else {
        Exit::BuildFailed
    })
}

/// Waits until the request is decided; says what there is to say of the file.
async fn decided(
    screen: &Screen,
    store: &Store,
    repository: &Repository,
    changes: &mut tokio::sync::broadcast::Receiver<Changed>,
) -> Result<Build, Failure> {
    let failed = |error: assay_store::StoreError| {
        Failure::new(Exit::Internal, "cannot read the state").because(&error)
    };
    loop {
        let request = store
            .requests(repository.id, None, 1)
            .map_err(failed)?
            .into_iter()
            .next();
        if let Some(request) = request {
            match request.state {
                RequestState::Pending => {}
                RequestState::Rejected => {
                    let reason = request.reason.unwrap_or_default();
                    return Err(Failure::new(
                        Exit::BuildFailed,
                        format!("there is nothing to run: {reason}"),
                    ));
                }
                RequestState::Accepted => {
                    let build = store.build(request.id).map_err(failed)?;
                    let build = build
                        .ok_or_else(|| Failure::new(Exit::Internal, "the build is not there"))?;
                    for message in build
                        .messages
                        .iter()
                        .filter(|message| message.level > assay_plan::Level::Info)
                    {
                        screen.whisper(&crate::cli::describe(message));
                    }
                    return Ok(build);
                }
            }
        }
        let _ = changes.recv().await;
    }
}

/// What tells a job from its siblings: stage, name, variables.
fn summary(job: &Job) -> String {
    let text = |key: &str| job.config.text(key).unwrap_or_default().to_owned();
    let mut parts = vec![text("stage"), text("name")];
    parts.extend(crate::cli::varying(&job.config));
    parts.retain(|part| !part.is_empty());
    one_line(&parts.join(" · "))
}

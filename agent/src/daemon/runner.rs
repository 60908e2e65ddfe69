//! Runs one job: plan, source, sandbox, log. The only place where the words of a build (`JobPlan`, `Verdict`) and of the
//! sandbox (`RunSpec`, `Outcome`) meet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use assay_plan::{Build, Input, Job, JobContext, JobPlan, Repository, Verdict, Versions, plan_job};
use assay_sandbox::{
    Launcher, Limits, Network, Outcome, Profile, Remains, Resource, Run, RunError, RunEvent,
    RunSpec, Scratch, TreeWriter,
};
use assay_store::Store;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::core::Mailbox;
use super::hands::Stop;
use super::host;
use super::image::{Choices, Chosen};
use super::kept::{self, Caps, Keeping, Taken};
use super::launcher;
use super::log::{Log, sleep_until};
use super::marks::Marks;
use super::wasm::{Particulars, Wasm};
use super::worktree::WorkTree;
use crate::config::{Config, Reach, Required, Unsupported};

mod outcome;
mod source;
mod spec;

pub(super) use outcome::no_sandbox;
use source::Source;
pub(super) use source::{Unfed, feed, prepare};
pub(super) use spec::{foreign, spec};
use spec::{limits_of, run_id, used};

/// Home of the job's user inside.
pub(super) const HOME: &str = "/home/travis";

/// Everything about running jobs that doesn't change while the daemon runs.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) store: Store,
    pub(super) launcher: Launcher,
    pub(super) limits: Limits,
    pub(super) choices: Choices,
    pub(super) network: Network,
    pub(super) uid_base: u32,
    pub(super) require: Vec<Resource>,
    /// Room on a disk for each job.
    pub(super) scratch: Option<Scratch>,
    pub(super) versions: Versions,
    pub(super) unsupported: Unsupported,
    pub(super) caps: Caps,
    /// Address of the web pages, without a slash at the end.
    pub(super) web: String,
    /// Prefix of the ids of this daemon's runs.
    pub(super) prefix: String,
    /// Jobs with `virt: wasm`.
    pub(super) wasm: Wasm,
    /// What `assay run` wants otherwise than a pushed commit says.
    pub(super) local: Local,
}

/// What `assay run` wants otherwise than a pushed commit says; empty in a daemon.
#[derive(Debug, Default)]
pub(super) struct Local {
    /// Changes laid over the commit.
    pub(super) tree: Option<WorkTree>,
    /// Only this job, counted from 1.
    pub(super) job: Option<u32>,
    /// Further variables.
    pub(super) env: Vec<(String, String)>,
}

/// Said of a job that would have root, and has packages installed.
const FIRST: &str =
    "the packages of addons.apt are installed by root first; the job itself has no root then";

impl Runner {
    pub(super) fn new(
        store: Store,
        config: &Config,
        web: String,
        prefix: String,
        choices: Choices,
        wasm: Wasm,
    ) -> Self {
        let resource = |required: &Required| match required {
            Required::Memory => Resource::Memory,
            Required::Processes => Resource::Processes,
        };
        Runner {
            store,
            launcher: launcher(),
            limits: limits(config),
            choices,
            network: match config.sandbox.network {
                Reach::None => Network::None,
                Reach::Egress => Network::Egress {
                    hosts: config.sandbox.hosts.clone(),
                },
            },
            uid_base: config.sandbox.uids,
            require: config.sandbox.require.iter().map(resource).collect(),
            scratch: None,
            versions: config.versions,
            unsupported: config.unsupported,
            caps: Caps::new(config),
            web,
            prefix,
            wasm,
            local: Local::default(),
        }
    }

    /// A run as most are, up to what depends on the job; none while the usual image isn't here.
    pub(super) fn usual(&self) -> Option<RunSpec> {
        let (image, profile) = self.choices.usual()?;
        Some(RunSpec {
            id: format!("{}usual", self.prefix),
            argv: vec!["/bin/bash".to_owned(), format!("{HOME}/build.sh")],
            env: Vec::new(),
            cwd: HOME.to_owned(),
            home: HOME.to_owned(),
            user: "travis".to_owned(),
            image,
            profile,
            first: None,
            network: self.network.clone(),
            binds: Vec::new(),
            limits: self.limits.clone(),
            uid_base: self.uid_base,
            require: self.require.clone(),
            terminal: (80, 24),
            keep: Vec::new(),
            scratch: self.scratch.clone(),
        })
    }
}

/// The operator's limits in the sandbox's words.
pub(super) fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        wall: limits.time.duration(),
        silence: limits.silence.duration(),
        grace: limits.grace.duration(),
        memory: limits.memory.bytes(),
        processes: limits.processes,
        disk: limits.disk.bytes(),
        inodes: limits.files,
        output: limits.log.bytes(),
        cpu_weight: limits.weight,
    }
}

/// Runs the job to its end and says how it went, and what of its sandbox is still being cleared away. The log is complete
/// when this returns, unless the run was cut off.
pub(super) async fn run(
    runner: Arc<Runner>,
    mailbox: Mailbox,
    build: Build,
    job: Job,
    stopped: watch::Receiver<Stop>,
) -> (Verdict, Option<Remains>) {
    let log = match runner.store.logs().write(job.repo, job.id) {
        Ok(log) => Log::new(log),
        Err(error) => {
            tracing::error!(job = %job.id, %error, "cannot open the log");
            let broken = format!("its log cannot be written: {error}");
            return (Verdict::Broken(broken), None);
        }
    };
    let mut attempt = Attempt {
        runner,
        mailbox,
        build,
        job,
        log,
        stopped,
        remains: None,
    };
    let verdict = match attempt.go().await {
        Ok(verdict) => verdict,
        Err(broken) => {
            attempt.log.say(&format!("\x1b[31;1m{broken}\x1b[0m"));
            Verdict::Broken(broken)
        }
    };
    if !matches!(verdict, Verdict::Lost(_))
        && let Err(error) = attempt.log.end()
    {
        tracing::error!(job = %attempt.job.id, %error, "cannot finish the log");
    }
    (verdict, attempt.remains)
}

struct Attempt {
    runner: Arc<Runner>,
    mailbox: Mailbox,
    build: Build,
    job: Job,
    log: Log,
    stopped: watch::Receiver<Stop>,
    /// What is left of its sandbox when that has ended.
    remains: Option<Remains>,
}

impl Attempt {
    /// `Err` is a set-up failure, in words for the author.
    async fn go(&mut self) -> Result<Verdict, String> {
        if self.job.interrupted {
            let line = format!(
                "attempt {}: the run before this one was cut off when the daemon ended",
                self.job.attempt
            );
            self.log.say(&format!("\x1b[33;1m{line}\x1b[0m"));
        }
        let repository = self
            .runner
            .store
            .repository(self.job.repo)
            .map_err(|error| format!("The repository's record cannot be read: {error}"))?
            .ok_or("The repository is no longer registered.")?;
        if let Some(line) = foreign(&self.job) {
            return match self.runner.unsupported {
                Unsupported::Error => Err(line),
                Unsupported::Skip => {
                    self.log.say(&format!("\x1b[33;1m{line}\x1b[0m"));
                    Ok(Verdict::LeftOut(line))
                }
            };
        }
        let chosen = self.choose(&repository)?;
        let plan = self.plan(&repository, chosen.as_ref());
        if plan.packages.is_some() {
            self.log.say(&format!("\x1b[33;1m{FIRST}\x1b[0m"));
        }
        let notes = chosen.as_ref().map_or(&[][..], |chosen| &chosen.notes);
        for note in notes.iter().chain(&plan.notes) {
            self.log.say(&format!("\x1b[33;1m{note}\x1b[0m"));
        }
        let image = chosen
            .as_ref()
            .map_or(kept::WASM, |chosen| &chosen.name)
            .to_owned();
        let source = prepare(&self.runner, &self.build, repository, &plan).await?;
        let mut keeping = self.keeping(&image, &plan).await;
        let (mut run, tree) = self
            .start(&plan, &source, &keeping, chosen)
            .await
            .map_err(|error| no_sandbox(&error))?;
        let canceler = run.canceler();
        let runner = Arc::clone(&self.runner);
        let restored = keeping.restored.take();
        let feeding = tokio::task::spawn_blocking(move || {
            feed(
                tree,
                &source,
                &plan,
                restored.as_ref(),
                runner.local.tree.as_ref(),
            )
        });
        let halt = Arc::new(AtomicBool::new(false));
        let taking = run.kept().map(|pipe| self.take(pipe, keeping, &halt));
        let (outcome, result) = self.follow(run, &canceler, &halt).await;
        let ran = matches!(outcome, Ok(Outcome::Exited(0 | 1)));
        self.store_kept(taking, ran && !halt.load(Ordering::Relaxed))
            .await;
        self.mailbox.tell(Input::Used(
            self.job.id,
            self.job.attempt,
            used(image, result),
        ));
        let fed = feeding.await.unwrap_or_else(|_| {
            let words = "Laying out the source failed inside assay.";
            Err(Unfed::Source(words.to_owned()))
        });
        let stop = *self.stopped.borrow();
        match (stop, fed, outcome) {
            (Stop::Shutdown, _, _) => Ok(Verdict::Lost("the daemon was told to end".to_owned())),
            (Stop::Canceled, _, _) => {
                self.log.say("\r\nDone: Job Cancelled");
                Ok(Verdict::Canceled)
            }
            // A source that can't be laid out ends the sandbox too; it is the cause, not the outcome.
            (Stop::No, Err(Unfed::Source(broken)), _)
            | (Stop::No, Err(Unfed::Sandbox(broken)), Ok(Outcome::Exited(_))) => Err(broken),
            (Stop::No, _, Err(error)) => Err(no_sandbox(&error)),
            (Stop::No, _, Ok(outcome)) => Ok(self.conclude(&outcome, result)),
        }
    }

    /// The image of the job; one with `virt: wasm` has none.
    fn choose(&self, repository: &Repository) -> Result<Option<Chosen>, String> {
        let config = &self.job.config;
        if config.text("virt") == Some("wasm") {
            return Ok(None);
        }
        let (slug, event) = (&repository.slug, self.build.event);
        let dist = self.job.given("dist");
        self.runner.choices.choose(dist, slug, event).map(Some)
    }

    /// Starts what the job runs in.
    async fn start(
        &self,
        plan: &JobPlan,
        source: &Source,
        keeping: &Keeping,
        chosen: Option<Chosen>,
    ) -> Result<(Run, TreeWriter), RunError> {
        let runner = &self.runner;
        match (&plan.wasm, chosen) {
            (None, Some(chosen)) => {
                let spec = spec(runner, &self.job, plan, source, keeping, chosen);
                Run::start(&runner.launcher, spec).await
            }
            (lines, _) => {
                let own = Particulars {
                    id: run_id(runner, &self.job),
                    limits: limits_of(runner, plan),
                    uid_base: runner.uid_base,
                    require: runner.require.clone(),
                    keep: keeping.keep.clone(),
                };
                let lines = lines.clone().unwrap_or_default();
                let spec = runner.wasm.spec(&self.build, &lines, &plan.build_dir, own);
                Run::start_wasm(&runner.launcher, spec).await
            }
        }
    }

    fn plan(&self, repository: &Repository, chosen: Option<&Chosen>) -> JobPlan {
        plan_job(&JobContext {
            repository,
            build: &self.build,
            job: &self.job,
            web: &self.runner.web,
            dist: chosen.and_then(|chosen| chosen.dist.as_deref()),
            arch: host::arch(),
            env: &self.runner.local.env,
            versions: self.runner.versions,
            packages: chosen.is_some_and(|chosen| chosen.profile == Profile::Root),
        })
    }

    /// What the job begins with and leaves behind.
    async fn keeping(&mut self, image: &str, plan: &JobPlan) -> Keeping {
        let (runner, job) = (Arc::clone(&self.runner), self.job.clone());
        let (image, plan) = (image.to_owned(), plan.clone());
        let looking = tokio::task::spawn_blocking(move || {
            let (store, limits) = (&runner.store, &runner.limits);
            Keeping::new(store, runner.caps, limits, &image, &job, &plan)
        });
        let keeping = looking.await.unwrap_or_default();
        self.log.take(kept::text(&keeping.lines).as_bytes());
        keeping
    }

    fn take(
        &self,
        pipe: assay_sandbox::Kept,
        keeping: Keeping,
        halt: &Arc<AtomicBool>,
    ) -> JoinHandle<Taken> {
        let (job, halt) = (self.job.clone(), Arc::clone(halt));
        tokio::task::spawn_blocking(move || kept::take(pipe, keeping, &job, &halt))
    }

    /// Stores what the run left behind, if it ran to its end.
    async fn store_kept(&mut self, taking: Option<JoinHandle<Taken>>, ran: bool) {
        let Some(taking) = taking else {
            return;
        };
        // A task that ended in a panic has stored nothing.
        let taken = taking.await.unwrap_or_default();
        if ran {
            let lines = tokio::task::spawn_blocking(move || taken.store()).await;
            self.log
                .take(kept::text(&lines.unwrap_or_default()).as_bytes());
            self.log.flush();
        }
    }

    /// Passes output to the log until the run is over; cancels it when told to, and halts what is taken of it.
    async fn follow(
        &mut self,
        mut run: Run,
        canceler: &assay_sandbox::Canceler,
        halt: &AtomicBool,
    ) -> (Result<Outcome, RunError>, assay_sandbox::Usage) {
        let mut marks = match self.runner.versions {
            Versions::Exact => Marks::none(),
            Versions::Nearest => Marks::default(),
        };
        loop {
            let due = self.log.due();
            tokio::select! {
                event = run.event() => match event {
                    Some(RunEvent::Notice(line)) => self.log.say(&format!("\x1b[33;1m{line}\x1b[0m")),
                    Some(RunEvent::Started) => self.mailbox.tell(Input::Started(self.job.id, self.job.attempt)),
                    Some(RunEvent::Output(bytes)) => {
                        for substitute in marks.take(&bytes) {
                            self.mailbox.tell(Input::Substituted(self.job.id, self.job.attempt, substitute));
                        }
                        self.log.take(&bytes);
                    }
                    None => break,
                },
                () = sleep_until(due) => self.log.flush(),
                changed = self.stopped.changed() => {
                    halt.store(changed.is_err() || *self.stopped.borrow() != Stop::No, Ordering::Relaxed);
                    if changed.is_ok() && *self.stopped.borrow() != Stop::No {
                        canceler.cancel();
                    }
                    if changed.is_err() {
                        // Nobody is left who could stop the run: the daemon is going down hard.
                        canceler.cancel();
                        while let Some(event) = run.event().await {
                            if let RunEvent::Output(bytes) = event {
                                self.log.take(&bytes);
                            }
                        }
                        break;
                    }
                }
            }
        }
        self.log.flush();
        let (ended, remains) = run.end().await;
        self.remains = Some(remains);
        match ended {
            Ok((outcome, usage)) => (Ok(outcome), usage),
            Err(error) => (Err(error), assay_sandbox::Usage::default()),
        }
    }
}

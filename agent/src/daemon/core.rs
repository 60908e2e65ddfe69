//! The engine's thread: takes messages one by one, steps the engine, makes its records durable, hands its other
//! effects to the hands. The only place that changes what is remembered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use assay_plan::{
    CommitId, Effect, Engine, Event, Input, Observed, Record, RefName, Refused, RepoId, Repository,
    Request, Time,
};
use assay_store::{Change, Store, StoreError};
use tokio::sync::{mpsc, oneshot};

use super::hands::Hands;
use crate::clock;

/// How long to wait before a failed write is tried again. Meanwhile nothing is taken in, and hooks spool.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// What the core is told.
#[derive(Debug)]
pub(super) enum Message {
    /// An input nobody waits for.
    Tell(Input),
    /// A person's command.
    Ask(Input, oneshot::Sender<Result<(), Refused>>),
    /// One look at a repository; answered with the requests it made.
    Observe(Observed, oneshot::Sender<Vec<Request>>),
    /// A new repository; its id is given here. With an event, its ref is built at once.
    Add(
        Box<NewRepository>,
        oneshot::Sender<Result<Repository, StoreError>>,
    ),
    /// A repository's record changed.
    Update(Box<Repository>, oneshot::Sender<Result<(), StoreError>>),
    /// A repository is to be forgotten.
    Remove(RepoId, oneshot::Sender<Result<(), StoreError>>),
    /// The last message: write the view and end.
    Stop(oneshot::Sender<()>),
}

/// A repository to be added.
#[derive(Debug)]
pub(super) struct NewRepository {
    /// The record; its id is not yet meant.
    pub(super) repository: Repository,
    /// Its refs, taken for handled.
    pub(super) refs: BTreeMap<RefName, CommitId>,
    /// A ref to build at once.
    pub(super) build: Option<Event>,
}

/// Sends messages to the core; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Mailbox(mpsc::UnboundedSender<Message>);

impl Mailbox {
    /// A mailbox and its other end. The number of messages under way is bounded by those who wait for an answer: runs,
    /// reads, commands and looks.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Message>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Mailbox(sender), receiver)
    }

    /// Sends an input. After the end it is dropped: what matters is in the store.
    pub(super) fn tell(&self, input: Input) {
        let _ = self.0.send(Message::Tell(input));
    }

    /// Sends a message made from a reply channel and waits for the reply; `None` when the core has ended.
    pub(super) async fn ask<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        self.0.send(message(sender)).ok()?;
        receiver.await.ok()
    }
}

/// The engine with its store and hands.
pub(super) struct Core {
    engine: Engine,
    store: Store,
    hands: Arc<Hands>,
}

impl Core {
    /// Puts the engine back as it was, from the store.
    pub(super) fn restore(
        store: Store,
        hands: Arc<Hands>,
        settings: assay_plan::Settings,
    ) -> Result<Self, StoreError> {
        let mut handled = BTreeMap::new();
        for repository in store.repositories()? {
            handled.insert(repository.id, store.handled(repository.id)?);
        }
        let unfinished = store.unfinished()?;
        let (engine, effects) = Engine::restore(
            clock::now(),
            settings,
            store.counters()?,
            handled,
            unfinished.requests,
            unfinished.builds,
        );
        let mut core = Core {
            engine,
            store,
            hands,
        };
        core.perform(effects);
        Ok(core)
    }

    /// Works until told to stop.
    pub(super) fn work(mut self, mut inbox: mpsc::UnboundedReceiver<Message>) {
        while let Some(message) = inbox.blocking_recv() {
            if let Message::Stop(done) = message {
                if let Err(error) = self.store.checkpoint() {
                    tracing::warn!(%error, "cannot write the checkpoint; the next start replays the journal");
                }
                let _ = done.send(());
                return;
            }
            self.take(message);
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Tell(input) => {
                if let Err(refused) = self.step(input) {
                    tracing::debug!(%refused, "an input was refused");
                }
            }
            Message::Ask(input, reply) => {
                let result = self.step(input).map(|_| ());
                let _ = reply.send(result);
            }
            Message::Observe(observed, reply) => {
                let requests = self.step(Input::Observed(observed)).unwrap_or_default();
                let _ = reply.send(requests);
            }
            Message::Add(new, reply) => {
                let _ = reply.send(self.add(*new));
            }
            Message::Update(repository, reply) => {
                let id = repository.id;
                let result = self.store.commit(vec![Change::Repository(*repository)]);
                self.hands.repositories_changed(&self.store);
                tracing::info!(repository = %id, "repository changed");
                let _ = reply.send(result);
            }
            Message::Remove(id, reply) => {
                let _ = self.step(Input::Removed(id));
                let result = self.store.commit(vec![Change::RemoveRepository(id)]);
                self.hands.repositories_changed(&self.store);
                let _ = reply.send(result);
            }
            Message::Stop(_) => {}
        }
    }

    fn add(&mut self, new: NewRepository) -> Result<Repository, StoreError> {
        let mut repository = new.repository;
        repository.id = self.engine.next_repo();
        self.store
            .commit(vec![Change::Repository(repository.clone())])?;
        let _ = self.step(Input::Added(repository.id, new.refs));
        self.hands.repositories_changed(&self.store);
        if let Some(event) = new.build {
            let _ = self.step(Input::Asked(Event {
                repo: repository.id,
                ..event
            }));
        }
        Ok(repository)
    }

    /// Steps the engine and does what it wants; returns the requests it made.
    fn step(&mut self, input: Input) -> Result<Vec<Request>, Refused> {
        let effects = self.engine.step(clock::now(), input)?;
        Ok(self.perform(effects))
    }

    fn perform(&mut self, effects: Vec<Effect>) -> Vec<Request> {
        let mut requests = Vec::new();
        for effect in effects {
            match effect {
                Effect::Save(records) => {
                    requests.extend(records.iter().filter_map(|record| match record {
                        Record::Request(request) => Some(request.clone()),
                        _ => None,
                    }));
                    self.save(records);
                }
                Effect::Read(request) => self.hands.read(*request),
                Effect::Run(build, job) => self.hands.run(*build, *job),
                Effect::Kill(job, attempt) => self.hands.kill(job, attempt),
                Effect::ClearLog(repo, job) => {
                    if let Err(error) = self.store.logs().clear(repo, job) {
                        tracing::error!(%job, %error, "cannot clear the log");
                    }
                }
                Effect::EndLog(repo, job, line) => self.end_log(repo, job, &line),
                Effect::WakeAt(time) => self.hands.wake_at(time),
            }
        }
        requests
    }

    /// Makes records durable. A full disk must lose nothing: it is tried until it works, and meanwhile this thread takes
    /// nothing in, so hooks find the daemon silent and spool.
    fn save(&self, records: Vec<Record>) {
        let changes: Vec<Change> = records.into_iter().map(change).collect();
        let mut said = false;
        while let Err(error) = self.store.commit(changes.clone()) {
            if !said {
                tracing::error!(%error, "cannot write to the state folder; nothing is taken in until it works again");
                said = true;
            }
            std::thread::sleep(WRITE_AGAIN);
        }
        if said {
            tracing::info!("writing to the state folder works again");
        }
    }

    fn end_log(&self, repo: RepoId, job: assay_plan::JobId, line: &str) {
        let written = self.store.logs().write(repo, job).and_then(|mut log| {
            log.append(format!("{line}\r\n").as_bytes())?;
            log.finish()
        });
        if let Err(error) = written {
            tracing::error!(%job, %error, "cannot write the log");
        }
    }
}

fn change(record: Record) -> Change {
    match record {
        Record::Request(request) => Change::Request(request),
        Record::Build(build) => Change::Build(build),
        Record::Job(job) => Change::Job(job),
        Record::Handled(repo, name, value) => Change::Handled(repo, name, value),
    }
}

/// Milliseconds from now to `time`, none if it has passed.
pub(super) fn until(time: Time) -> Duration {
    Duration::from_millis(u64::try_from(time.0.saturating_sub(clock::now().0)).unwrap_or(0))
}

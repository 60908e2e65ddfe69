//! The engine with a world around it: scenarios, and random sequences of inputs against the invariants.

mod jobs;
mod requests;
mod sequences;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::decide::JobBlueprint;
use crate::model::{Event, EventKind, Person};
use crate::value::Map;

fn oid(number: u64) -> CommitId {
    CommitId::parse(&format!("{number:040x}")).unwrap()
}

fn branch(name: &str) -> RefName {
    RefName::parse(&format!("refs/heads/{name}")).unwrap()
}

fn commit(id: &CommitId) -> Commit {
    let person = Person {
        name: "A".into(),
        email: "a@example.org".into(),
    };
    Commit {
        id: id.clone(),
        message: "change".into(),
        committed_at: Time(0),
        author: person.clone(),
        committer: person,
    }
}

/// Jobs as (stage, allow_failure).
fn blueprint(stages: usize, rows: &[(u32, bool)], fast_finish: bool) -> Decision {
    let jobs = rows.iter().map(|&(stage, allow_failure)| JobBlueprint {
        config: Map::new(),
        assumed: Vec::new(),
        stage: (stages > 0).then_some(stage),
        allow_failure,
    });
    Decision::Accept(Box::new(Blueprint {
        config: Map::new(),
        stages: (0..stages)
            .map(|number| format!("stage {number}"))
            .collect(),
        jobs: jobs.collect(),
        fast_finish,
        messages: Vec::new(),
        sources: Vec::new(),
    }))
}

const REPO: RepoId = RepoId(1);

/// An engine with the world around it: what was saved, what is to be read, what runs.
struct World {
    engine: Engine,
    now: Time,
    settings: Settings,
    requests: BTreeMap<RequestId, Request>,
    builds: BTreeMap<BuildId, Build>,
    jobs: BTreeMap<JobId, Job>,
    handled: BTreeMap<RefName, CommitId>,
    reading: BTreeSet<RequestId>,
    running: BTreeMap<JobId, u32>,
    killed: BTreeSet<JobId>,
    runs: Vec<(JobId, u32)>,
    ended: Vec<(JobId, String)>,
    wake: Option<Time>,
}

impl World {
    fn new(workers: usize) -> Self {
        let settings = Settings {
            workers,
            ..Settings::default()
        };
        let counters = Counters {
            repo: 1,
            ..Counters::default()
        };
        let (engine, effects) = Engine::restore(
            Time(0),
            settings,
            counters,
            BTreeMap::new(),
            Vec::new(),
            Vec::new(),
        );
        assert!(effects.is_empty());
        World {
            engine,
            now: Time(0),
            settings,
            requests: BTreeMap::new(),
            builds: BTreeMap::new(),
            jobs: BTreeMap::new(),
            handled: BTreeMap::new(),
            reading: BTreeSet::new(),
            running: BTreeMap::new(),
            killed: BTreeSet::new(),
            runs: Vec::new(),
            ended: Vec::new(),
            wake: None,
        }
    }

    fn step(&mut self, input: Input) -> Result<(), Refused> {
        self.now = self.now.plus(1);
        let effects = self.engine.step(self.now, input)?;
        self.perform(effects);
        Ok(())
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Save(records) => records.into_iter().for_each(|record| self.save(record)),
                Effect::Read(request) => {
                    assert!(
                        self.requests.contains_key(&request.id),
                        "a request is saved before it is read"
                    );
                    self.reading.insert(request.id);
                }
                Effect::Run(_, job) => {
                    assert!(
                        !self.running.contains_key(&job.id),
                        "job {} runs twice at once",
                        job.id
                    );
                    assert_eq!(
                        self.jobs[&job.id].attempt, job.attempt,
                        "saved before it runs"
                    );
                    assert!(
                        self.running.len() < self.settings.workers,
                        "more runs than places"
                    );
                    self.running.insert(job.id, job.attempt);
                    self.runs.push((job.id, job.attempt));
                }
                Effect::Kill(job, attempt) => {
                    assert_eq!(
                        self.running.get(&job),
                        Some(&attempt),
                        "kills only what runs"
                    );
                    self.killed.insert(job);
                }
                Effect::EndLog(_, job, line) => self.ended.push((job, line)),
                Effect::ClearLog(..) => {}
                Effect::WakeAt(time) => self.wake = Some(time),
            }
        }
    }

    fn save(&mut self, record: Record) {
        match record {
            Record::Request(request) => {
                let newest = self.requests.keys().next_back().map_or(0, |id| id.0);
                assert!(
                    self.requests.contains_key(&request.id) || request.id.0 > newest,
                    "request ids only rise"
                );
                if let Some(old) = self.requests.insert(request.id, request) {
                    assert_eq!(
                        old.state,
                        RequestState::Pending,
                        "a request is decided once"
                    );
                }
            }
            Record::Build(build) => {
                let last = self
                    .builds
                    .values()
                    .map(|build| build.number)
                    .max()
                    .unwrap_or(0);
                match self.builds.get(&build.id) {
                    None => assert_eq!(
                        build.number,
                        last + 1,
                        "build numbers have no gaps and never go back"
                    ),
                    Some(old) => assert_eq!(old.number, build.number),
                }
                self.builds.insert(build.id, build);
            }
            Record::Job(job) => {
                self.jobs.insert(job.id, job);
            }
            Record::Handled(_, name, value) => {
                match value {
                    Some(value) => self.handled.insert(name, value),
                    None => self.handled.remove(&name),
                };
            }
        }
    }

    fn observe(&mut self, refs: &[(&str, u64)], deliveries: Vec<Delivery>) {
        let refs = refs
            .iter()
            .map(|(name, id)| (branch(name), oid(*id)))
            .collect();
        self.step(Input::Observed(Observed {
            repo: REPO,
            refs,
            times: BTreeMap::new(),
            deliveries,
        }))
        .unwrap();
    }

    fn decide(&mut self, id: RequestId, decision: Decision) {
        self.reading.remove(&id);
        let commit = self.requests[&id].event.after.as_ref().map(commit);
        self.step(Input::Decided(id, commit, decision)).unwrap();
    }

    fn start(&mut self, id: u64) {
        let attempt = self.running[&JobId(id)];
        self.step(Input::Started(JobId(id), attempt)).unwrap();
    }

    fn finish(&mut self, id: JobId, verdict: Verdict) {
        let Some(attempt) = self.running.remove(&id) else {
            return;
        };
        self.killed.remove(&id);
        self.step(Input::Finished(id, attempt, verdict)).unwrap();
    }

    fn exit(&mut self, id: u64, code: i32) {
        self.finish(JobId(id), Verdict::Exit(code));
    }

    fn stored(&self, id: BuildId) -> Option<Box<(Build, Vec<Job>)>> {
        let build = self.builds.get(&id)?;
        Some(Box::new((
            build.clone(),
            build
                .jobs
                .iter()
                .map(|job| self.jobs[job].clone())
                .collect(),
        )))
    }

    fn restart(&mut self, target: Target) -> Result<(), Refused> {
        let build = match target {
            Target::Build(id) => id,
            Target::Job(id) => self.jobs.get(&id).map_or(RequestId(0), |job| job.build),
        };
        let stored = self.stored(build);
        self.step(Input::Restart {
            target,
            by: "alice".into(),
            stored,
        })
    }

    /// `kill -9` and a new start from what was saved.
    fn crash(&mut self) {
        self.now = self.now.plus(1);
        self.running.clear();
        self.killed.clear();
        self.reading.clear();
        let requests = self
            .requests
            .values()
            .filter(|request| request.state == RequestState::Pending)
            .cloned();
        let unfinished = |build: &&Build| {
            !build.state.is_final()
                || build
                    .jobs
                    .iter()
                    .any(|job| !self.jobs[job].state.is_final())
        };
        let builds: Vec<_> = self
            .builds
            .values()
            .filter(unfinished)
            .map(|build| build.id)
            .collect();
        let builds = builds
            .into_iter()
            .filter_map(|id| self.stored(id))
            .map(|stored| *stored)
            .collect();
        let (engine, effects) = Engine::restore(
            self.now,
            self.settings,
            self.engine.counters().clone(),
            BTreeMap::from([(REPO, self.handled.clone())]),
            requests.collect(),
            builds,
        );
        self.engine = engine;
        self.perform(effects);
    }

    /// Answers everything that is open until nothing is; every request and job must then have its end.
    fn run_out(&mut self) {
        for _ in 0..10_000 {
            if let Some(&id) = self.reading.iter().next() {
                self.decide(id, blueprint(0, &[(0, false)], false));
            } else if let Some(&id) = self.running.keys().next() {
                let verdict = if self.killed.contains(&id) {
                    Verdict::Canceled
                } else {
                    Verdict::Exit(0)
                };
                self.finish(id, verdict);
            } else if let Some(wake) = self.wake.take() {
                self.now = self.now.max(wake);
                self.step(Input::Wake).unwrap();
            } else {
                break;
            }
        }
        for request in self.requests.values() {
            assert_ne!(
                request.state,
                RequestState::Pending,
                "request {} never ended",
                request.id
            );
            assert_eq!(
                request.state == RequestState::Accepted,
                self.builds.contains_key(&request.id)
            );
        }
        for build in self.builds.values() {
            assert!(
                build.state.is_final(),
                "build {} is {}",
                build.number,
                build.state
            );
            assert!(build.finished_at.is_some());
        }
        for job in self.jobs.values() {
            assert!(job.state.is_final(), "job {} is {}", job.number, job.state);
        }
        assert_eq!(self.engine.load(), (0, 0));
    }

    fn states(&self) -> Vec<&'static str> {
        self.jobs.values().map(|job| job.state.name()).collect()
    }

    fn build_state(&self, id: u64) -> State {
        self.builds[&RequestId(id)].state
    }
}

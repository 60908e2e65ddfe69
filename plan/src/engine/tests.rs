//! Scenarios, and random sequences of inputs against the invariants.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::decide::JobBlueprint;
use crate::model::{EventKind, Person};
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

#[test]
fn a_push_becomes_a_build_whose_jobs_wait_for_places() {
    let mut world = World::new(1);
    world.observe(&[("main", 1)], vec![]);
    world.decide(RequestId(1), blueprint(0, &[(0, false), (0, false)], false));
    assert_eq!(world.states(), ["received", "queued"]);
    world.start(1);
    assert_eq!(world.build_state(1), State::Started);
    world.exit(1, 0);
    assert_eq!(world.states(), ["passed", "received"]);
    world.exit(2, 1);
    assert_eq!(world.build_state(1), State::Failed);
    world.run_out();
}

#[test]
fn a_stage_that_fails_cancels_what_follows_and_gives_the_build_its_state() {
    let mut world = World::new(4);
    world.observe(&[("main", 1)], vec![]);
    world.decide(
        RequestId(1),
        blueprint(3, &[(0, false), (0, false), (1, false), (2, true)], false),
    );
    assert_eq!(
        world.states(),
        ["received", "received", "created", "created"]
    );
    world.exit(1, 0);
    world.exit(2, 1);
    assert_eq!(world.states(), ["passed", "failed", "canceled", "canceled"]);
    assert_eq!(world.build_state(1), State::Failed);
    assert_eq!(
        world.ended.len(),
        2,
        "a job that never ran has a log that says why"
    );
    world.restart(Target::Job(JobId(2))).unwrap();
    assert_eq!(world.states(), ["passed", "received", "created", "created"]);
    world.exit(2, 0);
    world.exit(3, 0);
    world.exit(4, 1);
    assert_eq!(world.build_state(1), State::Passed);
    world.run_out();
}

#[test]
fn a_job_that_nothing_here_runs_is_left_out_of_the_verdict() {
    let mut world = World::new(4);
    world.observe(&[("main", 1)], vec![]);
    world.decide(
        RequestId(1),
        blueprint(2, &[(0, false), (0, false), (1, false)], false),
    );
    world.exit(1, 0);
    world.finish(JobId(2), Verdict::LeftOut("os osx".to_owned()));
    assert_eq!(world.states(), ["passed", "canceled", "received"]);
    assert_eq!(world.jobs[&JobId(2)].reason.as_deref(), Some("os osx"));
    world.exit(3, 0);
    assert_eq!(world.build_state(1), State::Passed);
    // It counts again as soon as something runs it, and a build of nothing else has not passed.
    world.restart(Target::Job(JobId(2))).unwrap();
    world.exit(2, 1);
    assert_eq!(world.build_state(1), State::Failed);
    world.observe(&[("main", 2)], vec![]);
    world.decide(RequestId(2), blueprint(0, &[(0, false)], false));
    world.finish(JobId(4), Verdict::LeftOut("os osx".to_owned()));
    assert_eq!(world.build_state(2), State::Canceled);
    world.run_out();
}

#[test]
fn fast_finish_ends_the_build_while_allowed_failures_run_on() {
    let mut world = World::new(4);
    world.observe(&[("main", 1)], vec![]);
    world.decide(RequestId(1), blueprint(0, &[(0, false), (0, true)], true));
    world.exit(1, 0);
    assert_eq!(world.build_state(1), State::Passed);
    assert_eq!(world.states(), ["passed", "received"]);
    world.exit(2, 1);
    assert_eq!(
        (world.build_state(1), world.states()),
        (State::Passed, vec!["passed", "failed"])
    );
    world.run_out();
}

#[test]
fn a_canceled_job_ends_at_once_and_runs_again_only_when_its_run_is_gone() {
    let mut world = World::new(2);
    world.observe(&[("main", 1)], vec![]);
    world.decide(RequestId(1), blueprint(0, &[(0, false)], false));
    world.start(1);
    world
        .step(Input::Cancel(Target::Build(RequestId(1))))
        .unwrap();
    assert_eq!(
        (world.states(), world.build_state(1)),
        (vec!["canceled"], State::Canceled)
    );
    assert_eq!(
        world.step(Input::Cancel(Target::Job(JobId(1)))),
        Err(Refused::Finished)
    );
    world.restart(Target::Build(RequestId(1))).unwrap();
    assert_eq!(world.states(), ["queued"], "the old run is still dying");
    world.finish(JobId(1), Verdict::Exit(0));
    assert_eq!(world.states(), ["received"]);
    assert_eq!(world.runs, [(JobId(1), 1), (JobId(1), 2)]);
    world.run_out();
}

#[test]
fn a_run_that_is_cut_off_is_tried_once_more() {
    let mut world = World::new(1);
    world.observe(&[("main", 1)], vec![]);
    world.decide(RequestId(1), blueprint(0, &[(0, false)], false));
    world.start(1);
    world.crash();
    assert_eq!(world.runs, [(JobId(1), 1), (JobId(1), 2)]);
    assert!(world.jobs[&JobId(1)].interrupted);
    world.crash();
    assert_eq!(world.states(), ["errored"]);
    assert_eq!(world.build_state(1), State::Errored);
    world.run_out();
}

#[test]
fn a_substituted_version_stays_on_record_until_the_job_runs_again() {
    let mut world = World::new(1);
    world.observe(&[("main", 1)], Vec::new());
    world.decide(RequestId(1), blueprint(0, &[(0, false)], false));
    world.start(1);
    let substitute = Substitute {
        name: "Python".to_owned(),
        asked: "3.8".to_owned(),
        used: "3.9".to_owned(),
    };
    for attempt in [1, 1, 2] {
        let input = Input::Substituted(JobId(1), attempt, substitute.clone());
        world.step(input).unwrap();
    }
    assert_eq!(world.jobs[&JobId(1)].substitutes, [substitute]);
    world.exit(1, 0);
    world.restart(Target::Job(JobId(1))).unwrap();
    assert_eq!(world.jobs[&JobId(1)].state, State::Received);
    assert!(world.jobs[&JobId(1)].substitutes.is_empty());
}

#[test]
fn a_drained_run_costs_no_attempt() {
    let mut world = World::new(1);
    world.observe(&[("main", 1)], vec![]);
    world.decide(RequestId(1), blueprint(0, &[(0, false)], false));
    world.start(1);
    world.step(Input::Drain).unwrap();
    world.finish(JobId(1), Verdict::Lost("shutdown".into()));
    assert_eq!(
        (world.states(), world.jobs[&JobId(1)].attempt),
        (vec!["queued"], 0)
    );
    world.crash();
    assert_eq!(world.jobs[&JobId(1)].attempt, 1);
    assert!(!world.jobs[&JobId(1)].interrupted);
    world.run_out();
}

#[test]
fn a_runner_that_never_answers_is_killed_and_given_up() {
    let mut world = World::new(1);
    world.observe(&[("main", 1)], vec![]);
    world.decide(RequestId(1), blueprint(0, &[(0, false)], false));
    world.now = world.wake.unwrap();
    world.step(Input::Wake).unwrap();
    assert!(world.killed.contains(&JobId(1)));
    world.now = world.wake.unwrap();
    world.step(Input::Wake).unwrap();
    assert_eq!(world.states(), ["errored"]);
    world.running.clear();
    world.run_out();
}

fn delivery(id: &str, lines: &[(u64, u64)]) -> Delivery {
    let value = |number: u64| (number > 0).then(|| oid(number));
    let updates = lines.iter().map(|&(before, after)| Update {
        before: value(before),
        after: value(after),
        ref_name: branch("main"),
    });
    Delivery {
        id: id.into(),
        updates: updates.collect(),
        options: vec![],
        pusher: Some("bob".into()),
    }
}

#[test]
fn every_push_is_built_even_if_the_ref_moved_on_and_back() {
    let mut world = World::new(1);
    world.observe(&[("main", 1)], vec![delivery("a", &[(0, 1)])]);
    world.observe(
        &[("main", 1)],
        vec![delivery("b", &[(1, 2)]), delivery("c", &[(2, 1)])],
    );
    let seen: Vec<_> = world
        .requests
        .values()
        .filter_map(|request| request.event.delivery.clone())
        .collect();
    assert_eq!(seen, ["a", "b", "c"]);
    world.observe(&[("main", 1)], vec![]);
    assert_eq!(world.requests.len(), 3);
    world.run_out();
}

#[test]
fn a_late_hook_line_makes_no_second_request() {
    let mut world = World::new(1);
    world.observe(&[("main", 1)], vec![]);
    world.observe(&[("main", 1)], vec![delivery("a", &[(0, 1)])]);
    assert_eq!(world.requests.len(), 1);
    world.run_out();
}

#[test]
fn deletions_and_skips_leave_a_record_that_says_why() {
    let mut world = World::new(1);
    let mut skipping = delivery("a", &[(0, 1)]);
    skipping.options = vec!["ci.skip".into()];
    world.observe(&[("main", 1)], vec![skipping]);
    world.observe(&[], vec![]);
    let reasons: Vec<_> = world
        .requests
        .values()
        .filter_map(|request| request.reason.clone())
        .collect();
    assert_eq!(
        reasons,
        [
            "skipped by the push option ci.skip",
            "the branch was deleted"
        ]
    );
    world.run_out();
}

#[test]
fn what_a_burst_leaves_out_is_rejected_with_the_reason() {
    let mut world = World::new(1);
    world.settings.burst = 2;
    world.engine.settings.burst = 2;
    let refs = [("a", 1), ("b", 2), ("c", 3)].map(|(name, id)| (branch(name), oid(id)));
    let times = BTreeMap::from([(oid(1), Time(30)), (oid(2), Time(10)), (oid(3), Time(20))]);
    world
        .step(Input::Observed(Observed {
            repo: REPO,
            refs: refs.into(),
            times,
            deliveries: vec![],
        }))
        .unwrap();
    let rejected: Vec<_> = world
        .requests
        .values()
        .filter(|request| request.reason.is_some())
        .collect();
    assert_eq!(rejected.len(), 1);
    assert_eq!(
        rejected[0].event.ref_name,
        branch("b"),
        "the oldest is left out"
    );
    world.run_out();
}

#[test]
fn pushes_that_waited_in_the_spool_are_no_burst() {
    let mut world = World::new(1);
    world.settings.burst = 2;
    world.engine.settings.burst = 2;
    let waited = (1..=5).map(|n| delivery(&format!("d{n}"), &[(n - 1, n)]));
    world.observe(&[("main", 5)], waited.collect());
    assert_eq!(world.requests.len(), 5);
    assert!(world.requests.values().all(|r| r.reason.is_none()));
    world.run_out();
}

#[test]
fn a_request_that_cannot_be_read_now_is_read_later() {
    let mut world = World::new(1);
    world.observe(&[("main", 1)], vec![]);
    world.reading.clear();
    world
        .step(Input::Unread(RequestId(1), "no disk".into()))
        .unwrap();
    world.now = world.wake.unwrap();
    world.step(Input::Wake).unwrap();
    assert!(world.reading.contains(&RequestId(1)));
    world.run_out();
}

#[test]
fn a_request_that_cannot_be_read_for_long_is_rejected_with_the_reason() {
    let mut world = World::new(1);
    world.observe(&[("main", 1)], vec![]);
    world.reading.clear();
    world.now = world.now.plus(world.settings.read_limit);
    world
        .step(Input::Unread(RequestId(1), "no disk".into()))
        .unwrap();
    assert_eq!(
        world.requests[&RequestId(1)].reason.as_deref(),
        Some("no disk")
    );
    world.run_out();
}

#[derive(Debug, Clone)]
enum Op {
    Move(u8, u8),
    Decide(u8, u8, u8),
    Reject(u8),
    Start(u8, bool),
    Finish(u8, u8, bool),
    Cancel(u8, bool),
    Restart(u8, bool),
    Tick(u32),
    Ask(u8),
    Unread(u8),
    Crash,
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..3u8, 0..6u8).prop_map(|(a, b)| Op::Move(a, b)),
        6 => (any::<u8>(), 0..4u8, any::<u8>()).prop_map(|(a, b, c)| Op::Decide(a, b, c)),
        1 => any::<u8>().prop_map(Op::Reject),
        6 => (any::<u8>(), any::<bool>()).prop_map(|(a, b)| Op::Start(a, b)),
        8 => (any::<u8>(), 0..6u8, any::<bool>()).prop_map(|(a, b, c)| Op::Finish(a, b, c)),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(a, b)| Op::Cancel(a, b)),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(a, b)| Op::Restart(a, b)),
        2 => (0..400_000u32).prop_map(Op::Tick),
        1 => (0..3u8).prop_map(Op::Ask),
        1 => any::<u8>().prop_map(Op::Unread),
        1 => Just(Op::Crash),
    ]
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn pick<T: Copy>(items: impl Iterator<Item = T>, choice: u8) -> Option<T> {
    let items: Vec<T> = items.collect();
    (!items.is_empty()).then(|| items[usize::from(choice) % items.len()])
}

fn verdict(choice: u8) -> Verdict {
    match choice {
        0 | 1 => Verdict::Exit(0),
        2 => Verdict::Exit(1),
        3 => Verdict::Limit("time".into()),
        4 => Verdict::Lost("gone".into()),
        5 => Verdict::LeftOut("os".into()),
        _ => Verdict::Broken("set-up".into()),
    }
}

fn apply(world: &mut World, refs: &mut BTreeMap<&'static str, u64>, op: Op) {
    match op {
        Op::Move(name, value) => {
            match value {
                0 => refs.remove(NAMES[usize::from(name)]),
                _ => refs.insert(NAMES[usize::from(name)], u64::from(value)),
            };
            let now: Vec<_> = refs.iter().map(|(name, id)| (*name, *id)).collect();
            world.observe(&now, vec![]);
        }
        Op::Decide(choice, stages, rows) => {
            let Some(id) = pick(world.requests.keys().copied(), choice) else {
                return;
            };
            let rows: Vec<_> = (0..(rows & 3) + 1)
                .map(|row| {
                    (
                        u32::from(row) % u32::from(stages.max(1)),
                        rows >> 4 & 1 << row != 0,
                    )
                })
                .collect();
            world.decide(id, blueprint(usize::from(stages), &rows, choice & 1 == 1));
        }
        Op::Reject(choice) => {
            let Some(id) = pick(world.requests.keys().copied(), choice) else {
                return;
            };
            world.decide(
                id,
                Decision::Reject {
                    reason: "no".into(),
                    messages: vec![],
                },
            );
        }
        Op::Start(choice, stale) => {
            let Some((id, attempt)) = pick(world.running.iter().map(|(a, b)| (*a, *b)), choice)
            else {
                return;
            };
            world
                .step(Input::Started(id, attempt + u32::from(stale)))
                .unwrap();
        }
        Op::Finish(choice, how, stale) => {
            let Some((id, attempt)) = pick(world.running.iter().map(|(a, b)| (*a, *b)), choice)
            else {
                return;
            };
            if stale {
                world
                    .step(Input::Finished(id, attempt + 1, verdict(how)))
                    .unwrap();
            } else {
                world.finish(id, verdict(how));
                world
                    .step(Input::Finished(id, attempt, verdict(how)))
                    .unwrap();
            }
        }
        Op::Cancel(choice, job) => {
            let target = target(world, choice, job);
            let _ = target.map(|target| world.step(Input::Cancel(target)));
        }
        Op::Restart(choice, job) => {
            let target = target(world, choice, job);
            let _ = target.map(|target| world.restart(target));
        }
        Op::Tick(milliseconds) => {
            world.now = world.now.plus(i64::from(milliseconds));
            // Runners answer a kill before its limit; the one that doesn't has a scenario of its own.
            let gone: Vec<JobId> = world.killed.iter().copied().collect();
            gone.into_iter()
                .for_each(|id| world.finish(id, Verdict::Canceled));
            world.step(Input::Wake).unwrap();
        }
        Op::Ask(name) => {
            let event = Event {
                repo: REPO,
                kind: EventKind::Api,
                ref_name: branch(NAMES[usize::from(name)]),
                before: None,
                after: Some(oid(9)),
                options: vec![],
                pusher: None,
                delivery: None,
                refuse: None,
            };
            world.step(Input::Asked(event)).unwrap();
        }
        Op::Unread(choice) => {
            let Some(id) = pick(world.reading.iter().copied(), choice) else {
                return;
            };
            world.reading.remove(&id);
            world.step(Input::Unread(id, "no disk".into())).unwrap();
        }
        Op::Crash => world.crash(),
    }
}

fn target(world: &World, choice: u8, job: bool) -> Option<Target> {
    if job {
        pick(world.jobs.keys().copied(), choice).map(Target::Job)
    } else {
        pick(world.builds.keys().copied(), choice).map(Target::Build)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever comes, late, twice, never or in any order: every request ends, no job runs twice at once (checked at
    /// each effect), numbers never go back (checked at each record).
    #[test]
    fn any_sequence_of_inputs_ends_every_request(ops in prop::collection::vec(ops(), 1..120), workers in 1..4usize) {
        let mut world = World::new(workers);
        let mut refs = BTreeMap::new();
        for op in ops {
            apply(&mut world, &mut refs, op);
        }
        world.run_out();
    }
}

//! The build engine: it owns what is unfinished, takes one [`Input`] and the time, and returns [`Effect`]s for
//! somebody else to perform. It touches nothing itself, so a test is a list of inputs and a list of effects.
//!
//! Inputs may come late, twice or never: an input about something that has moved on is ignored. One function
//! (`verdict::settle`) decides from the jobs' present states what is queued, canceled and finished.

mod command;
mod exchange;
mod observe;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use crate::decide::{Blueprint, Decision};
use crate::model::{
    Build, BuildId, Commit, CommitId, Job, JobId, JobNumber, RefName, RepoId, Request, RequestId,
    RequestState, State, Substitute, Time, Used, Verdict,
};

pub use exchange::{
    Counters, Delivery, Effect, Input, Observed, Record, Refused, Settings, Target, Update,
};

/// A build that is not finished, or has runs going on.
#[derive(Debug, Clone)]
struct Active {
    build: Build,
    jobs: Vec<Job>,
}

/// A job in a runner's hands.
#[derive(Debug, Clone)]
struct Held {
    attempt: u32,
    build: BuildId,
    deadline: Time,
    killed: bool,
}

/// What one step has to say.
#[derive(Debug, Default)]
struct Out {
    records: Vec<Record>,
    effects: Vec<Effect>,
}

impl Out {
    fn save(&mut self, record: Record) {
        let same = |old: &Record| match (old, &record) {
            (Record::Request(a), Record::Request(b)) => a.id == b.id,
            (Record::Build(a), Record::Build(b)) => a.id == b.id,
            (Record::Job(a), Record::Job(b)) => a.id == b.id,
            _ => false,
        };
        match self.records.iter_mut().rev().find(|old| same(old)) {
            Some(old) => *old = record,
            None => self.records.push(record),
        }
    }
}

/// The engine.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    counters: Counters,
    handled: BTreeMap<RepoId, BTreeMap<RefName, CommitId>>,
    pending: BTreeMap<RequestId, Request>,
    reread: BTreeMap<RequestId, Time>,
    active: BTreeMap<BuildId, Active>,
    home: BTreeMap<JobId, BuildId>,
    queue: BTreeSet<(Time, JobId)>,
    held: BTreeMap<JobId, Held>,
    draining: bool,
    wake: Option<Time>,
}

impl Engine {
    /// An engine that goes on where another ended: `requests` still pending, `builds` unfinished with all their jobs,
    /// `handled` the ref values last handled. Runs that were going on are dead: their jobs are queued once more.
    pub fn restore(
        now: Time,
        settings: Settings,
        counters: Counters,
        handled: BTreeMap<RepoId, BTreeMap<RefName, CommitId>>,
        requests: Vec<Request>,
        builds: Vec<(Build, Vec<Job>)>,
    ) -> (Self, Vec<Effect>) {
        let mut engine = Engine {
            settings,
            counters,
            handled,
            pending: BTreeMap::new(),
            reread: BTreeMap::new(),
            active: BTreeMap::new(),
            home: BTreeMap::new(),
            queue: BTreeSet::new(),
            held: BTreeMap::new(),
            draining: false,
            wake: None,
        };
        let mut out = Out::default();
        for request in requests {
            out.effects.push(Effect::Read(Box::new(request.clone())));
            engine.pending.insert(request.id, request);
        }
        for (build, mut jobs) in builds {
            for job in &mut jobs {
                if matches!(job.state, State::Received | State::Started) {
                    cut_off(now, job, "the daemon ended while it ran", &mut out);
                }
            }
            let id = build.id;
            engine.adopt(build, jobs);
            engine.settle(now, id, &mut out);
        }
        let effects = engine.close(now, out);
        (engine, effects)
    }

    /// The numbers given out so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Gives out a repository id.
    pub fn next_repo(&mut self) -> RepoId {
        self.counters.repo += 1;
        RepoId(self.counters.repo)
    }

    /// Jobs waiting and jobs in runners' hands.
    pub fn load(&self) -> (usize, usize) {
        (self.queue.len(), self.held.len())
    }

    /// Takes one input. Only a person's command can be refused; everything else is obeyed or ignored.
    pub fn step(&mut self, now: Time, input: Input) -> Result<Vec<Effect>, Refused> {
        let mut out = Out::default();
        match input {
            Input::Observed(observed) => self.observed(now, observed, &mut out),
            Input::Added(repo, refs) => self.added(repo, refs, &mut out),
            Input::Removed(repo) => self.removed(repo, &mut out),
            Input::Asked(event) => self.request(now, event, &mut out),
            Input::Decided(id, commit, decision) => {
                self.decided(now, id, commit, decision, &mut out)
            }
            Input::Unread(id, reason) => self.unread(now, id, reason, &mut out),
            Input::Started(job, attempt) => self.started(now, job, attempt, &mut out),
            Input::Used(job, attempt, used) => self.used(job, attempt, used),
            Input::Substituted(job, attempt, substitute) => {
                self.substituted(job, attempt, substitute, &mut out)
            }
            Input::Finished(job, attempt, verdict) => {
                self.finished(now, job, attempt, &verdict, &mut out)
            }
            Input::Cancel(target) => self.cancel(now, target, &mut out)?,
            Input::Restart { target, by, stored } => {
                self.restart(now, target, &by, stored, &mut out)?
            }
            Input::Wake => self.woken(now, &mut out),
            Input::Drain => self.draining = true,
        }
        Ok(self.close(now, out))
    }

    /// Hands out free places, then puts the step's words in order: records first.
    fn close(&mut self, now: Time, mut out: Out) -> Vec<Effect> {
        self.dispatch(now, &mut out);
        let mut effects = Vec::with_capacity(out.effects.len() + 2);
        if !out.records.is_empty() {
            effects.push(Effect::Save(out.records));
        }
        effects.append(&mut out.effects);
        let next = self
            .held
            .values()
            .map(|held| held.deadline)
            .chain(self.reread.values().copied())
            .min();
        if next.is_some() && next != self.wake {
            effects.extend(next.map(Effect::WakeAt));
        }
        self.wake = next;
        effects
    }

    fn adopt(&mut self, build: Build, jobs: Vec<Job>) {
        for job in &jobs {
            self.home.insert(job.id, build.id);
            if job.state == State::Queued {
                self.queue
                    .insert((job.queued_at.unwrap_or(build.created_at), job.id));
            }
        }
        self.active.insert(build.id, Active { build, jobs });
    }

    /// Makes the build of an accepted request.
    fn decided(
        &mut self,
        now: Time,
        id: RequestId,
        commit: Option<Commit>,
        decision: Decision,
        out: &mut Out,
    ) {
        let Some(mut request) = self.pending.remove(&id) else {
            return;
        };
        self.reread.remove(&id);
        request.commit = commit;
        match (decision, request.commit.clone()) {
            (Decision::Accept(blueprint), Some(commit)) => {
                request.state = RequestState::Accepted;
                let (build, jobs) = self.make_build(now, &request, commit, *blueprint);
                out.save(Record::Request(request));
                out.save(Record::Build(build.clone()));
                jobs.iter()
                    .for_each(|job| out.save(Record::Job(job.clone())));
                self.adopt(build, jobs);
                self.settle(now, id, out);
            }
            (Decision::Accept(_), None) => {
                reject(request, "its commit could not be read".to_owned(), out)
            }
            (Decision::Reject { reason, messages }, _) => {
                request.messages = messages;
                reject(request, reason, out);
            }
        }
    }

    /// Puts a request off, or gives it up when it has been tried for long enough.
    fn unread(&mut self, now: Time, id: RequestId, reason: String, out: &mut Out) {
        let Some(request) = self.pending.get(&id) else {
            return;
        };
        if now < request.created_at.plus(self.settings.read_limit) {
            self.reread.insert(id, now.plus(self.settings.read_again));
        } else if let Some(request) = self.pending.remove(&id) {
            self.reread.remove(&id);
            reject(request, reason, out);
        }
    }

    fn make_build(
        &mut self,
        now: Time,
        request: &Request,
        commit: Commit,
        plan: Blueprint,
    ) -> (Build, Vec<Job>) {
        let repo = request.event.repo;
        let number = self.counters.builds.entry(repo).or_insert(0);
        *number += 1;
        let number = *number;
        let mut jobs = Vec::with_capacity(plan.jobs.len());
        for (place, row) in (1..).zip(plan.jobs) {
            self.counters.job += 1;
            let id = JobId(self.counters.job);
            let place = JobNumber {
                build: number,
                job: place,
            };
            jobs.push(Job {
                stage: row.stage,
                allow_failure: row.allow_failure,
                assumed: row.assumed,
                ..Job::new(id, request.id, repo, place, row.config)
            });
        }
        let build = Build {
            id: request.id,
            repo,
            number,
            event: request.event.kind,
            branch: request.branch().to_owned(),
            tag: request.tag().map(str::to_owned),
            before: request.event.before.clone(),
            commit,
            config: plan.config,
            messages: plan.messages,
            sources: plan.sources,
            stages: plan.stages,
            fast_finish: plan.fast_finish,
            jobs: jobs.iter().map(|job| job.id).collect(),
            state: State::Created,
            created_at: now,
            started_at: None,
            finished_at: None,
        };
        (build, jobs)
    }

    /// Hands queued jobs to free runners, oldest first; a job whose earlier run is still dying waits.
    fn dispatch(&mut self, now: Time, out: &mut Out) {
        if self.draining {
            return;
        }
        while self.held.len() < self.settings.workers {
            let Some(&entry) = self
                .queue
                .iter()
                .find(|(_, job)| !self.held.contains_key(job))
            else {
                return;
            };
            self.queue.remove(&entry);
            let deadline = now.plus(self.settings.start_limit);
            let Some((active, place)) = find(&self.home, &mut self.active, entry.1) else {
                continue;
            };
            let job = &mut active.jobs[place];
            job.substitutes.clear();
            job.left_out = false;
            job.state = State::Received;
            job.attempt += 1;
            let held = Held {
                attempt: job.attempt,
                build: active.build.id,
                deadline,
                killed: false,
            };
            out.save(Record::Job(job.clone()));
            out.effects.push(Effect::Run(
                Box::new(active.build.clone()),
                Box::new(job.clone()),
            ));
            self.held.insert(entry.1, held);
        }
    }

    fn started(&mut self, now: Time, id: JobId, attempt: u32, out: &mut Out) {
        let Some(held) = self
            .held
            .get_mut(&id)
            .filter(|held| held.attempt == attempt && !held.killed)
        else {
            return;
        };
        held.deadline = now.plus(self.settings.run_limit);
        let Some((active, place)) = find(&self.home, &mut self.active, id) else {
            return;
        };
        let job = &mut active.jobs[place];
        if job.state != State::Received {
            return;
        }
        job.state = State::Started;
        job.started_at = Some(now);
        out.save(Record::Job(job.clone()));
        let build = active.build.id;
        self.settle(now, build, out);
    }

    /// Kept with the record that the end of the run will save.
    fn used(&mut self, id: JobId, attempt: u32, used: Used) {
        if self
            .held
            .get(&id)
            .is_some_and(|held| held.attempt == attempt)
            && let Some((active, place)) = find(&self.home, &mut self.active, id)
        {
            active.jobs[place].used = Some(used);
        }
    }

    fn substituted(&mut self, id: JobId, attempt: u32, substitute: Substitute, out: &mut Out) {
        let is_held = |held: &Held| held.attempt == attempt && !held.killed;
        if !self.held.get(&id).is_some_and(is_held) {
            return;
        }
        if let Some((active, place)) = find(&self.home, &mut self.active, id) {
            let job = &mut active.jobs[place];
            if !job.substitutes.contains(&substitute) {
                job.substitutes.push(substitute);
                out.save(Record::Job(job.clone()));
            }
        }
    }

    fn finished(&mut self, now: Time, id: JobId, attempt: u32, verdict: &Verdict, out: &mut Out) {
        let Some(held) = self.held.get(&id).filter(|held| held.attempt == attempt) else {
            return;
        };
        let build = held.build;
        self.held.remove(&id);
        let draining = self.draining;
        if let Some((active, place)) = find(&self.home, &mut self.active, id) {
            let job = &mut active.jobs[place];
            if matches!(job.state, State::Received | State::Started) {
                match verdict {
                    Verdict::Lost(_) if draining => {
                        job.attempt -= 1;
                        requeue(now, job);
                        out.save(Record::Job(job.clone()));
                    }
                    Verdict::Lost(reason) => cut_off(now, job, reason, out),
                    _ => {
                        end(now, job, verdict.state(), reason_of(verdict));
                        job.left_out = matches!(verdict, Verdict::LeftOut(_));
                        out.save(Record::Job(job.clone()));
                    }
                }
                if job.state == State::Queued {
                    self.queue.insert((now, id));
                }
            }
        }
        self.settle(now, build, out);
    }

    /// Looks for runners that don't answer and requests to read again.
    fn woken(&mut self, now: Time, out: &mut Out) {
        let due: Vec<RequestId> = self
            .reread
            .iter()
            .filter(|(_, time)| **time <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.reread.remove(&id);
            out.effects.extend(
                self.pending
                    .get(&id)
                    .map(|request| Effect::Read(Box::new(request.clone()))),
            );
        }
        let late: Vec<JobId> = self
            .held
            .iter()
            .filter(|(_, held)| held.deadline <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            let Some(held) = self.held.get_mut(&id) else {
                continue;
            };
            if held.killed {
                let (attempt, gone) = (
                    held.attempt,
                    Verdict::Broken("its runner did not answer".to_owned()),
                );
                self.finished(now, id, attempt, &gone, out);
            } else {
                held.killed = true;
                held.deadline = now.plus(self.settings.kill_limit);
                out.effects.push(Effect::Kill(id, held.attempt));
            }
        }
    }
}

fn find<'a>(
    home: &BTreeMap<JobId, BuildId>,
    active: &'a mut BTreeMap<BuildId, Active>,
    id: JobId,
) -> Option<(&'a mut Active, usize)> {
    let active = active.get_mut(home.get(&id)?)?;
    let place = active.jobs.iter().position(|job| job.id == id)?;
    Some((active, place))
}

fn end(now: Time, job: &mut Job, state: State, reason: Option<String>) {
    job.state = state;
    job.finished_at = Some(now);
    job.reason = reason;
}

fn requeue(now: Time, job: &mut Job) {
    job.state = State::Queued;
    job.queued_at = Some(now);
    job.started_at = None;
}

/// A run was cut off: the job is tried once more, then errored.
fn cut_off(now: Time, job: &mut Job, why: &str, out: &mut Out) {
    if job.interrupted {
        end(
            now,
            job,
            State::Errored,
            Some(format!("cut off twice: {why}")),
        );
        let line = format!("The job was cut off a second time ({why}) and is given up.");
        out.effects.push(Effect::EndLog(job.repo, job.id, line));
    } else {
        job.interrupted = true;
        requeue(now, job);
    }
    out.save(Record::Job(job.clone()));
}

fn reason_of(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Exit(_) | Verdict::Canceled => None,
        Verdict::Limit(text)
        | Verdict::Broken(text)
        | Verdict::LeftOut(text)
        | Verdict::Lost(text) => Some(text.clone()),
    }
}

fn reject(mut request: Request, reason: String, out: &mut Out) {
    request.state = RequestState::Rejected;
    request.reason = Some(reason);
    out.save(Record::Request(request));
}

#[cfg(test)]
mod tests;

//! What follows from the jobs' present states: which jobs may queue, which are canceled, whether the build is done.

use super::{Active, Effect, Engine, Out, Record, end};
use crate::model::{Build, BuildId, Job, State, Time};

/// Reason of a job that was canceled because a stage before its own did not pass.
pub(super) const STAGE_FAILED: &str = "an earlier stage did not pass";

impl Engine {
    /// The one place where a build's state follows from its jobs'. May be called at any time, any number of times.
    pub(super) fn settle(&mut self, now: Time, id: BuildId, out: &mut Out) {
        let Some(active) = self.active.get_mut(&id) else {
            return;
        };
        let before = active.build.clone();
        gate(now, active, out);
        let queued = active.jobs.iter().filter(|job| job.state == State::Queued);
        self.queue
            .extend(queued.filter_map(|job| Some((job.queued_at?, job.id))));
        let Active { build, jobs } = active;
        let begun = jobs.iter().filter_map(|job| job.started_at).min();
        if build.state == State::Created && begun.is_some() {
            build.state = State::Started;
            build.started_at = begun;
        }
        if !build.state.is_final() && is_finished(build, jobs) {
            build.state = result(build, jobs);
            build.finished_at = Some(now);
        }
        if *build != before {
            out.save(Record::Build(build.clone()));
        }
        let idle = jobs
            .iter()
            .all(|job| job.state.is_final() && !self.held.contains_key(&job.id));
        if build.state.is_final() && idle {
            jobs.iter().for_each(|job| {
                self.home.remove(&job.id);
            });
            self.active.remove(&id);
        }
    }
}

/// Queues the jobs whose turn has come; cancels those behind a stage that did not pass.
fn gate(now: Time, active: &mut Active, out: &mut Out) {
    let stages = active.build.stages.len().max(1);
    let mut open = true;
    let mut broken = false;
    for stage in 0..stages {
        for job in active
            .jobs
            .iter_mut()
            .filter(|job| stage_of(job) == stage && job.state == State::Created)
        {
            if broken {
                end(now, job, State::Canceled, Some(STAGE_FAILED.to_owned()));
                out.save(Record::Job(job.clone()));
                out.effects.push(Effect::EndLog(
                    job.repo,
                    job.id,
                    format!("Not run: {STAGE_FAILED}."),
                ));
            } else if open {
                job.state = State::Queued;
                job.queued_at = Some(now);
                out.save(Record::Job(job.clone()));
            }
        }
        let of_stage = || active.jobs.iter().filter(|job| stage_of(job) == stage);
        let done = finished(of_stage(), active.build.fast_finish);
        if done && matrix_state(of_stage()) != State::Passed {
            broken = true;
        }
        open = open && done;
    }
}

fn stage_of(job: &Job) -> usize {
    job.stage
        .map_or(0, |stage| usize::try_from(stage).unwrap_or(usize::MAX))
}

/// All are final; or, with fast finish, all that count are (travis-hub, `build/matrix.rb`).
fn finished<'a>(jobs: impl Iterator<Item = &'a Job> + Clone, fast: bool) -> bool {
    let required = || jobs.clone().filter(|job| !job.allow_failure);
    jobs.clone().all(|job| job.state.is_final())
        || (fast && required().next().is_some() && required().all(|job| job.state.is_final()))
}

fn is_finished(build: &Build, jobs: &[Job]) -> bool {
    finished(jobs.iter(), build.fast_finish)
}

/// The state that some jobs add up to, allowed failures left aside (travis-hub, `build/matrix.rb`), and those that
/// nothing here runs.
fn matrix_state<'a>(jobs: impl Iterator<Item = &'a Job> + Clone) -> State {
    let any = |state| {
        jobs.clone()
            .any(|job| !job.allow_failure && !job.left_out && job.state == state)
    };
    [State::Canceled, State::Errored, State::Failed]
        .into_iter()
        .find(|state| any(*state))
        .unwrap_or(State::Passed)
}

/// A build ends as its first stage that did not pass did, else as its jobs add up to (travis-hub, `build.rb`). One of
/// which nothing was run has not passed.
fn result(build: &Build, jobs: &[Job]) -> State {
    if !jobs.is_empty() && jobs.iter().all(|job| job.left_out) {
        return State::Canceled;
    }
    (0..build.stages.len())
        .map(|stage| matrix_state(jobs.iter().filter(move |job| stage_of(job) == stage)))
        .find(|state| *state != State::Passed)
        .unwrap_or_else(|| matrix_state(jobs.iter()))
}

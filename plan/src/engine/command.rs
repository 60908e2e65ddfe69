//! What people ask for: cancel, restart.

use super::{Effect, Engine, Out, Record, Refused, Target, end, verdict};
use crate::model::{Build, BuildId, Job, State, Time};

impl Engine {
    /// Ends jobs at once; those in runners' hands are told to stop and keep their place until they have.
    pub(super) fn cancel(
        &mut self,
        now: Time,
        target: Target,
        out: &mut Out,
    ) -> Result<(), Refused> {
        let build = match target {
            Target::Build(id) => id,
            Target::Job(id) => *self.home.get(&id).ok_or(Refused::Finished)?,
        };
        let active = self.active.get_mut(&build).ok_or(Refused::Finished)?;
        let mut any = false;
        for job in &mut active.jobs {
            let meant = matches!(target, Target::Build(_)) || target == Target::Job(job.id);
            if !meant || job.state.is_final() {
                continue;
            }
            any = true;
            if let Some(time) = job.queued_at {
                self.queue.remove(&(time, job.id));
            }
            match self.held.get_mut(&job.id) {
                Some(held) => {
                    held.killed = true;
                    held.deadline = now.plus(self.settings.kill_limit);
                    out.effects.push(Effect::Kill(job.id, held.attempt));
                }
                None => out.effects.push(Effect::EndLog(
                    job.repo,
                    job.id,
                    "Done: Job Cancelled".to_owned(),
                )),
            }
            end(
                now,
                job,
                State::Canceled,
                Some("canceled by a person".to_owned()),
            );
            out.save(Record::Job(job.clone()));
        }
        if !any {
            return Err(Refused::Finished);
        }
        self.settle(now, build, out);
        Ok(())
    }

    pub(super) fn restart(
        &mut self,
        now: Time,
        target: Target,
        by: &str,
        stored: Option<Box<(Build, Vec<Job>)>>,
        out: &mut Out,
    ) -> Result<(), Refused> {
        let wanted = |build: &Build, jobs: &[Job]| match target {
            Target::Build(id) => build.id == id,
            Target::Job(id) => jobs.iter().any(|job| job.id == id),
        };
        let build = match target {
            Target::Build(id) if self.active.contains_key(&id) => id,
            Target::Job(id) if self.home.contains_key(&id) => self.home[&id],
            _ => {
                let (build, jobs) = *stored.ok_or(Refused::NotFound)?;
                if !wanted(&build, &jobs) || self.active.contains_key(&build.id) {
                    return Err(Refused::NotFound);
                }
                let id = build.id;
                self.adopt(build, jobs);
                id
            }
        };
        let result = self.restart_in(now, build, target, by, out);
        self.settle(now, build, out);
        result
    }

    fn restart_in(
        &mut self,
        now: Time,
        id: BuildId,
        target: Target,
        by: &str,
        out: &mut Out,
    ) -> Result<(), Refused> {
        let active = self.active.get_mut(&id).ok_or(Refused::NotFound)?;
        let ready = match target {
            Target::Build(_) => {
                active.build.state.is_final() && active.jobs.iter().all(|job| job.state.is_final())
            }
            Target::Job(job) => active
                .jobs
                .iter()
                .any(|other| other.id == job && other.state.is_final()),
        };
        if !ready {
            return Err(Refused::Unfinished);
        }
        let from = active
            .jobs
            .iter()
            .find(|job| target == Target::Job(job.id))
            .map(|job| job.stage);
        for job in &mut active.jobs {
            let meant = match (target, from) {
                (Target::Job(id), Some(stage)) => {
                    job.id == id
                        || (job.stage > stage
                            && job.reason.as_deref() == Some(verdict::STAGE_FAILED))
                }
                _ => true,
            };
            if meant {
                job.state = State::Created;
                (job.queued_at, job.started_at, job.finished_at, job.reason) =
                    (None, None, None, None);
                job.interrupted = false;
                job.restarted = Some((now, by.to_owned()));
                out.save(Record::Job(job.clone()));
                out.effects.push(Effect::ClearLog(job.repo, job.id));
            }
        }
        active.build.state = State::Created;
        (active.build.started_at, active.build.finished_at) = (None, None);
        out.save(Record::Build(active.build.clone()));
        Ok(())
    }
}

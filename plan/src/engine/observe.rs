//! From ref values to requests: what moved since it was last handled, and what is asked for.

use std::collections::BTreeMap;

use super::{Delivery, Effect, Engine, Observed, Out, Record, Update, reject};
use crate::model::{
    CommitId, Event, EventKind, RefName, RepoId, Request, RequestId, RequestState, State, Time,
};

impl Engine {
    /// Turns one look at a repository into requests.
    ///
    /// Deliveries come first, in order: a line whose old value is the one last handled is a push we have not seen,
    /// even when the ref has moved on since. Then the refs themselves are compared, so that nothing depends on the
    /// hook having run.
    pub(super) fn observed(&mut self, now: Time, observed: Observed, out: &mut Out) {
        let repo = observed.repo;
        let mut handled = self.handled.remove(&repo).unwrap_or_default();
        let mut events = Vec::new();
        for delivery in &observed.deliveries {
            let mut push = Vec::new();
            for update in &delivery.updates {
                let last = handled.get(&update.ref_name);
                if update.before.as_ref() == last && update.after.as_ref() != last {
                    push.push(pushed(repo, delivery, update));
                    handle(
                        &mut handled,
                        repo,
                        &update.ref_name,
                        update.after.clone(),
                        out,
                    );
                }
            }
            events.extend(self.bounded(push, &observed.times));
        }
        let found = self.bounded(moved(repo, &handled, &observed.refs), &observed.times);
        for event in &found {
            handle(
                &mut handled,
                repo,
                &event.ref_name,
                event.after.clone(),
                out,
            );
        }
        events.extend(found);
        self.handled.insert(repo, handled);
        for event in events {
            self.request(now, event, out);
        }
    }

    /// Refuses the oldest of too many events of one push, or of those that no hook has told. Pushes that waited in the
    /// spool are each a push of its own.
    fn bounded(&self, mut events: Vec<Event>, times: &BTreeMap<CommitId, Time>) -> Vec<Event> {
        let surplus = events.len().saturating_sub(self.settings.burst);
        if surplus > 0 {
            events.sort_by_key(|event| event.after.as_ref().and_then(|id| times.get(id)).copied());
        }
        for event in events.iter_mut().take(surplus) {
            event.refuse = Some(format!(
                "more than {} refs changed at once; only the newest are built",
                self.settings.burst
            ));
        }
        events
    }

    /// Records the refs of a new repository without building them.
    pub(super) fn added(&mut self, repo: RepoId, refs: BTreeMap<RefName, CommitId>, out: &mut Out) {
        for (name, value) in &refs {
            out.save(Record::Handled(repo, name.clone(), Some(value.clone())));
        }
        self.handled.insert(repo, refs);
    }

    /// Forgets a repository; its runs are told to stop and count until they answer.
    pub(super) fn removed(&mut self, repo: RepoId, out: &mut Out) {
        self.handled.remove(&repo);
        self.pending.retain(|_, request| request.event.repo != repo);
        let pending = &self.pending;
        self.reread.retain(|id, _| pending.contains_key(id));
        let gone: Vec<_> = self
            .active
            .values()
            .filter(|active| active.build.repo == repo)
            .map(|a| a.build.id)
            .collect();
        for id in gone {
            let Some(active) = self.active.remove(&id) else {
                continue;
            };
            for job in &active.jobs {
                self.home.remove(&job.id);
                if let (State::Queued, Some(time)) = (job.state, job.queued_at) {
                    self.queue.remove(&(time, job.id));
                }
                if let Some(held) = self.held.get(&job.id).filter(|held| !held.killed) {
                    out.effects.push(Effect::Kill(job.id, held.attempt));
                }
            }
        }
    }

    /// Makes the request of an event: rejected at once, or to be read.
    pub(super) fn request(&mut self, now: Time, event: Event, out: &mut Out) {
        self.counters.request += 1;
        let request = Request {
            id: RequestId(self.counters.request),
            created_at: now,
            state: RequestState::Pending,
            reason: None,
            commit: None,
            messages: Vec::new(),
            event,
        };
        match refusal(&request.event) {
            Some(reason) => reject(request, reason, out),
            None => {
                out.save(Record::Request(request.clone()));
                out.effects.push(Effect::Read(Box::new(request.clone())));
                self.pending.insert(request.id, request);
            }
        }
    }
}

fn pushed(repo: RepoId, delivery: &Delivery, update: &Update) -> Event {
    Event {
        repo,
        kind: EventKind::Push,
        ref_name: update.ref_name.clone(),
        before: update.before.clone(),
        after: update.after.clone(),
        options: delivery.options.clone(),
        pusher: delivery.pusher.clone(),
        delivery: Some(delivery.id.clone()),
        refuse: None,
    }
}

/// Events for every ref whose value is another than the one handled, in the order of names.
fn moved(
    repo: RepoId,
    handled: &BTreeMap<RefName, CommitId>,
    refs: &BTreeMap<RefName, CommitId>,
) -> Vec<Event> {
    let gone = handled
        .keys()
        .filter(|name| !refs.contains_key(name))
        .map(|name| (name, None));
    let there = refs.iter().map(|(name, value)| (name, Some(value)));
    gone.chain(there)
        .filter(|(name, value)| handled.get(*name) != *value)
        .map(|(name, value)| Event {
            repo,
            kind: EventKind::Push,
            ref_name: name.clone(),
            before: handled.get(name).cloned(),
            after: value.cloned(),
            options: Vec::new(),
            pusher: None,
            delivery: None,
            refuse: None,
        })
        .collect()
}

fn handle(
    handled: &mut BTreeMap<RefName, CommitId>,
    repo: RepoId,
    name: &RefName,
    value: Option<CommitId>,
    out: &mut Out,
) {
    match &value {
        Some(id) => handled.insert(name.clone(), id.clone()),
        None => handled.remove(name),
    };
    out.save(Record::Handled(repo, name.clone(), value));
}

/// Why an event is no build, as far as its own words tell.
fn refusal(event: &Event) -> Option<String> {
    if let Some(reason) = &event.refuse {
        return Some(reason.clone());
    }
    if event.after.is_none() {
        let what = if event.ref_name.tag().is_some() {
            "tag"
        } else {
            "branch"
        };
        return Some(format!("the {what} was deleted"));
    }
    if event.ref_name.branch().is_none() && event.ref_name.tag().is_none() {
        return Some(format!("{} is neither a branch nor a tag", event.ref_name));
    }
    let skip = |option: &&String| matches!(option.as_str(), "ci.skip" | "skip-ci");
    event
        .options
        .iter()
        .find(skip)
        .map(|option| format!("skipped by the push option {option}"))
}

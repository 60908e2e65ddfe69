//! Random sequences of inputs against the invariants.

use super::*;

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
        8 => (any::<u8>(), 0..7u8, any::<bool>()).prop_map(|(a, b, c)| Op::Finish(a, b, c)),
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

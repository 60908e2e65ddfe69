//! From refs and hook lines to requests.

use super::*;

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

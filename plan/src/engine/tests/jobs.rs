//! Jobs, stages and runs: what starts, what ends, and what that makes of the build.

use super::*;

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

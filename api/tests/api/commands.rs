//! Cancel, restart, hooks: who may, what the daemon is told, what the client hears.

use assay_api::{Command, CommandError, Mode, RepositoryPatch};
use assay_plan::{JobId, RepoId, RequestId, Target};
use serde_json::json;

use crate::fixture::{V2, World};

/// Answers every command with this, and collects what was asked.
fn daemon(world: &mut World, answer: Result<(), CommandError>) -> tokio::task::JoinHandle<Vec<String>> {
    let (_, empty) = tokio::sync::mpsc::channel(1);
    let mut commands = std::mem::replace(&mut world.commands, empty);
    tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(command) = commands.recv().await {
            match command {
                Command::Cancel { target, by, reply } => {
                    seen.push(format!("cancel {target:?} {by}"));
                    let _ = reply.send(answer.clone());
                }
                Command::Restart { target, by, reply } => {
                    seen.push(format!("restart {target:?} {by}"));
                    let _ = reply.send(answer.clone());
                }
                other => panic!("{other:?}"),
            }
        }
        seen
    })
}

#[tokio::test]
async fn what_was_asked_reaches_the_daemon() {
    let mut world = World::new(Mode::Private);
    let daemon = daemon(&mut world, Ok(()));
    let token = world.alice.clone();
    for path in ["/builds/12/cancel", "/jobs/104/cancel", "/api/jobs/104/cancel/"] {
        let answer = world.post(path, &token, "").await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""), "{path}");
    }
    for (path, noun) in [("/builds/11/restart", "build"), ("/jobs/101/restart", "job")] {
        let answer = world.post(path, &token, "").await;
        assert_eq!(answer.status, 202);
        let notice = format!("The {noun} was successfully restarted.");
        assert_eq!(answer.json(), json!({"result": true, "flash": [{"notice": notice}]}));
    }
    for body in ["build_id=11", "job_id=101", r#"{"build_id":11}"#] {
        let answer = world.post("/requests", &token, body).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["result"]), (200, &json!(true)), "{body}");
    }
    drop(world);
    let build = |id| Target::Build(RequestId(id));
    let job = |id| Target::Job(JobId(id));
    let expected = [
        ("cancel", build(12)),
        ("cancel", job(104)),
        ("cancel", job(104)),
        ("restart", build(11)),
        ("restart", job(101)),
        ("restart", build(11)),
        ("restart", job(101)),
        ("restart", build(11)),
    ];
    let expected: Vec<String> = expected.iter().map(|(verb, target)| format!("{verb} {target:?} alice")).collect();
    assert_eq!(daemon.await.unwrap(), expected);
}

#[tokio::test]
async fn only_those_who_may_push_may() {
    let world = World::new(Mode::Private);
    let nothing = world.post("/builds/21/cancel", "", "").await;
    assert_eq!((nothing.status.as_u16(), nothing.body.as_str()), (401, "no access token supplied"));
    let hidden = world.post("/builds/21/cancel", &world.bob, "").await;
    assert_eq!((hidden.status.as_u16(), hidden.body.as_str()), (404, r#"{"file":"not found"}"#));
    let reading = world.post("/builds/21/cancel", &world.reader, "").await;
    assert_eq!(reading.status, 403);
    assert_eq!(reading.json(), json!({"error": {"message": "You don't have access to cancel build(21)"}}));
    let restart = world.post("/jobs/201/restart", &world.reader, "").await;
    assert_eq!((restart.status.as_u16(), &restart.json()["result"]), (400, &json!(false)));
    let job = world.post("/jobs/999/cancel", &world.alice, "").await;
    assert_eq!((job.status.as_u16(), job.json()["error"]["message"].as_str()), (404, Some("The job(999) couldn't be found")));
}

#[tokio::test]
async fn refusals_are_told_as_travis_tells_them() {
    let table = [
        ("/builds/11/cancel", CommandError::CantCancel, 422, json!({"error": {"message": "The build(11) can't be canceled", "code": "cant_cancel"}})),
        ("/jobs/101/cancel", CommandError::CantCancel, 422, json!({"error": {"message": "The job(101) can't be canceled", "code": "cant_cancel"}})),
        ("/builds/12/restart", CommandError::CantRestart("it is running".to_owned()), 400, json!({"result": false, "flash": [{"error": "it is running"}]})),
        ("/builds/12/restart", CommandError::NotFound, 404, json!({"file": "not found"})),
        ("/builds/12/restart", CommandError::Unavailable, 503, json!({"error": "the daemon is busy or shutting down"})),
    ];
    for (path, error, status, body) in table {
        let mut world = World::new(Mode::Private);
        let _daemon = daemon(&mut world, Err(error));
        let answer = world.post(path, &world.alice, "").await;
        assert_eq!((answer.status.as_u16(), answer.json()), (status, body), "{path}");
    }
}

#[tokio::test]
async fn a_daemon_that_is_gone_is_unavailable() {
    let mut world = World::new(Mode::Private);
    world.commands.close();
    assert_eq!(world.post("/builds/12/cancel", &world.alice, "").await.status, 503);
}

#[tokio::test]
async fn hooks_turn_builds_on_and_off() {
    let mut world = World::new(Mode::Private);
    let (_, empty) = tokio::sync::mpsc::channel(1);
    let mut commands = std::mem::replace(&mut world.commands, empty);
    let repository = world.store.repository(RepoId(3)).unwrap().unwrap();
    let daemon = tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(Command::UpdateRepository { id, patch, reply }) = commands.recv().await {
            seen.push((id, patch));
            let _ = reply.send(Ok(repository.clone()));
        }
        seen
    });
    let put = async |path: &str, token: &str, body: &str| world.ask("PUT", path, token, &[("accept", V2)], body).await;
    let form = put("/hooks/", &world.bob, "hook[id]=3&hook[active]=false").await;
    assert_eq!((form.status.as_u16(), form.json()), (200, json!({"result": true})));
    let by_id = put("/hooks/3", &world.bob, r#"{"hook":{"active":true}}"#).await;
    assert_eq!(by_id.status, 200);
    assert_eq!(put("/hooks/2", &world.alice, "hook[active]=true").await.status, 404, "push is not admin");
    assert_eq!(put("/hooks/3", "", "hook[active]=true").await.status, 401);
    drop(world);
    let patch = |active| RepositoryPatch { active: Some(active), ..RepositoryPatch::default() };
    assert_eq!(daemon.await.unwrap(), [(RepoId(3), patch(false)), (RepoId(3), patch(true))]);
}

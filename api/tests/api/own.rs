//! Assay's own endpoints.

use assay_api::{Command, CommandError, HostCheck, Mode, RepositoryPatch};
use assay_plan::{RepoId, Slug, Visibility};
use serde_json::json;

use crate::fixture::{V2, World};

#[tokio::test]
async fn status_tells_the_queue() {
    let world = World::new(Mode::Private);
    assert_eq!(world.get("/assay/status", "").await.status, 401);
    let json = world.get("/assay/status", &world.bob).await.json();
    assert_eq!(json["version"], "0.1.0");
    assert_eq!(json["mode"], "private");
    assert_eq!(json["jobs"], json!({"queued": 0, "running": 2}));
    assert!(
        json.get("state").is_none(),
        "the state folder is the operator's business"
    );
    assert_eq!(
        world.get("/assay/status", &world.admin).await.json()["state"],
        "/state"
    );
}

#[tokio::test]
async fn only_admins_get_at_the_rest() {
    let world = World::new(Mode::Org);
    for (method, path) in [
        ("GET", "/assay/repos"),
        ("POST", "/assay/repos"),
        ("PATCH", "/assay/repos/1"),
        ("DELETE", "/assay/repos/1"),
        ("GET", "/assay/tokens"),
        ("POST", "/assay/tokens"),
        ("DELETE", "/assay/tokens/1"),
        ("POST", "/assay/link"),
        ("POST", "/assay/reconcile"),
        ("GET", "/assay/doctor"),
        ("GET", "/assay/audit"),
    ] {
        assert_eq!(
            world.ask(method, path, "", &[], "").await.status,
            401,
            "{method} {path}"
        );
        assert_eq!(
            world.ask(method, path, &world.bob, &[], "").await.status,
            403,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn tokens_are_made_listed_and_revoked() {
    let world = World::new(Mode::Private);
    let body = r#"{"user":"dora","rights":{"alice/hidden":"read"},"expires":3600}"#;
    let made = world.post("/assay/tokens", &world.admin, body).await.json();
    let text = made["token"].as_str().unwrap();
    assert_eq!(world.get("/builds/21", text).await.status, 200);
    assert_eq!(world.post("/builds/21/cancel", text, "").await.status, 403);
    let list = world.get("/assay/tokens", &world.admin).await;
    assert!(!list.body.contains(text), "a token's text is shown once");
    let tokens = list.json()["tokens"].as_array().unwrap().clone();
    let dora = tokens.iter().find(|token| token["user"] == "dora").unwrap();
    assert_eq!(dora["rights"], json!({"alice/hidden": "read"}));
    assert!(dora["expires_at"].is_string());
    let path = format!("/assay/tokens/{}", dora["id"]);
    assert_eq!(
        world
            .ask("DELETE", &path, &world.admin, &[], "")
            .await
            .status,
        204
    );
    assert_eq!(world.get("/builds/21", text).await.status, 403);
    assert_eq!(
        world
            .ask("DELETE", &path, &world.admin, &[], "")
            .await
            .status,
        404
    );
    for bad in [
        "{}",
        r#"{"user":" "}"#,
        r#"{"user":"x","rights":{"a":"read"}}"#,
        r#"{"user":"x","expires":"soon"}"#,
    ] {
        assert_eq!(
            world.post("/assay/tokens", &world.admin, bad).await.status,
            422,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn the_daemon_looks_at_its_host() {
    let mut world = World::new(Mode::Private);
    let (_, empty) = tokio::sync::mpsc::channel(1);
    let mut commands = std::mem::replace(&mut world.commands, empty);
    let daemon = tokio::spawn(async move {
        match commands.recv().await.unwrap() {
            Command::Doctor { reply } => {
                let check = HostCheck {
                    name: "swap".to_owned(),
                    state: "good".to_owned(),
                    detail: "off".to_owned(),
                };
                let _ = reply.send(Ok(vec![check]));
            }
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(
        world.get("/assay/doctor", &world.admin).await.json(),
        json!({"checks": [{"name": "swap", "state": "good", "detail": "off"}]})
    );
    daemon.await.unwrap();
}

#[tokio::test]
async fn repositories_are_managed_by_the_daemon() {
    let mut world = World::new(Mode::Private);
    let (_, empty) = tokio::sync::mpsc::channel(1);
    let mut commands = std::mem::replace(&mut world.commands, empty);
    let repository = world.store.repository(RepoId(3)).unwrap().unwrap();
    let daemon = tokio::spawn(async move {
        match commands.recv().await.unwrap() {
            Command::AddRepository {
                path,
                slug,
                visibility,
                build,
                reply,
            } => {
                assert_eq!(
                    (path.as_str(), visibility, build),
                    ("/srv/x.git", Visibility::Public, true)
                );
                assert_eq!(slug, Some(Slug::parse("a/x").unwrap()));
                let _ = reply.send(Err(CommandError::Refused(
                    "/srv/x.git is no repository".to_owned(),
                )));
            }
            other => panic!("{other:?}"),
        }
        match commands.recv().await.unwrap() {
            Command::UpdateRepository { id, patch, reply } => {
                assert_eq!(id, RepoId(3));
                assert_eq!(
                    patch,
                    RepositoryPatch {
                        description: Some(None),
                        ..RepositoryPatch::default()
                    }
                );
                let _ = reply.send(Ok(repository));
            }
            other => panic!("{other:?}"),
        }
        match commands.recv().await.unwrap() {
            Command::RemoveRepository { id, reply } => {
                assert_eq!(id, RepoId(9));
                let _ = reply.send(Err(CommandError::NotFound));
            }
            other => panic!("{other:?}"),
        }
        match commands.recv().await.unwrap() {
            Command::Reconcile { repo, reply } => {
                assert_eq!(repo, None);
                let _ = reply.send(Ok(()));
            }
            other => panic!("{other:?}"),
        }
    });
    let list = world.get("/assay/repos", &world.admin).await.json();
    assert_eq!(list["repos"][0]["path"], "/srv/git/alice/open.git");
    let add = r#"{"path":"/srv/x.git","slug":"a/x","visibility":"public","build":true}"#;
    let refused = world.post("/assay/repos", &world.admin, add).await;
    assert_eq!(
        (
            refused.status.as_u16(),
            refused.json()["error"]["message"].as_str()
        ),
        (422, Some("/srv/x.git is no repository"))
    );
    let patched = world
        .ask(
            "PATCH",
            "/assay/repos/3",
            &world.admin,
            &[("accept", V2)],
            r#"{"description":null}"#,
        )
        .await;
    assert_eq!(patched.json()["repo"]["slug"], "bob/tools");
    assert_eq!(
        world
            .ask("DELETE", "/assay/repos/9", &world.admin, &[], "")
            .await
            .status,
        404
    );
    assert_eq!(
        world
            .post("/assay/reconcile", &world.admin, "")
            .await
            .status,
        204
    );
    daemon.await.unwrap();
    assert_eq!(
        world
            .post("/assay/repos", &world.admin, r#"{"slug":"a/b"}"#)
            .await
            .status,
        422,
        "path is missing"
    );
}

#[tokio::test]
async fn a_link_is_made_for_the_operator() {
    let world = World::new(Mode::Private);
    let url = world.post("/assay/link", &world.admin, "").await.json()["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = url.strip_prefix("http://127.0.0.1:27729").unwrap();
    assert_eq!(world.get_as(path, "", "text/html").await.status, 303);
    assert_eq!(
        world.get_as(path, "", "text/html").await.status,
        403,
        "once only"
    );
}

#[tokio::test]
async fn a_debug_session_needs_the_right_to_push_and_who_lacks_it_is_recorded() {
    let mut world = World::new(Mode::Private);
    let path = "/assay/jobs/201/debug";
    let body = r#"{"key":"ssh-ed25519 AAAA"}"#;
    assert_eq!(world.post(path, "", body).await.status, 401);
    assert_eq!(world.post(path, &world.bob, body).await.status, 404);
    assert_eq!(world.post(path, &world.reader, body).await.status, 403);
    assert_eq!(world.post(path, &world.alice, "{}").await.status, 422);
    let log = world.get("/assay/audit", &world.admin).await.json();
    let [entry] = log["audit"].as_array().unwrap().as_slice() else {
        panic!("one entry: {log}");
    };
    assert_eq!(entry["act"], "debug.refused");
    assert_eq!(
        (&entry["by"], &entry["job_id"], &entry["repository_slug"]),
        (&json!("reader"), &json!(201), &json!("alice/hidden"))
    );
    let commands = std::mem::replace(&mut world.commands, tokio::sync::mpsc::channel(1).1);
    let daemon = tokio::spawn(answer_debug(commands));
    let refused = world.post(path, &world.alice, body).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["error"]["message"], "no consent");
    let opened = world.post(path, &world.alice, body).await;
    assert_eq!(opened.status, 201);
    let session = &opened.json()["session"];
    assert_eq!(
        (&session["port"], &session["time_limit"]),
        (&json!(22), &json!(60))
    );
    assert_eq!(daemon.await.unwrap(), ["alice", "alice"]);
}

/// Refuses the first session, and opens the second; returns who asked.
async fn answer_debug(mut commands: tokio::sync::mpsc::Receiver<Command>) -> Vec<String> {
    let mut asked = Vec::new();
    while asked.len() < 2 {
        let Some(Command::Debug { by, reply, .. }) = commands.recv().await else {
            panic!("a debug command");
        };
        let answer = match asked.len() {
            0 => Err(CommandError::Forbidden("no consent".to_owned())),
            _ => Ok(assay_api::DebugSession {
                user: "debug-1".to_owned(),
                host: None,
                port: 22,
                host_key: "ssh-ed25519 AAAA".to_owned(),
                fingerprint: "SHA256:x".to_owned(),
                connect_within: std::time::Duration::from_secs(30),
                time_limit: std::time::Duration::from_secs(60),
            }),
        };
        asked.push(by);
        reply.send(answer).unwrap();
    }
    asked
}

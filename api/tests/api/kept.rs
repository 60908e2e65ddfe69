//! Caches and artifacts over HTTP: who sees them, what is shown, what is removed.

use assay_api::Mode;
use assay_plan::RepoId;
use assay_store::{Archives, Entry};
use serde_json::json;

use crate::fixture::{V2, V21, World, at};

fn keep(archives: &Archives, repo: u64, place: &str, name: &str) {
    let mut writer = archives.write(RepoId(repo)).unwrap();
    let folder = b"/home/travis/build/alice/hidden/out";
    writer.add(Entry::Folder { path: folder }).unwrap();
    writer.add(Entry::Time(7)).unwrap();
    let content = b"\x1b[2Jtext";
    let file = Entry::File {
        path: b"/home/travis/build/alice/hidden/out/a\nb\x1b[2J",
        executable: false,
        length: content.len() as u64,
        content: &mut &content[..],
    };
    writer.add(file).unwrap();
    let link = Entry::Link {
        path: b"/home/travis/l",
        target: b"/etc/passwd",
    };
    writer.add(link).unwrap();
    writer.finish(place, name, at(5), 1 << 20).unwrap();
}

fn filled(mode: Mode) -> World {
    let world = World::new(mode);
    let caches = world.store.caches();
    keep(&caches, 2, "main", "cache-linux-one");
    keep(&caches, 2, "main", "cache-linux-two");
    keep(&caches, 2, "topic", "cache-linux-one");
    keep(&world.store.artifacts(), 2, "201", "");
    world
}

#[tokio::test]
async fn caches_are_for_those_who_may_push() {
    for (mode, v2, v21) in [
        (Mode::Org, 404, 404),
        (Mode::Public, 401, 404),
        (Mode::Private, 401, 401),
    ] {
        let world = filled(mode);
        let path = "/repos/alice/hidden/caches";
        assert_eq!(world.get_as(path, "", V2).await.status, v2, "{mode:?}");
        assert_eq!(world.get_as(path, "", V21).await.status, v21, "{mode:?}");
        assert_eq!(world.get("/repos/2/caches", &world.alice).await.status, 200);
        for token in [&world.reader, &world.bob] {
            for method in ["GET", "DELETE"] {
                let answer = world.ask(method, path, token, &[("accept", V2)], "").await;
                assert_eq!((answer.status.as_u16(), answer.body.as_str()), (403, "{}"));
            }
        }
        let left = world.store.caches().list(RepoId(2)).unwrap();
        assert_eq!(left.len(), 3, "nobody without the right has removed one");
    }
}

#[tokio::test]
async fn caches_are_listed_chosen_and_removed() {
    let world = filled(Mode::Private);
    let names = |answer: &serde_json::Value| {
        let caches = answer["caches"].as_array().unwrap().iter();
        let mut names: Vec<String> = caches
            .map(|cache| format!("{} {}", cache["branch"], cache["slug"]).replace('"', ""))
            .collect();
        names.sort();
        names
    };
    let all = world.get("/repos/2/caches", &world.alice).await.json();
    let one = &all["caches"][0];
    assert_eq!(one["repository_id"], 2);
    assert!(one["size"].as_u64() > Some(100));
    assert_eq!(one["last_modified"], "2024-01-01T00:00:05Z");
    assert_eq!(
        names(&all),
        [
            "main cache-linux-one",
            "main cache-linux-two",
            "topic cache-linux-one"
        ]
    );
    let path = "/repos/alice/hidden/caches?branch=main&match=-one";
    let answer = world
        .ask("DELETE", path, &world.alice, &[("accept", V2)], "")
        .await;
    assert_eq!(names(&answer.json()), ["main cache-linux-one"]);
    let left = world.get("/repos/2/caches", &world.alice).await.json();
    assert_eq!(
        names(&left),
        ["main cache-linux-two", "topic cache-linux-one"]
    );
}

#[tokio::test]
async fn artifacts_are_for_those_who_may_read() {
    let world = filled(Mode::Private);
    for path in ["/assay/jobs/201/artifacts", "/assay/jobs/201/artifacts/1"] {
        assert_eq!(world.get(path, "").await.status, 401, "{path}");
        assert_eq!(world.get(path, &world.bob).await.status, 404, "{path}");
        assert_eq!(world.get(path, &world.reader).await.status, 200, "{path}");
    }
    let list = world.get("/assay/jobs/201/artifacts", &world.reader).await;
    let row = |number: u64, path: &str, kind: &str, size: u64, target: Option<&str>| json!({"number": number, "path": path, "kind": kind, "size": size, "target": target});
    assert_eq!(
        list.json()["artifacts"],
        json!([
            row(0, "out", "folder", 0, None),
            row(1, "out/a\\nb\\x1b[2J", "file", 8, None),
            row(2, "/home/travis/l", "link", 0, Some("/etc/passwd")),
        ])
    );
    let file = world
        .get("/assay/jobs/201/artifacts/1", &world.reader)
        .await;
    assert_eq!(file.body, "\x1b[2Jtext");
    assert_eq!(file.header("content-type"), "application/octet-stream");
    assert_eq!(file.header("content-disposition"), "attachment");
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    // A folder, a link, nothing.
    for number in [0, 2, 3] {
        let path = format!("/assay/jobs/201/artifacts/{number}");
        assert_eq!(world.get(&path, &world.reader).await.status, 404, "{path}");
    }
    let none = world.get("/assay/jobs/101/artifacts", &world.alice).await;
    assert_eq!(none.json()["artifacts"], json!([]));
}

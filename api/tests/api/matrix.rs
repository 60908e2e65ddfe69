//! Who sees what: the status of each kind of read, in the three modes, for each kind of caller.

use assay_api::Mode;

use crate::fixture::{V2, V21, World};

/// 200 with an empty list.
const EMPTY: u16 = 0;

/// Path, the list it serves, and the statuses: anonymous 2, anonymous 2.1, may see, may not see, bad token.
type Row = (&'static str, &'static str, [u16; 5]);

async fn check(mode: Mode, rows: &[Row]) {
    let world = World::new(mode);
    for (path, list, statuses) in rows {
        let callers =
            [("", V2), ("", V21), (world.reader.as_str(), V2), (world.bob.as_str(), V2), ("no-such-token", V2)];
        for ((token, accept), expected) in callers.into_iter().zip(statuses) {
            let answer = world.get_as(path, token, accept).await;
            let status = match answer.status.as_u16() {
                200 if !list.is_empty() && answer.json()[list].as_array().unwrap().is_empty() => EMPTY,
                status => status,
            };
            let who = if token.is_empty() { "anonymous" } else { token };
            assert_eq!(status, *expected, "{mode:?} {path} {who} {accept}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn org() {
    check(
        Mode::Org,
        &[
            ("/builds/11", "", [200, 200, 200, 200, 403]),
            ("/jobs/101", "", [200, 200, 200, 200, 403]),
            ("/logs/101", "", [200, 200, 200, 200, 403]),
            ("/repos/1", "", [200, 200, 200, 200, 403]),
            ("/repos/alice/open/branches/main", "", [200, 200, 200, 200, 403]),
            ("/requests/11", "", [200, 200, 200, 200, 403]),
            ("/builds?repository_id=1", "builds", [200, 200, 200, 200, 403]),
            ("/branches?repository_id=1", "branches", [200, 200, 200, 200, 403]),
            ("/repos/alice", "repos", [200, 200, 200, 200, 403]),
            ("/repos", "repos", [403, 401, 200, 200, 403]),
            ("/builds/21", "", [404, 404, 200, 404, 403]),
            ("/requests?repository_id=2", "requests", [401, 404, 200, 404, 403]),
            ("/users", "", [401, 401, 200, 200, 403]),
        ],
    )
    .await;
}

#[tokio::test]
async fn public() {
    check(
        Mode::Public,
        &[
            ("/builds/11", "", [401, 200, 200, 200, 403]),
            ("/repos/alice/open", "", [401, 200, 200, 200, 403]),
            ("/builds?repository_id=1", "builds", [401, 200, 200, 200, 403]),
            ("/builds/21", "", [401, 404, 200, 404, 403]),
            ("/jobs/201", "", [401, 404, 200, 404, 403]),
            ("/logs/201", "", [401, 404, 200, 404, 403]),
            ("/repos/2", "", [401, 404, 200, 404, 403]),
            ("/builds?repository_id=2", "builds", [401, EMPTY, 200, EMPTY, 403]),
            ("/branches?repository_id=2", "branches", [401, EMPTY, 200, EMPTY, 403]),
            ("/jobs?ids=201", "jobs", [401, EMPTY, 200, EMPTY, 403]),
            ("/repos/bob", "repos", [401, EMPTY, EMPTY, 200, 403]),
            ("/requests?repository_id=2", "requests", [401, 404, 200, 404, 403]),
            ("/repos", "repos", [401, 401, 200, 200, 403]),
            ("/accounts", "accounts", [401, 401, 200, 200, 403]),
            ("/hooks", "hooks", [401, 401, EMPTY, 200, 403]),
        ],
    )
    .await;
}

#[tokio::test]
async fn private() {
    check(
        Mode::Private,
        &[
            ("/builds/21", "", [401, 401, 200, 404, 403]),
            ("/jobs/201", "", [401, 401, 200, 404, 403]),
            ("/logs/201", "", [401, 401, 200, 404, 403]),
            ("/repos/alice/hidden", "", [401, 401, 200, 404, 403]),
            ("/repos/2/branches/main", "", [401, 401, 200, 404, 403]),
            ("/requests/21", "", [401, 401, 200, 404, 403]),
            ("/builds?repository_id=2", "builds", [401, 401, 200, EMPTY, 403]),
            ("/builds?slug=alice/hidden", "builds", [401, 401, 200, EMPTY, 403]),
            ("/builds?ids=21", "builds", [401, 401, 200, EMPTY, 403]),
            ("/branches?repository_id=2", "branches", [401, 401, 200, EMPTY, 403]),
            ("/requests?repository_id=2", "requests", [401, 401, 200, 404, 403]),
            ("/builds?repository_id=99", "builds", [401, 401, EMPTY, EMPTY, 403]),
            ("/repos", "repos", [401, 401, 200, 200, 403]),
            ("/users", "", [401, 401, 200, 200, 403]),
            ("/config", "", [200, 200, 200, 200, 403]),
            ("/", "", [200, 200, 200, 200, 403]),
            ("/nothing/at/all", "", [404, 404, 404, 404, 403]),
        ],
    )
    .await;
}

#[tokio::test]
async fn strangers_cannot_tell_what_exists() {
    let world = World::new(Mode::Private);
    for (hidden, missing) in [("/builds/21", "/builds/99"), ("/repos/2", "/repos/99"), ("/jobs/201", "/jobs/99")] {
        let (one, other) = (world.get(hidden, "").await, world.get(missing, "").await);
        assert_eq!((one.status, one.body.replace("201", "99")), (other.status, other.body));
        let (one, other) = (world.get(hidden, &world.bob).await, world.get(missing, &world.bob).await);
        assert_eq!((one.status, one.body.replace("201", "99")), (other.status, other.body));
    }
}

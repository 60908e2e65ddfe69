//! Every key of every entity that is served, its type and its place.

use assay_api::Mode;
use serde_json::Value;

use crate::fixture::{LOG, World};

/// Keys with types, in order. `?` also allows null.
struct Table {
    path: &'static str,
    /// JSON pointer to the entity.
    at: &'static str,
    keys: &'static str,
}

const BUILD: &str = "id:int repository_id:int commit_id:int number:string event_type:string pull_request:bool \
                     pull_request_title:string? pull_request_number:int? config:object state:string started_at:time? \
                     finished_at:time? duration:int? job_ids:ints";
const BRANCH: &str = "id:int repository_id:int commit_id:int number:string config:object state:string started_at:time? \
                      finished_at:time? duration:int? job_ids:ints pull_request:bool";
const JOB: &str = "id:int repository_id:int repository_slug:string stage_id:int? build_id:int commit_id:int log_id:int \
                   number:string config:object state:string started_at:time? finished_at:time? queue:string? \
                   allow_failure:bool tags:string? annotation_ids:ints";
const JOB_IN_BUILD: &str = "id:int repository_id:int build_id:int commit_id:int log_id:int number:string config:object \
                            state:string started_at:time? finished_at:time? queue:string? allow_failure:bool \
                            tags:string? annotation_ids:ints";
const COMMIT: &str = "id:int sha:string branch:string tag:string? message:string committed_at:time author_name:string? \
                      author_email:string? committer_name:string? committer_email:string? compare_url:string \
                      pull_request_number:int?";
const COMMIT_ALONE: &str = "id:int sha:string branch:string tag:string? message:string committed_at:time \
                            author_name:string? author_email:string? committer_name:string? committer_email:string? \
                            compare_url:string pull_request_number:int? branch_is_default:bool";
const REPO: &str = "id:int slug:string description:string? active:bool private:bool last_build_id:int? \
                    last_build_number:string? last_build_state:string last_build_duration:int? \
                    last_build_language:string? last_build_started_at:time? last_build_finished_at:time? \
                    github_language:string?";
const REQUEST: &str = "id:int repository_id:int commit_id:int? created_at:time owner_id:int owner_type:string \
                       event_type:string base_commit:string? head_commit:string? result:string? message:string? \
                       pull_request:bool pull_request_number:int? pull_request_title:string? branch:string? \
                       tag:string? build_id:int?";
const USER: &str = "id:int name:string? login:string email:string? gravatar_id:string avatar_url:string? \
                    locale:string? is_syncing:bool synced_at:time? correct_scopes:bool created_at:time \
                    first_logged_in_at:time? channels:strings";
const ACCOUNT: &str = "id:int name:string? login:string type:string repos_count:int avatar_url:string?";
const HOOK: &str = "id:int name:string owner_name:string description:string? active:bool private:bool admin:bool";
const LOG_ENTITY: &str = "id:int job_id:int type:string body:string";
const CONFIG: &str = "host:string shorten_host:string assets:object pusher:object github:object notifications:object";

const fn table(path: &'static str, at: &'static str, keys: &'static str) -> Table {
    Table { path, at, keys }
}

const TABLES: [Table; 40] = [
    table("/builds/11", "/build", BUILD),
    table("/builds/11", "/commit", COMMIT_ALONE),
    table("/builds/11", "/jobs/0", JOB_IN_BUILD),
    table("/builds/11", "/jobs/2", JOB_IN_BUILD),
    table("/builds/12", "/build", BUILD),
    table("/repos/alice/open/builds/11", "/build", BUILD),
    table("/repos/1/builds/11", "/build", BUILD),
    table("/builds?repository_id=1", "/builds/0", BUILD),
    table("/builds?repository_id=1", "/commits/0", COMMIT),
    table("/builds?slug=alice/open", "/builds/1", BUILD),
    table("/builds?ids=11", "/builds/0", BUILD),
    table("/repos/1/builds", "/builds/0", BUILD),
    table("/repos/alice/open/builds", "/builds/0", BUILD),
    table("/builds", "/builds/0", BUILD),
    table("/builds?running=true", "/builds/0", BUILD),
    table("/branches?repository_id=1", "/branches/0", BRANCH),
    table("/branches?ids=11", "/branches/0", BRANCH),
    table("/repos/1/branches", "/branches/0", BRANCH),
    table("/repos/alice/open/branches", "/commits/0", COMMIT),
    table("/repos/alice/open/branches/main", "/branch", BRANCH),
    table("/repos/1/branches/main", "/commit", COMMIT),
    table("/jobs/101", "/job", JOB),
    table("/jobs/104", "/job", JOB),
    table("/jobs/101", "/commit", COMMIT_ALONE),
    table("/jobs?ids[]=101&ids[]=102", "/jobs/1", JOB),
    table("/jobs?ids[]=101&ids[]=102", "/commits/1", COMMIT),
    table("/jobs", "/jobs/0", JOB),
    table("/repos/1", "/repo", REPO),
    table("/repos/bob/tools", "/repo", REPO),
    table("/repos", "/repos/0", REPO),
    table("/repos/alice", "/repos/1", REPO),
    table("/requests?repository_id=1", "/requests/0", REQUEST),
    table("/requests?repository_id=1", "/commits/0", COMMIT),
    table("/requests/13", "/request", REQUEST),
    table("/requests/11", "/commit", COMMIT),
    table("/users/", "/user", USER),
    table("/accounts?all=true", "/accounts/0", ACCOUNT),
    table("/hooks", "/hooks/0", HOOK),
    table("/logs/101", "/log", LOG_ENTITY),
    table("/config", "/config", CONFIG),
];

fn is_time(text: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:ddZ";
    text.len() == pattern.len() && text.chars().zip(pattern.chars()).all(|(c, p)| if p == 'd' { c.is_ascii_digit() } else { c == p })
}

fn fits(value: &Value, kind: &str) -> bool {
    let Some(kind) = kind.strip_suffix('?') else {
        return match kind {
            "int" => value.as_u64().is_some(),
            "string" => value.is_string(),
            "bool" => value.is_boolean(),
            "object" => value.is_object(),
            "time" => value.as_str().is_some_and(is_time),
            "ints" => value.as_array().is_some_and(|items| items.iter().all(Value::is_u64)),
            "strings" => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
            other => panic!("no such type: {other}"),
        };
    };
    value.is_null() || fits(value, kind)
}

#[tokio::test]
async fn every_documented_key_is_there() {
    let world = World::new(Mode::Private);
    world.log(1, 101, LOG);
    for Table { path, at, keys } in TABLES {
        let answer = world.get(path, &world.admin).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let json = answer.json();
        let entity = json.pointer(at).unwrap_or_else(|| panic!("{path} has no {at}: {json}"));
        let found: Vec<&String> = entity.as_object().unwrap().keys().collect();
        let mut expected = Vec::new();
        for (key, kind) in keys.split_whitespace().map(|entry| entry.split_once(':').unwrap()) {
            let value = entity.get(key).unwrap_or_else(|| panic!("{path} {at} has no {key}"));
            assert!(fits(value, kind), "{path} {at} {key}: {value} is no {kind}");
            expected.push(key);
        }
        assert_eq!(found.len(), expected.len(), "{path} {at}: {found:?}");
    }
}

#[tokio::test]
async fn keys_come_in_travis_order() {
    let world = World::new(Mode::Private);
    let body = world.get("/builds/11", &world.admin).await.body;
    let places: Vec<usize> = BUILD
        .split_whitespace()
        .map(|entry| body.find(&format!("\"{}\":", entry.split(':').next().unwrap())).unwrap())
        .collect();
    assert!(places.is_sorted(), "{body}");
}

#[tokio::test]
async fn a_build_says_what_happened() {
    let world = World::new(Mode::Private);
    let json = world.get("/builds/11", &world.admin).await.json();
    let build = &json["build"];
    assert_eq!(build["number"], "1");
    assert_eq!(build["state"], "passed");
    assert_eq!(build["started_at"], "2024-01-01T00:00:02Z");
    assert_eq!(build["duration"], 30, "three jobs of ten seconds");
    assert_eq!(build["job_ids"], serde_json::json!([101, 102, 103]));
    assert_eq!(build["config"]["global_env"], serde_json::json!(["[secure]"]));
    assert_eq!(build["config"]["env"], serde_json::json!(["A=1", "A=2"]));
    assert_eq!(json["jobs"][1]["allow_failure"], true);
    assert_eq!(json["jobs"][1]["config"]["env"], "A=2");
    assert_eq!(json["commit"]["branch_is_default"], true);
    let running = world.get("/builds/12", &world.admin).await.json();
    assert_eq!(running["build"]["duration"], Value::Null);
    assert_eq!(running["jobs"][1]["state"], "queued", "received is never shown");
}

#[tokio::test]
async fn lists_are_parallel_and_hold_nothing_else() {
    let world = World::new(Mode::Private);
    for (path, list) in [
        ("/builds?repository_id=1", "builds"),
        ("/builds?ids=11,12,21", "builds"),
        ("/jobs?ids=101,102,103,201", "jobs"),
        ("/branches?repository_id=1", "branches"),
    ] {
        let json = world.get(path, &world.admin).await.json();
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(keys, if list < "commits" { vec![list, "commits"] } else { vec!["commits", list] }, "{path}");
        let commit_ids: Vec<&Value> =
            json[list].as_array().unwrap().iter().map(|entity| &entity["commit_id"]).collect();
        let commits: Vec<&Value> = json["commits"].as_array().unwrap().iter().map(|commit| &commit["id"]).collect();
        assert_eq!(commit_ids, commits, "{path}");
    }
}

#[tokio::test]
async fn build_lists_page_by_number() {
    let world = World::new(Mode::Private);
    let numbers = async |query: &str| {
        let json = world.get(&format!("/builds?repository_id=1&{query}"), &world.admin).await.json();
        let builds = json["builds"].as_array().unwrap().clone();
        builds.iter().map(|build| build["number"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(numbers("").await, ["2", "1"]);
    assert_eq!(numbers("after_number=2").await, ["1"]);
    assert_eq!(numbers("number=2").await, ["2"]);
    assert!(numbers("number=9").await.is_empty());
    assert!(numbers("number=x").await.is_empty());
    assert_eq!(numbers("event_type[]=push&event_type[]=cron").await, ["2", "1"]);
    assert!(numbers("event_type=cron").await.is_empty());
    assert!(numbers("event_type=nonsense").await.is_empty());
    assert_eq!(numbers("branches=true").await, ["2"]);
}

#[tokio::test]
async fn repositories_without_builds_and_with() {
    let world = World::new(Mode::Private);
    let with = world.get("/repos/ALICE/Open", &world.admin).await.json();
    assert_eq!(with["repo"]["last_build_id"], 12);
    assert_eq!(with["repo"]["last_build_number"], "2");
    assert_eq!(with["repo"]["last_build_state"], "started");
    let without = world.get("/repos/3", &world.admin).await.json();
    assert_eq!(without["repo"]["last_build_state"], "");
    assert_eq!(without["repo"]["last_build_id"], Value::Null);
}

#[tokio::test]
async fn repository_lists_are_filtered_and_ordered() {
    let world = World::new(Mode::Private);
    let slugs = async |query: &str, token: &str| {
        let json = world.get(&format!("/repos?{query}"), token).await.json();
        let repos = json["repos"].as_array().unwrap().clone();
        repos.iter().map(|repo| repo["slug"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(slugs("", &world.admin).await, ["alice/open", "alice/hidden", "bob/tools"]);
    assert_eq!(slugs("limit=1", &world.admin).await, ["alice/open"]);
    assert_eq!(slugs("ids[]=3&ids[]=1", &world.admin).await, ["alice/open", "bob/tools"]);
    assert_eq!(slugs("owner_name=BOB", &world.admin).await, ["bob/tools"]);
    assert_eq!(slugs("search=HID", &world.admin).await, ["alice/hidden"]);
    assert_eq!(slugs("slug=alice%2Fopen", &world.admin).await, ["alice/open"]);
    assert_eq!(slugs("member=bob", &world.admin).await, ["bob/tools"]);
    assert_eq!(slugs("member=alice", &world.alice).await, ["alice/open", "alice/hidden"]);
    assert_eq!(slugs("", &world.bob).await, ["bob/tools"]);
}

#[tokio::test]
async fn jobs_are_found_by_state_and_queue() {
    let world = World::new(Mode::Private);
    let ids = async |query: &str| {
        let json = world.get(&format!("/jobs?{query}"), &world.admin).await.json();
        json["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ids("").await, [105, 104]);
    assert_eq!(ids("state=started").await, [104]);
    assert_eq!(ids("state=queued").await, [105]);
    assert_eq!(ids("state=failed").await, [201, 102]);
    assert_eq!(ids("queue=builds.linux").await.len(), 6);
    assert!(ids("queue=builds.mac").await.is_empty());
}

#[tokio::test]
async fn requests_say_why() {
    let world = World::new(Mode::Private);
    let json = world.get("/requests?slug=alice/open", &world.admin).await.json();
    let results: Vec<&Value> = json["requests"].as_array().unwrap().iter().map(|one| &one["result"]).collect();
    assert_eq!(results, [&Value::Null, &Value::from("rejected"), &Value::from("accepted"), &Value::from("accepted")]);
    assert_eq!(json["commits"].as_array().unwrap().len(), 2, "missing ones are left out");
    assert_eq!(json["requests"][1]["message"], "skipped by [ci skip] & co");
    assert_eq!(json["requests"][1]["build_id"], Value::Null);
    let older = world.get("/requests?repository_id=1&older_than=12&limit=1", &world.admin).await.json();
    assert_eq!(older["requests"][0]["id"], 11);
    let one = world.get("/requests/13", &world.admin).await;
    assert!(one.json().get("commit").is_none());
    assert_eq!(one.header("cache-control"), "private, max-age=31536000");
    let unknown = world.get("/requests?repository_id=99", &world.admin).await;
    assert_eq!((unknown.status.as_u16(), unknown.body.as_str()), (404, r#"{"error":"Repository could not be found"}"#));
}

#[tokio::test]
async fn logs_come_whole_in_parts_and_as_text() {
    let world = World::new(Mode::Private);
    world.log(1, 101, LOG);
    let whole = world.get("/jobs/101/log", &world.admin).await.json();
    assert_eq!(whole["log"]["body"], LOG);
    let chunked = "application/json; chunked=true; version=2, application/json; version=2, text/plain";
    let done = world.get_as("/logs/101", &world.admin, chunked).await.json();
    assert_eq!(done["log"]["body"], LOG, "a finished log is not in parts");
    let text = world.get_as("/jobs/101/log", &world.admin, "text/plain; version=2").await;
    assert_eq!(text.body, LOG);
    assert!(text.header("content-type").starts_with("text/plain"));
    assert_eq!(text.header("content-disposition"), "inline; filename=\"101\"");
    let file = world.get("/jobs/101/log.txt?attachment&deansi", &world.admin).await;
    assert_eq!(file.body, "$ make <deps>\nok\n$ make test\n1 passed\n");
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"101\"");

    let none = world.get("/logs/104", &world.admin).await.json();
    assert_eq!(none, serde_json::json!({"log": {"job_id": 104, "parts": [], "@type": "Log"}}));
    let mut writer = world.store.logs().write(assay_plan::RepoId(1), assay_plan::JobId(104)).unwrap();
    writer.append(b"one\n").unwrap();
    writer.append(b"two\n").unwrap();
    let parts = world.get_as("/logs/104", &world.admin, chunked).await.json();
    let numbers: Vec<u64> =
        parts["log"]["parts"].as_array().unwrap().iter().map(|part| part["number"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted() && numbers[0] == 1, "{parts}");
    let last = numbers[numbers.len() - 1];
    let newer = world.get_as(&format!("/logs/104?after={last}"), &world.admin, chunked).await.json();
    assert_eq!(newer["log"]["parts"], serde_json::json!([]));
    let first = world.get("/logs/104?chunked=true&part_numbers=1", &world.admin).await.json();
    assert_eq!(first["log"]["parts"].as_array().unwrap().len(), 1);
    assert_eq!(first["log"]["parts"][0]["final"], false);
    let missing = world.get("/jobs/999/log", &world.admin).await;
    assert_eq!(missing.body, r#"{"error":{"message":"The job(999) couldn't be found"}}"#);
}

#[tokio::test]
async fn users_know_themselves() {
    let world = World::new(Mode::Private);
    let user = world.get("/users/", &world.bob).await.json()["user"].clone();
    assert_eq!((&user["login"], &user["correct_scopes"]), (&Value::from("bob"), &Value::from(true)));
    let own = world.get(&format!("/users/{}", user["id"]), &world.bob).await;
    assert_eq!(own.json()["user"]["login"], "bob");
    assert_eq!(world.get("/users/1", &world.bob).await.status, 404);
    let permissions = world.get("/users/permissions", &world.bob).await.json();
    assert_eq!(permissions, serde_json::json!({"permissions": [3], "admin": [3], "pull": [3], "push": [3]}));
    let pushing = world.get("/users/permissions?roles=push", &world.alice).await.json();
    assert_eq!(pushing, serde_json::json!({"permissions": [1, 2], "admin": [], "pull": [], "push": [1, 2]}));
    let accounts = world.get("/accounts?all=True", &world.alice).await.json();
    assert_eq!(accounts["accounts"][0]["login"], "alice");
    assert_eq!(accounts["accounts"][0]["repos_count"], 2);
    assert!(world.get("/hooks", &world.alice).await.json()["hooks"].as_array().unwrap().is_empty());
    assert_eq!(world.get("/hooks?all=true", &world.alice).await.json()["hooks"].as_array().unwrap().len(), 2);
}

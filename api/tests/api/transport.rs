//! Paths, formats, headers, errors: what holds for every endpoint.

use assay_api::Mode;
use serde_json::json;

use crate::fixture::{V2, World};

#[tokio::test]
async fn one_resource_has_many_paths() {
    let world = World::new(Mode::Private);
    let plain = world.get("/builds/11", &world.admin).await;
    for path in [
        "/builds/11/",
        "/api/builds/11",
        "/api/builds/11/",
        "/builds/11.json",
        "/builds//11",
    ] {
        let other = world.get(path, &world.admin).await;
        assert_eq!(
            (other.status, &other.body),
            (plain.status, &plain.body),
            "{path}"
        );
    }
    let repo = world.get("/repos/alice/open", &world.admin).await.body;
    for path in [
        "/repos/alice/open/",
        "/repos/ALICE/OPEN",
        "/repositories/alice/open",
        "/repos/alice%2Fopen",
        "/repos/1",
    ] {
        assert_eq!(world.get(path, &world.admin).await.body, repo, "{path}");
    }
    let list = world
        .get("/builds?number=1&repository_id=1", &world.admin)
        .await
        .body;
    assert_eq!(
        world
            .get("/builds/?number=1&repository_id=1", &world.admin)
            .await
            .body,
        list
    );
}

#[tokio::test]
async fn tokens_come_in_four_ways() {
    let world = World::new(Mode::Private);
    let token = world.admin.clone();
    use base64::Engine as _;
    let basic = format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(format!("{token}:x"))
    );
    for header in [
        format!("token {token}"),
        format!("Token \"{token}\""),
        basic,
    ] {
        let answer = world
            .ask("GET", "/builds/11", "", &[("authorization", &header)], "")
            .await;
        assert_eq!(answer.status, 200, "{header}");
    }
    assert_eq!(
        world
            .get(&format!("/builds/11?access_token={token}"), "")
            .await
            .status,
        200
    );
    let in_body = json!({"access_token": token}).to_string();
    assert_eq!(
        world
            .ask("GET", "/users", "", &[("accept", V2)], &in_body)
            .await
            .status,
        200
    );
    let rss = world.get(&format!("/builds/11?token={token}"), "").await;
    assert_eq!(
        (rss.status.as_u16(), rss.body.as_str()),
        (403, "access denied")
    );
}

#[tokio::test]
async fn json_on_get_counts() {
    let world = World::new(Mode::Private);
    let body = r#"{"slug":"alice/open","number":1}"#;
    let answer = world
        .ask(
            "GET",
            "/builds",
            &world.admin,
            &[("content-type", "application/json")],
            body,
        )
        .await;
    assert_eq!(answer.json()["builds"][0]["id"], 11);
}

#[tokio::test]
async fn what_is_not_acceptable_is_refused() {
    let world = World::new(Mode::Private);
    for (path, accept) in [
        ("/builds/11", "text/plain"),
        ("/builds/11", "text/html"),
        ("/builds/11.txt", V2),
        ("/builds/11", "application/vnd.travis-ci.3+json"),
        ("/repos", "image/png"),
        ("/logs/101", "image/png"),
        ("/users", "text/plain"),
    ] {
        let answer = world.get_as(path, &world.admin, accept).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (406, ""),
            "{path} {accept}"
        );
    }
    let v3 = world
        .ask(
            "GET",
            "/builds/11",
            &world.admin,
            &[("travis-api-version", "3")],
            "",
        )
        .await;
    assert_eq!(v3.status, 406);
    for accept in [
        "",
        "*/*",
        "application/json",
        "application/vnd.travis-ci.2+json, */*; q=0.01",
    ] {
        assert_eq!(
            world
                .get_as("/builds/11", &world.admin, accept)
                .await
                .status,
            200,
            "{accept}"
        );
    }
}

#[tokio::test]
async fn errors_are_as_clients_read_them() {
    let world = World::new(Mode::Private);
    let table = [
        (
            "/builds/99",
            world.admin.as_str(),
            404,
            r#"{"file":"not found"}"#,
        ),
        ("/builds/x", &world.admin, 404, r#"{"file":"not found"}"#),
        (
            "/no/such/path/here",
            &world.admin,
            404,
            r#"{"file":"not found"}"#,
        ),
        ("/repos/x/y", &world.admin, 404, r#"{"file":"not found"}"#),
        (
            "/jobs/99",
            &world.admin,
            404,
            r#"{"error":{"message":"The job(99) couldn't be found"}}"#,
        ),
        ("/builds/11", "", 401, ""),
        ("/users", "", 401, "no access token supplied"),
        ("/builds/11", "wrong", 403, "access denied"),
    ];
    for (path, token, status, body) in table {
        let answer = world.get(path, token).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (status, body),
            "{path}"
        );
    }
    let broken = world
        .ask(
            "POST",
            "/lint",
            "",
            &[("content-type", "application/json")],
            "{",
        )
        .await;
    assert_eq!(
        (broken.status.as_u16(), broken.body.as_str()),
        (400, r#"{"error":"Failed to parse body as JSON"}"#)
    );
    let big = "x".repeat(1024 * 1024 + 1);
    assert_eq!(world.post("/lint", "", &big).await.status, 413);
}

#[tokio::test]
async fn every_answer_allows_other_origins() {
    let world = World::new(Mode::Private);
    for path in ["/", "/builds/11", "/builds/99", "/nothing/here/at/all"] {
        let answer = world.get(path, "").await;
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert!(
            answer
                .header("access-control-expose-headers")
                .contains("Etag")
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    let preflight = world
        .ask("OPTIONS", "/builds/11", "", &[("origin", "http://x")], "")
        .await;
    assert_eq!(
        (preflight.status.as_u16(), preflight.body.as_str()),
        (200, "")
    );
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        "HEAD, GET, POST, PATCH, PUT, DELETE"
    );
    assert!(
        preflight
            .header("access-control-allow-headers")
            .contains("Travis-API-Version")
    );
    assert_eq!(preflight.header("access-control-max-age"), "86400");
}

#[tokio::test]
async fn unchanged_entities_are_not_sent_again() {
    let world = World::new(Mode::Private);
    for path in [
        "/builds/11",
        "/repos/1",
        "/repos/1/branches/main",
        "/requests/11",
    ] {
        let first = world.get(path, &world.admin).await;
        let tag = first.header("etag").to_owned();
        assert!(
            tag.starts_with('"') && tag.ends_with('"') && tag.len() > 10,
            "{path}: {tag}"
        );
        let again = world
            .ask("GET", path, &world.admin, &[("if-none-match", &tag)], "")
            .await;
        assert_eq!(
            (again.status.as_u16(), again.body.as_str()),
            (304, ""),
            "{path}"
        );
        let other = world
            .ask("GET", path, &world.admin, &[("if-none-match", "\"x\"")], "")
            .await;
        assert_eq!(other.status, 200);
    }
    world.set_build(12, assay_plan::State::Canceled);
    let tag = world
        .get("/builds/12", &world.admin)
        .await
        .header("etag")
        .to_owned();
    world.set_build(12, assay_plan::State::Started);
    assert_ne!(
        world.get("/builds/12", &world.admin).await.header("etag"),
        tag
    );
}

#[tokio::test]
async fn headers_say_what_an_answer_depends_on() {
    let private = World::new(Mode::Private);
    let answer = private
        .ask(
            "GET",
            "/builds/11",
            &private.admin,
            &[("x-request-id", "abc")],
            "",
        )
        .await;
    assert_eq!(answer.header("vary"), "Accept, Authorization");
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert_eq!(answer.header("x-oauth-scopes"), "public,private");
    assert_eq!(answer.header("x-request-id"), "abc");
    assert_eq!(
        answer.header("content-type"),
        "application/json;charset=utf-8"
    );
    let org = World::new(Mode::Org);
    let answer = org.get("/builds/11", "").await;
    assert_eq!(answer.header("vary"), "Accept");
    assert_eq!(answer.header("x-oauth-scopes"), "public");
    assert_eq!(answer.header("x-request-id").len(), 32);
}

#[tokio::test]
async fn head_has_no_body() {
    let world = World::new(Mode::Private);
    for path in ["/", "/builds/11", "/config", "/login"] {
        let get = world.ask("GET", path, &world.admin, &[], "").await;
        let head = world.ask("HEAD", path, &world.admin, &[], "").await;
        assert_eq!(
            (head.status, head.body.as_str()),
            (get.status, ""),
            "{path}"
        );
        assert_eq!(
            head.header("content-length"),
            get.body.len().to_string(),
            "{path}"
        );
    }
}

#[tokio::test]
async fn answers_may_be_pretty_or_scripts() {
    let world = World::new(Mode::Private);
    assert_eq!(
        world.get("/?pretty=true", "").await.body,
        "{\n  \"hello\": \"world\"\n}"
    );
    assert_eq!(
        world.get("/?pretty=2", "").await.body,
        "{\n  \"hello\": \"world\"\n}"
    );
    let script = world.get("/?callback=a.b", "").await;
    assert_eq!(script.body, "/**/a.b({\"hello\":\"world\"})");
    assert_eq!(
        script.header("content-type"),
        "application/javascript;charset=utf-8"
    );
    let bad = world.get("/?callback=alert(1)", "").await;
    assert_eq!(
        (bad.status.as_u16(), bad.body.as_str()),
        (400, "Bad Request")
    );
    let missing = world.get("/builds/99?callback=cb", &world.admin).await;
    assert_eq!(
        (missing.status.as_u16(), missing.body.as_str()),
        (404, "/**/cb({\"file\":\"not found\"})")
    );
}

#[tokio::test]
async fn home_config_and_uptime_need_no_token() {
    let world = World::new(Mode::Private);
    assert_eq!(world.get("/", "").await.json(), json!({"hello": "world"}));
    assert_eq!(
        world.get("/api/", "").await.json(),
        json!({"hello": "world"})
    );
    assert_eq!(world.get("/uptime", "").await.body, "OK");
    let config = world.get("/config", "").await.json()["config"].clone();
    assert_eq!(config["host"], "127.0.0.1:27729");
    assert_eq!(config["pusher"]["port"], 27729);
    assert_eq!(config["pusher"]["scheme"], "http");
    assert_eq!(config["pusher"]["private"], true);
    assert!(config["pusher"].get("path").is_none());
    assert!(config["pusher"]["key"].is_string());
    assert!(
        config["github"]["api_url"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:27729")
    );
    assert!(
        config["notifications"]["webhook"]
            .as_object()
            .unwrap()
            .contains_key("public_key")
    );
    assert!(config["assets"]["host"].is_string());
}

#[tokio::test]
async fn lint_takes_form_json_and_raw_yaml() {
    let world = World::new(Mode::Private);
    let good = json!({"lint": {"warnings": []}});
    let yaml = "language: c\nos: linux\ndist: focal\n";
    let form = format!(
        "content={}",
        yaml.replace('\n', "%0A").replace(": ", "%3A+")
    );
    let answers = [
        world.post("/lint", "", &form).await,
        world
            .post("/lint", "", &json!({"content": yaml}).to_string())
            .await,
        world
            .ask("PUT", "/lint", "", &[("accept", "text/plain")], yaml)
            .await,
    ];
    for answer in answers {
        assert_eq!((answer.status.as_u16(), answer.json()), (200, good.clone()));
    }
    let bad = world
        .ask("PUT", "/lint", "", &[], "{ langage: c")
        .await
        .json();
    let warning = &bad["lint"]["warnings"][0];
    assert!(
        warning["key"].is_array() && warning["message"].as_str().unwrap().starts_with("[error]"),
        "{bad}"
    );
    assert_eq!(warning["line"], 1, "{bad}");
    assert_eq!(warning["source"], "{ langage: c", "{bad}");
}

#[tokio::test]
async fn lint_says_where_and_what_to_do() {
    let world = World::new(Mode::Private);
    let yaml = "language: c\nos: linux\ndist: focal\ngit: {deph: 3}\n";
    let answer = world.ask("PUT", "/lint", "", &[], yaml).await.json();
    let expected = json!({
        "key": ["git"],
        "message": "[warn] on git: `deph` is no key, and is taken for `depth`, line 4, column 7 (did you mean `depth`?)",
        "level": "warn",
        "code": "find_key",
        "line": 4,
        "column": 7,
        "width": 4,
        "source": "git: {deph: 3}",
        "cause": "`deph` is no key, and is taken for `depth`",
        "suggestion": "did you mean `depth`?",
    });
    assert_eq!(answer["lint"]["warnings"], json!([expected]));
}

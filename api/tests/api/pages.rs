//! The web pages: who gets in, what they show, what they refuse.

use assay_api::Mode;

use crate::fixture::{Answer, BROWSER, LOG, World};

const OURS: (&str, &str) = ("sec-fetch-site", "same-origin");

async fn page(world: &World, path: &str, token: &str) -> Answer {
    world.get_as(path, token, BROWSER).await
}

/// Opens the one-time link; the cookie to send from then on.
async fn operator(world: &World) -> String {
    let link = world.api.one_time_link().unwrap();
    let answer = page(world, &link, "").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/"));
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && !cookie.contains("Secure"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn strangers_are_sent_to_the_login_page() {
    let world = World::new(Mode::Private);
    for (path, location) in [
        ("/", "/login"),
        ("/alice/open", "/login?to=%2Falice%2Fopen"),
        ("/alice/nothing", "/login?to=%2Falice%2Fnothing"),
        ("/alice/open/jobs/101", "/login?to=%2Falice%2Fopen%2Fjobs%2F101"),
    ] {
        let answer = page(&world, path, "").await;
        assert_eq!((answer.status.as_u16(), answer.header("location"), answer.body.as_str()), (303, location, ""));
    }
    assert!(page(&world, "/login", "").await.body.contains("name=\"token\""));
    let open = World::new(Mode::Org);
    assert_eq!(page(&open, "/alice/open", "").await.status, 200);
    assert_eq!(page(&open, "/alice/hidden", "").await.status, 303, "looks like one that is not there");
    assert!(!page(&open, "/", "").await.body.contains("alice/hidden"));
}

#[tokio::test]
async fn a_session_is_opened_by_link_and_by_token() {
    let world = World::new(Mode::Private);
    let cookie = operator(&world).await;
    let home = world.ask("GET", "/", "", &[("accept", BROWSER), ("cookie", &cookie)], "").await;
    assert!(home.status == 200 && home.body.contains("alice/hidden"));
    let form = format!("token={}&to=%2Falice%2Fopen", world.reader);
    let signed_in = world.ask("POST", "/login", "", &[("accept", BROWSER), OURS], &form).await;
    assert_eq!((signed_in.status.as_u16(), signed_in.header("location")), (303, "/alice/open"));
    let reader = signed_in.header("set-cookie").split(';').next().unwrap().to_owned();
    assert!(!reader.contains(&world.reader));
    let asked = async |path: &str| world.ask("GET", path, "", &[("accept", BROWSER), ("cookie", &reader)], "").await;
    assert_eq!(asked("/alice/hidden").await.status, 200);
    assert_eq!(asked("/bob/tools").await.status, 404);
    let wrong = world.ask("POST", "/login", "", &[("accept", BROWSER), OURS], "token=x").await;
    assert!(wrong.status == 403 && wrong.body.contains("not known here"));
    let foreign = world.ask("POST", "/login", "", &[("accept", BROWSER)], &form).await;
    assert_eq!(foreign.status, 403, "no word about where the form came from");
    let out = world.ask("POST", "/logout", "", &[("accept", BROWSER), ("cookie", &reader), OURS], "").await;
    assert_eq!(out.status, 303);
    assert_eq!(asked("/alice/hidden").await.status, 303);
}

#[tokio::test]
async fn looking_at_a_link_does_not_use_it_up() {
    let world = World::new(Mode::Private);
    let link = world.api.one_time_link().unwrap();
    world.ask("HEAD", &link, "", &[("accept", BROWSER)], "").await;
    assert_eq!(page(&world, &link, "").await.status, 303);
    let again = page(&world, &link, "").await;
    assert!(again.status == 403 && again.header("set-cookie").is_empty());
}

#[tokio::test]
async fn a_cookie_is_no_use_to_another_site() {
    let world = World::new(Mode::Private);
    let cookie = operator(&world).await;
    let with = [("accept", BROWSER), ("cookie", cookie.as_str())];
    for extra in [("sec-fetch-site", "cross-site"), ("origin", "http://evil"), ("x-none", "")] {
        let headers = [with[0], with[1], extra, ("host", "127.0.0.1:27729")];
        let forged = world.ask("POST", "/alice/open/builds/12/cancel", "", &headers, "").await;
        assert_eq!(forged.status, 403, "{extra:?}");
        let api = world.ask("POST", "/builds/12/cancel", "", &headers, "").await;
        assert_eq!(api.status, 401, "{extra:?}");
    }
    let read = world.ask("GET", "/builds/21", "", &[with[1], ("sec-fetch-site", "cross-site")], "").await;
    assert_eq!(read.status, 401);
    let script = world.ask("GET", "/builds/21?callback=steal", "", &[with[1]], "").await;
    assert_eq!(script.status, 401);
    assert_eq!(world.ask("GET", "/builds/21", "", &[with[1], OURS], "").await.status, 200);
}

#[tokio::test]
async fn a_button_does_what_it_says() {
    let mut world = World::new(Mode::Private);
    let (_, empty) = tokio::sync::mpsc::channel(1);
    let mut commands = std::mem::replace(&mut world.commands, empty);
    let daemon = tokio::spawn(async move {
        match commands.recv().await.unwrap() {
            assay_api::Command::Restart { target, by, reply } => {
                let _ = reply.send(Ok(()));
                format!("{target:?} {by}")
            }
            other => panic!("{other:?}"),
        }
    });
    let build = page(&world, "/alice/open/builds/11", &world.alice).await.body;
    assert!(build.contains("action=\"/alice/open/builds/11/restart\"") && !build.contains("/cancel\""));
    let shown = page(&world, "/alice/hidden/builds/21", &world.reader).await.body;
    assert!(!shown.contains("/restart\""), "a reader has no buttons");
    let cookie = operator(&world).await;
    let headers = [("accept", BROWSER), ("cookie", cookie.as_str()), OURS];
    let done = world.ask("POST", "/alice/open/jobs/101/restart", "", &headers, "").await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, "/alice/open/jobs/101"));
    assert_eq!(daemon.await.unwrap(), "Job(JobId(101)) operator, one-time link");
}

#[tokio::test]
async fn pages_show_what_there_is() {
    let world = World::new(Mode::Private);
    world.log(1, 101, LOG);
    let home = page(&world, "/", &world.admin).await.body;
    for slug in ["alice/open", "alice/hidden", "bob/tools"] {
        assert!(home.contains(slug));
    }
    assert!(home.contains("melts &#60;things&#62;") || home.contains("melts &lt;things&gt;"));
    let builds = page(&world, "/ALICE/open", &world.admin).await.body;
    assert!(builds.contains("#1") && builds.contains("#2") && builds.contains("Change 12"));
    assert!(!builds.contains("Change 12 <b>"));
    let build = page(&world, "/alice/open/builds/11", &world.admin).await.body;
    for text in ["Test", "Deploy", "may fail", "cc2", "1.3", "with a body", "<th>compiler</th>"] {
        assert!(build.contains(text), "{text}");
    }
    assert!(!build.contains("<th>language</th>"), "only what differs is a column");
    assert!(!build.contains("data-events"), "a finished build is not followed");
    let job = page(&world, "/alice/open/jobs/101", &world.admin).await.body;
    assert!(job.contains("$ make &lt;deps&gt;") && job.contains("<i class=\"time\">2.00s</i>"));
    assert!(!job.contains('\x1b') && !job.contains("travis_fold"));
    let live = page(&world, "/alice/open/jobs/104", &world.admin).await.body;
    assert!(live.contains("data-log=\"/assay/jobs/104/log/events?render=html&amp;after=0\"") && live.contains("<noscript>"));
    let requests = page(&world, "/alice/open/requests", &world.admin).await.body;
    assert!(requests.contains("rejected") && requests.contains("skipped by [ci skip] &#38; co"));
}

#[tokio::test]
async fn a_request_without_a_build_has_a_page() {
    let world = World::new(Mode::Private);
    let rejected = page(&world, "/alice/open/builds/13", &world.admin).await;
    assert_eq!(rejected.status, 200);
    assert!(rejected.body.contains("rejected") && rejected.body.contains("skipped by [ci skip]"));
    let pending = page(&world, "/alice/open/builds/14", &world.admin).await;
    assert!(pending.body.contains("pending") && pending.body.contains("/assay/builds/14/events"));
    for path in ["/alice/open/builds/21", "/alice/open/builds/99", "/alice/open/jobs/201", "/nobody", "/no/thing"] {
        assert_eq!(page(&world, path, &world.admin).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn pages_allow_nothing_from_elsewhere() {
    let world = World::new(Mode::Private);
    world.log(1, 101, LOG);
    for path in ["/", "/login", "/alice/open", "/alice/open/builds/11", "/alice/open/jobs/101", "/no/thing"] {
        let answer = page(&world, path, &world.admin).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"));
        for inline in ["<script>", " style=", " onclick=", "javascript:", "http://", "https://"] {
            assert!(!answer.body.contains(inline), "{path}: {inline}");
        }
        assert_eq!(answer.header("content-type"), "text/html;charset=utf-8");
        assert_eq!(answer.header("x-frame-options"), "DENY");
    }
}

#[tokio::test]
async fn assets_are_open_and_kept() {
    let world = World::new(Mode::Private);
    for (path, kind) in [
        ("/assets/assay.css", "text/css;charset=utf-8"),
        ("/assets/assay.js", "text/javascript;charset=utf-8"),
        ("/assets/icon.svg", "image/svg+xml"),
    ] {
        let answer = world.get_as(path, "", "*/*").await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, kind), "{path}");
        assert!(answer.header("cache-control").contains("immutable"));
    }
    assert_eq!(world.get_as("/assets/other.css", "", "*/*").await.status, 404);
}

#[tokio::test]
async fn the_api_is_not_shadowed_by_pages() {
    let world = World::new(Mode::Private);
    assert_eq!(page(&world, "/builds/11", &world.admin).await.status, 200, "a browser takes anything in the end");
    let json = world.get_as("/repos/alice/open/nothing", &world.admin, "*/*").await;
    assert_eq!((json.status.as_u16(), json.body.as_str()), (404, r#"{"file":"not found"}"#));
    assert_eq!(world.get_as("/alice/open", &world.admin, "*/*").await.header("content-type"), "text/html;charset=utf-8");
    let data = world.get_as("/alice/open", &world.admin, "application/json").await;
    assert_eq!(data.body, r#"{"file":"not found"}"#);
}

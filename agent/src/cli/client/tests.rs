//! The client against a small HTTP server on a unix socket.

use serde_json::json;

use super::fake::{Server, answer, global, stream};
use super::*;

#[test]
fn json_is_read_through_the_socket() {
    let server = Server::answering(vec![answer("200 OK", r#"{"builds":[]}"#)]);
    let client = Client::new(&global(server.state.path(), Some("secret"))).unwrap();
    assert!(client.is_local());
    let value = client
        .get(
            "/builds",
            &[("slug", "a/b c".to_owned()), ("number", "3".to_owned())],
        )
        .unwrap();
    assert_eq!(value, json!({"builds": []}));
    let seen = server.seen().remove(0);
    assert_eq!(seen.line, "GET /builds?slug=a%2Fb+c&number=3 HTTP/1.1");
    assert!(
        seen.headers
            .contains("accept: application/vnd.travis-ci.2+json"),
        "{}",
        seen.headers
    );
    assert!(
        seen.headers.contains("authorization: token secret"),
        "{}",
        seen.headers
    );
    assert!(
        seen.headers.contains("user-agent: assay/"),
        "{}",
        seen.headers
    );
}

#[test]
fn wishes_carry_json_and_may_have_an_empty_answer() {
    let server = Server::answering(vec![
        "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_owned(),
    ]);
    let answer = server
        .client()
        .ask(Method::POST, "/assay/repos", Some(&json!({"path": "/x"})))
        .unwrap();
    assert_eq!(answer, Value::Null);
    let seen = server.seen().remove(0);
    assert_eq!(
        (seen.line.as_str(), seen.body.as_str()),
        ("POST /assay/repos HTTP/1.1", r#"{"path":"/x"}"#)
    );
}

#[test]
fn refusals_become_exit_codes_and_sentences() {
    let cases = [
        (
            "401 Unauthorized",
            "no access token supplied",
            Exit::NotAllowed,
        ),
        (
            "403 Forbidden",
            r#"{"error":{"message":"this needs more"}}"#,
            Exit::NotAllowed,
        ),
        ("404 Not Found", r#"{"file":"not found"}"#, Exit::NotFound),
        (
            "422 Unprocessable Entity",
            r#"{"error":{"message":"can't be canceled","code":"cant_cancel"}}"#,
            Exit::Usage,
        ),
        (
            "400 Bad Request",
            r#"{"result":false,"flash":[{"error":"not now"}]}"#,
            Exit::Usage,
        ),
        ("503 Service Unavailable", "", Exit::Unreachable),
        (
            "500 Internal Server Error",
            "<html>sorry</html>",
            Exit::Internal,
        ),
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|(status, body, exit)| {
            let server = Server::answering(vec![answer(status, body)]);
            let failure = server.client().get("/x", &[]).unwrap_err();
            assert_eq!(failure.exit(), *exit, "{status}");
            failure
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    assert_eq!(
        said,
        [
            "assay: the daemon refused: no access token supplied",
            "assay: the daemon refused: this needs more",
            "assay: the daemon refused: not found",
            "assay: the daemon refused: can't be canceled",
            "assay: the daemon refused: not now",
            "assay: the daemon refused: 503 Service Unavailable",
            "assay: the daemon refused: 500 Internal Server Error",
        ]
    );
}

#[test]
fn nobody_there_says_how_to_start_the_daemon() {
    let state = tempfile::tempdir().unwrap();
    let failure = Client::new(&global(state.path(), None))
        .unwrap()
        .get("/x", &[])
        .unwrap_err();
    assert_eq!(failure.exit(), Exit::Unreachable);
    let text = failure.to_string();
    assert!(
        text.contains("run/assay.sock") && text.contains("assay serve"),
        "{text}"
    );
}

#[test]
fn what_is_not_json_is_not_believed() {
    let server = Server::answering(vec![answer("200 OK", "<html>")]);
    assert_eq!(
        server.client().get("/x", &[]).unwrap_err().exit(),
        Exit::Internal
    );
}

#[test]
fn a_missing_thing_is_none() {
    let server = Server::answering(vec![answer("404 Not Found", "")]);
    assert_eq!(server.client().find("/repos/a/b", &[]).unwrap(), None);
}

#[test]
fn a_stream_that_breaks_is_taken_up_after_the_last_event() {
    let server = Server::answering(vec![
        stream("event: state\ndata: {}\n\nid: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\nda"),
        stream(": hello\n\nid: 3\ndata: c\n\nevent: end\ndata: {}\n\nid: 4\ndata: never\n\n"),
    ]);
    let mut data = Vec::new();
    server
        .client()
        .events(
            |last| format!("/log/events?after={last}"),
            |event| {
                data.push(format!("{}:{}", event.name, event.data));
                Ok(ControlFlow::Continue(()))
            },
        )
        .unwrap();
    assert_eq!(data, ["state:{}", "message:a", "message:b", "message:c"]);
    let lines: Vec<String> = server.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(
        lines,
        [
            "GET /log/events?after=0 HTTP/1.1",
            "GET /log/events?after=2 HTTP/1.1"
        ]
    );
}

#[test]
fn a_stream_ends_when_enough_was_taken() {
    let server = Server::answering(vec![stream("data: a\n\ndata: b\n\n")]);
    let mut count = 0;
    let enough = |_: &Event| {
        count += 1;
        Ok(ControlFlow::Break(()))
    };
    server.client().events(|_| "/x".to_owned(), enough).unwrap();
    assert_eq!(count, 1);
}

#[test]
fn a_stream_that_is_refused_is_not_tried_again() {
    let server = Server::answering(vec![answer("404 Not Found", "")]);
    let failure = server
        .client()
        .events(|_| "/x".to_owned(), |_| Ok(ControlFlow::Continue(())))
        .unwrap_err();
    assert_eq!(failure.exit(), Exit::NotFound);
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn server_addresses_are_checked() {
    assert_eq!(
        server_address("https://ci.example.org/").unwrap(),
        "https://ci.example.org"
    );
    assert_eq!(
        server_address("ci.example.org").unwrap(),
        "https://ci.example.org"
    );
    assert_eq!(server_address("ftp://x").unwrap_err().exit(), Exit::Usage);
    assert_eq!(server_address("").unwrap_err().exit(), Exit::Usage);
}

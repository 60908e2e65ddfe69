//! Live streams: nothing twice, nothing lost, resumed by number, ended by the last part.

use assay_api::Mode;
use assay_plan::{JobId, RepoId, State};
use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::fixture::World;

/// One server-sent event: its kind, its id and its data.
type Event = (String, String, Value);

struct Stream {
    body: BodyDataStream,
    buffer: String,
}

impl Stream {
    async fn open(world: &World, path: &str, headers: &[(&str, &str)]) -> Self {
        let response = world.response("GET", path, &world.admin, headers, "").await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Stream { body: Body::into_data_stream(response.into_body()), buffer: String::new() }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.buffer = rest;
                if let Some(event) = parse(&event) {
                    return Some(event);
                }
                continue;
            }
            let bytes = self.body.next().await?.unwrap();
            self.buffer.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    async fn all(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

fn parse(text: &str) -> Option<Event> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
    let data = field("data: ");
    (!data.is_empty()).then(|| (field("event: "), field("id: "), serde_json::from_str(&data).unwrap()))
}

fn parts(events: &[Event]) -> String {
    events.iter().filter(|event| event.0.is_empty()).map(|event| event.2["content"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_log_is_followed_to_its_end() {
    let world = World::new(Mode::Private);
    let mut stream = Stream::open(&world, "/assay/jobs/104/log/events", &[]).await;
    let (kind, _, data) = stream.next().await.unwrap();
    assert_eq!((kind.as_str(), &data["state"]), ("state", &json!("started")));
    let mut writer = world.store.logs().write(RepoId(1), JobId(104)).unwrap();
    writer.append(b"one\n").unwrap();
    let (kind, id, data) = stream.next().await.unwrap();
    assert_eq!((kind.as_str(), id.as_str()), ("", "1"));
    assert_eq!(data, json!({"number": 1, "content": "one\n", "final": false}));
    writer.append(b"two\n").unwrap();
    writer.finish().unwrap();
    world.set_job(104, State::Passed);
    let rest = stream.all().await;
    assert_eq!(parts(&rest), "two\n");
    let finals: Vec<bool> =
        rest.iter().filter(|event| event.0.is_empty()).map(|event| event.2["final"].as_bool().unwrap()).collect();
    assert_eq!(finals.iter().filter(|last| **last).count(), 1);
    assert_eq!(finals.last(), Some(&true));
    assert!(rest.iter().any(|event| event.0 == "state" && event.2["state"] == "passed"));
    assert_eq!(rest.last().unwrap().0, "end");
}

#[tokio::test]
async fn a_reader_goes_on_where_it_was() {
    let world = World::new(Mode::Private);
    let mut writer = world.store.logs().write(RepoId(1), JobId(104)).unwrap();
    for text in ["a\n", "b\n", "c\n"] {
        writer.append(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap();
    world.set_job(104, State::Passed);
    let whole = Stream::open(&world, "/assay/jobs/104/log/events", &[]).await.all().await;
    assert_eq!(parts(&whole), "a\nb\nc\n");
    let numbers: Vec<&str> = whole.iter().filter(|event| event.0.is_empty()).map(|event| event.1.as_str()).collect();
    for (place, number) in numbers.iter().enumerate() {
        let after = format!("/assay/jobs/104/log/events?after={number}");
        let by_parameter = Stream::open(&world, &after, &[]).await.all().await;
        let by_header = Stream::open(&world, "/assay/jobs/104/log/events?after=0", &[("last-event-id", number)]).await.all().await;
        for resumed in [by_parameter, by_header] {
            let got: Vec<&str> =
                resumed.iter().filter(|event| event.0.is_empty()).map(|event| event.1.as_str()).collect();
            assert_eq!(got, numbers[place + 1..], "after {number}");
        }
    }
}

#[tokio::test]
async fn a_rendered_stream_knows_what_the_page_holds() {
    let world = World::new(Mode::Private);
    let mut writer = world.store.logs().write(RepoId(1), JobId(104)).unwrap();
    writer.append(b"travis_fold:start:a\r\x1b[0K$ x\n\x1b[31mred").unwrap();
    let path = "/assay/jobs/104/log/events?render=html&after=1";
    let mut stream = Stream::open(&world, path, &[]).await;
    assert_eq!(stream.next().await.unwrap().0, "state");
    writer.append(b" <b>\ntravis_fold:end:a\r\x1b[0K").unwrap();
    let (_, _, data) = stream.next().await.unwrap();
    let steps = json!([{"line": [2, "<span class=\"f2\">red &lt;b&gt;</span>"]}, "close"]);
    assert_eq!(data["update"], json!({"steps": steps, "tail": ""}));
}

#[tokio::test]
async fn a_stream_needs_the_right_to_read() {
    let world = World::new(Mode::Private);
    for path in ["/assay/jobs/201/log/events", "/assay/builds/21/events"] {
        assert_eq!(world.get(path, "").await.status, 401, "{path}");
        assert_eq!(world.get(path, &world.bob).await.status, 404, "{path}");
    }
    assert_eq!(world.get("/assay/jobs/999/log/events", &world.admin).await.status, 404);
}

#[tokio::test]
async fn a_build_is_followed_to_its_end() {
    let world = World::new(Mode::Private);
    let mut stream = Stream::open(&world, "/assay/builds/12/events", &[]).await;
    let mut first = Vec::new();
    for _ in 0..3 {
        let (kind, _, data) = stream.next().await.unwrap();
        first.push(format!("{kind} {}", data["state"].as_str().unwrap()));
    }
    assert_eq!(first, ["job started", "job queued", "build started"]);
    world.set_job(104, State::Failed);
    let (kind, _, data) = stream.next().await.unwrap();
    assert_eq!((kind.as_str(), &data["job_id"], &data["state"]), ("job", &json!(104), &json!("failed")));
    world.set_job(105, State::Passed);
    world.set_build(12, State::Failed);
    let rest = stream.all().await;
    assert!(rest.iter().any(|event| event.0 == "build" && event.2["state"] == "failed"));
    assert_eq!(rest.last().unwrap().0, "end");
}

#[tokio::test]
async fn a_rejected_request_has_nothing_to_wait_for() {
    let world = World::new(Mode::Private);
    let events = Stream::open(&world, "/assay/builds/13/events", &[]).await.all().await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].0, "end");
}

//! HTTP as far as the cases need it: one request a connection, and server-sent events.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::DEADLINE;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.body))
    }
}

/// Sends a request and reads the answer to its end. HTTP/1.0, so that no body comes in chunks.
pub(crate) fn request(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let (mut reader, status) = open(address, method, path, headers, body);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).expect("the answer ends");
    Answer {
        status,
        body: String::from_utf8_lossy(&bytes).into_owned(),
    }
}

type Opened = (BufReader<TcpStream>, u16);

fn open(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Opened {
    let host = address.strip_prefix("http://").expect("a plain address");
    let mut stream = TcpStream::connect(host).expect("the daemon listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    let mut text = format!(
        "{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    stream
        .write_all(format!("{text}\r\n{body}").as_bytes())
        .expect("the request is taken");
    let mut reader = BufReader::new(stream);
    let mut status = None;
    loop {
        let mut line = String::new();
        let read = reader.read_line(&mut line).expect("an answer");
        if status.is_none() {
            status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        }
        if read == 0 || line.trim().is_empty() {
            break;
        }
    }
    (reader, status.expect("a status"))
}

/// One server-sent event.
#[derive(Debug, Clone, Default)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: String,
}

/// A stream of server-sent events.
#[derive(Debug)]
pub(crate) struct Events(BufReader<TcpStream>);

impl Events {
    pub(crate) fn open(address: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        let (reader, status) = open(address, "GET", path, headers, "");
        assert_eq!(status, 200, "GET {path}");
        Events(reader)
    }

    /// The next event; `None` at the end of the stream.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let mut event = Event::default();
        loop {
            let mut line = String::new();
            if self
                .0
                .read_line(&mut line)
                .expect("an event before the deadline")
                == 0
            {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("id", id)) => event.id = id.to_owned(),
                Some(("data", data)) => event.data.push_str(data),
                _ if line.trim().is_empty() && !event.data.is_empty() => return Some(event),
                _ => {}
            }
        }
    }

    /// Reads until an event's data holds `text`.
    pub(crate) fn until(&mut self, text: &str) -> Event {
        loop {
            let event = self
                .next()
                .unwrap_or_else(|| panic!("the stream ended without {text:?}"));
            if event.data.contains(text) {
                return event;
            }
        }
    }
}

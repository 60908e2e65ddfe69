//! A control socket for tests: gives fixed answers, one a connection, and tells afterwards what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::JoinHandle;

use super::Client;
use crate::cli::args::{Global, When};

/// A request as the server saw it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: String,
    pub(crate) body: String,
}

/// A control socket that gives these answers, one a connection, and then what was asked.
pub(crate) struct Server {
    pub(crate) state: tempfile::TempDir,
    thread: JoinHandle<Vec<Seen>>,
}

impl Server {
    pub(crate) fn answering(answers: Vec<String>) -> Self {
        let state = tempfile::tempdir().unwrap();
        std::fs::create_dir(state.path().join("run")).unwrap();
        let listener = UnixListener::bind(state.path().join("run/assay.sock")).unwrap();
        let thread = std::thread::spawn(move || {
            let answer = |answer: String| {
                let (mut stream, _) = listener.accept().unwrap();
                let seen = read_request(&stream);
                stream.write_all(answer.as_bytes()).unwrap();
                seen
            };
            answers.into_iter().map(answer).collect()
        });
        Server { state, thread }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&global(self.state.path(), None)).unwrap()
    }

    pub(crate) fn seen(self) -> Vec<Seen> {
        self.thread.join().unwrap()
    }
}

fn read_request(stream: &UnixStream) -> Seen {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut headers = String::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        if header.trim().is_empty() {
            break;
        }
        headers.push_str(&header.to_ascii_lowercase());
    }
    let length = headers
        .lines()
        .find_map(|header| header.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    Seen {
        line: line.trim().to_owned(),
        headers,
        body: String::from_utf8(body).unwrap(),
    }
}

/// Global options for the daemon with this state folder.
pub(crate) fn global(state: &Path, token: Option<&str>) -> Global {
    Global {
        state: Some(state.to_owned()),
        server: None,
        token: token.map(str::to_owned),
        json: false,
        color: When::Never,
        verbose: 0,
    }
}

/// An answer with this status and body.
pub(crate) fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// An answer that streams these events and ends.
pub(crate) fn stream(events: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n{events}"
    )
}

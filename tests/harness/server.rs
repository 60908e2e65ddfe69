//! A daemon of one's own: started, asked, killed, started again.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::http::{self, Answer, Events};
use super::repo::Repo;

/// The binary under test.
pub(crate) const ASSAY: &str = env!("CARGO_BIN_EXE_assay-under-test");

/// A daemon with its state in `dir/state`. Dropping it kills it; a failed case prints its log.
#[derive(Debug)]
pub(crate) struct Server {
    dir: PathBuf,
    config: String,
    child: Option<Child>,
    log: Arc<Mutex<String>>,
    pub(crate) address: String,
    pub(crate) token: String,
}

impl Server {
    /// Starts a daemon that serves `repos`, with hooks installed; `config` is added to its `assay.yml`.
    pub(crate) fn start(dir: &Path, repos: &[&Repo], config: &str) -> Self {
        let mut server = Server {
            dir: dir.to_owned(),
            config: config.to_owned(),
            child: None,
            log: Arc::default(),
            address: String::new(),
            token: String::new(),
        };
        server.run();
        for repo in repos {
            server.add(repo);
        }
        server.token = server
            .cli(&["token", "create", "--user", "tester", "--admin"])
            .trim()
            .to_owned();
        server
    }

    /// Registers a repository and installs its hook.
    pub(crate) fn add(&self, repo: &Repo) {
        let bare = repo.bare.to_str().expect("text");
        self.cli(&["repo", "add", bare]);
        self.cli(&["hook", "install", bare]);
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(ASSAY);
        command
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("HOME", &self.dir);
        command
            .env("ASSAY_STATE", self.state())
            .env("XDG_RUNTIME_DIR", &self.dir)
            .stdin(Stdio::null())
            .current_dir(&self.dir);
        command
    }

    /// Starts the process and waits until it says that it is ready.
    pub(crate) fn run(&mut self) {
        let file = self.dir.join("assay.yml");
        let text = format!(
            "listen: 127.0.0.1:0\nstate: {}\n{}",
            self.state().display(),
            self.config
        );
        std::fs::write(&file, text).expect("the configuration");
        let mut command = self.command();
        command
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the daemon starts");
        let log = Arc::clone(&self.log);
        let errors = BufReader::new(child.stderr.take().expect("a pipe"));
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let mut log = log.lock().expect("the log");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        self.child = Some(child);
        let (sender, ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = out.read_line(&mut line);
            let _ = sender.send(line);
            // Whatever else it prints must not block it.
            let _ = std::io::copy(&mut out, &mut std::io::sink());
        });
        let line = ready.recv_timeout(super::DEADLINE).unwrap_or_default();
        let address = line
            .split_whitespace()
            .find(|word| word.starts_with("http"));
        self.address = address
            .unwrap_or_else(|| panic!("no ready line but {line:?}\n{}", self.log()))
            .to_owned();
    }

    /// What the daemon has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is killed");
            child.wait().expect("it is gone");
        }
    }

    /// SIGINT to the whole process group, as a terminal sends it for Ctrl-C, and waits for the end.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let group = format!("-{}", child.id());
            assert!(
                Command::new("kill")
                    .args(["-s", "INT", "--", &group])
                    .status()
                    .expect("kill runs")
                    .success()
            );
            assert!(child.wait().expect("it ends").success(), "{}", self.log());
        }
    }

    /// Runs a command of the command line against this daemon.
    pub(crate) fn try_cli(&self, args: &[&str]) -> Output {
        self.command().args(args).output().expect("assay runs")
    }

    /// The same, which must succeed; returns its standard output.
    pub(crate) fn cli(&self, args: &[&str]) -> String {
        let output = self.try_cli(args);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "assay {args:?}: {text}\n{}",
            self.log()
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A command that goes on beside the case.
    pub(crate) fn spawn_cli(&self, args: &[&str]) -> Child {
        self.command()
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("assay runs")
    }

    /// Asks the API with the tester's token.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let auth = format!("token {}", self.token);
        let headers = [
            ("Authorization", auth.as_str()),
            ("Accept", "application/vnd.travis-ci.2+json"),
        ];
        http::request(&self.address, method, path, &headers, body)
    }

    /// Reads JSON from the API.
    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, "");
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
        answer.json()
    }

    /// Asks with these headers only.
    pub(crate) fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        http::request(&self.address, method, path, headers, "")
    }

    /// Follows a stream of events.
    pub(crate) fn events(&self, path: &str) -> Events {
        let auth = format!("token {}", self.token);
        Events::open(
            &self.address,
            path,
            &[
                ("Authorization", auth.as_str()),
                ("Accept", "text/event-stream"),
            ],
        )
    }

    /// The newest build of a repository with its jobs, as the API shows them.
    pub(crate) fn newest_build(&self, slug: &str) -> Value {
        let list = self.get(&format!("/repos/{slug}/builds"));
        let id = list["builds"][0]["id"]
            .as_u64()
            .unwrap_or_else(|| panic!("no build of {slug}: {}", self.log()));
        self.get(&format!("/builds/{id}"))
    }

    /// The text of a job's log.
    pub(crate) fn log_of(&self, job: &Value) -> String {
        let auth = format!("token {}", self.token);
        let headers = [
            ("Authorization", auth.as_str()),
            ("Accept", "text/plain; version=2"),
        ];
        http::request(
            &self.address,
            "GET",
            &format!("/jobs/{}/log", job["id"]),
            &headers,
            "",
        )
        .body
    }
}

impl Drop for Server {
    #[expect(clippy::print_stderr, reason = "a failed case shows the daemon's log")]
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the daemon's log ---\n{}", self.log());
        }
    }
}

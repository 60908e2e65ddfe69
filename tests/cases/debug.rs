//! Debug sessions, with the `ssh` that people have: what they get, who gets none, and what is left.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::harness::{Repo, Server, wait_for};

const FILE: &str = "language: shell
env: [GREETING=hello]
before_install: KEPT=kept
script: ['echo \"$GREETING $KEPT\"', 'test -f wanted']
";

/// A daemon with an SSH server and a failed job 1.1.
fn start(dir: &Path, settings: &str) -> Server {
    let repo = Repo::new(dir, "team/app", &[(".travis.yml", FILE)]);
    let settings = format!("debug: {{listen: 127.0.0.1:0{settings}}}\n");
    let server = Server::start(dir, &[&repo], &settings);
    repo.push(&["-o", "assay.wait", "origin", "main"]);
    assert_eq!(state_of(&server), "failed");
    server
}

fn state_of(server: &Server) -> String {
    let build = server.newest_build("team/app");
    build["jobs"][0]["state"].as_str().expect("text").to_owned()
}

fn consent(server: &Server, whether: &str) {
    server.cli(&["repo", "settings", "team/app", "--debug", whether]);
}

/// Asks for a session; the arguments of `ssh` for it.
fn ask(server: &Server) -> Vec<String> {
    let command = server.cli(&["debug", "1.1", "-r", "team/app", "--print"]);
    let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    assert_eq!(words[0], "ssh", "{command}");
    // Nobody's configuration.
    let mut arguments = vec!["-F".to_owned(), "none".to_owned()];
    arguments.extend_from_slice(&words[1..]);
    arguments
}

/// `ssh` without a terminal, to its end.
fn ssh(options: &[&str], arguments: &[String], command: &[&str]) -> Output {
    let output = Command::new("timeout")
        .args(["60", "ssh"])
        .args(options)
        .args(arguments)
        .args(command)
        .stdin(Stdio::null())
        .output();
    output.expect("ssh runs")
}

/// The audit log, oldest first: act and note of each entry.
fn audit(server: &Server) -> Vec<(String, String)> {
    let log = server.get("/assay/audit");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let entries = log["audit"].as_array().expect("a list").iter().rev();
    entries
        .map(|entry| (text(&entry["act"]), text(&entry["note"])))
        .collect()
}

fn wait_for_entry(server: &Server, act: &str, note: &str) {
    wait_for(&format!("{act}, {note}"), || {
        audit(server)
            .iter()
            .any(|entry| entry.0 == act && entry.1.contains(note))
            .then_some(())
    });
}

/// Somebody at a terminal.
struct Person {
    child: Child,
    seen: Arc<Mutex<String>>,
    /// How much of it was waited for.
    past: usize,
}

impl Person {
    /// Sits down at a terminal of 101 columns and 33 rows, and connects. Its name is the first thing that is seen.
    fn connect(arguments: &[String]) -> Self {
        let shell = format!(
            "tty; stty cols 101 rows 33; echo this is $$; exec ssh {}",
            arguments.join(" ")
        );
        let mut child = Command::new("script")
            .args(["-qec", &shell, "/dev/null"])
            .env("TERM", "vt220")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script runs");
        let seen = Arc::<Mutex<String>>::default();
        let (mut out, shown) = (child.stdout.take().expect("a pipe"), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = out.read(&mut bytes) {
                if count == 0 {
                    break;
                }
                let text = String::from_utf8_lossy(&bytes[..count]);
                shown.lock().expect("what was seen").push_str(&text);
            }
        });
        Person {
            child,
            seen,
            past: 0,
        }
    }

    fn seen(&self) -> String {
        self.seen.lock().expect("what was seen").clone()
    }

    /// Waits until this is shown, after what was waited for before.
    fn until(&mut self, text: &str) {
        let (seen, past) = (Arc::clone(&self.seen), self.past);
        let place = wait_for(&format!("{text:?} in a session"), || {
            let seen = seen.lock().expect("what was seen");
            seen[past..].find(text).map(|place| past + place)
        });
        self.past = place + text.len();
    }

    fn types(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("a pipe");
        input
            .write_all(format!("{line}\n").as_bytes())
            .expect("it is typed");
    }

    /// The exit status of `ssh`.
    fn end(mut self) -> Option<i32> {
        wait_for("the end of ssh", || self.child.try_wait().expect("a child")).code()
    }
}

impl Drop for Person {
    #[expect(clippy::print_stderr, reason = "a failed case shows the session")]
    fn drop(&mut self) {
        // The line goes dead: without the terminal, ssh would still say that nobody types any more, which ends a shell.
        let seen = self.seen();
        let ssh = seen
            .split_once("this is ")
            .and_then(|(_, rest)| rest.lines().next());
        if let (Some(ssh), Ok(None)) = (ssh, self.child.try_wait()) {
            let _ = Command::new("kill").args(["-KILL", ssh.trim()]).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the session ---\n{}", self.seen());
        }
    }
}

/// Processes of this host with such a command line.
fn processes(command: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir("/proc").expect("processes").flatten();
    let is_it = |path: &PathBuf| {
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ").trim() == command
    };
    all.map(|entry| entry.path()).filter(is_it).collect()
}

/// The control groups of a process that are its job's own.
fn groups(process: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(process.join("cgroup")).expect("its groups");
    let line = |line: &str| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let root = Path::new("/sys/fs/cgroup").join(controllers);
        Some(root.join(path.trim_start_matches('/')))
    };
    let ours = |path: &PathBuf| path.to_string_lossy().contains("assay-") && path.is_dir();
    text.lines().filter_map(line).filter(ours).collect()
}

#[test]
fn a_person_gets_the_environment_of_a_job_and_nothing_of_it_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), "");
    let job = server.newest_build("team/app")["jobs"][0].clone();
    let log = server.log_of(&job);
    let refused = server.try_cli(&["debug", "1.1", "-r", "team/app"]);
    let words = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(4), "{words}");
    assert!(
        words.contains("team/app allows no debug sessions"),
        "{words}"
    );
    consent(&server, "on");

    let arguments = ask(&server);
    let mut person = Person::connect(&arguments);
    person.until("/dev/pts/");
    person.until("team/app job 1.1 (main");
    person.until("ends after 30m");
    person.until("travis@1.1:~/build/team/app$");
    person.types("echo \"$GREETING-${KEPT:-}-$TERM\"; stty size; ls -a");
    person.until("hello--vt220");
    person.until("33 101");
    person.until(".travis.yml");
    person.types("travis_run_before_install; travis_run_script");
    person.until("\nhello kept");
    person.until("exited with 1.");
    // Another size, as a window manager would give it.
    let seen = person.seen();
    let tty = seen.lines().next().unwrap().trim();
    let status = Command::new("stty")
        .args(["-F", tty, "cols", "77", "rows", "22"])
        .status();
    assert!(status.unwrap().success());
    person.types("until [ \"$(stty size)\" = '22 77' ]; do :; done; echo re''sized");
    person.until("resized");
    person.types("sleep 9182 & disown; echo sleep''s");
    person.until("sleeps");
    let sleeping = wait_for("a process of the session", || processes("sleep 9182").pop());
    let groups = groups(&sleeping);
    person.types("exit 3");
    person.until("This debug session is over: the shell ended with 3");
    assert_eq!(processes("sleep 9182"), Vec::<PathBuf>::new());
    assert_eq!(groups.iter().find(|group| group.exists()), None);
    assert_eq!(person.end(), Some(3));

    // The key is good for nothing any more.
    let again = ssh(&["-tt"], &arguments, &[]);
    assert_eq!(again.status.code(), Some(255));
    let acts: Vec<String> = audit(&server).into_iter().map(|entry| entry.0).collect();
    assert_eq!(
        acts,
        [
            "debug.refused",
            "debug.requested",
            "debug.started",
            "debug.ended"
        ]
    );
    let table = server.cli(&["audit"]);
    assert!(
        table.contains("127.0.0.1:") && table.contains("team/app"),
        "{table}"
    );
    assert_eq!(state_of(&server), "failed");
    assert_eq!(server.log_of(&job), log);
    assert_eq!(server.newest_build("team/app")["build"]["number"], "1");
}

#[test]
fn only_the_key_opens_it_and_only_a_shell_is_to_be_had() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), "");
    consent(&server, "on");
    let arguments = ask(&server);
    let key = dir.path().join("other");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status();
    assert!(made.unwrap().success());
    let with = |option: &str, value: &str| {
        let mut changed = arguments.clone();
        let place = changed
            .iter()
            .position(|word| word.starts_with(option))
            .unwrap();
        changed[place + usize::from(option == "-i")] = value.to_owned();
        changed
    };
    let fails = |options: &[&str], arguments: &[String], command: &[&str], why: &str| {
        let output = ssh(options, arguments, command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains(why),
            "{options:?} {command:?}: {said}"
        );
        assert!(output.stdout.is_empty(), "{options:?} {command:?}");
    };
    let denied = "Permission denied (publickey)";
    fails(&["-tt"], &with("-i", key.to_str().unwrap()), &[], denied);
    let user = arguments.last().unwrap().replace("debug-", "debug-0");
    fails(&["-tt"], &with("debug-", &user), &[], denied);
    let unknown = with("UserKnownHostsFile", "UserKnownHostsFile=/dev/null");
    fails(&["-tt"], &unknown, &[], "Host key verification failed");
    fails(&["-tt"], &arguments, &["id"], "exec request failed");
    fails(&["-s"], &arguments, &["sftp"], "subsystem request failed");
    fails(&["-T"], &arguments, &[], "shell request failed");
    let api = server.address.strip_prefix("http://").unwrap();
    fails(&["-W", api], &arguments, &[], "open failed");
    let back = format!("0:{api}");
    let back = ["-N", "-o", "ExitOnForwardFailure=yes", "-R", &back];
    fails(&back, &arguments, &[], "remote port forwarding failed");

    // None of that was a session: it still waits, and its shell is the only thing it gives.
    let mut person = Person::connect(&arguments);
    person.until("build/team/app$");
    assert_eq!(Person::connect(&arguments).end(), Some(255));
    person.types("exit");
    assert_eq!(person.end(), Some(0));
    let started = audit(&server);
    let started = started.iter().filter(|entry| entry.0 == "debug.started");
    assert_eq!(started.count(), 1);
}

#[test]
fn time_ends_a_session() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), ", time: 5s, wait: 3s");
    consent(&server, "on");
    ask(&server);
    wait_for_entry(&server, "debug.ended", "nobody came");

    let mut person = Person::connect(&ask(&server));
    // Busy, and printing: the time is up all the same.
    person.until("build/team/app$");
    person.types("while true; do echo busy; done");
    person.until("busy");
    wait_for_entry(&server, "debug.ended", "its time is up");
    assert_eq!(person.end(), Some(255));
}

#[test]
fn hanging_up_and_the_end_of_the_consent_end_a_session() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), "");
    consent(&server, "on");

    let mut person = Person::connect(&ask(&server));
    person.until("build/team/app$");
    person.types("sleep 9183 & disown; echo sleep''s");
    person.until("sleeps");
    drop(person);
    wait_for_entry(&server, "debug.ended", "the person left");
    assert_eq!(processes("sleep 9183"), Vec::<PathBuf>::new());

    let mut person = Person::connect(&ask(&server));
    person.until("build/team/app$");
    consent(&server, "off");
    person.until("over: the repository's consent was withdrawn");
    assert_eq!(person.end(), Some(255));
}

#[test]
fn a_session_ends_with_the_daemon_and_is_written_down_in_any_case() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = start(dir.path(), "");
    consent(&server, "on");
    let mut person = Person::connect(&ask(&server));
    person.until("build/team/app$");
    server.stop();
    person.until("over: the daemon ended");
    drop(person);
    server.run();
    wait_for_entry(&server, "debug.ended", "the daemon ended");

    let mut person = Person::connect(&ask(&server));
    person.until("build/team/app$");
    person.types("sleep 9184 & disown; echo sleep''s");
    person.until("sleeps");
    server.kill();
    drop(person);
    server.run();
    wait_for_entry(&server, "debug.ended", "the daemon was cut off");
    wait_for("the end of its sandbox", || {
        processes("sleep 9184").is_empty().then_some(())
    });
    // The server's key is the same as before.
    let mut person = Person::connect(&ask(&server));
    person.until("build/team/app$");
    person.types("exit");
    assert_eq!(person.end(), Some(0));
}

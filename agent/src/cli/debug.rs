//! `assay debug`: asks the daemon for a session and opens it with the `ssh` of this host.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, IsTerminal, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Method;
use russh::keys::ssh_key::LineEnding;
use serde::Deserialize;
use serde_json::{Value, json};

use super::args::{self, Global};
use super::client::{Client, decode};
use super::output::Screen;
use super::target::{find_build, find_repository};
use crate::config::Span;
use crate::exit::{Exit, Failure, Outcome};
use crate::ssh_key;

/// What the daemon says of a session.
#[derive(Debug, Deserialize)]
struct Session {
    user: String,
    host: Option<String>,
    port: u16,
    host_key: String,
    fingerprint: String,
    connect_within: u64,
    time_limit: u64,
}

/// `assay debug`
pub(crate) fn debug(args: &args::Debug, global: &Global, screen: &Screen) -> Outcome {
    let client = Client::new(global)?;
    let repo = find_repository(&client, &args.repo)?;
    let found = find_build(&client, &repo, Some(&args.number))?;
    let job = match (found.named_job(), found.jobs.as_slice()) {
        (Some(job), _) | (None, [job]) => job,
        (None, jobs) => {
            return Err(Failure::usage(format!(
                "build {} has {} jobs: which one?",
                found.build.number,
                jobs.len()
            ))
            .hint(format!("assay show {} lists them", found.build.number)));
        }
    };
    let folder = Folder::new()?;
    let (public, own) = match &args.key {
        Some(path) => (read_public(path)?, true),
        None => (folder.make_key()?, false),
    };
    let path = format!("/assay/jobs/{}/debug", job.id);
    let answer = client.ask(Method::POST, &path, Some(&json!({ "key": public })))?;
    let session: Session = decode(&answer, "session")?;
    let host = session.host.clone().unwrap_or_else(|| client.host());
    folder.write_known_hosts(&host, &session)?;
    if !client.is_local() && is_loopback(&host) && !is_loopback(&client.host()) {
        screen.say("the SSH server of that daemon listens on its own host only (debug.listen in assay.yml)");
    }
    let words = ssh_arguments(&folder, &session, &host, own);
    let at_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if args.print || own || screen.json || !at_terminal {
        folder.keep();
        return show(screen, &answer, &session, &words);
    }
    screen.whisper(&format!("host key {}", session.fingerprint));
    match Command::new("ssh").args(&words).status() {
        // Its exit status is the shell's: a matter between the person and the shell.
        Ok(_) => Ok(Exit::Ok),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            screen.say("there is no ssh on this host; the session waits for you elsewhere:");
            folder.keep();
            show(screen, &answer, &session, &words)
        }
        Err(error) => Err(Failure::new(Exit::Internal, "cannot start ssh").because(&error)),
    }
}

fn show(screen: &Screen, answer: &Value, session: &Session, words: &[String]) -> Outcome {
    let command = words
        .iter()
        .map(|word| shell_word(word))
        .collect::<Vec<_>>();
    let command = format!("ssh {}", command.join(" "));
    if screen.json {
        let mut answer = answer.clone();
        answer["session"]["command"] = json!(command);
        screen.json(&answer)?;
        return Ok(Exit::Ok);
    }
    screen.line(&command)?;
    screen.say(&format!("host key {}", session.fingerprint));
    screen.say(&format!(
        "connect within {}; the session then lasts {} at most",
        Span::seconds(session.connect_within),
        Span::seconds(session.time_limit)
    ));
    Ok(Exit::Ok)
}

/// The arguments of `ssh` for the session. With a key of the person's own, `ssh` finds the private half as it always does.
fn ssh_arguments(folder: &Folder, session: &Session, host: &str, own: bool) -> Vec<String> {
    let path = |name: &str| folder.path.join(name).to_string_lossy().into_owned();
    let mut words = vec!["-p".to_owned(), session.port.to_string()];
    if !own {
        words.extend(["-i".to_owned(), path("key")]);
        words.extend(["-o".to_owned(), "IdentitiesOnly=yes".to_owned()]);
    }
    let known = format!("UserKnownHostsFile={}", path("known_hosts"));
    for option in [known.as_str(), "StrictHostKeyChecking=yes"] {
        words.extend(["-o".to_owned(), option.to_owned()]);
    }
    words.push(format!("{}@{host}", session.user));
    words
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// As a shell takes it for one word.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.=:@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn read_public(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::io(format!("cannot read {}", path.display()), &error))?;
    if text.contains("PRIVATE KEY") {
        return Err(
            Failure::usage(format!("{} is a private key", path.display()))
                .hint("name the public one, which ends in .pub; the private one stays with you"),
        );
    }
    Ok(text)
}

/// A folder for the private key and the host key, only ours. Removed at the end, unless the person needs it.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    kept: std::cell::Cell<bool>,
}

impl Folder {
    fn new() -> Result<Self, Failure> {
        let base = std::env::var_os("XDG_RUNTIME_DIR")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute() && path.is_dir())
            .unwrap_or_else(std::env::temp_dir);
        let failed = |error: &std::io::Error| {
            Failure::io(format!("cannot make a folder in {}", base.display()), error)
        };
        for attempt in 0..100_u32 {
            let path = base.join(format!("assay-debug-{}-{attempt}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {
                    let kept = std::cell::Cell::new(false);
                    return Ok(Folder { path, kept });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&error)),
            }
        }
        Err(failed(&ErrorKind::AlreadyExists.into()))
    }

    /// Makes a key; returns the public half.
    fn make_key(&self) -> Result<String, Failure> {
        let failed = |error: &dyn std::error::Error| {
            Failure::new(Exit::Internal, "cannot make a key").because(error)
        };
        let key = ssh_key::generate().map_err(|error| failed(&error))?;
        let private = key
            .to_openssh(LineEnding::LF)
            .map_err(|error| failed(&error))?;
        self.write("key", private.as_bytes())?;
        key.public_key()
            .to_openssh()
            .map_err(|error| failed(&error))
    }

    fn write_known_hosts(&self, host: &str, session: &Session) -> Result<(), Failure> {
        let name = match session.port {
            22 => host.to_owned(),
            port => format!("[{host}]:{port}"),
        };
        let line = format!("{name} {}\n", session.host_key);
        self.write("known_hosts", line.as_bytes())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.path.join(name);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(bytes))
            .map_err(|error| Failure::io(format!("cannot write {}", path.display()), &error))
    }

    /// Leaves it where it is.
    fn keep(&self) {
        self.kept.set(true);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.kept.get() {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn session(port: u16) -> Session {
        Session {
            user: "debug-1".to_owned(),
            host: None,
            port,
            host_key: "ssh-ed25519 AAAA".to_owned(),
            fingerprint: "SHA256:x".to_owned(),
            connect_within: 300,
            time_limit: 1800,
        }
    }

    #[test]
    fn private_keys_are_nobody_elses_and_go_with_the_folder() {
        let folder = Folder::new().unwrap();
        let public = folder.make_key().unwrap();
        assert!(public.starts_with("ssh-ed25519 "));
        let path = folder.path.clone();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join("key"))), (0o700, 0o600));
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn the_host_key_is_pinned() {
        let folder = Folder::new().unwrap();
        folder.write_known_hosts("ci", &session(2222)).unwrap();
        let known = std::fs::read_to_string(folder.path.join("known_hosts")).unwrap();
        assert_eq!(known, "[ci]:2222 ssh-ed25519 AAAA\n");
        let words = ssh_arguments(&folder, &session(2222), "ci", false);
        assert!(words.contains(&"StrictHostKeyChecking=yes".to_owned()));
        assert!(words.contains(&"IdentitiesOnly=yes".to_owned()));
        assert_eq!(words.last().unwrap(), "debug-1@ci");
        let own = ssh_arguments(&folder, &session(2222), "ci", true);
        assert!(!own.contains(&"-i".to_owned()));
    }

    #[test]
    fn a_private_key_is_not_sent() {
        let folder = Folder::new().unwrap();
        folder.make_key().unwrap();
        let refused = read_public(&folder.path.join("key")).unwrap_err();
        assert_eq!(refused.exit(), Exit::Usage);
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_split_them() {
        assert_eq!(shell_word("a@b:1"), "a@b:1");
        assert_eq!(shell_word("it's"), "'it'\\''s'");
    }
}

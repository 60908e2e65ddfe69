//! A bare repository, a clone of it, and a stand-in for the daemon, in a folder with an awkward name.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;

use assay_hooks::{Accepted, Answer, Hint, InstallOptions, Installed, install};
use tempfile::TempDir;

/// Everything one test needs; gone when dropped.
pub(super) struct World {
    root: TempDir,
}

/// Kind, mode and content of everything under a folder.
pub(super) type Snapshot = BTreeMap<PathBuf, (u32, Vec<u8>)>;

impl World {
    /// A bare repository with nothing in it, and a clone with one commit on `main`.
    pub(super) fn new() -> World {
        let world = World {
            root: tempfile::Builder::new()
                .prefix("it's a \"$(x)\" ")
                .tempdir()
                .unwrap(),
        };
        for folder in ["home", "bin", "run"] {
            fs::create_dir(world.path(folder)).unwrap();
        }
        for key in ["core.hooksPath", "receive.advertisePushOptions"] {
            let set = Command::new("git")
                .args(["config", "--get", key])
                .current_dir("/")
                .output()
                .unwrap();
            assert!(
                set.stdout.is_empty(),
                "these tests can't run with {key} set for the whole user or host"
            );
        }
        world.git(
            "/",
            &[
                "init",
                "-q",
                "--bare",
                "-b",
                "main",
                world.repo().to_str().unwrap(),
            ],
        );
        world.git(
            "/",
            &["init", "-q", "-b", "main", world.clone().to_str().unwrap()],
        );
        world.git_in_clone(&["remote", "add", "origin", world.repo().to_str().unwrap()]);
        world.commit("first");
        world
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(super) fn repo(&self) -> PathBuf {
        self.path("re po.git")
    }

    pub(super) fn clone(&self) -> PathBuf {
        self.path("clone")
    }

    pub(super) fn hook(&self) -> PathBuf {
        self.repo().join("hooks/post-receive")
    }

    /// Program and socket to install; the program is the example `post-receive`, under a name that needs quoting.
    pub(super) fn options(&self) -> InstallOptions {
        let program = self.path("bin/assay's");
        if !program.exists() {
            let tests = std::env::current_exe().unwrap();
            let built = tests
                .parent()
                .unwrap()
                .parent()
                .unwrap()
                .join("examples/post-receive");
            assert!(
                built.exists(),
                "{} is built by `cargo test` without --test",
                built.display()
            );
            std::os::unix::fs::symlink(built, &program).unwrap();
        }
        InstallOptions {
            program,
            socket: self.path("run/hook.sock"),
        }
    }

    pub(super) fn install(&self) -> Installed {
        install(&self.repo(), &self.options()).unwrap()
    }

    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path("home"));
        command.envs([
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("LC_ALL", "C"),
            ("GIT_TERMINAL_PROMPT", "0"),
        ]);
        for who in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{who}_NAME"), "Ann")
                .env(format!("GIT_{who}_EMAIL"), "ann@example.org");
            command.env(format!("GIT_{who}_DATE"), "2001-02-03T04:05:06Z");
        }
        command.stdin(Stdio::null());
        command
    }

    pub(super) fn git(&self, dir: impl AsRef<Path>, arguments: &[&str]) -> String {
        let output = self
            .command("git")
            .current_dir(dir)
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    pub(super) fn git_in_clone(&self, arguments: &[&str]) -> String {
        self.git(self.clone(), arguments)
    }

    pub(super) fn commit(&self, message: &str) {
        self.git_in_clone(&["commit", "-q", "--allow-empty", "-m", message]);
    }

    /// A push of `main` (and whatever `arguments` say) that must succeed; returns what the pusher saw.
    pub(super) fn push(&self, arguments: &[&str]) -> String {
        let mut command = self.push_command(arguments);
        let output = command.output().unwrap();
        let seen = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{seen}");
        seen
    }

    pub(super) fn push_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("git");
        command
            .current_dir(self.clone())
            .args(["push", "origin", "HEAD:main"])
            .args(arguments);
        command
    }

    /// Runs the installed hook as Git does, with this input.
    pub(super) fn run_hook(&self, input: &[u8], prepare: impl FnOnce(&mut Command)) -> Output {
        let mut command = self.command(self.hook());
        command
            .current_dir(self.repo())
            .env("GIT_DIR", ".")
            .stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        prepare(&mut command);
        let mut child = command.spawn().unwrap();
        // A hook may end without reading it all.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    }

    pub(super) fn write_hook(&self, name: &str, mode: u32, text: &str) {
        let path = self.repo().join("hooks").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Answers one caller: with the lines that `answers` makes of the hint. The connection closes when it returns.
    pub(super) fn daemon<F>(&self, answers: F) -> JoinHandle<Hint>
    where
        F: FnOnce(&Hint, &mut UnixStream) + Send + 'static,
    {
        let listener = UnixListener::bind(self.path("run/hook.sock")).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = Vec::new();
            BufReader::new(&stream)
                .read_until(b'\n', &mut line)
                .unwrap();
            let hint = Hint::decode(&line).unwrap();
            answers(&hint, &mut stream);
            hint
        })
    }
}

/// Says yes to each ref, with build addresses that count from 1.
pub(super) fn accept(hint: &Hint, stream: &mut UnixStream) {
    let accepted = hint
        .updates
        .iter()
        .enumerate()
        .map(|(index, update)| Accepted {
            ref_name: update.ref_name.clone(),
            url: Some(format!("http://ci/builds/{}", index + 1)),
            note: None,
        });
    send(stream, &Answer::Accepted(accepted.collect()));
}

pub(super) fn send(stream: &mut UnixStream, answer: &Answer) {
    stream.write_all(&answer.encode().unwrap()).unwrap();
}

pub(super) fn snapshot(folder: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let content = if meta.is_symlink() {
            fs::read_link(&path)
                .unwrap()
                .into_os_string()
                .into_encoded_bytes()
        } else if meta.is_file() {
            fs::read(&path).unwrap()
        } else {
            open.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            Vec::new()
        };
        found.insert(path, (meta.mode(), content));
    }
    found
}

/// One hook line for a new ref.
pub(super) fn line(ref_name: &str) -> String {
    format!("{} {} {ref_name}\n", "0".repeat(40), "1".repeat(40))
}

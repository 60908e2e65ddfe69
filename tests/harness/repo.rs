//! Repositories as people have them: a bare one on the server, a clone to push from.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// git with nobody's configuration, a fixed author and fixed dates.
pub(crate) fn git_command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .env_clear();
    command
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent")
        .env("LC_ALL", "C");
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0");
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "Ann")
            .env(format!("GIT_{role}_EMAIL"), "ann@example.org");
        command.env(format!("GIT_{role}_DATE"), "2026-01-02T03:04:05Z");
    }
    command
}

/// Runs git and returns its standard output; fails the case if git fails.
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let output = git_command(dir, args).output().expect("git runs");
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

/// A bare repository and a clone of it.
#[derive(Debug)]
pub(crate) struct Repo {
    pub(crate) bare: PathBuf,
    pub(crate) clone: PathBuf,
}

impl Repo {
    /// Makes both below `dir`; the bare one at `OWNER/NAME.git`, with a first commit of `files` that is not pushed yet.
    pub(crate) fn new(dir: &Path, slug: &str, files: &[(&str, &str)]) -> Self {
        let repo = Repo {
            bare: dir.join("git").join(format!("{slug}.git")),
            clone: dir.join("clones").join(slug),
        };
        std::fs::create_dir_all(repo.clone.parent().expect("a parent")).expect("folders");
        let bare = repo.bare.to_str().expect("text");
        git(
            dir,
            &["init", "--quiet", "--bare", "--initial-branch=main", bare],
        );
        git(
            dir,
            &["clone", "--quiet", bare, repo.clone.to_str().expect("text")],
        );
        git(&repo.clone, &["checkout", "--quiet", "-B", "main"]);
        repo.commit("start", files);
        repo
    }

    /// Writes files and commits them; returns the commit's id.
    pub(crate) fn commit(&self, message: &str, files: &[(&str, &str)]) -> String {
        for (name, text) in files {
            let path = self.clone.join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            std::fs::write(path, text).expect("a file");
        }
        git(&self.clone, &["add", "--all"]);
        git(
            &self.clone,
            &["commit", "--quiet", "--allow-empty", "-m", message],
        );
        git(&self.clone, &["rev-parse", "HEAD"])
    }

    /// Pushes; whatever git says is in the output.
    pub(crate) fn push(&self, args: &[&str]) -> Output {
        let words: Vec<&str> = ["push"].iter().chain(args).copied().collect();
        git_command(&self.clone, &words).output().expect("git runs")
    }

    /// Pushes main and waits for the verdict; returns what the pusher saw.
    pub(crate) fn push_and_wait(&self) -> String {
        let output = self.push(&["-o", "assay.wait", "origin", "main"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "git push: {text}");
        text
    }
}

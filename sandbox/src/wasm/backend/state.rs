//! What the commands of a run work with: variables and folder, streams, trouble.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};

/// How deep substitutions and groups of commands may lie in each other.
const DEEPEST: u32 = 40;
/// Exit code as shells have it: a wrong command line.
pub(super) const WRONG: i32 = 2;

/// What a command line changes for the next one.
#[derive(Clone)]
pub(super) struct State {
    /// Variables, and whether programs see them.
    pub(super) variables: BTreeMap<String, (String, bool)>,
    /// Absolute, inside.
    pub(super) cwd: String,
    /// Exit code of the last command.
    pub(super) last: i32,
    /// `exit` was called.
    pub(super) exit: Option<i32>,
    /// `set -e`.
    pub(super) strict: bool,
    depth: u32,
}

impl State {
    pub(super) fn new(env: &[(String, String)], cwd: &str) -> State {
        let exported = |(name, value): &(String, String)| (name.clone(), (value.clone(), true));
        let mut state = State {
            variables: env.iter().map(exported).collect(),
            cwd: String::new(),
            last: 0,
            exit: None,
            strict: false,
            depth: 0,
        };
        state.enter(cwd.to_owned());
        state
    }

    pub(super) fn enter(&mut self, cwd: String) {
        self.export("PWD", &cwd);
        self.cwd = cwd;
    }

    pub(super) fn export(&mut self, name: &str, value: &str) {
        self.variables
            .insert(name.to_owned(), (value.to_owned(), true));
    }

    /// Sets a variable; programs see it if they saw it before.
    pub(super) fn set(&mut self, name: &str, value: String) {
        let exported = self
            .variables
            .get(name)
            .is_some_and(|(_, exported)| *exported);
        self.variables.insert(name.to_owned(), (value, exported));
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        match name {
            "?" => Some(self.last.to_string()),
            name => self.variables.get(name).map(|(value, _)| value.clone()),
        }
    }

    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let exported = self.variables.iter().filter(|(_, (_, exported))| *exported);
        exported
            .map(|(name, (value, _))| (name.clone(), value.clone()))
            .collect()
    }

    /// A state of its own, one level down.
    pub(super) fn deeper(&self) -> Result<State, Trouble> {
        if self.depth >= DEEPEST {
            return Err(Trouble(
                WRONG,
                "commands lie too deep in each other".to_owned(),
            ));
        }
        let mut own = self.clone();
        own.depth += 1;
        Ok(own)
    }
}

/// The three streams of a command.
pub(super) struct Streams {
    pub(super) stdin: File,
    pub(super) stdout: File,
    pub(super) stderr: File,
}

impl Streams {
    pub(super) fn copy(&self) -> io::Result<Streams> {
        Ok(Streams {
            stdin: self.stdin.try_clone()?,
            stdout: self.stdout.try_clone()?,
            stderr: self.stderr.try_clone()?,
        })
    }

    /// A message to the command's error stream; one that nobody reads any more is lost.
    pub(super) fn complain(&self, text: &str) {
        drop((&self.stderr).write_all(format!("{text}\n").as_bytes()));
    }
}

/// Why a command can't be run: shown, with its exit code.
pub(super) struct Trouble(pub(super) i32, pub(super) String);

impl Trouble {
    /// Says it, and gives the code.
    pub(super) fn told(self, streams: &Streams) -> i32 {
        streams.complain(&self.1);
        self.0
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble(1, error.to_string())
    }
}

//! Runs command lines: the grammar is `deno_task_shell`'s, what is done is ours, because nothing here may start a
//! program of the host or open a file outside of the run's folder. Commands are built in or WASI programs.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::Dir;
use deno_task_shell::parser::{
    BooleanList, Command, CommandInner, IoFile, PipeSequenceOperator, Pipeline, PipelineInner,
    Redirect, RedirectFd, RedirectOp, RedirectOpOutput, Sequence, SequentialList, SimpleCommand,
};

use super::builtins;
use super::engine::{Call, Programs};
use super::limits::Stop;
use super::place::Place;
use super::state::{State, Streams, Trouble, WRONG};

/// Stack of a thread that runs part of a pipeline, programs included, bytes.
const STACK: usize = 8 << 20;
/// Most bytes of output that become words of a command line.
const SUBSTITUTED: u64 = 1 << 20;
/// Exit code as shells have it: no such command.
const NOT_FOUND: i32 = 127;

/// What all command lines of a run share.
pub(super) struct Shell {
    pub(super) programs: Programs,
    pub(super) place: Place,
    pub(super) toolbox: Vec<Dir>,
    pub(super) stop: std::sync::Arc<Stop>,
    pub(super) null: File,
    /// Programs and parts of pipelines that may go on at once, and that do.
    pub(super) most: u64,
    pub(super) running: AtomicU64,
}

impl Shell {
    /// Runs one command line; returns its exit code.
    pub(super) fn line(&self, text: &str, state: &mut State, streams: &Streams) -> i32 {
        // Nothing but blanks and comments is a command that does nothing.
        let is_empty = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        if text.lines().all(is_empty) {
            return 0;
        }
        match deno_task_shell::parser::parse(text) {
            Ok(list) => self.list(&list, state, streams),
            Err(error) => {
                streams.complain(&format!("this command line can't be read: {error}"));
                WRONG
            }
        }
    }

    fn list(&self, list: &SequentialList, state: &mut State, streams: &Streams) -> i32 {
        let mut code = 0;
        for item in &list.items {
            if item.is_async {
                streams.complain("commands can't run in the background here");
                code = WRONG;
            } else {
                code = self.sequence(&item.sequence, state, streams);
            }
            state.last = code;
            let tested = matches!(item.sequence, Sequence::BooleanList(_));
            if state.strict && code != 0 && !tested {
                state.exit = Some(code);
            }
            if let Some(code) = state.exit {
                return code;
            }
            if self.stop.is_raised() {
                break;
            }
        }
        code
    }

    fn sequence(&self, sequence: &Sequence, state: &mut State, streams: &Streams) -> i32 {
        match sequence {
            Sequence::ShellVar(variable) => match self.text(&variable.value, state, streams) {
                Ok(value) => {
                    state.set(&variable.name, value);
                    0
                }
                Err(trouble) => trouble.told(streams),
            },
            Sequence::Pipeline(pipeline) => self.pipeline(pipeline, state, streams),
            Sequence::BooleanList(list) => self.boolean(list, state, streams),
        }
    }

    fn boolean(&self, list: &BooleanList, state: &mut State, streams: &Streams) -> i32 {
        let mut code = self.sequence(&list.current, state, streams);
        // The parser nests to the right; the shell reads from the left.
        let (mut op, mut next) = (list.op, &list.next);
        loop {
            let (this, rest) = match next {
                Sequence::BooleanList(more) => (&more.current, Some(more)),
                last => (last, None),
            };
            state.last = code;
            if state.exit.is_some() || self.stop.is_raised() {
                return code;
            }
            if op.moves_next_for_exit_code(code) {
                code = self.sequence(this, state, streams);
            }
            match rest {
                Some(more) => (op, next) = (more.op, &more.next),
                None => return code,
            }
        }
    }

    fn pipeline(&self, pipeline: &Pipeline, state: &mut State, streams: &Streams) -> i32 {
        let code = match &pipeline.inner {
            PipelineInner::Command(command) => self.command(command, state, streams),
            inner => match self.pipes(inner, state, streams) {
                Ok(code) => code,
                Err(trouble) => trouble.told(streams),
            },
        };
        if pipeline.negated && state.exit.is_none() {
            i32::from(code == 0)
        } else {
            code
        }
    }

    /// Several commands at once, each in a thread, each with the state as it was.
    fn pipes(
        &self,
        first: &PipelineInner,
        state: &State,
        streams: &Streams,
    ) -> Result<i32, Trouble> {
        let mut parts: Vec<(&Command, Streams)> = Vec::new();
        let (mut inner, mut stdin) = (first, streams.stdin.try_clone()?);
        loop {
            let mut own = streams.copy()?;
            own.stdin = stdin;
            let PipelineInner::PipeSequence(sequence) = inner else {
                if let PipelineInner::Command(command) = inner {
                    parts.push((command, own));
                }
                break;
            };
            let (reader, writer) = io::pipe()?;
            let writer = File::from(std::os::fd::OwnedFd::from(writer));
            if sequence.op == PipeSequenceOperator::StdoutStderr {
                own.stderr = writer.try_clone()?;
            }
            own.stdout = writer;
            stdin = File::from(std::os::fd::OwnedFd::from(reader));
            parts.push((&sequence.current, own));
            inner = &sequence.next;
        }
        let _places = self.take_places(parts.len() as u64)?;
        std::thread::scope(|scope| {
            let started: io::Result<Vec<_>> = parts
                .into_iter()
                .map(|(command, own)| {
                    let mut state = state.clone();
                    std::thread::Builder::new()
                        .stack_size(STACK)
                        .spawn_scoped(scope, move || self.command(command, &mut state, &own))
                })
                .collect();
            let mut code = 0;
            for part in started? {
                code = part.join().unwrap_or(WRONG);
            }
            Ok(code)
        })
    }

    /// Counts so many more things that go on at once, until the result is dropped.
    fn take_places(&self, count: u64) -> Result<Places<'_>, Trouble> {
        let before = self.running.fetch_add(count, Ordering::SeqCst);
        let places = Places(&self.running, count);
        if before + count > self.most {
            return Err(Trouble(
                1,
                format!("more than {} programs at once", self.most),
            ));
        }
        Ok(places)
    }

    fn command(&self, command: &Command, state: &mut State, streams: &Streams) -> i32 {
        let tried = match &command.redirect {
            None => self.inner(&command.inner, state, streams),
            Some(redirect) => self
                .redirected(redirect, state, streams)
                .and_then(|streams| self.inner(&command.inner, state, &streams)),
        };
        tried.unwrap_or_else(|trouble| trouble.told(streams))
    }

    fn inner(
        &self,
        inner: &CommandInner,
        state: &mut State,
        streams: &Streams,
    ) -> Result<i32, Trouble> {
        match inner {
            CommandInner::Simple(simple) => self.simple(simple, state, streams),
            CommandInner::Subshell(list) => {
                let mut own = state.deeper()?;
                Ok(self.list(list, &mut own, streams))
            }
        }
    }

    fn redirected(
        &self,
        redirect: &Redirect,
        state: &mut State,
        streams: &Streams,
    ) -> Result<Streams, Trouble> {
        let mut changed = streams.copy()?;
        let file = match (&redirect.io_file, &redirect.op) {
            (IoFile::Fd(1), RedirectOp::Output(_)) => streams.stdout.try_clone()?,
            (IoFile::Fd(2), RedirectOp::Output(_)) => streams.stderr.try_clone()?,
            (IoFile::Fd(_), _) => {
                return Err(Trouble(
                    WRONG,
                    "only streams 1 and 2 can be redirected to".to_owned(),
                ));
            }
            (IoFile::Word(word), op) => {
                let words = self.words(word, state, streams)?;
                let [path] = words.as_slice() else {
                    return Err(Trouble(
                        1,
                        "a redirection needs exactly one file".to_owned(),
                    ));
                };
                self.open(path, op, state)
                    .map_err(|error| Trouble(1, format!("{path}: {error}")))?
            }
        };
        match (&redirect.maybe_fd, &redirect.op) {
            (None | Some(RedirectFd::Fd(0)), RedirectOp::Input(_)) => changed.stdin = file,
            (None | Some(RedirectFd::Fd(1)), RedirectOp::Output(_)) => changed.stdout = file,
            (Some(RedirectFd::Fd(2)), RedirectOp::Output(_)) => changed.stderr = file,
            (Some(RedirectFd::StdoutStderr), RedirectOp::Output(_)) => {
                changed.stderr = file.try_clone()?;
                changed.stdout = file;
            }
            _ => {
                return Err(Trouble(
                    WRONG,
                    "only streams 0, 1 and 2 can be redirected".to_owned(),
                ));
            }
        }
        Ok(changed)
    }

    fn open(&self, path: &str, op: &RedirectOp, state: &State) -> io::Result<File> {
        match op {
            _ if path == "/dev/null" => self.null.try_clone(),
            RedirectOp::Input(_) => self.place.read(&state.cwd, path),
            RedirectOp::Output(kind) => {
                self.place
                    .write(&state.cwd, path, *kind == RedirectOpOutput::Append)
            }
        }
    }

    fn simple(
        &self,
        simple: &SimpleCommand,
        state: &mut State,
        streams: &Streams,
    ) -> Result<i32, Trouble> {
        let mut own: Vec<(String, String)> = Vec::new();
        for variable in &simple.env_vars {
            own.push((
                variable.name.clone(),
                self.text(&variable.value, state, streams)?,
            ));
        }
        let assigns = simple.args.first().is_some_and(builtins::takes_assignments);
        let mut words = Vec::new();
        for word in &simple.args {
            if assigns {
                words.push(self.text(word, state, streams)?);
            } else {
                words.extend(self.words(word, state, streams)?);
            }
        }
        let Some((name, args)) = words.split_first() else {
            return Ok(0);
        };
        if self.stop.is_raised() {
            return Ok(1);
        }
        if let Some(done) = builtins::run(self, name, args, state, streams) {
            return done;
        }
        let program = self.find(name, state)?;
        let mut environment = state.clone();
        own.iter()
            .for_each(|(name, value)| environment.export(name, value));
        let _place = self.take_places(1)?;
        let streams = streams.copy()?;
        let complaints = streams.stderr.try_clone()?;
        let call = Call {
            args: &words,
            env: &environment.environment(),
            stdin: streams.stdin,
            stdout: streams.stdout,
            stderr: streams.stderr,
            folders: self.place.for_programs(&state.cwd)?,
        };
        Ok(self
            .programs
            .run(&program, call)
            .unwrap_or_else(|(code, why)| {
                drop((&complaints).write_all(format!("{name}: {why}\n").as_bytes()));
                code
            }))
    }

    /// A name with a slash is a file of the run's folder; any other is looked up in the toolbox.
    fn find(&self, name: &str, state: &State) -> Result<File, Trouble> {
        if name.contains('/') {
            return self.place.read(&state.cwd, name).map_err(|error| {
                let code = if error.kind() == io::ErrorKind::NotFound {
                    NOT_FOUND
                } else {
                    126
                };
                Trouble(code, format!("{name}: {error}"))
            });
        }
        let names = [format!("{name}.wasm"), name.to_owned()];
        let found = self.toolbox.iter().flat_map(|folder| {
            names
                .iter()
                .filter_map(|name| folder.open(name).ok().map(|file| file.into_std()))
        });
        let is_file = |file: &File| file.metadata().is_ok_and(|meta| meta.is_file());
        found.into_iter().find(is_file).ok_or_else(|| {
            let words = "not found: here are only built-in commands, WASI programs by their path, and those of the toolbox";
            Trouble(NOT_FOUND, format!("{name}: {words}"))
        })
    }

    /// What a list of commands writes, without the line ends at its end.
    pub(super) fn output_of(
        &self,
        list: &SequentialList,
        state: &State,
        streams: &Streams,
    ) -> Result<String, Trouble> {
        let mut own = state.deeper()?;
        let (reader, writer) = io::pipe()?;
        let mut inner = streams.copy()?;
        inner.stdout = File::from(std::os::fd::OwnedFd::from(writer));
        let read = std::thread::scope(|scope| {
            let reading = scope.spawn(move || {
                let mut bytes = Vec::new();
                let read = reader.take(SUBSTITUTED + 1).read_to_end(&mut bytes);
                read.map(|_| bytes)
            });
            self.list(list, &mut own, &inner);
            drop(inner);
            reading
                .join()
                .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
        })?;
        if read.len() as u64 > SUBSTITUTED {
            return Err(Trouble(
                1,
                "a substituted command wrote more than 1 MiB".to_owned(),
            ));
        }
        let text = String::from_utf8_lossy(&read).replace('\0', "");
        Ok(text.trim_end_matches('\n').to_owned())
    }
}

/// Counted until it is dropped.
struct Places<'a>(&'a AtomicU64, u64);

impl Drop for Places<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::SeqCst);
    }
}

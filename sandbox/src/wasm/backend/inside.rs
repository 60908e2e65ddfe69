//! The process that runs the command lines and their programs. It lays out the source, locks itself in, and from then on
//! can open nothing but the run's folder, start nothing, and talk to nobody but the daemon.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags};
use rustix::net::RecvFlags;

use super::cell::{Cell, CellPlan, KEEPS, failed};
use super::engine::{self, Compiler, Programs};
use super::limits::{Room, Stop};
use super::phases;
use super::place::Place;
use super::shell::Shell;
use super::state::{State, Streams};
use crate::wire::{Failure, ORDER_KILL, ORDER_MODULE, ORDER_TERMINATE, Part, Report};
use crate::{confine, init, launcher, layout, seccomp, sys, wire};

/// Private memory of this process beside its programs', bytes: native images, tables, stacks.
const OWN_MEMORY: u64 = 3 << 29;
/// Stack of the thread that reads command lines, whose parser is recursive, bytes.
const STACK: usize = 256 << 20;

/// Everything from the fork to the end.
pub(super) fn run(cell: Cell) -> ExitCode {
    let Cell {
        control,
        tree,
        folder,
        toolbox,
        plan,
    } = cell;
    let control = Arc::new(control);
    let prepared = prepare(&control, tree, &folder, &toolbox, &plan)
        .and_then(|streams| start(&control, folder, toolbox, plan, streams));
    match prepared {
        Ok(true) => ExitCode::from(KEEPS),
        Ok(false) => ExitCode::SUCCESS,
        Err(failure) => launcher::fail(&control, failure),
    }
}

/// For `map_err`: a step with its promise.
fn step<E: Into<io::Error>>(
    promise: &'static str,
    name: &'static str,
) -> impl FnOnce(E) -> Failure {
    move |error| failed(promise, name, &error.into())
}

/// Opens the streams, lays out the source, drops what is left of rights.
fn prepare(
    control: &OwnedFd,
    tree: OwnedFd,
    folder: &OwnedFd,
    toolbox: &[OwnedFd],
    plan: &CellPlan,
) -> Result<(Streams, File), Failure> {
    init::guard().map_err(step("processes", "guard the process"))?;
    let (reader, writer) = io::pipe().map_err(step("processes", "make a pipe"))?;
    wire::report(control.as_fd(), &Report::Terminal, &[reader.as_fd()])
        .map_err(step("processes", "hand over the output"))?;
    let writer = File::from(OwnedFd::from(writer));
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map(File::from)
        .map_err(step("processes", "open /dev/null"))?;
    let copy = |file: &File| file.try_clone().map_err(step("processes", "copy a stream"));
    let streams = Streams {
        stdin: copy(&null)?,
        stderr: copy(&writer)?,
        stdout: writer,
    };
    let home = folder
        .try_clone()
        .map_err(step("files", "open the folder"))?;
    layout::lay_out_in(tree, home, &plan.home, &plan.cwd)?;
    let memory = (!plan.counted_memory).then(|| plan.memory.saturating_add(OWN_MEMORY));
    sys::ignore_file_size_signal();
    confine::limit_process(memory, plan.disk, None).map_err(step("resources", "set limits"))?;
    confine::landlock_beneath(Some(folder.as_fd()), toolbox)
        .map_err(step("files", "apply Landlock"))?;
    let filter = seccomp::filter_without_programs(std::process::id());
    confine::filter_calls(&filter).map_err(step("privileges", "filter system calls"))?;
    Ok((streams, null))
}

/// Runs the lines, and reports how that ended. Whether something is kept of it.
fn start(
    control: &Arc<OwnedFd>,
    folder: OwnedFd,
    toolbox: Vec<OwnedFd>,
    plan: CellPlan,
    (streams, null): (Streams, File),
) -> Result<bool, Failure> {
    let engine = engine::make().map_err(|error| unusable(&error))?;
    let stop = Arc::new(Stop::new(engine.clone()));
    let (answers, waiting) = mpsc::channel();
    let room = Arc::new(Room {
        folder: folder
            .try_clone()
            .map_err(step("files", "open the folder"))?,
        bytes: plan.disk,
        files: plan.inodes,
    });
    let compiler = compiler(Arc::clone(control), waiting);
    let programs = Programs::new(engine, compiler, plan.memory, plan.fixed, Arc::clone(&stop))
        .map_err(|error| unusable(&error))?;
    let shell = Shell {
        programs,
        place: Place::new(folder, &plan.home),
        toolbox: toolbox
            .into_iter()
            .map(|fd| Dir::from_std_file(fd.into()))
            .collect(),
        stop: Arc::clone(&stop),
        null,
        most: plan.processes,
        running: 0.into(),
    };
    let home = plan.home.clone();
    let cwd = shell.place.inside(&home, &plan.cwd);
    cwd.and_then(|cwd| shell.place.root().create_dir_all(cwd))
        .map_err(step("files", "make the working folder"))?;
    wire::report(control.as_fd(), &Report::Started, &[])
        .map_err(step("processes", "report the start"))?;
    spawn_watchers(control, answers, &stop, &room)?;
    let codes: Vec<i32> = plan
        .keep
        .iter()
        .flat_map(|keep| keep.codes.clone())
        .collect();
    let lines = std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || {
            let mut state = State::new(&plan.env, &plan.cwd);
            phases::run(&shell, &plan.lines, &mut state, &streams)
        })
        .map_err(step("processes", "start a thread"))?;
    let status = lines.join().unwrap_or(-libc::SIGABRT);
    let report = Report::Ended {
        status,
        full: room.place_is_full(),
    };
    drop(wire::report(control.as_fd(), &report, &[]));
    Ok(codes.contains(&status))
}

fn unusable(error: &wasmtime::Error) -> Failure {
    Failure::new(
        Part::Command,
        "the wasm engine",
        &io::Error::other(format!("{error:#}")),
    )
}

/// The threads beside the command lines: one takes orders, one looks after the folder.
fn spawn_watchers(
    control: &Arc<OwnedFd>,
    answers: Sender<Answer>,
    stop: &Arc<Stop>,
    room: &Arc<Room>,
) -> Result<(), Failure> {
    let failed = step("processes", "start a thread");
    let (socket, stopper) = (Arc::clone(control), Arc::clone(stop));
    let orders = std::thread::Builder::new().spawn(move || obey(&socket, &answers, &stopper));
    let (socket, stop, room) = (Arc::clone(control), Arc::clone(stop), Arc::clone(room));
    let watching = orders.and_then(|_| {
        std::thread::Builder::new().spawn(move || {
            if room.watch(&stop) {
                let report = Report::Ended {
                    status: 1,
                    full: true,
                };
                drop(wire::report(socket.as_fd(), &report, &[]));
                sys::end_process(0);
            }
        })
    });
    watching.map(drop).map_err(failed)
}

/// What the daemon answers to a question for a native image.
type Answer = Result<OwnedFd, String>;

/// Carries out orders until there will be no more; that, and what is not understood, is the end.
fn obey(control: &OwnedFd, answers: &Sender<Answer>, stop: &Stop) {
    loop {
        let (order, fds) = match wire::receive(control.as_fd(), RecvFlags::empty()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            received => received.unwrap_or_default(),
        };
        match (order.as_slice(), fds.into_iter().next()) {
            ([ORDER_TERMINATE], None) => stop.raise(),
            ([ORDER_MODULE, b'+'], Some(image)) => drop(answers.send(Ok(image))),
            ([ORDER_MODULE, b'-', why @ ..], None) => {
                drop(answers.send(Err(String::from_utf8_lossy(why).into_owned())));
            }
            ([ORDER_KILL], None) => {
                let report = Report::Ended {
                    status: -libc::SIGKILL,
                    full: false,
                };
                drop(wire::report(control.as_fd(), &report, &[]));
                sys::end_process(0);
            }
            _ => sys::end_process(1),
        }
    }
}

/// Asks the daemon for native images, one after the other.
fn compiler(control: Arc<OwnedFd>, answers: Receiver<Answer>) -> Compiler {
    let answers = Mutex::new(answers);
    Box::new(move |program| {
        let answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
        let told = |error: io::Error| error.to_string();
        let file = wire::memory_file("program", program).map_err(told)?;
        wire::report(control.as_fd(), &Report::Module, &[file.as_fd()]).map_err(told)?;
        let image = answers.recv().map_err(|error| error.to_string())??;
        let mut bytes = Vec::new();
        File::from(image).read_to_end(&mut bytes).map_err(told)?;
        Ok(bytes)
    })
}

//! The wasm engine: loads a program's native image, gives the program what it may have, runs it.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wasmtime::component;
use wasmtime::{Config, Engine, InstancePre, Linker, Store, Trap};
use wasmtime_wasi::cli::{InputFile, OutputFile};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::bindings::sync::CommandPre;
use wasmtime_wasi::{
    Deterministic, FsPerms, HostMonotonicClock, HostWallClock, I32Exit, WasiCtxBuilder,
    WasiCtxView, WasiView,
};

use super::Fixed;
use super::limits::{Budget, Meter, Stop};
use crate::sys;

/// Largest program, bytes.
pub(super) const LARGEST: u64 = 32 << 20;
/// Stack of a program, bytes; a program that needs more traps.
const STACK: usize = 1 << 20;
/// Exit code of a program that trapped, as for one that aborts.
const TRAPPED: i32 = 134;
/// Exit code of a program that was told to stop.
const STOPPED: i32 = 130;
/// Exit code of what is no program.
const NO_PROGRAM: i32 = 126;

/// The engine's settings: one place, because native images fit only the settings they were made with.
fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(STACK)
        // The same program computes the same everywhere.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true);
    config
}

/// An engine.
pub(super) fn make() -> wasmtime::Result<Engine> {
    Engine::new(&config())
}

/// What native images must have in common to be usable here: version, settings, processor.
pub(super) fn fingerprint(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

/// The two kinds of program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A core module that imports WASI preview 1.
    Module,
    /// A component for the world `wasi:cli/command` 0.2.
    Component,
}

/// What kind of program these bytes begin as.
pub(super) fn kind(bytes: &[u8]) -> Option<Kind> {
    match bytes.get(..8)? {
        b"\0asm\x01\0\0\0" => Some(Kind::Module),
        b"\0asm\x0d\0\x01\0" => Some(Kind::Component),
        _ => None,
    }
}

/// A program that is ready to be started any number of times.
enum Ready {
    Module(InstancePre<State>),
    Component(CommandPre<State>),
}

/// What a store holds.
struct State {
    wasi: WasiP1Ctx,
    meter: Meter,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.ctx()
    }
}

/// Where native images come from: takes a program, gives the image or says why there is none.
pub(super) type Compiler = Box<dyn Fn(&[u8]) -> Result<Vec<u8>, String> + Send + Sync>;

/// Tells one state of a file from another: device, inode, length, and the times of its last changes.
type Identity = (u64, u64, u64, (i64, i64), (i64, i64));

/// Everything that the programs of a run share.
pub(super) struct Programs {
    engine: Engine,
    modules: Linker<State>,
    components: component::Linker<State>,
    compiler: Compiler,
    known: Mutex<HashMap<Identity, Arc<Ready>>>,
    budget: Budget,
    fixed: Option<Fixed>,
    stop: Arc<Stop>,
}

/// One start of a program.
pub(super) struct Call<'a> {
    pub(super) args: &'a [String],
    pub(super) env: &'a [(String, String)],
    pub(super) stdin: File,
    pub(super) stdout: File,
    pub(super) stderr: File,
    /// Folders the program sees, and what it calls them.
    pub(super) folders: Vec<(OwnedFd, String)>,
}

impl Programs {
    pub(super) fn new(
        engine: Engine,
        compiler: Compiler,
        memory: u64,
        fixed: Option<Fixed>,
        stop: Arc<Stop>,
    ) -> wasmtime::Result<Programs> {
        let mut modules = Linker::new(&engine);
        wasmtime_wasi::p1::add_to_linker_sync(&mut modules, |state: &mut State| &mut state.wasi)?;
        let mut components = component::Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut components)?;
        Ok(Programs {
            engine,
            modules,
            components,
            compiler,
            known: Mutex::default(),
            budget: Budget::new(memory),
            fixed,
            stop,
        })
    }

    /// Runs the program in this file to its end, and returns its exit code.
    ///
    /// # Errors
    /// Why it isn't a program, in words, with an exit code.
    pub(super) fn run(&self, program: &File, call: Call<'_>) -> Result<i32, (i32, String)> {
        let ready = self.ready(program).map_err(|why| (NO_PROGRAM, why))?;
        let wasi = self
            .context(call)
            .map_err(|error| (NO_PROGRAM, error.to_string()))?;
        let state = State {
            wasi,
            meter: Meter::new(&self.budget),
        };
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.meter);
        // The one tick that ever comes is the word to stop; it may have come before.
        store.set_epoch_deadline(1);
        if self.stop.is_raised() {
            return Ok(STOPPED);
        }
        let ended = match &*ready {
            Ready::Module(pre) => start_module(pre, &mut store),
            Ready::Component(pre) => start_component(pre, &mut store),
        };
        match ended {
            Ok(code) => Ok(code),
            Err(error) => self.ending(&error),
        }
    }

    /// What an error that came out of a program means.
    fn ending(&self, error: &wasmtime::Error) -> Result<i32, (i32, String)> {
        if let Some(I32Exit(code)) = error.downcast_ref() {
            // As a process would show it.
            return Ok(code & 0xff);
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => Err((STOPPED, "interrupted".to_owned())),
            Some(_) => Err((TRAPPED, format!("{error:#}"))),
            None => Err((NO_PROGRAM, format!("{error:#}"))),
        }
    }

    /// The program in this file, from memory where the file is still the same.
    fn ready(&self, program: &File) -> Result<Arc<Ready>, String> {
        let told = |error: std::io::Error| error.to_string();
        let meta = program.metadata().map_err(told)?;
        if !meta.is_file() {
            return Err("is not a file".to_owned());
        }
        let identity = (
            meta.dev(),
            meta.ino(),
            meta.size(),
            (meta.mtime(), meta.mtime_nsec()),
            (meta.ctime(), meta.ctime_nsec()),
        );
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = known().get(&identity) {
            return Ok(Arc::clone(ready));
        }
        let mut bytes = Vec::new();
        program
            .take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(told)?;
        if bytes.len() as u64 > LARGEST {
            return Err(format!("is larger than {} MiB", LARGEST >> 20));
        }
        let kind = kind(&bytes).ok_or("is not a WASI program (a core module or a component)")?;
        let image = (self.compiler)(&bytes)?;
        let ready = Arc::new(
            self.load(kind, &image)
                .map_err(|error| format!("{error:#}"))?,
        );
        known().insert(identity, Arc::clone(&ready));
        Ok(ready)
    }

    fn load(&self, kind: Kind, image: &[u8]) -> wasmtime::Result<Ready> {
        Ok(match kind {
            Kind::Module => {
                let module = sys::load_module(&self.engine, image)?;
                Ready::Module(self.modules.instantiate_pre(&module)?)
            }
            Kind::Component => {
                let component = sys::load_component(&self.engine, image)?;
                let pre = self.components.instantiate_pre(&component)?;
                Ready::Component(CommandPre::new(pre)?)
            }
        })
    }

    /// What the program gets: arguments, variables, three streams, folders, time. No network, no names of hosts.
    fn context(&self, call: Call<'_>) -> wasmtime::Result<WasiP1Ctx> {
        let mut builder = WasiCtxBuilder::new();
        builder
            .args(call.args)
            .envs(call.env)
            .stdin(InputFile::new(call.stdin))
            .stdout(OutputFile::new(call.stdout))
            .stderr(OutputFile::new(call.stderr))
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .allow_blocking_current_thread(true);
        for (folder, name) in &call.folders {
            // By descriptor: a path could mean something else by now.
            let path = format!("/proc/self/fd/{}", folder.as_raw_fd());
            builder.preopened_dir(path, name, FsPerms::ReadWrite)?;
        }
        if let Some(fixed) = self.fixed {
            let clock = Still(Duration::from_secs(fixed.seconds));
            builder
                .wall_clock(clock)
                .monotonic_clock(clock)
                .secure_random(Deterministic::new(noise(fixed.seed)))
                .insecure_random(Deterministic::new(noise(fixed.seed)))
                .insecure_random_seed(fixed.seed.into());
        }
        Ok(builder.build_p1())
    }
}

fn start_module(pre: &InstancePre<State>, store: &mut Store<State>) -> wasmtime::Result<i32> {
    let instance = pre.instantiate(&mut *store)?;
    let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
    start.call(store, ())?;
    Ok(0)
}

fn start_component(pre: &CommandPre<State>, store: &mut Store<State>) -> wasmtime::Result<i32> {
    let command = pre.instantiate(&mut *store)?;
    let ended = command.wasi_cli_run().call_run(store)?;
    Ok(i32::from(ended.is_err()))
}

/// A clock that stands still.
#[derive(Clone, Copy)]
struct Still(Duration);

impl HostWallClock for Still {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        self.0
    }
}

impl HostMonotonicClock for Still {
    fn resolution(&self) -> u64 {
        1_000_000_000
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Bytes that look random and are the same for the same seed; programs get them over and over.
fn noise(seed: u64) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    (0..128_u64)
        .flat_map(|round| {
            let mut hasher = Sha256::new();
            hasher.update(seed.to_le_bytes());
            hasher.update(round.to_le_bytes());
            hasher.finalize()
        })
        .collect()
}

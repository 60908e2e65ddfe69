//! The back-end. The daemon's side (`start`) starts a process that keeps the run's folder in memory (`cell`), which starts
//! the one that runs the job's command lines (`inside`, `phases`, `shell`) and their programs (`engine`). Neither compiles:
//! the daemon has that done by a third process (`compile`) and keeps the native images (`modules`).

use super::{Fixed, Line, OnFailure, WasmSpec, When};

mod builtins;
mod cell;
mod compile;
mod engine;
mod files;
mod inside;
mod limits;
mod modules;
mod phases;
mod place;
mod shell;
mod start;
mod state;
mod words;

pub(crate) use cell::cell;
pub(crate) use compile::compile;
pub(crate) use modules::Modules;
pub(crate) use start::{clean_up, launch, memory_folder};

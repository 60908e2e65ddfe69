//! Runs one [`RunSpec`] in a disposable sandbox, streams its output, returns one [`Outcome`].
//!
//! Knows nothing of builds, Git or Travis.

mod apply;
mod cgroup;
mod collect;
mod confine;
mod doctor;
mod error;
mod host;
mod image;
mod init;
mod jail;
mod kept;
mod launcher;
mod layout;
mod net;
mod process;
mod run;
mod scratch;
mod seccomp;
mod slots;
mod spec;
mod supervise;
mod sys;
mod terminal;
mod tool;
mod tree;
mod userns;
mod warm;
mod wasm;
mod wire;

pub use doctor::{Check, CheckState, doctor, trial};
pub use error::RunError;
pub use image::{About, ImageError, Images, Imported};
pub use kept::{Content, Kept, KeptItem};
pub use launcher::launcher_main;
pub use run::{Canceler, Launcher, Outcome, Remains, Run, RunEvent, Usage};
pub use scratch::Scratch;
pub use spec::{Bind, First, Image, Keep, Limits, Network, Profile, Resource, RunSpec};
pub use terminal::Keyboard;
pub use tree::TreeWriter;
pub use warm::{Warm, keep_warm};
pub use wasm::{Fixed, Line, OnFailure, WasmSpec, When};

/// Removes what runs of dead processes left behind, where ids begin with `begin`, the process' number and `-`.
pub fn clean_up_dead(begin: &str) {
    for prefix in cgroup::clean_up_dead(cgroup::base::base(), begin) {
        wasm::clean_up(&prefix);
    }
}

/// Kills and removes what runs of a dead daemon left behind (cgroups whose id begins with `prefix`).
pub fn clean_up(prefix: &str) {
    cgroup::clean_up(cgroup::base::base(), prefix);
    wasm::clean_up(prefix);
}

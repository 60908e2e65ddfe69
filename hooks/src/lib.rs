//! What comes in from outside: the Git hook, its socket, its spool.
//!
//! In reading order: [`Hint`] and [`Answer`] (what hook and daemon say to each other), [`post_receive`] (the hook's own
//! process), [`may_write`] and [`read_spool`] (the daemon's side), [`install()`], [`remove()`] and [`check()`] (the
//! operator's side), [`LogCleaner`] (what may be shown on a terminal).
//!
//! Everything here is plain blocking code without a runtime, because the hook must have started and ended within a
//! millisecond or two while somebody's `git push` waits for it. It opens no database, resolves no object and believes
//! nothing: a hint only says where to look.

mod access;
mod clean;
mod client;
mod identity;
mod install;
mod protocol;
mod spool;

pub use access::{groups_of, may_write};
pub use clean::{LogCleaner, one_line};
pub use client::{POST_RECEIVE, post_receive};
pub use identity::user_name;
pub use install::{
    CheckReport, HookError, InstallOptions, Installed, Placement, Problem, PushOptions, Removed,
    check, hook_script, install, remove,
};
pub use protocol::{
    Accepted, Answer, End, Hint, LogText, MAX_LINE, ProtocolError, RefUpdate, Refusal, StateOf,
    VERSION,
};
pub use spool::{SpoolError, drop_spooled, read_spool};

//! What assay remembers.
//!
//! [`Store`] holds the journal (the durable truth) and the sled database (the queryable view of it); [`Logs`] the job
//! logs; [`Archives`] caches and artifacts; [`Git`] reads repositories and keeps mirrors. All calls block unless they say otherwise: use them from a
//! blocking thread.

mod archives;
mod error;
mod folder;
mod fsck;
mod git;
mod journal;
mod keeper;
mod keys;
mod logs;
mod open;
mod record;
mod seal;
mod shared;
mod store;
mod tokens;
mod types;
mod view;
mod writer;

pub use archives::{About, Archive, ArchiveWriter, Archives, Entry, Kept};
pub use error::StoreError;
pub use fsck::{FsckReport, fsck};
pub use git::{Checkout, FileAt, Git, GitError, LaidOut, SourceRefs, TreeItem};
pub use logs::{LogFeed, LogPart, LogWriter, Logs};
pub use store::Store;
pub use types::{Act, Audit, BuildQuery, Change, Changed, Opened, Right, Token, Unfinished};

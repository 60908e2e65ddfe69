//! Keys and small values of the view.

use assay_plan::{Build, EventKind, RepoId, Time};
use sha2::{Digest, Sha256};

/// Sixteen bytes that stand for a name.
pub(super) type NameHash = [u8; 16];

/// The hash of a name.
pub(super) fn name_hash(name: &str) -> NameHash {
    let mut short = NameHash::default();
    short.copy_from_slice(&Sha256::digest(name.as_bytes())[..16]);
    short
}

/// The hash of a slug, without regard to case.
pub(super) fn slug_hash(slug: &str) -> NameHash {
    name_hash(&slug.to_ascii_lowercase())
}

/// A key of a repository and a number in it.
pub(super) fn pair(repo: RepoId, number: u64) -> [u8; 16] {
    numbers(repo.0, number)
}

fn numbers(first: u64, second: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&first.to_be_bytes());
    key[8..].copy_from_slice(&second.to_be_bytes());
    key
}

/// A key of a repository and a name in it.
pub(super) fn named(repo: RepoId, name: &str) -> [u8; 24] {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&repo.0.to_be_bytes());
    key[8..].copy_from_slice(&name_hash(name));
    key
}

/// A key of a time and a number; sorts by time. Times before the epoch count as the epoch.
pub(super) fn moment(time: Time, number: u64) -> [u8; 16] {
    numbers(u64::try_from(time.0).unwrap_or(0), number)
}

/// What an unfinished thing is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unfinished {
    Request,
    Build,
}

/// A key of the unfinished.
pub(super) fn unfinished(kind: Unfinished, id: u64) -> [u8; 9] {
    let mut key = [0; 9];
    key[0] = match kind {
        Unfinished::Request => b'r',
        Unfinished::Build => b'b',
    };
    key[1..].copy_from_slice(&id.to_be_bytes());
    key
}

/// The number in eight bytes.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// The number in the last eight bytes of a longer key.
pub(super) fn last_number(key: &[u8]) -> Option<u64> {
    number(key.get(key.len().checked_sub(8)?..)?)
}

/// What lists of builds need to know without opening the record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) id: u64,
    pub(super) kind: u8,
    pub(super) branch: NameHash,
}

impl Listed {
    pub(super) fn of(build: &Build) -> Listed {
        Listed {
            id: build.id.0,
            kind: kind_byte(build.event),
            branch: name_hash(&build.branch),
        }
    }

    pub(super) fn to_bytes(&self) -> [u8; 25] {
        let mut bytes = [0; 25];
        bytes[..8].copy_from_slice(&self.id.to_be_bytes());
        bytes[8] = self.kind;
        bytes[9..].copy_from_slice(&self.branch);
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Listed> {
        let (id, rest) = bytes.split_first_chunk::<8>()?;
        let (kind, branch) = rest.split_first()?;
        Some(Listed {
            id: u64::from_be_bytes(*id),
            kind: *kind,
            branch: branch.try_into().ok()?,
        })
    }
}

/// One byte for a kind of event.
pub(super) fn kind_byte(kind: EventKind) -> u8 {
    match kind {
        EventKind::Push => b'p',
        EventKind::PullRequest => b'r',
        EventKind::Api => b'a',
        EventKind::Cron => b'c',
    }
}

/// The newest build of a branch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BranchHead {
    pub(super) number: u64,
    pub(super) id: u64,
    /// Milliseconds since the epoch; `i64::MAX` while it is not finished.
    pub(super) finished: i64,
}

impl BranchHead {
    pub(super) fn to_bytes(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.number.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.id.to_be_bytes());
        bytes[16..].copy_from_slice(&self.finished.to_be_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<BranchHead> {
        let (number, rest) = bytes.split_first_chunk::<8>()?;
        let (id, finished) = rest.split_first_chunk::<8>()?;
        Some(BranchHead {
            number: u64::from_be_bytes(*number),
            id: u64::from_be_bytes(*id),
            finished: i64::from_be_bytes(finished.try_into().ok()?),
        })
    }
}

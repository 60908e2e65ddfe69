//! What identifies things: numbers, moments, slugs, commits, refs.

use std::fmt;

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id!(
    /// Identifies a repository; never used again after its removal.
    RepoId
);
number_id!(
    /// Identifies a request, the build made from it (they share the number, so that a build's address is known as
    /// soon as the request is) and the commit record of both.
    RequestId
);
number_id!(
    /// Identifies a job and its log.
    JobId
);

/// Identifies a build: the number of the request it was made from.
pub type BuildId = RequestId;

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

impl Time {
    /// Whole seconds since the epoch, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment plus `milliseconds`.
    #[must_use]
    pub fn plus(self, milliseconds: i64) -> Self {
        Time(self.0.saturating_add(milliseconds))
    }
}

/// What is wrong with a name that was to be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not of the form `owner/name`.
    #[error("{0:?} is not of the form owner/name (letters, digits, '.', '_' and '-')")]
    Slug(String),
    /// Not 40 or 64 hexadecimal digits.
    #[error("{0:?} is not a commit id (40 or 64 hexadecimal digits)")]
    Commit(String),
    /// Not a full ref name.
    #[error("{0:?} is not a full ref name such as refs/heads/main")]
    Ref(String),
}

/// `owner/name` of a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slug(String);

impl Slug {
    /// Parses `owner/name`: two parts of letters, digits, `.`, `_`, `-`, neither of them `.` or `..`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let good = |part: &str| {
            !part.is_empty()
                && part.len() <= 100
                && part != "."
                && part != ".."
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        match text.split_once('/') {
            Some((owner, name)) if good(owner) && good(name) => Ok(Slug(text.to_owned())),
            _ => Err(NameError::Slug(text.to_owned())),
        }
    }

    /// The whole, `owner/name`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the slash.
    pub fn owner(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// The part after the slash.
    pub fn name(&self) -> &str {
        self.0.split('/').nth(1).unwrap_or_default()
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A Git object id of a commit or tag, in lower-case hexadecimal: 40 digits (SHA-1) or 64 (SHA-256).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(String);

impl CommitId {
    /// Parses 40 or 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(CommitId(text.to_ascii_lowercase()))
        } else {
            Err(NameError::Commit(text.to_owned()))
        }
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first seven digits.
    pub fn short(&self) -> &str {
        &self.0[..7]
    }

    /// All zeros: how Git writes "nothing" in hook lines.
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|b| b == b'0')
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A full ref name, such as `refs/heads/main`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefName(String);

impl RefName {
    /// Parses a name that begins with `refs/` and that git-check-ref-format(1) would not refuse outright.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let bad_byte = |b: u8| b < 0x20 || b == 0x7f || b" ~^:?*[\\".contains(&b);
        let good = text.starts_with("refs/")
            && text.len() > 5
            && !text.ends_with(['/', '.'])
            && !text.contains("..")
            && !text.contains("//")
            && !text.contains("@{")
            && !text.bytes().any(bad_byte)
            && !text
                .split('/')
                .any(|part| part.starts_with('.') || part.ends_with(".lock"));
        if good {
            Ok(RefName(text.to_owned()))
        } else {
            Err(NameError::Ref(text.to_owned()))
        }
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The branch name, for `refs/heads/…`.
    pub fn branch(&self) -> Option<&str> {
        self.0.strip_prefix("refs/heads/")
    }

    /// The tag name, for `refs/tags/…`.
    pub fn tag(&self) -> Option<&str> {
        self.0.strip_prefix("refs/tags/")
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A job's number: its build's number and its place in the matrix, from 1. Shown as `12.3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobNumber {
    /// Number of the build in its repository.
    pub build: u64,
    /// Place in the build, from 1.
    pub job: u32,
}

impl fmt::Display for JobNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.build, self.job)
    }
}

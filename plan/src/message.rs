//! What we have to say about somebody's `.travis.yml`: data, not errors.

use crate::value::Value;

/// How serious a message is; the order is Travis' own, least serious first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Something was filled in or tidied.
    Info,
    /// Probably not what the author meant.
    Warn,
    /// Wrong, but the rest of the file is used.
    Error,
    /// A secret in plain sight.
    Alert,
}

impl Level {
    /// The name Travis uses.
    pub fn name(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
            Level::Alert => "alert",
        }
    }

    /// Reads a name made by [`Level::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        [Level::Info, Level::Warn, Level::Error, Level::Alert]
            .into_iter()
            .find(|level| level.name() == name)
    }
}

/// One remark about a configuration.
///
/// Codes and arguments are those of the official parser (travis-ci/travis-yml, `lib/travis/yml.rb`, `MSGS`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Message {
    /// How serious.
    pub level: Level,
    /// Dotted path of the key it is about; `root` at the top.
    pub key: String,
    /// Code, such as `unknown_key`.
    pub code: String,
    /// Arguments of the code, by name.
    pub args: Vec<(String, Value)>,
    /// Line in the file, counted from 1, where known.
    pub line: Option<u32>,
}

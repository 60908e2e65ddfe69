//! What we have to say about somebody's `.travis.yml`: data, not errors; and the same in plain words.

mod words;

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

/// Where something stands in a file as its author sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Line, counted from 1.
    pub line: u32,
    /// Character in the line, counted from 1.
    pub column: u32,
    /// Characters of that line it is about; at least 1.
    pub width: u32,
}

impl Place {
    /// The line of the file that it is in.
    pub fn source_line(&self, file: &[u8]) -> Option<String> {
        let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
        let number = usize::try_from(self.line).ok()?.checked_sub(1)?;
        let line = file.split(|byte| *byte == b'\n').nth(number)?;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Some(String::from_utf8_lossy(line).into_owned())
    }
}

/// One remark about a configuration.
///
/// Codes and arguments are those of the official parser (travis-ci/travis-yml, `lib/travis/yml.rb`, `MSGS`);
/// `invalid_condition` has a `position` too, the byte where reading stopped. Codes of our own: `dropped_characters`, `needs_root`, and for files
/// that can't be used at all `parse_error` and `invalid_config_format`.
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
    /// Where in the file, if it is about something written there.
    pub place: Option<Place>,
    /// The imported file that the place is in, as [`Resolved`](crate::Resolved) names it; none for the file itself.
    pub file: Option<String>,
}

impl Message {
    /// A message without a place.
    pub fn new(
        level: Level,
        key: impl Into<String>,
        code: impl Into<String>,
        args: Vec<(&'static str, Value)>,
    ) -> Self {
        Message {
            level,
            key: key.into(),
            code: code.into(),
            args: args
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            place: None,
            file: None,
        }
    }

    /// What is the matter, in a line without a full stop.
    pub fn cause(&self) -> String {
        words::cause(self)
    }

    /// What to do about it, where there is something.
    pub fn suggestion(&self) -> Option<String> {
        words::suggestion(self)
    }

    /// An argument's value.
    pub(crate) fn arg(&self, name: &str) -> Option<&Value> {
        self.args
            .iter()
            .find(|(arg, _)| arg == name)
            .map(|(_, value)| value)
    }

    /// An argument that is text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.arg(name).and_then(Value::as_str)
    }
}

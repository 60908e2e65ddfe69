//! The `.travis.yml` language: bytes to tree, tree to normalised configuration, configuration to matrix.

mod change;
mod import;
mod matrix;
mod node;
mod place;
mod read;
mod report;
mod scalar;
mod schema;
pub(crate) mod shell_vars;
mod similar;
mod spelling;
mod suggest;
mod text;
mod texts;
mod validate;

use std::cell::{Cell, RefCell};

use self::node::{Fields, Node};
use self::report::{At, Report};
use self::texts::Texts;
use crate::message::{Level, Message, Place};
use crate::value::{Map, Text, Value};

pub use self::import::{
    ConfigRef, ImportError, Imported, Imports, MAX_IMPORTS, Reading, Resolved, resolve,
};
pub use self::matrix::{MATRIX_KEYS, expand};
pub use self::schema::{KeyDoc, KeyGroup};
pub(crate) use self::suggest::{known_values, nearest_key, nearest_value, owners};

/// Why a file cannot be used at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is not YAML.
    #[error("not valid YAML{}: {problem}", shown(.place))]
    Syntax {
        /// What the YAML parser says.
        problem: String,
        /// Where reading stopped, if known.
        place: Option<Place>,
    },
    /// It is YAML, but its top level is no map.
    #[error("not a map at the top level but {0}")]
    NotAMap(&'static str),
}

fn shown(place: &Option<Place>) -> String {
    place.map_or_else(String::new, |place| {
        format!(" (line {} column {})", place.line, place.column)
    })
}

impl ReadError {
    /// The same as a message about the file.
    pub fn to_message(&self) -> Message {
        let (code, arg, place) = match self {
            ReadError::Syntax { problem, place } => {
                ("parse_error", ("message", problem.as_str().into()), *place)
            }
            ReadError::NotAMap(what) => ("invalid_config_format", ("actual", (*what).into()), None),
        };
        Message {
            place,
            ..Message::new(Level::Error, "root", code, vec![arg])
        }
    }
}

/// A file read and normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linted {
    /// The normalised configuration.
    pub config: Map,
    /// Keys of the root that the author left to their defaults.
    pub assumed: Vec<Text>,
    /// What there is to say about it.
    pub messages: Vec<Message>,
}

/// A job of the matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Flat, with `stage` (name), `allow_failure: true` and the root's phases filled in.
    pub config: Map,
    /// Its keys that the author left to their defaults, at the root and in `jobs.include`.
    pub assumed: Vec<Text>,
}

impl Row {
    /// Whether its failure is allowed.
    pub fn may_fail(&self) -> bool {
        let mark = self.config.get("allow_failure");
        mark.and_then(Value::as_bool).unwrap_or(false)
    }
}

/// The matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expansion {
    /// Jobs in final order.
    pub jobs: Vec<Row>,
    /// Stages that remain, in order: `{name, if}`.
    pub stages: Vec<Map>,
    /// `notifications` without the entries whose condition is false for this event; null if none are left.
    pub notifications: Value,
    /// Messages of the expansion (`skip_*`).
    pub messages: Vec<Message>,
    /// The matrix has more jobs than the limit; `jobs` then holds only the first of them.
    pub truncated: bool,
}

/// Reads and normalises a file; its messages know their places.
///
/// # Errors
/// If the bytes are no YAML, or their top level is no map. Everything else is a message.
pub fn lint(bytes: &[u8]) -> Result<Linted, ReadError> {
    Ok(lint_file(read_file(bytes)?))
}

fn lint_file(file: File<'_>) -> Linted {
    let mut checked = check(file);
    checked.texts.place(&mut checked.messages);
    finished(checked)
}

/// The same for those who only want the configuration: the messages have no places.
///
/// # Errors
/// As [`lint`].
pub fn normalise(bytes: &[u8]) -> Result<Linted, ReadError> {
    Ok(finished(check(read_file(bytes)?)))
}

/// The language as a JSON Schema (draft 7), for editors.
pub fn json_schema() -> Map {
    schema::json_schema()
}

/// Every key of the language, described, in groups.
pub fn key_reference() -> Vec<KeyGroup> {
    schema::reference()
}

/// Gives messages of the expansion, and those about root, their places in the file, or in what it imports (with the names of [`Resolved`]), where
/// they have one.
pub fn locate<'b>(
    bytes: &'b [u8],
    imported: impl IntoIterator<Item = (String, &'b [u8])>,
    messages: &mut [Message],
) {
    let is_lost = |message: &&mut Message| {
        message.place.is_none() && texts::is_placed_by_words(&message.code)
    };
    let lost: Vec<&mut Message> = messages.iter_mut().filter(is_lost).collect();
    if lost.is_empty() {
        return;
    }
    let mut texts = Texts::of(text::tidy(bytes));
    for (name, bytes) in imported {
        texts.add(Some(name), text::tidy(bytes));
    }
    texts.place_lost(lost);
}

/// A file as it was read.
struct File<'t> {
    fields: Fields,
    /// Keys that hold an anchor.
    anchors: Vec<String>,
    texts: Texts<'t>,
}

fn read_file(bytes: &[u8]) -> Result<File<'_>, ReadError> {
    let tidied = text::tidy(bytes);
    let document = read::read(&tidied.text).map_err(|trouble| trouble.in_file(&tidied))?;
    let fields = match document.root {
        Node::Map(fields) => fields,
        Node::Null | Node::Bool(false) => Fields::default(),
        other => return Err(ReadError::NotAMap(describe(&other))),
    };
    Ok(File {
        fields,
        anchors: document.anchors,
        texts: Texts::of(tidied),
    })
}

struct Checked<'t> {
    texts: Texts<'t>,
    config: Map,
    assumed: Vec<Text>,
    messages: Vec<(Message, u32)>,
}

fn check(file: File<'_>) -> Checked<'_> {
    let File {
        fields,
        anchors,
        texts,
    } = file;
    let report = Report::default();
    let at = At::root(&report);
    let root = Node::Map(fields);
    say_duplicates(&at, &root);
    let root = change::change(&schema::ROOT, &at, root);
    let context = validate::Context {
        anchors: &anchors,
        created: RefCell::default(),
        tried: Cell::new(0),
    };
    let around = validate::Around::default();
    let root = validate::validate(&context, &schema::ROOT, &at, &around, root);
    let mut config = match root {
        Node::Map(fields) => fields.into_map(),
        _ => Map::new(),
    };
    config.remove("import");
    config.remove("merge_mode");
    Checked {
        config,
        assumed: report.assumed(),
        messages: report.into_messages(&texts),
        texts,
    }
}

fn finished(checked: Checked<'_>) -> Linted {
    let messages = checked.messages.into_iter();
    let mut messages: Vec<Message> = messages.map(|(message, _)| message).collect();
    messages.extend(checked.texts.dropped());
    Linted {
        config: checked.config,
        assumed: checked.assumed,
        messages,
    }
}

fn say_dropped(count: usize, place: Place) -> Message {
    let bytes = Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
    Message {
        place: Some(place),
        ..Message::new(
            Level::Warn,
            "root",
            "dropped_characters",
            vec![("bytes", bytes)],
        )
    }
}

fn describe(node: &Node) -> &'static str {
    match node {
        Node::Null => "nothing at all",
        Node::Bool(_) => "a truth value",
        Node::Int(_) => "a number",
        Node::Str(_) => "text",
        Node::Seq(_) => "a list",
        Node::Map(_) => "a map",
    }
}

fn say_duplicates(at: &At<'_>, node: &Node) {
    match node {
        Node::Seq(items) => items.iter().for_each(|item| say_duplicates(at, item)),
        Node::Map(fields) => {
            for (key, node) in fields.iter() {
                say_duplicates(&at.below(key), node);
            }
            for key in &fields.duplicates {
                at.say(
                    Level::Error,
                    "duplicate_key",
                    vec![("key", key.as_str().into())],
                );
            }
        }
        _ => {}
    }
}

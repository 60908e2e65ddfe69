//! The `.travis.yml` language: bytes to tree, tree to normalised configuration, configuration to matrix.

mod change;
mod import;
mod matrix;
mod node;
mod read;
mod report;
mod scalar;
mod schema;
pub(crate) mod shell_vars;
mod similar;
mod spelling;
mod text;
mod validate;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use self::node::{Fields, Node};
use self::report::{At, Report};
use crate::message::{Level, Message};
use crate::value::{Map, Value};

pub use self::import::{
    ConfigRef, ImportError, Imported, Imports, MAX_IMPORTS, Reading, Resolved, resolve,
};
pub use self::matrix::expand;

/// Why a file cannot be used at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is not YAML; the text carries line and column.
    #[error("not valid YAML: {0}")]
    Syntax(String),
    /// It is YAML, but its top level is no map.
    #[error("not a map at the top level but {0}")]
    NotAMap(&'static str),
}

/// A file read and normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linted {
    /// The normalised configuration.
    pub config: Map,
    /// What there is to say about it.
    pub messages: Vec<Message>,
}

/// The matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expansion {
    /// Jobs in final order: flat maps, with `stage` (name), `allow_failure: true` and the root's phases filled in.
    pub jobs: Vec<Map>,
    /// Stages that remain, in order: `{name, if}`.
    pub stages: Vec<Map>,
    /// `notifications` without the entries whose condition is false for this event; null if none are left.
    pub notifications: Value,
    /// Messages of the expansion (`skip_*`).
    pub messages: Vec<Message>,
    /// The matrix has more jobs than the limit; `jobs` then holds only the first of them.
    pub truncated: bool,
}

/// Reads and normalises a file.
///
/// # Errors
/// If the bytes are no YAML, or their top level is no map. Everything else is a message.
pub fn lint(bytes: &[u8]) -> Result<Linted, ReadError> {
    Ok(normalise(read_file(bytes)?))
}

/// A file as it was read.
struct File<'t> {
    fields: Fields,
    /// Keys that hold an anchor.
    anchors: Vec<String>,
    text: Cow<'t, str>,
    dropped: Option<(usize, u32)>,
}

fn read_file(bytes: &[u8]) -> Result<File<'_>, ReadError> {
    let text::Tidied { text, dropped } = text::tidy(bytes);
    let document = read::read(&text)?;
    let fields = match document.root {
        Node::Map(fields) => fields,
        Node::Null | Node::Bool(false) => Fields::default(),
        other => return Err(ReadError::NotAMap(describe(&other))),
    };
    Ok(File {
        fields,
        anchors: document.anchors,
        text,
        dropped,
    })
}

fn normalise(file: File<'_>) -> Linted {
    let File {
        fields,
        anchors,
        text,
        dropped,
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
    let root = validate::validate(
        &context,
        &schema::ROOT,
        &at,
        &validate::Around::default(),
        root,
    );
    let mut config = match root {
        Node::Map(fields) => fields.to_map(),
        _ => Map::new(),
    };
    config.remove("import");
    config.remove("merge_mode");
    let mut messages = report.into_messages(&text);
    messages.extend(dropped.map(|(count, line)| say_dropped(count, line)));
    Linted { config, messages }
}

fn say_dropped(count: usize, line: u32) -> Message {
    Message {
        level: Level::Warn,
        key: "root".to_owned(),
        code: "dropped_characters".to_owned(),
        args: vec![(
            "bytes".to_owned(),
            Value::Int(i64::try_from(count).unwrap_or(i64::MAX)),
        )],
        line: Some(line),
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

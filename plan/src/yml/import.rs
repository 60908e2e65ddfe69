//! `import`: which further files a configuration asks for, and how they are put together with it.
//!
//! Nothing is read here: [`resolve`] says which file it needs next, and is asked again with its bytes. Rules: travis-ci/travis-yml,
//! `configs/fetch.rb`, `configs/ref.rb`, `parts/merge.rb`.

mod merge;
mod source;

use std::collections::BTreeMap;

use super::node::{Fields, Node};
use super::{Linted, ReadError, lint_file, read_file, text};
use crate::condition;
use crate::decide::MAX_CONFIG_BYTES;
use crate::message::{Level, Message};
use crate::model::CommitId;
use crate::value::{Map, Value};

pub use self::source::ConfigRef;
pub(super) use merge::Mode;

/// Files that one configuration may import (Travis docs, "Build Config Imports").
pub const MAX_IMPORTS: usize = 25;
/// Values in all files together, aliases unfolded.
const MAX_NODES: usize = 200_000;

/// What was found where an import points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imported {
    /// The file, and the commit it was read from, where there is one.
    File {
        /// Its bytes.
        bytes: Vec<u8>,
        /// The commit.
        commit: Option<CommitId>,
    },
    /// Why there is nothing to import.
    Refused(String),
}

/// What has been found for the imports so far.
pub type Imports = BTreeMap<ConfigRef, Imported>;

/// An answer, or what is needed for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading<T> {
    /// This file is to be put into the [`Imports`]; then ask again.
    Needs(ConfigRef),
    /// The answer.
    Done(T),
}

/// Why a configuration cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The importing file itself can't be used.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The text is no place of a file.
    #[error("import: {0:?} names no file: write path.yml, path.yml@ref or owner/name:path.yml@ref")]
    Source(String),
    /// The file can't be had.
    #[error("cannot import {0}: {1}")]
    Refused(ConfigRef, String),
    /// The file can't be used.
    #[error("cannot import {0}: it is {1}")]
    Unusable(ConfigRef, ReadError),
    /// Too many files.
    #[error("more than {MAX_IMPORTS} files are imported; {0} is one too many")]
    TooMany(ConfigRef),
    /// Too much in them.
    #[error("the imported files hold more than {MAX_NODES} values")]
    TooLarge,
}

/// A configuration with its imports, normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved<'i> {
    /// The configuration. Messages name imported files as `imported` does.
    pub linted: Linted,
    /// Where the file itself stands.
    pub origin: ConfigRef,
    /// The files it imports, each with the commit that was used, and their bytes.
    pub imported: Vec<(ConfigRef, &'i [u8])>,
}

impl<'i> Resolved<'i> {
    /// The files it was read from, its own first.
    pub fn sources(&self) -> impl Iterator<Item = &ConfigRef> {
        let imported = self.imported.iter().map(|(source, _)| source);
        std::iter::once(&self.origin).chain(imported)
    }

    /// The imported files under the names that messages give them.
    pub fn files(&self) -> impl Iterator<Item = (String, &'i [u8])> {
        let named = |(source, bytes): &(ConfigRef, &'i [u8])| (source.to_string(), *bytes);
        self.imported.iter().map(named)
    }
}

/// Reads and normalises a file with everything that it imports. `origin` is where the file stands, `data` the event.
///
/// # Errors
/// If a file cannot be used, or there are too many of them.
pub fn resolve<'i>(
    bytes: &'i [u8],
    origin: &ConfigRef,
    data: &Map,
    imports: &'i Imports,
) -> Result<Reading<Resolved<'i>>, ImportError> {
    let mut root = read_file(bytes)?;
    let mut walk = Walk {
        data,
        imports,
        origin,
        taken: Vec::new(),
        parts: Vec::new(),
        anchors: Vec::new(),
        messages: Vec::new(),
        nodes: root.fields.count(),
    };
    match walk.follow(&root.fields, origin) {
        Ok(()) => {}
        Err(Stop::Needs(wanted)) => return Ok(Reading::Needs(wanted)),
        Err(Stop::Error(error)) => return Err(error),
    }
    for (part, (source, bytes)) in walk.parts.iter_mut().zip(&walk.taken) {
        let base = root.texts.add(Some(source.to_string()), text::tidy(bytes));
        part.1.shift(base);
    }
    for (mode, part) in walk.parts {
        root.fields = merge::merge(mode, root.fields, part);
    }
    root.anchors.extend(walk.anchors);
    let mut linted = lint_file(root);
    linted.messages.extend(walk.messages);
    Ok(Reading::Done(Resolved {
        linted,
        origin: origin.clone(),
        imported: walk.taken,
    }))
}

enum Stop {
    Needs(ConfigRef),
    Error(ImportError),
}

impl From<ImportError> for Stop {
    fn from(error: ImportError) -> Self {
        Stop::Error(error)
    }
}

/// The walk through the files, depth first.
struct Walk<'a, 'i> {
    data: &'a Map,
    imports: &'i Imports,
    origin: &'a ConfigRef,
    taken: Vec<(ConfigRef, &'i [u8])>,
    parts: Vec<(Mode, Fields)>,
    anchors: Vec<String>,
    messages: Vec<Message>,
    nodes: usize,
}

impl Walk<'_, '_> {
    /// Takes what a file imports; every file is taken once.
    fn follow(&mut self, file: &Fields, origin: &ConfigRef) -> Result<(), Stop> {
        for (number, entry) in (1..).zip(entries(file)) {
            if let Some(condition) = &entry.condition
                && !self.holds(condition, number)
            {
                continue;
            }
            let text = self.filled_in(&entry.source);
            let wanted = ConfigRef::parse(&text, origin).ok_or(ImportError::Source(text))?;
            self.take(wanted, entry.mode)?;
        }
        Ok(())
    }

    fn is_taken(&self, wanted: &ConfigRef) -> bool {
        self.origin == wanted || self.taken.iter().any(|(taken, _)| taken == wanted)
    }

    fn take(&mut self, wanted: ConfigRef, mode: Mode) -> Result<(), Stop> {
        if self.is_taken(&wanted) {
            return Ok(());
        }
        if self.taken.len() >= MAX_IMPORTS {
            return Err(ImportError::TooMany(wanted).into());
        }
        let (bytes, at) = match self.imports.get(&wanted) {
            None => return Err(Stop::Needs(wanted)),
            Some(Imported::Refused(why)) => {
                return Err(ImportError::Refused(wanted, why.clone()).into());
            }
            Some(Imported::File { bytes, commit }) => (
                bytes,
                ConfigRef {
                    at: commit
                        .as_ref()
                        .map(ToString::to_string)
                        .or_else(|| wanted.at.clone()),
                    ..wanted.clone()
                },
            ),
        };
        if at != wanted && self.is_taken(&at) {
            return Ok(());
        }
        if u64::try_from(bytes.len()).is_ok_and(|size| size > MAX_CONFIG_BYTES) {
            let why = format!("it has more than {MAX_CONFIG_BYTES} bytes");
            return Err(ImportError::Refused(wanted, why).into());
        }
        let mut file =
            read_file(bytes).map_err(|error| ImportError::Unusable(wanted.clone(), error))?;
        self.nodes += file.fields.count();
        if self.nodes > MAX_NODES {
            return Err(ImportError::TooLarge.into());
        }
        let asked = Fields::from_iter(file.fields.take_entry("import"));
        file.fields.take("merge_mode");
        self.parts.push((mode, file.fields));
        self.anchors.extend(file.anchors);
        self.taken.push((at.clone(), bytes));
        self.follow(&asked, &at)
    }

    /// Whether the condition holds; if not, it is said. One that can't be used counts as false.
    fn holds(&mut self, text: &str, number: i64) -> bool {
        let holds = condition::eval_scoped(text, &Map::new(), self.data).unwrap_or(false);
        if !holds {
            let args = vec![
                ("number", Value::Int(number)),
                ("condition", Value::from(text)),
            ];
            let message = Message::new(Level::Info, "import", "skip_import", args);
            self.messages.push(message);
        }
        holds
    }

    fn filled_in(&self, source: &str) -> String {
        let message = self.data.text("commit_message").unwrap_or_default();
        source.replace("%{commit_message}", message)
    }
}

/// One entry of `import`, as far as it can be understood.
struct Entry {
    source: String,
    mode: Mode,
    condition: Option<String>,
}

fn entries(file: &Fields) -> Vec<Entry> {
    match file.get("import") {
        None | Some(Node::Null) => Vec::new(),
        Some(Node::Seq(items)) => items.iter().filter_map(entry).collect(),
        Some(single) => entry(single).into_iter().collect(),
    }
}

fn entry(node: &Node) -> Option<Entry> {
    let Node::Map(fields) = node else {
        return (!matches!(node, Node::Null)).then(|| Entry {
            source: text(node),
            mode: Mode::default(),
            condition: None,
        });
    };
    Some(Entry {
        source: fields.get("source").map(text).unwrap_or_default(),
        mode: fields
            .get("mode")
            .and_then(Node::text)
            .and_then(Mode::from_name)
            .unwrap_or_default(),
        condition: fields.get("if").map(text),
    })
}

fn text(node: &Node) -> String {
    match node {
        Node::Str(text) => text.to_string(),
        Node::Bool(flag) => flag.to_string(),
        Node::Int(number) => number.to_string(),
        _ => String::new(),
    }
}

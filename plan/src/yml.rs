//! The `.travis.yml` language: bytes to tree, tree to normalised configuration, configuration to matrix.

use crate::message::Message;
use crate::value::Map;

/// Why a file cannot be used at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is not YAML; the text carries line and column.
    #[error("not valid YAML: {0}")]
    Syntax(String),
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
    /// Messages of the expansion (`skip_*`).
    pub messages: Vec<Message>,
}

/// Reads and normalises a file.
pub fn lint(_bytes: &[u8]) -> Result<Linted, ReadError> {
    todo!()
}

/// Expands a normalised configuration for an event (`data`: branch, tag, type, … as conditions see them).
pub fn expand(_config: &Map, _data: &Map) -> Expansion {
    todo!()
}

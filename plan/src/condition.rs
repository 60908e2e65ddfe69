//! The language of `if:`: text and data to true or false.
//!
//! Rules: travis-ci/travis-conditions, version 1.

mod eval;
mod parse;

use crate::value::Map;

/// Why a condition has no answer. When conditions filter jobs, any of these counts as false.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// It cannot be read; `offset` is the byte where reading stopped.
    #[error("expected {expected} at position {offset} in: {text:?}")]
    Parse {
        /// What would have been understood there.
        expected: &'static str,
        /// Byte offset in `text`.
        offset: usize,
        /// The condition.
        text: String,
    },
    /// A bare word begins with a dollar sign: shell code does not work here.
    #[error(
        "strings cannot start with a dollar sign unless they are quoted (shell code does not work), at position {offset} in: {text:?}"
    )]
    Shell {
        /// Byte offset in `text`.
        offset: usize,
        /// The condition.
        text: String,
    },
    /// A regular expression that is none, or that takes too long.
    #[error("invalid regular expression /{0}/: {1}")]
    Regex(String, String),
    /// A function was given another number of arguments than it takes.
    #[error("{0}() takes one name")]
    Arguments(&'static str),
    /// Parentheses or negations nested too deep.
    #[error("nested more than {0} levels deep")]
    TooDeep(usize),
}

impl ConditionError {
    /// What is the matter, without the condition itself.
    pub fn reason(&self) -> String {
        match self {
            ConditionError::Parse { expected, .. } => format!("expected {expected}"),
            ConditionError::Shell { .. } => {
                "a text that begins with a dollar sign must be quoted".to_owned()
            }
            other => other.to_string(),
        }
    }

    /// The byte of the condition where reading stopped, if reading did. A line that ends with a backslash and the next count as one
    /// line.
    pub fn position(&self) -> Option<usize> {
        match self {
            ConditionError::Parse { offset, .. } | ConditionError::Shell { offset, .. } => {
                Some(*offset)
            }
            _ => None,
        }
    }
}

/// Evaluates a condition for an event and a job: `data` has `type`, `branch`, `tag`, … and `env` as a map or as a list of texts and maps.
///
/// # Errors
/// If the condition cannot be read, or a regular expression in it cannot be used.
pub fn eval_condition(expr: &str, data: &Map) -> Result<bool, ConditionError> {
    eval_scoped(expr, &Map::new(), data)
}

/// The same, with a job's or the root's configuration, which hides data of the same name; `env` of both is seen.
pub(crate) fn eval_scoped(expr: &str, config: &Map, data: &Map) -> Result<bool, ConditionError> {
    Condition::parse(expr)?.eval(config, data)
}

/// A condition that has been read.
pub(crate) struct Condition {
    expr: parse::Expr,
    regexes: eval::Regexes,
}

impl Condition {
    pub(crate) fn parse(expr: &str) -> Result<Self, ConditionError> {
        Ok(Condition {
            expr: parse::parse(expr)?,
            regexes: eval::Regexes::default(),
        })
    }

    /// Evaluates it for a configuration and an event.
    pub(crate) fn eval(&self, config: &Map, data: &Map) -> Result<bool, ConditionError> {
        eval::eval(&self.expr, &self.regexes, config, data)
    }
}

pub(crate) use eval::search;

/// Parentheses, negations and arguments in each other.
const MAX_DEPTH: usize = 100;

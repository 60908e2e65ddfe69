//! Expression and data to true or false, with Ruby's idea of truth.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use fancy_regex::{Regex, RegexBuilder};

use super::ConditionError;
use super::parse::{Expr, Function, Predicate};
use crate::value::{Map, Value};
use crate::yml::shell_vars;

/// Steps back a regular expression may take.
const MAX_BACKTRACKS: usize = 100_000;
/// Bytes of a regular expression once compiled.
const MAX_REGEX: usize = 1 << 20;

pub(super) fn eval(
    expr: &Expr,
    regexes: &Regexes,
    config: &Map,
    data: &Map,
) -> Result<bool, ConditionError> {
    Evaluator {
        regexes,
        config,
        data,
    }
    .truth(expr)
}

/// Regular expressions of one condition, made once.
#[derive(Default)]
pub(super) struct Regexes(RefCell<HashMap<String, Regex>>);

impl Regexes {
    fn search(&self, pattern: &str, text: &str) -> Result<bool, ConditionError> {
        let mut known = self.0.borrow_mut();
        let regex = match known.entry(pattern.to_owned()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(compile(pattern)?),
        };
        is_match(regex, pattern, text)
    }
}

struct Evaluator<'d> {
    regexes: &'d Regexes,
    config: &'d Map,
    data: &'d Map,
}

impl Evaluator<'_> {
    fn truth(&self, expr: &Expr) -> Result<bool, ConditionError> {
        Ok(is_true(&self.value(expr)?))
    }

    fn value(&self, expr: &Expr) -> Result<Value, ConditionError> {
        let value = match expr {
            Expr::Not(inner) => Value::Bool(!self.truth(inner)?),
            Expr::Any(all) => self.first(all, true)?,
            Expr::All(all) => self.first(all, false)?,
            Expr::Equal(left, right, negated) => {
                Value::Bool((self.value(left)? == self.value(right)?) != *negated)
            }
            Expr::Match(left, regex, negated) => {
                Value::Bool(self.matches(left, regex.as_deref())? != *negated)
            }
            Expr::In(left, list, negated) => {
                let items = list
                    .iter()
                    .map(|item| self.value(item))
                    .collect::<Result<Vec<_>, _>>()?;
                Value::Bool(items.contains(&self.value(left)?) != *negated)
            }
            Expr::Is(left, predicate, negated) => {
                Value::Bool(fits(*predicate, &self.value(left)?) != *negated)
            }
            Expr::Text(text) => Value::from(text.as_str()),
            Expr::Attribute(name) => self
                .config
                .get(name)
                .or_else(|| self.data.get(name))
                .cloned()
                .unwrap_or_default(),
            Expr::Call(function, arguments) => self.call(*function, arguments)?,
        };
        Ok(cast(value))
    }

    /// The first value whose truth is `wanted`, else the last.
    fn first(&self, all: &[Expr], wanted: bool) -> Result<Value, ConditionError> {
        let mut last = Value::Null;
        for expr in all {
            last = self.value(expr)?;
            if is_true(&last) == wanted {
                break;
            }
        }
        Ok(last)
    }

    fn call(&self, function: Function, arguments: &[Expr]) -> Result<Value, ConditionError> {
        let values = arguments
            .iter()
            .map(|argument| self.value(argument))
            .collect::<Result<Vec<_>, _>>()?;
        match (function, values.as_slice()) {
            (Function::Concat, values) => {
                Ok(Value::from(values.iter().map(text_of).collect::<String>()))
            }
            (Function::Env, []) => Ok(Value::Null),
            (Function::Env, [name]) => {
                let name = text_of(name);
                let found = lookup(self.config.get("env"), &name)
                    .or_else(|| lookup(self.data.get("env"), &name));
                Ok(found.map_or(Value::Null, unquoted))
            }
            (Function::Env, _) => Err(ConditionError::Arguments("env")),
        }
    }

    fn matches(&self, left: &Expr, regex: Option<&Expr>) -> Result<bool, ConditionError> {
        let left = self.value(left)?;
        let Some(regex) = regex else { return Ok(false) };
        let pattern = self.value(regex)?;
        if matches!(pattern, Value::Null | Value::Bool(false)) && matches!(regex, Expr::Call(..)) {
            return Ok(false);
        }
        let pattern = text_of(&pattern);
        // A missing text never matches, but the expression must be a good one all the same.
        let is_match = self.regexes.search(&pattern, &text_of(&left))?;
        Ok(left != Value::Null && is_match)
    }
}

/// Searches as Ruby does: `^` and `$` are line ends, `.` is no newline.
///
/// # Errors
/// If the expression is none, or takes too many steps.
pub(crate) fn search(pattern: &str, text: &str) -> Result<bool, ConditionError> {
    is_match(&compile(pattern)?, pattern, text)
}

fn invalid(pattern: &str, error: &fancy_regex::Error) -> ConditionError {
    ConditionError::Regex(pattern.to_owned(), error.to_string())
}

fn compile(pattern: &str) -> Result<Regex, ConditionError> {
    // In the text, not as an option: the option would turn `\A` into a line start too.
    RegexBuilder::new(&format!("(?m){}", translate(pattern)))
        .backtrack_limit(MAX_BACKTRACKS)
        .delegate_size_limit(MAX_REGEX)
        .build()
        .map_err(|error| invalid(pattern, &error))
}

fn is_match(regex: &Regex, pattern: &str, text: &str) -> Result<bool, ConditionError> {
    regex
        .is_match(text)
        .map_err(|error| invalid(pattern, &error))
}

/// What Ruby writes differently: `\h` for a hexadecimal digit, `(?m)` for a dot that takes newlines, `\Z`.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut letters = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(letter) = letters.next() {
        match (letter, letters.peek()) {
            ('\\', Some('h')) => {
                letters.next();
                out.push_str(if in_class { "0-9a-fA-F" } else { "[0-9a-fA-F]" });
            }
            ('\\', Some('H')) if !in_class => {
                letters.next();
                out.push_str("[^0-9a-fA-F]");
            }
            ('\\', Some('Z')) if !in_class => {
                letters.next();
                out.push_str("(?=\\n?\\z)");
            }
            ('\\', Some('/')) => {
                letters.next();
                out.push('/');
            }
            ('\\', Some(next)) => {
                out.push('\\');
                out.push(*next);
                letters.next();
            }
            ('[', _) => {
                in_class = true;
                out.push(letter);
            }
            (']', _) => {
                in_class = false;
                out.push(letter);
            }
            ('(', Some('?')) if !in_class => {
                out.push(letter);
                flags(&mut letters, &mut out);
            }
            _ => out.push(letter),
        }
    }
    out
}

/// In `(?im-x)` Ruby's `m` is our `s`.
fn flags(letters: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    out.extend(letters.next());
    while let Some(letter) = letters
        .peek()
        .copied()
        .filter(|c| matches!(c, 'i' | 'm' | 'x' | '-'))
    {
        out.push(if letter == 'm' { 's' } else { letter });
        letters.next();
    }
}

fn is_true(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

fn fits(predicate: Predicate, value: &Value) -> bool {
    let present = match value {
        Value::Str(text) => !text.is_empty(),
        Value::Seq(items) => !items.is_empty(),
        Value::Map(map) => !map.is_empty(),
        other => is_true(other),
    };
    match predicate {
        Predicate::Present => present,
        Predicate::Blank => !present,
        Predicate::True => is_true(value),
        Predicate::False => !is_true(value),
    }
}

/// Text that says true or false is true or false.
fn cast(value: Value) -> Value {
    match &value {
        Value::Str(text) if text.eq_ignore_ascii_case("true") => Value::Bool(true),
        Value::Str(text) if text.eq_ignore_ascii_case("false") => Value::Bool(false),
        _ => value,
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Str(text) => text.to_string(),
        Value::Seq(items) => items.iter().map(text_of).collect::<Vec<_>>().join(", "),
        Value::Map(map) => map
            .iter()
            .map(|(key, value)| format!("{key}={}", text_of(value)))
            .collect::<Vec<_>>()
            .join(" "),
    }
}

fn unquoted(value: Value) -> Value {
    match value {
        Value::Str(text) => Value::from(unquote(&text)),
        other => other,
    }
}

fn unquote(text: &str) -> &str {
    let inside = |quote: char| {
        text.strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
    };
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

/// The last value of a variable in `env`: a map, a text, a list of both, or the root's `{global, jobs}`.
fn lookup(env: Option<&Value>, name: &str) -> Option<Value> {
    match env? {
        Value::Map(map) => match map.get(name) {
            Some(value) => Some(value.clone()),
            None => ["matrix", "jobs", "global"]
                .iter()
                .find_map(|part| match map.get(part) {
                    Some(groups @ Value::Seq(_)) => lookup(Some(groups), name),
                    _ => None,
                }),
        },
        Value::Seq(items) => items.iter().rev().find_map(|item| lookup(Some(item), name)),
        Value::Str(text) => {
            let pairs = shell_vars::parse(text).unwrap_or_default();
            let value = pairs.into_iter().rev().find(|(known, _)| known == name)?.1;
            Some(cast(Value::from(unquote(&value))))
        }
        _ => None,
    }
}

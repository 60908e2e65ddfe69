//! Where in the tree a pass stands, and the messages it leaves.

use std::cell::RefCell;
use std::collections::HashSet;

use super::node::Key;
use super::text::Lines;
use crate::message::{Level, Message};
use crate::value::Value;

/// Messages kept of one file; a file with more has long made its point.
const MAX_MESSAGES: usize = 1_000;

/// A message with the place of its key instead of a line.
#[derive(Debug, PartialEq, Eq, Hash, Clone)]
struct Remark {
    level: Level,
    key: String,
    code: &'static str,
    args: Vec<(&'static str, Value)>,
    mark: u32,
}

/// Collects messages; equal ones count once.
#[derive(Debug, Default)]
pub(super) struct Report {
    remarks: RefCell<Vec<Remark>>,
    known: RefCell<HashSet<Remark>>,
}

impl Report {
    fn add(&self, remark: Remark) {
        let mut remarks = self.remarks.borrow_mut();
        if remarks.len() < MAX_MESSAGES && self.known.borrow_mut().insert(remark.clone()) {
            remarks.push(remark);
        }
    }

    /// The messages in order, with lines of `text`.
    pub(super) fn into_messages(self, text: &str) -> Vec<Message> {
        let lines = Lines::of(text);
        let place = |remark: Remark| {
            let offset = usize::try_from(remark.mark)
                .ok()
                .and_then(|mark| mark.checked_sub(1));
            Message {
                level: remark.level,
                key: remark.key,
                code: remark.code.to_owned(),
                args: remark
                    .args
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
                line: offset.map(|offset| lines.number(offset)),
            }
        };
        let mut messages: Vec<Message> = Vec::new();
        for message in self.remarks.into_inner().into_iter().map(place) {
            if !messages.contains(&message) {
                messages.push(message);
            }
        }
        messages
    }
}

/// A place in the tree. Items of a list stand where their list stands.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    parent: Option<&'a At<'a>>,
    key: Option<&'a Key>,
    report: &'a Report,
}

impl<'a> At<'a> {
    pub(super) fn root(report: &'a Report) -> Self {
        At {
            parent: None,
            key: None,
            report,
        }
    }

    pub(super) fn below(&'a self, key: &'a Key) -> Self {
        At {
            parent: Some(self),
            key: Some(key),
            report: self.report,
        }
    }

    /// The map around this place.
    pub(super) fn above(&self) -> Self {
        self.parent.copied().unwrap_or(*self)
    }

    pub(super) fn key(&self) -> Option<&'a Key> {
        self.key
    }

    /// Keys from the root, each once, joined by dots; `root` at the top.
    fn path(&self) -> String {
        let mut keys: Vec<&str> = Vec::new();
        let mut place = Some(self);
        while let Some(at) = place {
            keys.extend(at.key.map(|key| key.text.as_str()));
            place = at.parent;
        }
        if keys.is_empty() {
            return "root".to_owned();
        }
        let mut path: Vec<&str> = Vec::with_capacity(keys.len());
        for key in keys.into_iter().rev() {
            if !path.contains(&key) {
                path.push(key);
            }
        }
        path.join(".")
    }

    /// Leaves a message about this place.
    pub(super) fn say(&self, level: Level, code: &'static str, args: Vec<(&'static str, Value)>) {
        self.say_of(self.key, level, code, args);
    }

    /// Leaves a message about this place, at the line of a key below it.
    pub(super) fn say_of(
        &self,
        key: Option<&Key>,
        level: Level,
        code: &'static str,
        args: Vec<(&'static str, Value)>,
    ) {
        self.report.add(Remark {
            level,
            key: self.path(),
            code,
            args,
            mark: key.map_or(0, |key| key.mark),
        });
    }

    /// Leaves a message about the secret at this place.
    pub(super) fn say_secure(
        &self,
        level: Level,
        code: &'static str,
        args: Vec<(&'static str, Value)>,
    ) {
        let key = format!("{}.secure", self.path());
        self.report.add(Remark {
            level,
            key,
            code,
            args,
            mark: self.key.map_or(0, |key| key.mark),
        });
    }
}

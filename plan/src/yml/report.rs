//! Where in the tree a pass stands, and the messages it leaves.

use std::cell::RefCell;

use super::node::{Key, Node, Type};
use super::texts::Texts;
use crate::message::{Level, Message};
use crate::value::{Text, Value};

/// Messages kept of one file; a file with more has long made its point.
const MAX_MESSAGES: usize = 1_000;

/// A message with the place of its key instead of its own.
#[derive(Debug, PartialEq, Eq)]
struct Remark {
    level: Level,
    key: String,
    code: &'static str,
    args: Vec<(&'static str, Value)>,
    mark: u32,
    /// What chose the type of the map it is about: entries that differ in it have messages of their own.
    chosen_by: Option<Text>,
}

/// A remark and the place of the nearest key around it that the author wrote.
#[derive(Debug)]
struct Placed {
    remark: Remark,
    near: u32,
}

/// Collects messages; equal ones count once. And what was left to its default.
#[derive(Debug, Default)]
pub(super) struct Report {
    remarks: RefCell<Vec<Placed>>,
    /// Keys of the root.
    assumed: RefCell<Vec<Text>>,
}

impl Report {
    fn add(&self, remark: Remark, near: u32) {
        let mut remarks = self.remarks.borrow_mut();
        let is_known = |placed: &Placed| placed.remark == remark;
        if remarks.len() < MAX_MESSAGES && !remarks.iter().any(is_known) {
            remarks.push(Placed { remark, near });
        }
    }

    /// Keys of the root that were left to their defaults.
    pub(super) fn assumed(&self) -> Vec<Text> {
        self.assumed.take()
    }

    /// The messages in order, each with the mark of its key, 0 if there is none.
    pub(super) fn into_messages(self, texts: &Texts<'_>) -> Vec<(Message, u32)> {
        let remarks = self.remarks.into_inner();
        let mut kept: Vec<Placed> = Vec::with_capacity(remarks.len());
        for mut placed in remarks {
            // Equal messages about one line are one message.
            placed.remark.mark = texts.line(placed.remark.mark);
            if !kept.iter().any(|other| other.remark == placed.remark) {
                kept.push(placed);
            }
        }
        kept.into_iter()
            .map(|Placed { remark, near }| {
                let message = Message::new(remark.level, remark.key, remark.code, remark.args);
                (message, near)
            })
            .collect()
    }
}

/// A place in the tree. Items of a list stand where their list stands.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    parent: Option<&'a At<'a>>,
    key: Option<&'a Key>,
    chosen_by: Option<&'a Text>,
    report: &'a Report,
}

impl<'a> At<'a> {
    pub(super) fn root(report: &'a Report) -> Self {
        At {
            parent: None,
            key: None,
            chosen_by: None,
            report,
        }
    }

    pub(super) fn below(&'a self, key: &'a Key) -> Self {
        At {
            parent: Some(self),
            key: Some(key),
            chosen_by: None,
            report: self.report,
        }
    }

    /// The same place, for a map whose type was chosen by a value in it.
    pub(super) fn chosen_by(&self, value: Option<&'a Text>) -> Self {
        At {
            chosen_by: value.or(self.chosen_by),
            ..*self
        }
    }

    /// The map around this place.
    pub(super) fn above(&self) -> Self {
        self.parent.copied().unwrap_or(*self)
    }

    /// Notes that this key, which stands here, was left to its default.
    pub(super) fn assume(&self, key: &Key) {
        let mut assumed = self.report.assumed.borrow_mut();
        let is_at_root = self.above().key.is_none();
        if is_at_root && !assumed.contains(&key.text) {
            assumed.push(key.text.clone());
        }
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
        let mark = key.map_or(0, |key| key.mark);
        let remark = Remark {
            level,
            key: self.path(),
            code,
            args,
            mark,
            chosen_by: self.chosen_by.cloned(),
        };
        self.report
            .add(remark, if mark > 0 { mark } else { self.near() });
    }

    /// The mark of the nearest key around that the author wrote.
    fn near(&self) -> u32 {
        let mut place = Some(self);
        while let Some(at) = place {
            match at.key {
                Some(key) if key.mark > 0 => return key.mark,
                _ => place = at.parent,
            }
        }
        0
    }

    /// Leaves a message about the value at this place; one about a secret names its key `secure` too.
    pub(super) fn say_about(
        &self,
        node: &Node,
        level: Level,
        code: &'static str,
        args: Vec<(&'static str, Value)>,
    ) {
        if !node.is(Type::Secure) {
            return self.say(level, code, args);
        }
        let remark = Remark {
            level,
            key: format!("{}.secure", self.path()),
            code,
            args,
            mark: self.key.map_or(0, |key| key.mark),
            chosen_by: None,
        };
        self.report.add(remark, self.near());
    }
}

//! Two raw trees into one: the importing file has precedence, the imported one comes first.

use std::collections::HashMap;

use crate::value::Text;
use crate::yml::node::{Fields, Key, Node};

/// How an imported file is put below what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::yml) enum Mode {
    /// The importing side replaces the imported one.
    Replace,
    /// Keys of the top; one that is there stays as it is.
    Merge,
    /// Maps in maps; a list that is there stays as it is.
    DeepMerge,
    /// Maps in maps; items of the imported list come first.
    #[default]
    DeepMergeAppend,
    /// Maps in maps; items of the imported list come last.
    DeepMergePrepend,
}

impl Mode {
    /// Reads what stands under `mode`.
    pub(in crate::yml) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "replace" => Mode::Replace,
            "merge" => Mode::Merge,
            "deep_merge" => Mode::DeepMerge,
            "deep_merge_append" => Mode::DeepMergeAppend,
            "deep_merge_prepend" => Mode::DeepMergePrepend,
            _ => return None,
        })
    }

    /// Reads a tag on a map or a list of the importing file.
    pub(in crate::yml) fn from_tag(tag: &str) -> Option<Self> {
        let (kind, name) = tag.trim_start_matches('!').split_once('+')?;
        match (kind, name) {
            ("map", "deep_merge+append" | "merge+append") | ("seq", "append") => {
                Some(Mode::DeepMergeAppend)
            }
            ("map", "deep_merge+prepend" | "merge+prepend") | ("seq", "prepend") => {
                Some(Mode::DeepMergePrepend)
            }
            ("map", name) => Mode::from_name(name),
            ("seq", "replace") => Some(Mode::Replace),
            _ => None,
        }
    }
}

/// Puts `imported` below `own`. Keys of the imported side keep their place before the rest.
pub(super) fn merge(mode: Mode, own: Fields, imported: Fields) -> Fields {
    if mode == Mode::Replace {
        return own;
    }
    let mut merged = Fields::with_duplicates(own.duplicates.clone());
    let mut own: Vec<Option<(Key, Node)>> = own.into_iter().map(Some).collect();
    let places: HashMap<Text, usize> = own
        .iter()
        .flatten()
        .enumerate()
        .map(|(place, (key, _))| (key.text.clone(), place))
        .collect();
    for (key, low) in imported {
        let both = places.get(&key.text).and_then(|place| own[*place].take());
        match both {
            Some((key, high)) => {
                let node = combine(mode, key.mode, high, low);
                merged.push_new(key, node);
            }
            None => merged.push_new(key, low),
        }
    }
    for (key, node) in own.into_iter().flatten() {
        merged.push_new(key, node);
    }
    merged
}

fn combine(mode: Mode, tag: Option<Mode>, high: Node, low: Node) -> Node {
    let mode = match (mode, tag) {
        (Mode::Merge, _) => return high,
        (_, Some(tag)) => tag,
        (mode, None) => mode,
    };
    match (high, low) {
        (Node::Map(high), Node::Map(low)) => Node::Map(merge(mode, high, low)),
        (Node::Seq(mut high), Node::Seq(mut low)) => match mode {
            Mode::DeepMergeAppend => {
                low.append(&mut high);
                Node::Seq(low)
            }
            Mode::DeepMergePrepend => {
                high.append(&mut low);
                Node::Seq(high)
            }
            _ => Node::Seq(high),
        },
        (high, _) => high,
    }
}

//! What is asked of map types all the time, worked out once.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::{Entry, Kind, MapType, ROOT, Schema};

/// Keys of a map type that are better looked up than searched.
const LARGE: usize = 8;

/// Facts about one map type.
pub(super) struct Facts {
    entries: FxHashMap<&'static str, &'static Entry>,
    defaulted: Vec<&'static str>,
}

impl Facts {
    pub(super) fn entry(&self, key: &str) -> Option<&'static Entry> {
        self.entries.get(key).copied()
    }

    pub(super) fn defaulted(&self) -> &[&'static str] {
        &self.defaulted
    }
}

/// By the address of the map type, all of which are static.
static FACTS: LazyLock<FxHashMap<usize, Facts>> = LazyLock::new(|| {
    let mut facts = FxHashMap::default();
    collect(&ROOT, &mut facts);
    facts
});

fn address(map: &MapType) -> usize {
    std::ptr::from_ref(map).addr()
}

/// The facts about a map type of the language.
pub(super) fn facts(map: &MapType) -> Option<&'static Facts> {
    FACTS.get(&address(map))
}

/// The facts about a map type that has many keys.
pub(super) fn large(map: &MapType) -> Option<&'static Facts> {
    let count: usize = map.groups.iter().map(|group| group.len()).sum();
    if count < LARGE { None } else { facts(map) }
}

fn collect(schema: &'static Schema, facts: &mut FxHashMap<usize, Facts>) {
    match &schema.kind {
        Kind::Any { choices, .. } => choices
            .iter()
            .for_each(|choice| collect(choice.schema, facts)),
        Kind::Seq { items, .. } => collect(items, facts),
        Kind::Map(map) => {
            if facts.contains_key(&address(map)) {
                return;
            }
            let mut entries = FxHashMap::default();
            for entry in map.entries() {
                // The first of equal keys counts.
                entries.entry(entry.key).or_insert(entry);
            }
            let defaulted = map.entries().filter(|entry| entry.schema.has_default());
            let defaulted = defaulted.map(|entry| entry.key).collect();
            facts.insert(address(map), Facts { entries, defaulted });
            map.entries().for_each(|entry| collect(entry.schema, facts));
            map.values
                .into_iter()
                .for_each(|values| collect(values, facts));
        }
        _ => {}
    }
}

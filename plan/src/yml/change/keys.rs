//! Repairs of keys: aliases, spelling, and the keys that must be there (travis-ci/travis-yml, `doc/change/keys.rb`,
//! `key.rb`).

use crate::message::Level;
use crate::value::Value;
use crate::yml::node::{Fields, Key, Node};
use crate::yml::report::At;
use crate::yml::schema::{MapType, is_private};
use crate::yml::similar::nearest;
use crate::yml::spelling;

/// Unknown keys of one map that are looked at for misspellings.
const MAX_REPAIRED: usize = 500;

pub(super) fn change_keys(map: &'static MapType, at: &At<'_>, node: Node) -> Node {
    match node {
        Node::Map(fields) if map.strict && !(fields.len() == 1 && fields.has("secure")) => {
            let mut fields = with_needed(map, fields);
            fields.retain(|(key, _)| !is_internal(&key.text));
            Node::Map(repair(map, at, fields))
        }
        other => other,
    }
}

/// Keys that are required or have a default come first, empty if the author gave none.
fn with_needed(map: &'static MapType, mut fields: Fields) -> Fields {
    let needed = map.required.iter().chain(map.defaulted());
    if needed.clone().next().is_none() {
        return fields;
    }
    let mut all = Fields::with_duplicates(std::mem::take(&mut fields.duplicates));
    for name in needed.copied() {
        if all.has(name) {
            continue;
        }
        match fields.take_entry(name) {
            Some((key, node)) => all.push_new(key, node),
            None => all.push_new(Key::made(name), Node::Null),
        }
    }
    fields
        .into_iter()
        .for_each(|(key, node)| all.push_new(key, node));
    all
}

/// Keys that Travis' own services once wrote.
fn is_internal(key: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    matches!(
        key.trim_matches(|c| !word(c)),
        "configured" | "result" | "fetching_failed" | "parsing_failed"
    )
}

fn repair(map: &'static MapType, at: &At<'_>, mut fields: Fields) -> Fields {
    let unknown: Vec<Key> = fields
        .iter()
        .map(|(key, _)| key)
        .filter(|key| !map.has(&key.text) && !is_private(&key.text))
        .take(MAX_REPAIRED)
        .cloned()
        .collect();
    for key in unknown {
        let repairer = Repairer {
            map,
            at,
            key: &key,
            fields: &fields,
        };
        let name = repairer.run();
        if name == key.text {
            continue;
        }
        if let Some(node) = fields.take(&key.text) {
            fields.set_renamed(key.renamed(&name), node);
        }
    }
    fields
}

struct Repairer<'r> {
    map: &'static MapType,
    at: &'r At<'r>,
    key: &'r Key,
    fields: &'r Fields,
}

impl Repairer<'_> {
    fn run(&self) -> String {
        let mut name = self.dealiased(self.key.text.to_string());
        let steps: [fn(&Self, &str) -> Option<String>; 4] =
            [Self::strip, Self::underscore, Self::clean, Self::find];
        for step in steps {
            if self.map.has(&name) {
                return name;
            }
            if let Some(other) = step(self, &name) {
                name = other;
            }
            name = self.dealiased(name);
        }
        name
    }

    fn dealiased(&self, name: String) -> String {
        if self.map.has(&name) {
            return name;
        }
        let Some(other) = self.map.aliased(&name).filter(|other| *other != name) else {
            return name;
        };
        let at = self.at;
        at.say_of(
            Some(self.key),
            Level::Info,
            "alias_key",
            vec![("alias", name.as_str().into()), ("key", other.into())],
        );
        if self.fields.has(other) {
            at.say(
                Level::Error,
                "overwrite",
                vec![("key", name.into()), ("other", other.into())],
            );
        }
        other.to_owned()
    }

    fn say(&self, level: Level, code: &'static str, from: &str, to: &str) {
        let args: Vec<(&'static str, Value)> = vec![("original", from.into()), ("key", to.into())];
        self.at.say_of(Some(self.key), level, code, args);
    }

    fn strip(&self, name: &str) -> Option<String> {
        let other = name.trim_matches(|c: char| c.is_whitespace() || c == '\u{a0}');
        self.accept(Level::Warn, "strip_key", name, other)
    }

    fn underscore(&self, name: &str) -> Option<String> {
        self.accept(Level::Info, "underscore_key", name, &underscored(name))
    }

    fn clean(&self, name: &str) -> Option<String> {
        self.accept(Level::Warn, "clean_key", name, &cleaned(name))
    }

    fn find(&self, name: &str) -> Option<String> {
        let listed = spelling::correct(name).filter(|other| self.map.has(other));
        let found = listed.or_else(|| nearest(&self.map.candidates(), name))?;
        self.say(Level::Warn, "find_key", name, found);
        Some(found.to_owned())
    }

    fn accept(&self, level: Level, code: &'static str, from: &str, to: &str) -> Option<String> {
        if from == to || !self.map.has(to) {
            return None;
        }
        self.say(level, code, from, to);
        Some(to.to_owned())
    }
}

/// `CamelCase` and dashes to lower case with underscores.
fn underscored(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (place, letter) in letters.iter().enumerate() {
        let before = place.checked_sub(1).map(|before| letters[before]);
        let after = letters.get(place + 1);
        let starts_word = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || before.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase)
            });
        if starts_word {
            out.push('_');
        }
        out.push(if *letter == '-' { '_' } else { *letter });
    }
    out.to_lowercase()
}

/// Only word characters and dots, no doubled or trailing underscores.
fn cleaned(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| if matches!(c, '-' | ' ') { '_' } else { c })
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
        .collect();
    let name = if name.starts_with("__") {
        name.trim_start_matches('_')
    } else {
        &name
    };
    name.trim_end_matches('_').replace("__", "_")
}

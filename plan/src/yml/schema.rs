//! What the language allows: one static table of types, aliases, defaults and repairs, which all passes read.
//!
//! Source of the facts: travis-ci/travis-yml, `schema.json` and `lib/travis/yml/schema/def/`.

mod addons;
mod deploy;
mod index;
mod job;
mod json;
mod languages;
mod notation;
mod notifications;
mod reference;
mod root;
mod words;

use std::collections::HashSet;
use std::sync::LazyLock;

use super::node::{Node, Type};
use crate::value::Text;

use notation::{
    ANY_MAP, BOOL, LAX_SECURE, LAX_SECURE_SEQ, LAX_SECURES, NUM, PLAIN, SECURE, SECURES, STR,
    STR_MAP, STRS, any, free_map, is, key, map, normal, of, one_of, other, prefix, seq, strict_map,
    text,
};

pub(super) use json::json_schema;
pub(super) use reference::reference;
pub use reference::{KeyDoc, KeyGroup};
pub(super) use root::ROOT;

/// One type of the language.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) kind: Kind,
    /// `strict: false`: a plain string is fine where a secret is expected.
    pub(super) lax: bool,
    pub(super) defaults: &'static [Fill],
    pub(super) edge: bool,
}

/// The shapes of types.
#[derive(Debug)]
pub(super) enum Kind {
    /// One of several; `detect` names the key that tells maps apart.
    Any {
        choices: &'static [Choice],
        detect: Option<&'static str>,
    },
    Seq {
        items: &'static Schema,
        env_vars: bool,
    },
    Map(MapType),
    /// `{secure: …}` or text.
    Secure,
    Str(StrType),
    Num,
    Bool {
        values: &'static [bool],
    },
}

/// An alternative of a choice; the normal ones are what a value is turned into.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) schema: &'static Schema,
    pub(super) normal: bool,
}

/// A map type.
#[derive(Debug)]
pub(super) struct MapType {
    /// Known keys, in groups shared between types.
    pub(super) groups: &'static [&'static [Entry]],
    /// Type of the values, for a map whose keys are free.
    pub(super) values: Option<&'static Schema>,
    /// Beginnings that a free key must not have.
    pub(super) refused: &'static [&'static str],
    pub(super) strict: bool,
    /// The key a value goes under that is no such map.
    pub(super) prefix: Option<Prefix>,
    pub(super) required: &'static [&'static str],
    pub(super) change: Change,
    /// `unique_value_globally`.
    pub(super) unique_globally: bool,
}

/// The main key of a map type.
#[derive(Debug)]
pub(super) struct Prefix {
    pub(super) key: &'static str,
    /// Only text is put under it.
    pub(super) only_text: bool,
}

/// Repairs that only some map types have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Cache,
    Enable,
    /// Copies `on_success` and `on_failure` into the entries.
    Inherit,
}

/// A known key.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) schema: &'static Schema,
    pub(super) deprecated: Option<&'static str>,
    /// Its values should differ among the items of a list.
    pub(super) unique: bool,
    pub(super) support: Support,
}

/// Where a key or a value has a meaning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Support {
    /// Languages it belongs to; empty for all.
    pub(super) languages: &'static [&'static str],
    /// Languages it is not for.
    pub(super) not_languages: &'static [&'static str],
    /// Operating systems it belongs to; empty for all.
    pub(super) os: &'static [&'static str],
    /// Operating systems it is not for.
    pub(super) not_os: &'static [&'static str],
}

/// Everywhere.
pub(super) const EVERYWHERE: Support = Support {
    languages: &[],
    not_languages: &[],
    os: &[],
    not_os: &[],
};

/// A value filled in where none is given, and when.
#[derive(Debug)]
pub(super) struct Fill {
    pub(super) value: &'static str,
    pub(super) support: Support,
}

/// A type of text.
#[derive(Debug)]
pub(super) struct StrType {
    pub(super) values: &'static [EnumValue],
    pub(super) downcase: bool,
    pub(super) ignore_case: bool,
    pub(super) format: Option<Format>,
    /// Names allowed in `%{…}`; empty when the text is no template.
    pub(super) vars: &'static [&'static str],
}

/// Formats of text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Format {
    /// `NAME=value` without another `=`.
    EnvVar,
    /// An operator, a space and a version.
    Version,
}

/// One value of an enumeration.
#[derive(Debug)]
pub(super) struct EnumValue {
    pub(super) name: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) deprecated: Option<&'static str>,
    pub(super) support: Support,
}

impl Schema {
    /// The type's name for messages, and to compare with a value's.
    pub(super) fn kind(&self) -> Type {
        match &self.kind {
            Kind::Any { .. } => Type::Any,
            Kind::Seq { .. } => Type::Seq,
            Kind::Map(_) => Type::Map,
            Kind::Secure => Type::Secure,
            Kind::Str(_) => Type::Str,
            Kind::Num => Type::Num,
            Kind::Bool { .. } => Type::Bool,
        }
    }

    /// Whether a value of type `kind` is of this type; a secret may be text.
    pub(super) fn takes(&self, kind: Type) -> bool {
        self.kind() == kind || (matches!(self.kind, Kind::Secure) && kind == Type::Str)
    }

    pub(super) fn is_scalar(&self) -> bool {
        matches!(self.kind, Kind::Str(_) | Kind::Num | Kind::Bool { .. })
    }

    /// Whether the value, with all it holds, is of this type. Nothing is, and so is an empty map or list.
    pub(super) fn matches(&self, node: &Node) -> bool {
        if let Kind::Secure = self.kind {
            return matches!(node.kind(), Type::Secure | Type::Str);
        }
        if let Kind::Any { choices, .. } = &self.kind {
            return choices.iter().any(|choice| choice.schema.matches(node));
        }
        match (&self.kind, node) {
            (_, Node::Null) | (Kind::Num, Node::Int(_)) | (Kind::Bool { .. }, Node::Bool(_)) => {
                true
            }
            (_, Node::Seq(items)) if items.is_empty() => true,
            (_, Node::Map(fields)) if fields.is_empty() => true,
            (Kind::Seq { items, .. }, Node::Seq(nodes)) => {
                nodes.iter().all(|node| items.matches(node))
            }
            (Kind::Map(map), Node::Map(fields)) if node.is(Type::Map) => {
                fields.iter().all(|(key, node)| map.takes(&key.text, node))
            }
            (Kind::Str(text), Node::Str(value)) => {
                text.format.is_none_or(|format| format.fits(value))
            }
            _ => false,
        }
    }

    /// The one value of the key that tells maps of this type from others.
    fn named_by(&self, key: &str) -> Option<&'static str> {
        match &self.kind {
            Kind::Any { choices, .. } => choices
                .iter()
                .find_map(|choice| choice.schema.named_by(key)),
            Kind::Map(map) => match &map.entry(key)?.schema.kind {
                Kind::Str(StrType {
                    values: [value], ..
                }) => Some(value.name),
                _ => None,
            },
            _ => None,
        }
    }

    /// The defaults of this type, or of what it is made of.
    fn all_defaults(&self) -> &'static [Fill] {
        match &self.kind {
            Kind::Any { choices, .. } => choices
                .iter()
                .map(|choice| choice.schema.all_defaults())
                .find(|defaults| !defaults.is_empty())
                .unwrap_or_default(),
            Kind::Seq { items, .. } => items.all_defaults(),
            Kind::Map(_) => &[],
            _ => self.defaults,
        }
    }

    /// Whether a default would be filled in for this type.
    pub(super) fn has_default(&self) -> bool {
        match &self.kind {
            Kind::Any { choices, .. } => choices.iter().any(|choice| choice.schema.has_default()),
            Kind::Seq { items, .. } => items.has_default(),
            _ => !self.defaults.is_empty(),
        }
    }

    /// The alternatives that count for this value: the one that its detecting key names, else the normal ones, else all.
    pub(super) fn select(
        &'static self,
        node: &Node,
    ) -> impl Iterator<Item = &'static Choice> + use<> {
        let (choices, detected) = match &self.kind {
            Kind::Any { choices, detect } => (
                *choices,
                detect.and_then(|key| Self::detected(choices, key, node)),
            ),
            _ => (&[][..], None),
        };
        let choices = detected.map_or(choices, std::slice::from_ref);
        let has_normal = choices.iter().any(|choice| choice.normal);
        choices
            .iter()
            .filter(move |choice| detected.is_some() || !has_normal || choice.normal)
    }

    /// The text in a map by which its type is chosen.
    pub(super) fn chosen_by(&self, node: &Node) -> Option<Text> {
        match (&self.kind, node) {
            (Kind::Any { detect, .. }, Node::Map(fields)) => match fields.get((*detect)?)? {
                Node::Str(text) => Some(text.clone()),
                _ => None,
            },
            _ => None,
        }
    }

    fn detected(choices: &'static [Choice], key: &str, node: &Node) -> Option<&'static Choice> {
        let find = |is_exact| {
            choices
                .iter()
                .find(|choice| choice.schema.is_detected(key, is_exact, node))
        };
        find(true).or_else(|| find(false))
    }

    fn is_detected(&self, key: &str, is_exact: bool, node: &Node) -> bool {
        match &self.kind {
            Kind::Any { choices, .. } => choices
                .iter()
                .any(|choice| choice.schema.is_detected(key, is_exact, node)),
            Kind::Seq { items, .. } => {
                matches!(items.kind, Kind::Map(_)) && items.is_detected(key, is_exact, node)
            }
            Kind::Map(map) => map
                .entry(key)
                .is_some_and(|entry| entry.schema.is_named_by(key, is_exact, node)),
            _ => false,
        }
    }

    fn is_named_by(&self, key: &str, is_exact: bool, node: &Node) -> bool {
        let Kind::Str(StrType {
            values: [value], ..
        }) = &self.kind
        else {
            return false;
        };
        let given = match node {
            Node::Map(fields) => fields.get(key).and_then(Node::text),
            other => other.text(),
        };
        given.is_some_and(|given| {
            if is_exact {
                given == value.name
            } else {
                super::similar::nearest(&[value.name], given) == Some(value.name)
            }
        })
    }

    /// Every key below this type.
    fn collect_keys(&self, keys: &mut HashSet<&'static str>) {
        match &self.kind {
            Kind::Any { choices, .. } => choices
                .iter()
                .for_each(|choice| choice.schema.collect_keys(keys)),
            Kind::Seq { items, .. } => items.collect_keys(keys),
            Kind::Map(map) => {
                for entry in map.entries() {
                    keys.insert(entry.key);
                    entry.schema.collect_keys(keys);
                }
            }
            _ => {}
        }
    }
}

impl MapType {
    pub(super) fn entries(&self) -> impl Iterator<Item = &'static Entry> {
        self.groups.iter().flat_map(|group| group.iter())
    }

    pub(super) fn entry(&self, key: &str) -> Option<&'static Entry> {
        match index::large(self) {
            Some(facts) => facts.entry(key),
            None => self.entries().find(|entry| entry.key == key),
        }
    }

    /// Keys that have a default.
    pub(super) fn defaulted(&self) -> &'static [&'static str] {
        index::facts(self).map_or(&[], index::Facts::defaulted)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// The key that `alias` stands for; `-` may stand for `_`.
    pub(super) fn aliased(&self, alias: &str) -> Option<&'static str> {
        let find = |alias: &str| {
            // A later entry wins.
            self.entries()
                .filter(|entry| entry.aliases.contains(&alias))
                .last()
                .map(|entry| entry.key)
        };
        find(alias).or_else(|| {
            if alias.contains('-') {
                find(&alias.replace('-', "_"))
            } else {
                None
            }
        })
    }

    /// Whether a key is known by its name or an alias; keys of R count only by their exact name elsewhere.
    pub(super) fn knows(&self, key: &str) -> bool {
        !languages::is_r_key(key)
            && self
                .entries()
                .any(|entry| entry.key == key || entry.aliases.contains(&key))
    }

    /// Names that a misspelt key may have meant.
    pub(super) fn candidates(&self) -> Vec<&'static str> {
        let keys = self.entries().map(|entry| entry.key);
        let aliases = self
            .entries()
            .flat_map(|entry| entry.aliases.iter().copied());
        keys.chain(aliases)
            .filter(|key| !languages::is_r_key(key))
            .collect()
    }

    fn takes(&self, key: &str, node: &Node) -> bool {
        match self.entry(key) {
            Some(entry) => entry.schema.matches(node),
            None => {
                is_private(key)
                    || !self.strict && !self.refused.iter().any(|start| key.starts_with(start))
            }
        }
    }

    /// Type of the value under `key`.
    pub(super) fn child(&self, key: &str) -> Option<&'static Schema> {
        match self.entry(key) {
            Some(entry) => Some(entry.schema),
            None if self.strict => None,
            None => self.values,
        }
    }
}

/// Keys that nobody looks at: for anchors.
pub(super) fn is_private(key: &str) -> bool {
    key.starts_with(['_', '.'])
}

impl Format {
    pub(super) fn fits(self, text: &str) -> bool {
        match self {
            Format::EnvVar => text.lines().any(|line| {
                line.split_once('=')
                    .is_some_and(|(name, value)| !name.is_empty() && !value.contains('='))
            }),
            Format::Version => text.lines().any(is_requirement),
        }
    }

    pub(super) fn pattern(self) -> &'static str {
        match self {
            Format::EnvVar => "^[^=]+=[^=]*$",
            Format::Version => r"^(~>|>|>=|=|<=|<) (\d+(?:\.\d+)?(?:\.\d+)?)$",
        }
    }
}

fn is_requirement(line: &str) -> bool {
    let Some((operator, version)) = line.split_once(' ') else {
        return false;
    };
    let parts: Vec<&str> = version.split('.').collect();
    matches!(operator, "~>" | ">" | ">=" | "=" | "<=" | "<")
        && parts.len() <= 3
        && parts
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

impl StrType {
    /// Whether any text will do.
    fn is_plain(&self) -> bool {
        self.values.is_empty() && self.format.is_none() && self.vars.is_empty()
    }

    pub(super) fn is_enum(&self) -> bool {
        !self.values.is_empty()
    }

    pub(super) fn value(&self, name: &str) -> Option<&'static EnumValue> {
        self.values.iter().find(|value| value.name == name)
    }

    pub(super) fn aliased(&self, alias: &str) -> Option<&'static str> {
        self.values
            .iter()
            .find(|value| value.aliases.contains(&alias))
            .map(|value| value.name)
    }
}

/// Words that are never taken for a misspelling: keys known anywhere, and words that mean something else.
pub(super) fn is_stop_word(word: &str) -> bool {
    static KEYS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
        let mut keys = HashSet::new();
        ROOT.collect_keys(&mut keys);
        keys.retain(|key| !languages::is_r_key(key));
        keys
    });
    const WORDS: &[&str] = &[
        "after_vendor",
        "branch",
        "branches",
        "erlang",
        "gcc",
        "golang",
        "html",
        "jvm",
        "nvm",
        "osx",
        "pip",
        "pgsql",
        "postgres",
        "prose",
        "sdk",
        "slack",
        "start_script",
        "test",
        "trusty",
        "versions",
        "vimscript",
    ];
    WORDS.contains(&word) || KEYS.contains(word)
}

//! In which words the tables of the schema are written, and the types that they share.

use super::{
    Change, Choice, EVERYWHERE, Entry, EnumValue, Kind, MapType, Prefix, Schema, StrType, Support,
};

pub(super) const PLAIN: StrType = StrType {
    values: &[],
    downcase: false,
    ignore_case: false,
    format: None,
    vars: &[],
};

pub(super) const fn of(kind: Kind) -> Schema {
    Schema {
        kind,
        lax: false,
        defaults: &[],
        edge: false,
    }
}

pub(super) const fn any(choices: &'static [Choice]) -> Schema {
    of(Kind::Any {
        choices,
        detect: None,
    })
}

pub(super) const fn seq(items: &'static Schema) -> Schema {
    of(Kind::Seq {
        items,
        env_vars: false,
    })
}

pub(super) const fn normal(schema: &'static Schema) -> Choice {
    Choice {
        schema,
        normal: true,
    }
}

pub(super) const fn other(schema: &'static Schema) -> Choice {
    Choice {
        schema,
        normal: false,
    }
}

pub(super) const fn text(text: StrType) -> Schema {
    of(Kind::Str(text))
}

pub(super) const fn one_of(values: &'static [EnumValue]) -> Schema {
    text(StrType { values, ..PLAIN })
}

pub(super) const fn is(name: &'static str) -> EnumValue {
    EnumValue {
        name,
        aliases: &[],
        deprecated: None,
        support: EVERYWHERE,
    }
}

pub(super) const fn strict_map(groups: &'static [&'static [Entry]]) -> MapType {
    MapType {
        groups,
        values: None,
        refused: &[],
        strict: true,
        prefix: None,
        required: &[],
        change: Change::None,
        unique_globally: false,
    }
}

pub(super) const fn free_map(values: Option<&'static Schema>) -> MapType {
    MapType {
        values,
        strict: false,
        ..strict_map(&[])
    }
}

pub(super) const fn map(groups: &'static [&'static [Entry]]) -> Schema {
    of(Kind::Map(strict_map(groups)))
}

pub(super) const fn prefix(key: &'static str) -> Option<Prefix> {
    Some(Prefix {
        key,
        only_text: false,
    })
}

pub(super) const fn key(key: &'static str, schema: &'static Schema) -> Entry {
    Entry {
        key,
        aliases: &[],
        schema,
        deprecated: None,
        unique: false,
        support: EVERYWHERE,
    }
}

impl Entry {
    pub(super) const fn or(self, aliases: &'static [&'static str]) -> Self {
        Entry { aliases, ..self }
    }

    pub(super) const fn deprecated(self, why: &'static str) -> Self {
        Entry {
            deprecated: Some(why),
            ..self
        }
    }

    pub(super) const fn unique(self) -> Self {
        Entry {
            unique: true,
            ..self
        }
    }

    pub(super) const fn only(self, support: Support) -> Self {
        Entry { support, ..self }
    }
}

pub(super) static STR: Schema = text(PLAIN);
pub(super) static NUM: Schema = of(Kind::Num);
pub(super) static BOOL: Schema = of(Kind::Bool { values: &[] });
pub(super) static SECURE: Schema = of(Kind::Secure);
/// Takes a plain string without a word.
pub(super) static LAX_SECURE: Schema = Schema {
    lax: true,
    ..of(Kind::Secure)
};
static STR_ITEM: Schema = any(&[other(&STR)]);
static STR_SEQ: Schema = seq(&STR_ITEM);
pub(super) static STRS: Schema = any(&[normal(&STR_SEQ), other(&STR)]);
static SECURE_SEQ: Schema = seq(&SECURE);
pub(super) static SECURES: Schema = any(&[normal(&SECURE_SEQ), other(&SECURE)]);
pub(super) static LAX_SECURE_SEQ: Schema = seq(&LAX_SECURE);
pub(super) static LAX_SECURES: Schema = any(&[normal(&LAX_SECURE_SEQ), other(&LAX_SECURE)]);
pub(super) static STR_MAP: Schema = of(Kind::Map(free_map(Some(&STR))));
pub(super) static ANY_MAP: Schema = of(Kind::Map(free_map(None)));

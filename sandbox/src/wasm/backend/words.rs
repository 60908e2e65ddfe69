//! From the words of a command line to arguments: variables, substituted commands, braces, patterns.

use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use deno_task_shell::parser::{Word, WordPart};
use glob::{MatchOptions, Pattern};

use super::shell::Shell;
use super::state::{State, Streams, Trouble};

/// Most arguments that one word can become.
const MOST: usize = 10_000;

/// Names match as in shells: a leading dot must be written.
const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Part of an argument; in quoted text nothing has a meaning.
struct Piece {
    text: String,
    quoted: bool,
}

/// Arguments being put together.
#[derive(Default)]
struct Fields {
    done: Vec<Vec<Piece>>,
    open: Option<Vec<Piece>>,
}

impl Fields {
    fn add(&mut self, text: String, quoted: bool) {
        self.open
            .get_or_insert_default()
            .push(Piece { text, quoted });
    }

    fn finish(&mut self) {
        self.done.extend(self.open.take());
    }

    /// Text from a variable or a command: blanks separate arguments.
    fn split(&mut self, text: &str) {
        if text.starts_with(|c: char| c.is_ascii_whitespace()) {
            self.finish();
        }
        for (place, word) in text.split_ascii_whitespace().enumerate() {
            if place > 0 {
                self.finish();
            }
            self.add(word.to_owned(), false);
        }
        if text.ends_with(|c: char| c.is_ascii_whitespace()) {
            self.finish();
        }
    }
}

impl Shell {
    /// All arguments that a word becomes.
    pub(super) fn words(
        &self,
        word: &Word,
        state: &State,
        streams: &Streams,
    ) -> Result<Vec<String>, Trouble> {
        let mut words = Vec::new();
        for parts in alternatives(word.parts())? {
            let mut fields = Fields::default();
            for part in parts {
                match part {
                    WordPart::Text(text) => fields.add(text.clone(), false),
                    WordPart::Variable(_) | WordPart::Command(_) => {
                        fields.split(&self.value(part, state, streams)?);
                    }
                    part => fields.add(self.value(part, state, streams)?, true),
                }
            }
            fields.finish();
            for field in fields.done {
                words.extend(self.matching(field, state));
                if words.len() > MOST {
                    return Err(Trouble(1, format!("more than {MOST} arguments")));
                }
            }
        }
        Ok(words)
    }

    /// The word as one text, as it is on the right of an assignment.
    pub(super) fn text(
        &self,
        word: &Word,
        state: &State,
        streams: &Streams,
    ) -> Result<String, Trouble> {
        self.joined(word.parts(), state, streams)
    }

    fn joined(
        &self,
        parts: &[WordPart],
        state: &State,
        streams: &Streams,
    ) -> Result<String, Trouble> {
        let mut text = String::new();
        for part in parts {
            text.push_str(&self.value(part, state, streams)?);
        }
        Ok(text)
    }

    fn value(&self, part: &WordPart, state: &State, streams: &Streams) -> Result<String, Trouble> {
        Ok(match part {
            WordPart::Text(text) => text.clone(),
            WordPart::Variable(name) => state.get(name).unwrap_or_default(),
            WordPart::Tilde => state.get("HOME").unwrap_or_default(),
            WordPart::Command(list) => self.output_of(list, state, streams)?,
            WordPart::Quoted(parts) => self.joined(parts, state, streams)?,
            WordPart::Brace(words) => {
                let texts: Result<Vec<String>, Trouble> = words
                    .iter()
                    .map(|word| self.text(word, state, streams))
                    .collect();
                texts?.join(" ")
            }
        })
    }

    /// The files that an argument means if it is a pattern, else itself.
    fn matching(&self, field: Vec<Piece>, state: &State) -> Vec<String> {
        let plain: String = field.iter().map(|piece| piece.text.as_str()).collect();
        let special = |piece: &Piece| !piece.quoted && piece.text.contains(['*', '?', '[']);
        if !field.iter().any(special) {
            return vec![plain];
        }
        let pattern: String = field
            .iter()
            .map(|piece| match piece.quoted {
                true => Pattern::escape(&piece.text),
                false => piece.text.replace("**", "*"),
            })
            .collect();
        let mut found = self.files(&pattern, state);
        found.sort();
        if found.is_empty() { vec![plain] } else { found }
    }

    fn files(&self, pattern: &str, state: &State) -> Vec<String> {
        let begin = if pattern.starts_with('/') { "/" } else { "" };
        let mut found = vec![PathBuf::from(begin)];
        for part in pattern.split('/').filter(|part| !part.is_empty()) {
            let Ok(matcher) = Pattern::new(part) else {
                return Vec::new();
            };
            let literal = !part.contains(['*', '?', '[']);
            let mut next = Vec::new();
            for folder in &found {
                if literal {
                    next.push(folder.join(part));
                } else if let Some(entries) = self.entries(folder, state) {
                    let names = entries.filter(|name| matcher.matches_with(name, MATCHING));
                    next.extend(names.map(|name| folder.join(name)));
                }
                if next.len() > MOST {
                    return Vec::new();
                }
            }
            found = next;
        }
        let is_there = |path: &PathBuf| {
            let inside = self.place.inside(&state.cwd, &path.to_string_lossy());
            inside.is_ok_and(|inside| self.place.root().symlink_metadata(inside).is_ok())
        };
        found
            .into_iter()
            .filter(is_there)
            .map(|path| path.to_string_lossy().into_owned())
            .collect()
    }

    /// Names in a folder; none for a folder that isn't there or lies outside. Above home, only the way to it is there.
    fn entries(&self, folder: &Path, state: &State) -> Option<impl Iterator<Item = String>> {
        let text = folder.to_string_lossy();
        let path = if text.is_empty() { "." } else { &text };
        let inside = self.place.inside(&state.cwd, path).ok()?;
        let folder: Dir = self.place.root().open_dir(inside).ok()?;
        let entries = folder.entries().ok()?;
        Some(
            entries
                .flatten()
                .filter_map(|entry| entry.file_name().into_string().ok()),
        )
    }
}

/// Every combination of the alternatives in braces.
fn alternatives(parts: &[WordPart]) -> Result<Vec<Vec<&WordPart>>, Trouble> {
    let mut all: Vec<Vec<&WordPart>> = vec![Vec::new()];
    for part in parts {
        let WordPart::Brace(words) = part else {
            all.iter_mut().for_each(|one| one.push(part));
            continue;
        };
        let mut choices = Vec::new();
        for word in words {
            choices.extend(alternatives(word.parts())?);
        }
        if all.len().saturating_mul(choices.len()) > MOST {
            return Err(Trouble(1, format!("more than {MOST} arguments")));
        }
        let mut next = Vec::new();
        for one in &all {
            for choice in &choices {
                next.push(one.iter().chain(choice).copied().collect());
            }
        }
        all = next;
    }
    Ok(all)
}

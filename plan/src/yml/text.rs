//! Tidies the bytes of a file before YAML sees them, as Travis does (travis-ci/travis-yml, `parts/part.rb`,
//! `configs/content.rb`).

use std::borrow::Cow;

use crate::message::Place;

/// A file made ready for YAML.
pub(super) struct Tidied<'t> {
    pub(super) text: Cow<'t, str>,
    /// Bytes outside ASCII that were dropped, comments not counted, and the place of the first.
    pub(super) dropped: Option<(usize, Place)>,
    /// The file without its byte-order mark.
    original: &'t [u8],
    /// Spaces taken off each line that has them.
    indent: usize,
}

impl Tidied<'_> {
    /// What leads from the tidied text back to the file.
    pub(super) fn map(&self) -> TextMap<'_> {
        TextMap {
            tidied: Lines::of(self.text.as_bytes()),
            file: Lines::of(self.original),
            original: self.original,
            indent: self.indent,
        }
    }
}

/// Drops a byte-order mark and all that is not ASCII, turns no-break spaces at line starts into spaces, takes the
/// indentation of the first line off all lines, and white space off the end. Line numbers stay.
pub(super) fn tidy(bytes: &[u8]) -> Tidied<'_> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let (text, dropped) = match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => (Cow::Borrowed(text), None),
        _ => (Cow::Owned(to_ascii(bytes)), count_dropped(bytes)),
    };
    let indent = indent(&text);
    Tidied {
        text: trimmed(dedent(text, indent)),
        dropped,
        original: bytes,
        indent,
    }
}

/// Travis reads the file's bytes as if they had no encoding: what is not ASCII is lost (`parts/part.rb`).
fn to_ascii(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let mut rest = line;
        while let Some(after) = rest.strip_prefix("\u{a0}".as_bytes()) {
            out.push(' ');
            rest = after;
        }
        out.extend(
            rest.iter()
                .filter(|byte| byte.is_ascii())
                .map(|byte| char::from(*byte)),
        );
    }
    out
}

fn count_dropped(bytes: &[u8]) -> Option<(usize, Place)> {
    let mut found: Option<(usize, Place)> = None;
    for (line, bytes) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let count = bytes.iter().filter(|byte| !byte.is_ascii()).count();
        if count == 0 || bytes.trim_ascii_start().starts_with(b"#") {
            continue;
        }
        let column = bytes.iter().take_while(|byte| byte.is_ascii()).count() + 1;
        let place = Place {
            line,
            column: u32::try_from(column).unwrap_or(u32::MAX),
            width: 1,
        };
        found = Some(found.map_or((count, place), |(before, first)| (before + count, first)));
    }
    found
}

/// White space at the end goes: a block scalar at the end of the file has no last newline.
fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    let end = text
        .trim_end_matches(|c: char| c.is_ascii_whitespace() || c == '\0')
        .len();
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

/// Spaces before the first line that has anything.
fn indent(text: &str) -> usize {
    let first = text.lines().find(|line| !line.trim().is_empty());
    first.map_or(0, |line| line.len() - line.trim_start_matches(' ').len())
}

fn dedent(text: Cow<'_, str>, width: usize) -> Cow<'_, str> {
    if width == 0 {
        return text;
    }
    let indent = " ".repeat(width);
    let lines = text
        .split_inclusive('\n')
        .map(|line| line.strip_prefix(&indent).unwrap_or(line));
    Cow::Owned(lines.collect())
}

/// Where the lines of a text begin.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &[u8]) -> Self {
        let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        Lines(
            std::iter::once(0)
                .chain(ends.map(|(place, _)| place + 1))
                .collect(),
        )
    }

    /// Line, counted from 1, of a byte offset.
    pub(super) fn number(&self, offset: usize) -> u32 {
        u32::try_from(self.0.partition_point(|start| *start <= offset)).unwrap_or(u32::MAX)
    }

    /// Offset of the beginning of a line counted from 1.
    fn start(&self, number: u32) -> Option<usize> {
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        self.0.get(place).copied()
    }
}

/// Leads from offsets in the tidied text to places in the file.
pub(super) struct TextMap<'t> {
    tidied: Lines,
    file: Lines,
    original: &'t [u8],
    indent: usize,
}

impl TextMap<'_> {
    /// The place of a part of the tidied text that doesn't go beyond its line.
    pub(super) fn place(&self, offset: usize, width: usize) -> Place {
        let line = self.tidied.number(offset);
        let before = offset - self.tidied.start(line).unwrap_or(offset);
        let start = self.columns(line, before);
        let end = self.columns(line, before + width).max(start + 1);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Place {
            line,
            column: number(start + 1),
            width: number(end - start),
        }
    }

    /// Characters of the file's line before so many of the tidied one.
    fn columns(&self, line: u32, before: usize) -> usize {
        let Some(start) = self.file.start(line) else {
            return before;
        };
        let end = self.file.start(line + 1).unwrap_or(self.original.len());
        let line = &self.original[start..end];
        if line.is_ascii() {
            return before + self.lead(line);
        }
        let line = String::from_utf8_lossy(line);
        let blanks = line.chars().take_while(|c| *c == '\u{a0}').count();
        let kept: String = line.chars().skip(blanks).filter(char::is_ascii).collect();
        let lead = self.lead(format!("{}{kept}", " ".repeat(blanks)).as_bytes());
        let mut wanted = before + lead;
        for (place, letter) in line.chars().enumerate() {
            if letter.is_ascii() || place < blanks {
                if wanted == 0 {
                    return place;
                }
                wanted -= 1;
            }
        }
        line.chars().count()
    }

    /// Spaces that were taken off this line.
    fn lead(&self, line: &[u8]) -> usize {
        let blank = line.iter().take_while(|byte| **byte == b' ').count();
        if blank >= self.indent { self.indent } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ascii_stays() {
        let tidied = tidy("\u{feff}# \u{e4}\n\u{a0}\u{a0}a: \u{e4}b\n".as_bytes());
        assert_eq!(tidied.text, "# \n  a: b");
        let first = Place {
            line: 2,
            column: 1,
            width: 1,
        };
        assert_eq!(tidied.dropped, Some((6, first)));
        assert_eq!(tidy(b"a: \xffb").text, "a: b");
        assert_eq!(tidy(b"# \xff\na: b").dropped, None);
    }

    #[test]
    fn an_indented_file_is_moved_left() {
        assert_eq!(tidy(b"\n  a:\n    b\n c: d\n\n").text, "\na:\n  b\n c: d");
    }

    #[test]
    fn lines_count_from_one() {
        let lines = Lines::of(b"a\nb");
        assert_eq!(
            [lines.number(0), lines.number(1), lines.number(2)],
            [1, 1, 2]
        );
    }

    #[test]
    fn places_are_those_of_the_file() {
        let file = "\u{feff}  a: \u{e4}b\n  c: d\n\u{a0}\u{a0}e: f\n".as_bytes();
        let tidied = tidy(file);
        assert_eq!(tidied.text, "a: b\nc: d\ne: f");
        let map = tidied.map();
        let shown = |offset| {
            let place = map.place(offset, 1);
            (place.line, place.column)
        };
        assert_eq!(
            [shown(0), shown(3), shown(8), shown(10)],
            [(1, 3), (1, 7), (2, 6), (3, 3)]
        );
    }
}

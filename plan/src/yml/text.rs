//! Tidies the bytes of a file before YAML sees them, as Travis does (travis-ci/travis-yml, `parts/part.rb`,
//! `configs/content.rb`).

use std::borrow::Cow;

/// A file made ready for YAML.
pub(super) struct Tidied<'t> {
    pub(super) text: Cow<'t, str>,
    /// Bytes outside ASCII that were dropped, comments not counted, and the line of the first.
    pub(super) dropped: Option<(usize, u32)>,
}

/// Drops a byte-order mark and all that is not ASCII, turns no-break spaces at line starts into spaces, takes the
/// indentation of the first line off all lines, and white space off the end. Line numbers stay.
pub(super) fn tidy(bytes: &[u8]) -> Tidied<'_> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let (text, dropped) = match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => (Cow::Borrowed(text), None),
        _ => (Cow::Owned(to_ascii(bytes)), count_dropped(bytes)),
    };
    Tidied {
        text: trimmed(dedent(text)),
        dropped,
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

fn count_dropped(bytes: &[u8]) -> Option<(usize, u32)> {
    let mut found: Option<(usize, u32)> = None;
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let line = line.trim_ascii_start();
        let count = line.iter().filter(|byte| !byte.is_ascii()).count();
        if count > 0 && !line.starts_with(b"#") {
            found = Some(found.map_or((count, number), |(before, line)| (before + count, line)));
        }
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

fn dedent(text: Cow<'_, str>) -> Cow<'_, str> {
    let Some(first) = text.lines().find(|line| !line.trim().is_empty()) else {
        return text;
    };
    let width = first.len() - first.trim_start_matches(' ').len();
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
    pub(super) fn of(text: &str) -> Self {
        Lines(
            std::iter::once(0)
                .chain(text.match_indices('\n').map(|(place, _)| place + 1))
                .collect(),
        )
    }

    /// Line, counted from 1, of a byte offset.
    pub(super) fn number(&self, offset: usize) -> u32 {
        u32::try_from(self.0.partition_point(|start| *start <= offset)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ascii_stays() {
        let tidied = tidy("\u{feff}# \u{e4}\n\u{a0}\u{a0}a: \u{e4}b\n".as_bytes());
        assert_eq!(tidied.text, "# \n  a: b");
        assert_eq!(tidied.dropped, Some((6, 2)));
        assert_eq!(tidy(b"a: \xffb").text, "a: b");
        assert_eq!(tidy(b"# \xff\na: b").dropped, None);
    }

    #[test]
    fn an_indented_file_is_moved_left() {
        assert_eq!(tidy(b"\n  a:\n    b\n c: d\n\n").text, "\na:\n  b\n c: d");
    }

    #[test]
    fn lines_count_from_one() {
        let lines = Lines::of("a\nb");
        assert_eq!(
            [lines.number(0), lines.number(1), lines.number(2)],
            [1, 1, 2]
        );
    }
}

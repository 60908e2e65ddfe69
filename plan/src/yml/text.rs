//! Tidies the bytes of a file before YAML sees them, as Travis does (travis-ci/travis-yml, `parts/part.rb`,
//! `configs/content.rb`).

use std::borrow::Cow;

/// Drops invalid UTF-8, a byte-order mark and control characters that YAML refuses, turns no-break spaces at line starts into spaces, and takes
/// the indentation of the first line off all lines. Line numbers stay.
pub(super) fn tidy(bytes: &[u8]) -> Cow<'_, str> {
    let text = decode(bytes);
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => Cow::Owned(rest.to_owned()),
        None => text,
    };
    dedent(plain_spaces(text))
}

fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.utf8_chunks().map(|chunk| chunk.valid()).collect()),
    }
}

fn plain_spaces(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains('\u{a0}') {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let rest = line.trim_start_matches('\u{a0}');
        out.extend(std::iter::repeat_n(' ', (line.len() - rest.len()) / '\u{a0}'.len_utf8()));
        out.push_str(rest);
    }
    Cow::Owned(out)
}

fn dedent(text: Cow<'_, str>) -> Cow<'_, str> {
    let Some(first) = text.lines().find(|line| !line.trim().is_empty()) else { return text };
    let width = first.len() - first.trim_start_matches(' ').len();
    if width == 0 {
        return text;
    }
    let indent = " ".repeat(width);
    let lines = text.split_inclusive('\n').map(|line| line.strip_prefix(&indent).unwrap_or(line));
    Cow::Owned(lines.collect())
}

/// Line, counted from 1, of a byte offset.
pub(super) fn line_of(text: &str, offset: usize) -> u32 {
    let before = &text.as_bytes()[..offset.min(text.len())];
    u32::try_from(before.iter().filter(|byte| **byte == b'\n').count() + 1).unwrap_or(u32::MAX)
}

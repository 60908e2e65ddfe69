//! What the pusher sees: lines on standard output, which Git shows with `remote: ` before them.

use std::collections::BTreeMap;
use std::io::{self, Stdout, Write};

/// Longest line of a log that is held back for its end, in bytes.
const MAX_HELD: usize = 64 * 1024;

/// Standard output, until nobody reads it any more.
pub(super) struct Talk {
    out: Stdout,
    lost: bool,
    /// The unfinished last line of each job's log.
    held: BTreeMap<String, String>,
}

impl Talk {
    pub(super) fn new() -> Talk {
        Talk {
            out: io::stdout(),
            lost: false,
            held: BTreeMap::new(),
        }
    }

    /// Whether the pusher has gone away.
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Prints one line of ours.
    pub(super) fn say(&mut self, text: &str) {
        self.print(&format!("assay: {}\n", visible(text)));
    }

    /// Prints the lines that `text` completes, each behind its job's number: logs of several jobs come in turns.
    pub(super) fn log(&mut self, job: &str, text: &str) {
        let mut held = self.held.remove(job).unwrap_or_default();
        held.push_str(text);
        let complete = if held.len() > MAX_HELD {
            held.len()
        } else {
            held.rfind('\n').map_or(0, |end| end + 1)
        };
        let lines: String = held[..complete]
            .lines()
            .filter_map(|line| log_line(job, line))
            .collect();
        if complete < held.len() {
            self.held.insert(job.to_owned(), held.split_off(complete));
        }
        if !lines.is_empty() {
            self.print(&lines);
        }
    }

    /// Prints what is left of the logs: of one job, or of all.
    pub(super) fn end_log(&mut self, job: Option<&str>) {
        let (ended, going) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|(name, _)| job.is_none_or(|job| job == name));
        self.held = going;
        let ended: BTreeMap<String, String> = ended;
        let lines: String = ended
            .iter()
            .filter_map(|(job, line)| log_line(job, line))
            .collect();
        self.print(&lines);
    }

    fn print(&mut self, text: &str) {
        let written = self
            .out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush());
        self.lost |= written.is_err();
    }
}

/// One line of a log as a terminal would have shown it; `None` if that is nothing but markers.
fn log_line(job: &str, line: &str) -> Option<String> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    // What stands before a carriage return is overwritten: progress, and the marks of folds and timings.
    let last = line
        .rsplit('\r')
        .find(|part| !part.is_empty())
        .unwrap_or_default();
    let shown = visible(last);
    let before = if job.is_empty() {
        "assay: ".to_owned()
    } else {
        format!("{job} | ")
    };
    (!shown.is_empty() || line.is_empty()).then(|| format!("{before}{shown}\n"))
}

/// The text without control characters and escape sequences, colours excepted: what a job prints must not be able to
/// move the cursor, set the title or write to the clipboard of whoever pushed. Marks of writing direction go too: with
/// them, text can look like other text.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_hidden) {
        shown.push_str(&rest[..start]);
        let length = escape_length(&rest[start..]);
        let sequence = &rest[start..start + length];
        if sequence.starts_with("\x1b[") && sequence.ends_with('m') {
            shown.push_str(sequence);
        }
        rest = &rest[start + length..];
    }
    shown.push_str(rest);
    shown
}

fn is_hidden(c: char) -> bool {
    let directs =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    directs || (c.is_control() && c != '\t')
}

/// Length of the control character or escape sequence that `text` begins with (ECMA-48, sections 5.4 and 5.6).
fn escape_length(text: &str) -> usize {
    let first = text.chars().next().map_or(0, char::len_utf8);
    let Some(rest) = text.strip_prefix('\x1b') else {
        return first;
    };
    match rest.bytes().next() {
        Some(b'[') => {
            let body = rest[1..]
                .bytes()
                .take_while(|byte| (0x20..0x40).contains(byte))
                .count();
            let last = rest[1 + body..]
                .bytes()
                .next()
                .is_some_and(|byte| (0x40..0x7f).contains(&byte));
            2 + body + usize::from(last)
        }
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let bell = rest.find('\x07').map(|at| at + 1);
            let terminator = rest.find("\x1b\\").map(|at| at + 2);
            1 + bell
                .into_iter()
                .chain(terminator)
                .min()
                .unwrap_or(rest.len())
        }
        Some(0x20..0x7f) => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_colours_pass() {
        assert_eq!(
            visible("a\x1b[31;1mb\x1b[0mc\td"),
            "a\x1b[31;1mb\x1b[0mc\td"
        );
        assert_eq!(
            visible("a\x1b[2Jb\x1b]0;title\x07c\x1b]52;c;eA==\x1b\\d\x1bce\x08f"),
            "abcdef"
        );
        assert_eq!(visible("a\x1b]never ends"), "a");
        assert_eq!(visible("a\x1b"), "a");
        assert_eq!(visible("a\x1b[12"), "a");
        assert_eq!(visible("\u{9b}2Jé"), "2Jé");
        assert_eq!(visible("a\u{202e}b"), "ab");
        assert_eq!(visible("\x1bé\x1b[é"), "éé");
    }

    #[test]
    fn log_lines_look_as_on_a_terminal() {
        let line = |text| log_line("12.1", text);
        assert_eq!(line("hello\r").as_deref(), Some("12.1 | hello\n"));
        assert_eq!(line("10%\r100%").as_deref(), Some("12.1 | 100%\n"));
        assert_eq!(
            line("travis_fold:start:script\r\x1b[0Kmake").as_deref(),
            Some("12.1 | make\n")
        );
        assert_eq!(line("travis_time:end:0a\r\x1b[0K"), None);
        assert_eq!(line("").as_deref(), Some("12.1 | \n"));
        assert_eq!(
            log_line("", "no build\r").as_deref(),
            Some("assay: no build\n")
        );
    }
}

//! What the pusher sees: lines on standard output, which Git shows with `remote: ` before them.

use std::collections::BTreeMap;
use std::io::{self, Stdout, Write};

use crate::clean::LogCleaner;

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

/// What a terminal may be shown of one line.
fn visible(text: &str) -> String {
    let mut cleaner = LogCleaner::new();
    let mut shown = cleaner.clean(text);
    shown.push_str(&cleaner.finish());
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_colours_pass() {
        assert_eq!(visible("a\x1b[31mb\x1b[0mc\td"), "a\x1b[31mb\x1b[0mc\td");
        assert_eq!(visible("a\x1b]0;title\x07b\x1b]never ends"), "ab");
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

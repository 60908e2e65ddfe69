//! Makes untrusted text harmless for a terminal: colours stay, everything else that a terminal would obey goes
//! (titles, clipboard, cursor, clearing, keyboard answers; ECMA-48, sections 5.4 and 5.6), and so do marks of writing
//! direction.

/// One line of text from outside (commit message, name): control characters and marks of writing direction go, white
/// space becomes single spaces' worth.
pub fn one_line(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\t' | '\n' | '\r' => Some(' '),
            c if c.is_control() || is_direction_mark(c) => None,
            c => Some(c),
        })
        .collect()
}

/// Characters that reorder what stands around them: with them, text can look like other text.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The longest control sequence that is looked at; a longer one is dropped to its end.
const LONGEST_SEQUENCE: usize = 64;

/// Where in a control sequence the stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate byte, as in `ESC ( B`.
    EscapeMore,
    /// After ESC [.
    Sequence,
    /// In an operating system command or another string for the terminal.
    Command,
    /// In such a string, after ESC.
    CommandEscape,
}

/// Cleans the log of a job piece by piece, wherever the pieces are cut.
///
/// Lines that are Travis' own markers (`travis_fold:…`, `travis_time:…`) are left out.
#[derive(Debug)]
pub struct LogCleaner {
    state: State,
    sequence: String,
    /// The beginning of the line so far, as long as it may be a marker.
    held: Option<String>,
}

impl Default for LogCleaner {
    fn default() -> Self {
        Self::new()
    }
}

impl LogCleaner {
    /// At the beginning of a log.
    pub fn new() -> Self {
        LogCleaner {
            state: State::Text,
            sequence: String::new(),
            held: Some(String::new()),
        }
    }

    /// The harmless form of the next piece.
    pub fn clean(&mut self, piece: &str) -> String {
        let mut out = String::with_capacity(piece.len());
        for c in piece.chars() {
            self.take(c, &mut out);
        }
        out
    }

    /// What is left at the end: a last line that looked like the beginning of a marker.
    pub fn finish(&mut self) -> String {
        match self.held.take() {
            Some(held) if !is_marker(&held) => held,
            _ => String::new(),
        }
    }

    fn take(&mut self, c: char, out: &mut String) {
        match self.state {
            State::Text => self.text(c, out),
            State::Escape => self.escape(c),
            State::EscapeMore => self.state = State::Text,
            State::Sequence => self.sequence(c, out),
            State::Command => match c {
                '\x07' | '\u{9c}' => self.state = State::Text,
                '\x1b' => self.state = State::CommandEscape,
                // No such string holds a line's end; a forgotten end must not swallow the log.
                '\n' => {
                    self.state = State::Text;
                    self.text(c, out);
                }
                _ => {}
            },
            State::CommandEscape => match c {
                '\\' => self.state = State::Text,
                other => self.escape(other),
            },
        }
    }

    fn text(&mut self, c: char, out: &mut String) {
        match c {
            '\x1b' => self.state = State::Escape,
            '\u{9b}' => {
                self.sequence.clear();
                self.state = State::Sequence;
            }
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => self.state = State::Command,
            '\n' | '\r' | '\t' => self.put(c, out),
            c if c.is_control() || is_direction_mark(c) => {}
            c => self.put(c, out),
        }
    }

    fn escape(&mut self, c: char) {
        self.state = match c {
            '[' => {
                self.sequence.clear();
                State::Sequence
            }
            ']' | 'P' | 'X' | '^' | '_' => State::Command,
            ' '..='/' => State::EscapeMore,
            '\x1b' => State::Escape,
            _ => State::Text,
        };
    }

    fn sequence(&mut self, c: char, out: &mut String) {
        match c {
            '\x1b' => self.state = State::Escape,
            '\n' => {
                self.state = State::Text;
                self.text(c, out);
            }
            '@'..='~' => {
                self.state = State::Text;
                let plain = self
                    .sequence
                    .bytes()
                    .all(|b| b.is_ascii_digit() || b == b';' || b == b':');
                if c == 'm' && plain && self.sequence.len() <= LONGEST_SEQUENCE {
                    let colors = format!("\x1b[{}m", self.sequence);
                    match &mut self.held {
                        Some(held) => held.push_str(&colors),
                        None => out.push_str(&colors),
                    }
                }
            }
            c if self.sequence.len() <= LONGEST_SEQUENCE => self.sequence.push(c),
            _ => {}
        }
    }

    /// Puts out a harmless character, holding back what may become a marker.
    fn put(&mut self, c: char, out: &mut String) {
        let Some(held) = &mut self.held else {
            out.push(c);
            if matches!(c, '\n' | '\r') {
                self.held = Some(String::new());
            }
            return;
        };
        if matches!(c, '\n' | '\r') {
            if is_marker(held) {
                held.clear();
                return;
            }
            out.push_str(held);
            out.push(c);
            held.clear();
            return;
        }
        held.push(c);
        if !may_be_marker(held) {
            out.push_str(held);
            self.held = None;
        }
    }
}

const MARKERS: [&str; 2] = ["travis_fold:", "travis_time:"];
/// A marker that is longer is none.
const LONGEST_MARKER: usize = 256;

fn is_marker(line: &str) -> bool {
    MARKERS.iter().any(|marker| line.starts_with(marker))
}

fn may_be_marker(line: &str) -> bool {
    line.len() <= LONGEST_MARKER
        && MARKERS
            .iter()
            .any(|marker| line.starts_with(marker) || marker.starts_with(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cleans in one piece and character by character; both must agree.
    fn clean(text: &str) -> String {
        let run = |pieces: Vec<String>| {
            let mut cleaner = LogCleaner::new();
            let mut out: String = pieces.iter().map(|piece| cleaner.clean(piece)).collect();
            out.push_str(&cleaner.finish());
            out
        };
        let whole = run(vec![text.to_owned()]);
        assert_eq!(whole, run(text.chars().map(String::from).collect()));
        whole
    }

    #[test]
    fn colours_stay() {
        assert_eq!(
            clean("\x1b[31;1mred\x1b[0m\r\n"),
            "\x1b[31;1mred\x1b[0m\r\n"
        );
        assert_eq!(clean("a \x1b[38:2::1:2:3mx"), "a \x1b[38:2::1:2:3mx");
        assert_eq!(clean("a\u{202e}b\u{2066}c\u{61c}d"), "abcd");
    }

    #[test]
    fn commands_to_the_terminal_go() {
        assert_eq!(
            clean("\x1b]52;c;aGk=\x07a\x1b[2Jb\x1b]0;title\x1b\\c"),
            "abc"
        );
        assert_eq!(clean("a\u{9b}2Jb\u{9d}0;t\u{9c}c\x1bP1;2q\x1b\\d"), "abcd");
        assert_eq!(
            clean("a\x1b[?25lb\x1b[10;10Hc\x1bcd\x1b(Be\x08\x07\x00f"),
            "abcdef"
        );
        assert_eq!(clean("a\x1b[>4;1mb\x1b[31$mc"), "abc");
    }

    #[test]
    fn a_command_without_an_end_ends_with_its_line() {
        assert_eq!(clean("a\x1b]0;title\nb"), "a\nb");
        assert_eq!(clean("a\x1b[12\nb"), "a\nb");
        assert_eq!(clean(&format!("a\x1b[{}mb", "1;".repeat(100))), "ab");
    }

    #[test]
    fn a_sequence_inside_a_command_is_not_shown() {
        assert_eq!(clean("a\x1b]0;x\x1b[2Jb\x07c"), "abc");
    }

    #[test]
    fn markers_go_and_look_alikes_stay() {
        assert_eq!(
            clean(
                "travis_fold:start:git\r\x1b[0Ktravis_time:start:1\r\x1b[0K$ true\r\ntravis_fold:end:git\r\x1b[0K"
            ),
            "$ true\r\n"
        );
        assert_eq!(clean("travis_folder\ntravis_f"), "travis_folder\ntravis_f");
        assert_eq!(clean("see travis_fold:x\n"), "see travis_fold:x\n");
    }

    #[test]
    fn one_line_is_one_line() {
        assert_eq!(one_line("a\nb\tc\x1b[31m\u{202e}d\u{9b}"), "a b c[31md");
    }
}

//! Everything commands print: one [`Screen`] that knows what is on the other end, tables for people or for pipes,
//! colours of states, relative times.

mod log;
mod table;

use std::io::{IsTerminal, Write};

use assay_plan::State;
use serde::Serialize;

use super::args::{Global, When};
use crate::exit::{Exit, Failure};

use assay_hooks::LogCleaner;
pub(crate) use assay_hooks::one_line;
pub(crate) use log::LogWriter;
pub(crate) use table::{Cell, Table};

/// What is on the other end of standard output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// A person reads it.
    pub(crate) terminal: bool,
    /// Colours are wanted.
    pub(crate) color: bool,
    /// Columns of the terminal; `None` where lines may have any length.
    pub(crate) width: Option<usize>,
    /// Now, in seconds since the epoch: what relative times are relative to.
    pub(crate) now: i64,
}

/// Where a command's words go: data to standard output, talk to standard error.
#[derive(Debug)]
pub(crate) struct Screen {
    /// How to write.
    pub(crate) style: Style,
    /// Whether JSON is wanted.
    pub(crate) json: bool,
    verbose: u8,
}

impl Screen {
    /// The screen of this process.
    pub(crate) fn new(global: &Global) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let color = match global.color {
            When::Always => true,
            When::Never => false,
            When::Auto => terminal && crate::config::wants_colors(),
        };
        let width = if terminal {
            rustix::termios::tcgetwinsize(std::io::stdout()).ok()
        } else {
            None
        };
        let width = width
            .map(|size| usize::from(size.ws_col))
            .filter(|columns| *columns > 0);
        let now = jiff::Timestamp::now().as_second();
        Screen {
            style: Style {
                terminal,
                color,
                width,
                now,
            },
            json: global.json,
            verbose: global.verbose,
        }
    }

    /// Writes data as it is.
    pub(crate) fn data(&self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(|error| write_failure(&error))
    }

    /// Writes data and ends the line.
    pub(crate) fn line(&self, text: &str) -> Result<(), Failure> {
        self.data(&format!("{text}\n"))
    }

    /// Writes a table.
    pub(crate) fn table(&self, table: &Table) -> Result<(), Failure> {
        self.data(&table.render(&self.style))
    }

    /// Writes text that others have written: as it is into a pipe, without commands to a terminal on one.
    pub(crate) fn foreign(&self, text: &str) -> Result<(), Failure> {
        match self.style.terminal {
            true => self.data(&harmless(text)),
            false => self.data(text),
        }
    }

    /// Writes a value as JSON.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::new(Exit::Internal, "cannot write JSON").because(&error))?;
        self.line(&escaped(&text))
    }

    /// Says something to the person, on standard error. Trouble with that is no trouble of the command.
    pub(crate) fn say(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{}", harmless(text));
    }

    /// Says something only to a person who asked for more with `-v`.
    pub(crate) fn whisper(&self, text: &str) {
        if self.verbose > 0 {
            self.say(text);
        }
    }

    /// How often `-v` was given.
    pub(crate) fn verbosity(&self) -> u8 {
        self.verbose
    }

    /// A state, coloured.
    pub(crate) fn state(&self, state: &str) -> Cell {
        Cell::colored(state, state_color(state))
    }
}

/// Text with colours, and without other commands to a terminal.
fn harmless(text: &str) -> String {
    let mut cleaner = LogCleaner::new();
    let mut clean = cleaner.clean(text);
    clean.push_str(&cleaner.finish());
    clean
}

/// JSON without what a terminal would obey: the format itself escapes only the first of the control characters. They
/// stand in strings only, line ends aside.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' => text.push(c),
            c if one_line(c.encode_utf8(&mut [0; 4])).is_empty() => {
                text.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => text.push(c),
        }
    }
    text
}

fn write_failure(error: &std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        Failure::reader_left()
    } else {
        Failure::io("cannot write to standard output", error)
    }
}

/// A colour, as its SGR parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Color {
    /// All is well.
    Green = 32,
    /// Not well.
    Red = 31,
    /// Not yet.
    Yellow = 33,
    /// Beside the point.
    Grey = 90,
}

/// The colour of a state, as travis.rb chooses it.
pub(crate) fn state_color(name: &str) -> Option<Color> {
    match State::from_name(name) {
        Some(State::Passed) => Some(Color::Green),
        Some(State::Failed | State::Errored) => Some(Color::Red),
        Some(State::Canceled) => Some(Color::Grey),
        Some(_) => Some(Color::Yellow),
        None => match name {
            "accepted" => Some(Color::Green),
            "rejected" => Some(Color::Grey),
            _ => None,
        },
    }
}

/// Paints text if colours are wanted.
pub(crate) fn paint(text: &str, color: Option<Color>, style: &Style) -> String {
    match color {
        Some(color) if style.color => format!("\x1b[{}m{text}\x1b[0m", color as u8),
        _ => text.to_owned(),
    }
}

/// A moment as people say it (`3 minutes ago`) on a terminal, as it came elsewhere.
pub(crate) fn moment(time: Option<&str>, style: &Style) -> String {
    let Some(time) = time else {
        return "-".to_owned();
    };
    match time.parse::<jiff::Timestamp>() {
        Ok(at) if style.terminal => relative(style.now - at.as_second()),
        _ => time.to_owned(),
    }
}

fn relative(seconds: i64) -> String {
    let (amount, future) = (seconds.unsigned_abs(), seconds < 0);
    let (count, unit) = match amount {
        0..5 => return "now".to_owned(),
        5..60 => (amount, "second"),
        60..3600 => (amount / 60, "minute"),
        3600..86_400 => (amount / 3600, "hour"),
        86_400..5_184_000 => (amount / 86_400, "day"),
        5_184_000..63_072_000 => (amount / 2_592_000, "month"),
        _ => (amount / 31_536_000, "year"),
    };
    let plural = if count == 1 { "" } else { "s" };
    if future {
        format!("in {count} {unit}{plural}")
    } else {
        format!("{count} {unit}{plural} ago")
    }
}

/// A duration in seconds: `1h 2m 3s` on a terminal, the number elsewhere.
pub(crate) fn duration(seconds: Option<i64>, style: &Style) -> String {
    let Some(seconds) = seconds else {
        return "-".to_owned();
    };
    if !style.terminal {
        return seconds.to_string();
    }
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m {s}s"),
        (h, m, s) => format!("{h}h {m}m {s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Style = Style {
        terminal: false,
        color: false,
        width: None,
        now: 1_000_000_000,
    };
    const TERMINAL: Style = Style {
        terminal: true,
        color: true,
        width: Some(80),
        now: 1_000_000_000,
    };

    #[test]
    fn text_of_others_is_no_command_to_the_terminal() {
        assert_eq!(
            harmless("\x1b[32mok\x1b[0m\x1b]52;c;aGk=\x07 \u{9b}2Jx\n\ty"),
            "\x1b[32mok\x1b[0m x\n\ty"
        );
        let text = "a\u{9b}2J\u{7f}\u{202e}\u{1b}\"\nb \u{e4}";
        let json = escaped(&serde_json::to_string_pretty(&[text]).unwrap());
        assert!(
            !json.contains(|c: char| c.is_control() && c != '\n'),
            "{json}"
        );
        assert!(
            json.contains("\\u202e") && json.contains('\u{e4}'),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<[String; 1]>(&json).unwrap()[0], text);
    }

    #[test]
    fn times_are_relative_on_terminals_only() {
        let time = Some("2001-09-09T01:43:40Z");
        assert_eq!(moment(time, &TERMINAL), "3 minutes ago");
        assert_eq!(moment(time, &PIPE), "2001-09-09T01:43:40Z");
        assert_eq!(moment(None, &PIPE), "-");
        assert_eq!(moment(Some("soon"), &TERMINAL), "soon");
    }

    #[test]
    fn relative_times_choose_their_unit() {
        let said: Vec<String> = [0, 59, 60, 7200, 86_400, 5_184_000, 94_608_000, -120]
            .map(relative)
            .into();
        assert_eq!(
            said,
            [
                "now",
                "59 seconds ago",
                "1 minute ago",
                "2 hours ago",
                "1 day ago",
                "2 months ago",
                "3 years ago",
                "in 2 minutes"
            ]
        );
    }

    #[test]
    fn durations_are_numbers_in_pipes() {
        assert_eq!(duration(Some(3723), &TERMINAL), "1h 2m 3s");
        assert_eq!(duration(Some(63), &TERMINAL), "1m 3s");
        assert_eq!(duration(Some(3), &TERMINAL), "3s");
        assert_eq!(duration(Some(3723), &PIPE), "3723");
        assert_eq!(duration(None, &PIPE), "-");
    }

    #[test]
    fn every_state_has_a_colour() {
        assert!(
            State::ALL
                .iter()
                .all(|state| state_color(state.name()).is_some())
        );
        assert_eq!(
            paint("passed", state_color("passed"), &TERMINAL),
            "\x1b[32mpassed\x1b[0m"
        );
        assert_eq!(paint("passed", state_color("passed"), &PIPE), "passed");
    }
}

//! A terminal of one line: what a job printed, with colours and overwriting applied and every other control removed.
//!
//! Only SGR (colours), erasing within the line, carriage return, backspace and moves along the line mean anything here;
//! operating system commands, device strings, cursor moves between lines and all else are dropped, so that nothing a job
//! prints can reach the reader's terminal or page but text and colour.

/// A line longer than this is broken, which bounds the memory of a view.
const MAX_COLUMNS: usize = 16 * 1024;
/// Characters of a control sequence that are read; a longer one is no sequence.
const MAX_SEQUENCE: usize = 4096;

/// How one character looks. Colours: 0 the default, 1 to 16 the usual ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Style {
    pub(super) fg: u8,
    pub(super) bg: u8,
    pub(super) flags: u8,
}

impl Style {
    pub(super) const BOLD: u8 = 1;
    pub(super) const FAINT: u8 = 2;
    pub(super) const ITALIC: u8 = 4;
    pub(super) const UNDERLINE: u8 = 8;
    pub(super) const STRIKE: u8 = 16;
    pub(super) const REVERSE: u8 = 32;
}

/// One character and its look.
pub(super) type Cell = (char, Style);

/// What comes out of the terminal, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Output {
    /// A finished line.
    Line(Vec<Cell>),
    /// A Travis marker: `fold:start:NAME` or `time:end:ID:…`, without `travis_`.
    Marker(String),
}

#[derive(Debug, Default)]
enum Reading {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After `ESC [`: parameters so far.
    Control(String),
    /// Inside a string command (OSC, DCS, …): characters so far, and whether the last was ESC.
    Command(usize, bool),
    /// One more character belongs to the sequence.
    Designate,
}

/// The line being printed.
#[derive(Debug, Default)]
pub(super) struct Terminal {
    reading: Reading,
    style: Style,
    cells: Vec<Cell>,
    column: usize,
    /// Whether the line was empty but for a marker: its line break is part of the marker.
    after_marker: bool,
}

impl Terminal {
    /// Prints text; finished lines and markers go to `out`.
    pub(super) fn feed(&mut self, text: &str, out: &mut Vec<Output>) {
        for c in text.chars() {
            self.read(c, out);
        }
    }

    /// The line as far as it is printed; nothing while it may still become a marker.
    pub(super) fn tail(&self) -> &[Cell] {
        let begins = |word: &str| word.chars().zip(&self.cells).all(|(a, (b, _))| a == *b);
        if begins("travis_fold:") || begins("travis_time:") {
            &[]
        } else {
            &self.cells
        }
    }

    /// Ends the last line.
    pub(super) fn finish(&mut self, out: &mut Vec<Output>) {
        self.take_marker(out);
        if !self.cells.is_empty() {
            self.end_line(out);
        }
    }

    fn read(&mut self, c: char, out: &mut Vec<Output>) {
        match std::mem::take(&mut self.reading) {
            Reading::Text => self.text(c, out),
            Reading::Escape => {
                self.reading = match c {
                    '[' => Reading::Control(String::new()),
                    ']' | 'P' | 'X' | '^' | '_' => Reading::Command(0, false),
                    '(' | ')' | '*' | '+' | '#' | '%' | ' ' => Reading::Designate,
                    '\x1b' => Reading::Escape,
                    _ => Reading::Text,
                }
            }
            Reading::Control(mut parameters) => match c {
                '\x40'..='\x7e' => self.control(c, &parameters),
                '\x20'..='\x3f' if parameters.len() < MAX_SEQUENCE => {
                    parameters.push(c);
                    self.reading = Reading::Control(parameters);
                }
                '\x1b' => self.reading = Reading::Escape,
                // Broken off: what follows is text again.
                _ => self.text(c, out),
            },
            Reading::Command(read, escaped) => {
                let ended = c == '\x07' || (escaped && c == '\\') || read >= MAX_SEQUENCE;
                if c == '\n' {
                    self.text(c, out);
                } else if !ended {
                    self.reading = Reading::Command(read + 1, c == '\x1b');
                }
            }
            Reading::Designate => {
                if c == '\n' {
                    self.text(c, out);
                }
            }
        }
    }

    fn text(&mut self, c: char, out: &mut Vec<Output>) {
        match c {
            '\n' => {
                let marker = self.take_marker(out);
                if !(self.cells.is_empty() && (marker || self.after_marker)) {
                    self.end_line(out);
                }
                self.after_marker = false;
            }
            '\r' => {
                self.take_marker(out);
                self.column = 0;
            }
            '\x1b' => self.reading = Reading::Escape,
            '\x08' => self.column = self.column.saturating_sub(1),
            '\t' => self.put(c, out),
            c if c.is_control() => {}
            c => self.put(c, out),
        }
    }

    fn put(&mut self, c: char, out: &mut Vec<Output>) {
        if self.column >= MAX_COLUMNS {
            self.end_line(out);
        }
        while self.cells.len() < self.column {
            self.cells.push((' ', Style::default()));
        }
        let cell = (c, self.style);
        match self.cells.get_mut(self.column) {
            Some(old) => *old = cell,
            None => self.cells.push(cell),
        }
        self.column += 1;
    }

    fn end_line(&mut self, out: &mut Vec<Output>) {
        self.column = 0;
        self.after_marker = false;
        out.push(Output::Line(std::mem::take(&mut self.cells)));
    }

    /// Takes a marker off the end of the line; what was printed before it becomes a line of its own.
    fn take_marker(&mut self, out: &mut Vec<Output>) -> bool {
        let Some(place) = self.marker_place() else {
            return false;
        };
        let marker: String = self
            .cells
            .drain(place..)
            .map(|(c, _)| c)
            .skip("travis_".len())
            .collect();
        if !self.cells.is_empty() {
            self.end_line(out);
        }
        self.column = 0;
        self.after_marker = true;
        out.push(Output::Marker(marker));
        true
    }

    fn marker_place(&self) -> Option<usize> {
        let is = |at: usize, word: &str| {
            word.chars()
                .enumerate()
                .all(|(n, c)| self.cells.get(at + n).is_some_and(|cell| cell.0 == c))
        };
        let starts = self
            .cells
            .iter()
            .enumerate()
            .filter(|(_, cell)| cell.0 == 't')
            .map(|(at, _)| at);
        let mut found = starts.filter(|at| is(*at, "travis_fold:") || is(*at, "travis_time:"));
        found.next()
    }

    /// `ESC [ parameters final`.
    fn control(&mut self, last: char, parameters: &str) {
        let number = || {
            parameters
                .split(';')
                .next()
                .and_then(|text| text.parse::<usize>().ok())
        };
        match last {
            'm' => self.style = restyle(self.style, parameters),
            'K' => match number() {
                None | Some(0) => self.cells.truncate(self.column),
                Some(1) => {
                    let to = self.cells.len().min(self.column + 1);
                    self.cells[..to].fill((' ', Style::default()));
                }
                _ => self.cells.clear(),
            },
            'C' => self.column = (self.column + number().unwrap_or(1)).min(MAX_COLUMNS),
            'D' => self.column = self.column.saturating_sub(number().unwrap_or(1)),
            'G' => self.column = number().unwrap_or(1).saturating_sub(1).min(MAX_COLUMNS),
            _ => {}
        }
    }
}

/// Applies "select graphic rendition" codes.
fn restyle(mut style: Style, parameters: &str) -> Style {
    let mut codes = parameters
        .split([';', ':'])
        .map(|code| code.parse::<u16>().unwrap_or(0));
    while let Some(code) = codes.next() {
        match code {
            0 => style = Style::default(),
            1 => style.flags |= Style::BOLD,
            2 => style.flags |= Style::FAINT,
            3 => style.flags |= Style::ITALIC,
            4 => style.flags |= Style::UNDERLINE,
            7 => style.flags |= Style::REVERSE,
            9 => style.flags |= Style::STRIKE,
            22 => style.flags &= !(Style::BOLD | Style::FAINT),
            23 => style.flags &= !Style::ITALIC,
            24 => style.flags &= !Style::UNDERLINE,
            27 => style.flags &= !Style::REVERSE,
            29 => style.flags &= !Style::STRIKE,
            30..=37 => style.fg = small(code - 29),
            38 => style.fg = extended(&mut codes).unwrap_or(style.fg),
            39 => style.fg = 0,
            40..=47 => style.bg = small(code - 39),
            48 => style.bg = extended(&mut codes).unwrap_or(style.bg),
            49 => style.bg = 0,
            90..=97 => style.fg = small(code - 81),
            100..=107 => style.bg = small(code - 91),
            _ => {}
        }
    }
    style
}

fn small(code: u16) -> u8 {
    u8::try_from(code).unwrap_or(0)
}

/// `5;N` or `2;R;G;B`, as the nearest of the sixteen: the page allows no other, having no inline style.
fn extended(codes: &mut impl Iterator<Item = u16>) -> Option<u8> {
    match codes.next()? {
        5 => match codes.next()? {
            n @ 0..=15 => Some(small(n + 1)),
            n @ 16..=231 => {
                let level = |step: u16| if step == 0 { 0 } else { 55 + 40 * step };
                let n = n - 16;
                Some(nearest(level(n / 36), level(n / 6 % 6), level(n % 6)))
            }
            n @ 232..=255 => {
                let grey = 8 + 10 * (n - 232);
                Some(nearest(grey, grey, grey))
            }
            _ => None,
        },
        2 => Some(nearest(
            codes.next()?.min(255),
            codes.next()?.min(255),
            codes.next()?.min(255),
        )),
        _ => None,
    }
}

/// The usual colours (xterm's values), in order of their codes.
const PALETTE: [(u16, u16, u16); 16] = [
    (0, 0, 0),
    (205, 0, 0),
    (0, 205, 0),
    (205, 205, 0),
    (0, 0, 238),
    (205, 0, 205),
    (0, 205, 205),
    (229, 229, 229),
    (127, 127, 127),
    (255, 0, 0),
    (0, 255, 0),
    (255, 255, 0),
    (92, 92, 255),
    (255, 0, 255),
    (0, 255, 255),
    (255, 255, 255),
];

fn nearest(r: u16, g: u16, b: u16) -> u8 {
    let square = |a: u16, b: u16| u32::from(a.abs_diff(b)).pow(2);
    let distance = |(_, colour): &(u8, (u16, u16, u16))| {
        square(colour.0, r) + square(colour.1, g) + square(colour.2, b)
    };
    (1u8..)
        .zip(PALETTE)
        .min_by_key(distance)
        .map_or(0, |(n, _)| n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Vec<Output> {
        let (mut terminal, mut out) = (Terminal::default(), Vec::new());
        terminal.feed(text, &mut out);
        terminal.finish(&mut out);
        out
    }

    fn lines(text: &str) -> Vec<String> {
        let text_of = |output| match output {
            Output::Line(cells) => cells.into_iter().map(|(c, _)| c).collect(),
            Output::Marker(marker) => format!("<{marker}>"),
        };
        run(text).into_iter().map(text_of).collect()
    }

    #[test]
    fn carriage_returns_overwrite() {
        assert_eq!(lines("abc\rX\r\n"), ["Xbc"]);
        assert_eq!(lines("10%\r\x1b[K100%\n"), ["100%"]);
        assert_eq!(lines("a\x08b\n"), ["b"]);
        assert_eq!(lines("a\n\nb"), ["a", "", "b"]);
    }

    #[test]
    fn markers_leave_no_trace_in_the_text() {
        let log = "travis_fold:start:a\r\x1b[0Ktravis_time:start:1\r\x1b[0K$ make\r\nok\r\ntravis_time:end:1:duration=5\r\x1b[0K\ntravis_fold:end:a\r\x1b[0Knext\n";
        let expected = [
            "<fold:start:a>",
            "<time:start:1>",
            "$ make",
            "ok",
            "<time:end:1:duration=5>",
            "<fold:end:a>",
            "next",
        ];
        assert_eq!(lines(log), expected);
        assert_eq!(
            lines("no newline yettravis_fold:end:a\r"),
            ["no newline yet", "<fold:end:a>"]
        );
    }

    #[test]
    fn everything_but_colour_is_dropped() {
        for hostile in [
            "\x1b]0;title\x07",
            "\x1b]8;;http://evil\x1b\\",
            "\x1bP1$qm\x1b\\",
            "\x1b[2J\x1b[H",
            "\x1b[?1049h",
            "\x1bc",
            "\x1b(0",
            "\u{9b}",
            "\x00\x05\x7f",
            "\x1b[6n",
        ] {
            assert_eq!(lines(&format!("a{hostile}b\n")), ["ab"], "{hostile:?}");
        }
        assert_eq!(lines("a\x1b]0;never ended\nb\n"), ["a", "b"]);
    }

    #[test]
    fn pieces_may_be_cut_anywhere() {
        let log = "a\x1b[31mred\x1b[0m\x1b]0;t\x07z\r\ntravis_fold:start:x\r\x1b[0Ky\n";
        let (mut terminal, mut out) = (Terminal::default(), Vec::new());
        for c in log.chars() {
            terminal.feed(&c.to_string(), &mut out);
        }
        terminal.finish(&mut out);
        assert_eq!(out, run(log));
    }

    #[test]
    fn colours_become_one_of_sixteen() {
        let style = |codes: &str| restyle(Style::default(), codes);
        assert_eq!(
            style("31;1"),
            Style {
                fg: 2,
                bg: 0,
                flags: Style::BOLD
            }
        );
        assert_eq!(
            style("97;44"),
            Style {
                fg: 16,
                bg: 5,
                flags: 0
            }
        );
        assert_eq!(style("38;5;9").fg, 10);
        assert_eq!(style("38;2;250;1;1").fg, 10);
        assert_eq!(style("48;5;16").bg, 1);
        assert_eq!(style("31;0"), Style::default());
        assert_eq!(style(""), Style::default());
        assert_eq!(style("38;9;1;999999").fg, 0);
    }

    #[test]
    fn memory_is_bounded() {
        let long = "x".repeat(MAX_COLUMNS * 2 + 5);
        assert_eq!(
            lines(&long).iter().map(String::len).collect::<Vec<_>>(),
            [MAX_COLUMNS, MAX_COLUMNS, 5]
        );
        assert_eq!(lines("\x1b[999999999Gx\n")[0].len(), 0);
    }
}

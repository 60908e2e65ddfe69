//! A log as the job page shows it: numbered lines, folds, timings. Made step by step, so that a live page and a whole
//! one come from the same code.

use serde::Serialize;

use super::html::cells_html;
use super::terminal::{Output, Terminal};

/// Folds inside folds that are shown; deeper ones are flat.
const MAX_DEPTH: usize = 8;
/// Timings that are open at once; beyond it the oldest is forgotten.
const MAX_TIMERS: usize = 64;

/// One step of building the view. HTML is escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Step {
    /// A line: number and HTML.
    Line(u32, String),
    /// A fold begins with this line: number, HTML, name of the fold.
    Open(u32, String, String),
    /// The innermost fold ends.
    Close,
    /// What began on this line took so long.
    Time(u32, String),
}

/// What has been added since the last time somebody asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Update {
    pub(crate) steps: Vec<Step>,
    /// The line that is not finished, in place of the one before.
    pub(crate) tail: String,
}

/// The state of a view.
#[derive(Debug, Default)]
pub(crate) struct LogView {
    terminal: Terminal,
    /// Lines so far.
    lines: u32,
    /// Names of the folds that are open, outermost first.
    folds: Vec<String>,
    /// A fold that has begun but has no line yet.
    pending: Option<String>,
    /// Ids of running timings, with the line on which they began.
    timers: Vec<(String, u32)>,
    steps: Vec<Step>,
}

impl LogView {
    /// Adds what was printed.
    pub(crate) fn feed(&mut self, text: &str) {
        let mut out = Vec::new();
        self.terminal.feed(text, &mut out);
        self.accept(out);
    }

    /// Ends the last line.
    pub(crate) fn finish(&mut self) {
        let mut out = Vec::new();
        self.terminal.finish(&mut out);
        self.accept(out);
    }

    /// What is new, and the unfinished line.
    pub(crate) fn take(&mut self) -> Update {
        Update {
            steps: std::mem::take(&mut self.steps),
            tail: cells_html(self.terminal.tail()),
        }
    }

    fn accept(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Line(cells) => {
                    self.lines = self.lines.saturating_add(1);
                    let html = cells_html(&cells);
                    self.steps.push(match self.pending.take() {
                        None => Step::Line(self.lines, html),
                        Some(name) => {
                            self.folds.push(name.clone());
                            Step::Open(self.lines, html, name)
                        }
                    });
                }
                Output::Marker(marker) => self.mark(&marker),
            }
        }
    }

    fn mark(&mut self, marker: &str) {
        let mut pieces = marker.splitn(4, ':');
        let (kind, edge) = (
            pieces.next().unwrap_or_default(),
            pieces.next().unwrap_or_default(),
        );
        let name = pieces.next().unwrap_or_default();
        match (kind, edge) {
            ("fold", "start") if self.folds.len() < MAX_DEPTH => {
                self.pending = Some(name.chars().take(100).collect());
            }
            ("fold", "end") => self.close(name),
            ("time", "start") => {
                if self.timers.len() >= MAX_TIMERS {
                    self.timers.remove(0);
                }
                self.timers
                    .push((name.to_owned(), self.lines.saturating_add(1)));
            }
            ("time", "end") => {
                let began = self
                    .timers
                    .iter()
                    .rposition(|(id, _)| id == name)
                    .map(|place| self.timers.remove(place).1);
                let took = pieces.next().and_then(nanoseconds);
                // A timing around nothing has no line to stand on.
                if let (Some(line), Some(took)) = (began.filter(|line| *line <= self.lines), took) {
                    self.steps.push(Step::Time(line, duration_text(took)));
                }
            }
            _ => {}
        }
    }

    /// Closes a fold and all that are open inside it.
    fn close(&mut self, name: &str) {
        if self.pending.as_deref() == Some(name) {
            self.pending = None;
            return;
        }
        if let Some(place) = self.folds.iter().rposition(|fold| fold == name) {
            for _ in self.folds.drain(place..) {
                self.steps.push(Step::Close);
            }
        }
    }
}

/// `start=1,finish=3,duration=2,event=x` → 2.
fn nanoseconds(text: &str) -> Option<u64> {
    let value = |name: &str| {
        let mut pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(key, _)| *key == name)
            .and_then(|(_, value)| value.trim().parse::<u64>().ok())
    };
    value("duration").or_else(|| value("finish")?.checked_sub(value("start")?))
}

/// `0.52s`, `12.3s`, `3m 05s`, `1h 02m`.
pub(super) fn duration_text(nanoseconds: u64) -> String {
    let hundredths = nanoseconds / 10_000_000;
    let seconds = hundredths / 100;
    match seconds {
        0..10 => format!("{seconds}.{:02}s", hundredths % 100),
        10..60 => format!("{seconds}.{}s", hundredths % 100 / 10),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(log: &str) -> Vec<Step> {
        let mut view = LogView::default();
        view.feed(log);
        view.finish();
        view.take().steps
    }

    fn line(number: u32, html: &str) -> Step {
        Step::Line(number, html.to_owned())
    }

    #[test]
    fn a_fold_begins_with_its_command_and_bears_its_time() {
        let log = "hello\r\ntravis_fold:start:install\r\x1b[0Ktravis_time:start:1a\r\x1b[0K$ npm install\r\nok\r\n\
                   travis_time:end:1a:start=1000000000,finish=3500000000,duration=2500000000,event=install\r\x1b[0K\
                   travis_fold:end:install\r\x1b[0Kdone\r\n";
        assert_eq!(
            steps(log),
            [
                line(1, "hello"),
                Step::Open(2, "$ npm install".to_owned(), "install".to_owned()),
                line(3, "ok"),
                Step::Time(2, "2.50s".to_owned()),
                Step::Close,
                line(4, "done"),
            ]
        );
    }

    #[test]
    fn broken_folds_do_no_harm() {
        assert_eq!(steps("travis_fold:end:x\r\x1b[0Ka\n"), [line(1, "a")]);
        assert_eq!(
            steps("travis_fold:start:x\r\x1b[0Ktravis_fold:end:x\r\x1b[0Ka\n"),
            [line(1, "a")]
        );
        assert_eq!(
            steps("travis_time:end:x:nonsense\r\x1b[0Ka\n"),
            [line(1, "a")]
        );
        let nested = "travis_fold:start:a\r1\ntravis_fold:start:b\r2\ntravis_fold:end:a\r3\n";
        assert_eq!(
            steps(nested)
                .iter()
                .filter(|step| **step == Step::Close)
                .count(),
            2
        );
        let many = "travis_fold:start:a\rx\n".repeat(1000);
        assert_eq!(
            steps(&many)
                .iter()
                .filter(|step| matches!(step, Step::Open(..)))
                .count(),
            MAX_DEPTH
        );
    }

    #[test]
    fn the_unfinished_line_is_shown_but_not_half_a_marker() {
        let mut view = LogView::default();
        view.feed("50%\rtrx");
        assert_eq!(view.take().tail, "trx");
        view.feed("\n");
        view.take();
        view.feed("travis_fo");
        assert_eq!(view.take().tail, "");
        view.feed("travel");
        assert_eq!(
            view.take(),
            Update {
                steps: vec![],
                tail: "travis_fotravel".to_owned()
            }
        );
    }

    #[test]
    fn steps_are_small_json() {
        let update = Update {
            steps: vec![line(1, "a"), Step::Close, Step::Time(1, "2s".to_owned())],
            tail: String::new(),
        };
        let json = serde_json::to_string(&update).unwrap();
        assert_eq!(
            json,
            r#"{"steps":[{"line":[1,"a"]},"close",{"time":[1,"2s"]}],"tail":""}"#
        );
    }

    #[test]
    fn durations_read_well() {
        let text = |seconds: u64, hundredths: u64| {
            duration_text(seconds * 1_000_000_000 + hundredths * 10_000_000)
        };
        assert_eq!(text(0, 5), "0.05s");
        assert_eq!(text(12, 39), "12.3s");
        assert_eq!(text(185, 0), "3m 05s");
        assert_eq!(text(3720, 0), "1h 02m");
    }
}

//! Job logs on a page: terminal output to lines, folds and timings, to HTML.
//!
//! A stream with `render=html` sends the same steps as JSON: `{"number", "final", "update": {"steps": [{"line": [n,
//! html]} | {"open": [n, html, name]} | "close" | {"time": [n, text]}], "tail": html}}`; the page's script only places
//! them.

mod html;
mod terminal;
mod view;

pub(crate) use html::log_html;
pub(crate) use view::LogView;

use terminal::{Output, Terminal};

/// A log without control sequences, overwritten text and markers.
pub(crate) fn plain_text(log: &str) -> String {
    let (mut terminal, mut out) = (Terminal::default(), Vec::new());
    terminal.feed(log, &mut out);
    terminal.finish(&mut out);
    let mut text = String::with_capacity(log.len());
    for output in out {
        if let Output::Line(cells) = output {
            text.extend(cells.into_iter().map(|(c, _)| c));
            text.push('\n');
        }
    }
    text
}

/// A whole number of seconds in words.
pub(crate) fn seconds_text(seconds: i64) -> String {
    match u64::try_from(seconds) {
        Ok(seconds @ 0..60) => format!("{seconds}s"),
        Ok(seconds) => view::duration_text(seconds.saturating_mul(1_000_000_000)),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_has_neither_colours_nor_markers() {
        let log = "travis_fold:start:a\r\x1b[0K\x1b[32m$ x\x1b[0m\r\n10%\r20%\r\ntravis_fold:end:a\r\x1b[0K";
        assert_eq!(plain_text(log), "$ x\n20%\n");
    }
}

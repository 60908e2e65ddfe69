//! Log lines as HTML: everything escaped, looks as classes (the page allows no inline style).

use std::collections::HashMap;

use super::terminal::{Cell, Style};
use super::view::{LogView, Step};

/// Lines that a page shows; of a longer log, the last ones.
const MAX_LINES: usize = 20_000;

/// Escapes text for HTML content and attributes.
pub(super) fn escape_into(c: char, html: &mut String) {
    match c {
        '&' => html.push_str("&amp;"),
        '<' => html.push_str("&lt;"),
        '>' => html.push_str("&gt;"),
        '"' => html.push_str("&quot;"),
        '\'' => html.push_str("&#39;"),
        c => html.push(c),
    }
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    text.chars().for_each(|c| escape_into(c, &mut html));
    html
}

/// The cells of a line.
pub(super) fn cells_html(cells: &[Cell]) -> String {
    let mut html = String::with_capacity(cells.len());
    for run in cells.chunk_by(|a, b| a.1 == b.1) {
        let class = classes(run[0].1);
        if !class.is_empty() {
            html.push_str("<span class=\"");
            html.push_str(&class);
            html.push_str("\">");
        }
        run.iter().for_each(|(c, _)| escape_into(*c, &mut html));
        if !class.is_empty() {
            html.push_str("</span>");
        }
    }
    html
}

/// `f1`…`f16` and `g1`…`g16` are the colours, `fi` and `gi` the reversed defaults.
fn classes(style: Style) -> String {
    let reverse = style.flags & Style::REVERSE != 0;
    let (fg, bg) = if reverse {
        (style.bg, style.fg)
    } else {
        (style.fg, style.bg)
    };
    let mut classes: Vec<String> = Vec::new();
    match fg {
        0 if reverse => classes.push("fi".to_owned()),
        0 => {}
        n => classes.push(format!("f{n}")),
    }
    match bg {
        0 if reverse => classes.push("gi".to_owned()),
        0 => {}
        n => classes.push(format!("g{n}")),
    }
    let flags = [
        (Style::BOLD, "b"),
        (Style::FAINT, "d"),
        (Style::ITALIC, "i"),
        (Style::UNDERLINE, "u"),
        (Style::STRIKE, "s"),
    ];
    classes.extend(
        flags
            .iter()
            .filter(|(flag, _)| style.flags & flag != 0)
            .map(|(_, name)| (*name).to_owned()),
    );
    classes.join(" ")
}

/// A log as far as it is there, as the inside of the page's log element.
pub(crate) fn log_html(parts: impl IntoIterator<Item = String>, complete: bool) -> String {
    let mut view = LogView::default();
    let mut steps = Vec::new();
    for part in parts {
        view.feed(&part);
        steps.extend(view.take().steps);
    }
    if complete {
        view.finish();
    }
    let rest = view.take();
    steps.extend(rest.steps);
    let mut html = steps_html(&steps);
    if !complete {
        html.push_str(&format!(
            "<div class=\"l tail\"><code>{}</code></div>",
            rest.tail
        ));
    }
    html
}

fn steps_html(steps: &[Step]) -> String {
    let times: HashMap<u32, &str> = steps.iter().filter_map(time_of).collect();
    let lines = steps
        .iter()
        .filter(|step| matches!(step, Step::Line(..) | Step::Open(..)))
        .count();
    let mut left_out = lines.saturating_sub(MAX_LINES);
    let mut html = String::new();
    if left_out > 0 {
        html.push_str(&format!("<div class=\"cut\">The first {left_out} lines are left out here; the plain text has them.</div>"));
    }
    let ends = fold_ends(steps);
    let mut open = 0usize;
    for (place, step) in steps.iter().enumerate() {
        match step {
            Step::Line(..) if left_out > 0 => left_out -= 1,
            Step::Line(number, line) => {
                html.push_str(&line_html(*number, line, times.get(number).copied(), None))
            }
            Step::Open(number, line, name) => {
                left_out = left_out.saturating_sub(1);
                // A fold that is not over is what runs now, or what broke: open.
                let state = if ends[place] {
                    ""
                } else {
                    " open data-running"
                };
                let line = line_html(*number, line, times.get(number).copied(), Some(name));
                html.push_str(&format!("<details{state}><summary>{line}</summary>"));
                open += 1;
            }
            Step::Close if open > 0 => {
                html.push_str("</details>");
                open -= 1;
            }
            Step::Close | Step::Time(..) => {}
        }
    }
    html.push_str(&"</details>".repeat(open));
    html
}

fn time_of(step: &Step) -> Option<(u32, &str)> {
    match step {
        Step::Time(line, text) => Some((*line, text.as_str())),
        _ => None,
    }
}

/// For each step, whether it is a fold that ends later.
fn fold_ends(steps: &[Step]) -> Vec<bool> {
    let mut ends = vec![false; steps.len()];
    let mut open = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        match step {
            Step::Open(..) => open.push(place),
            Step::Close => {
                if let Some(begin) = open.pop() {
                    ends[begin] = true;
                }
            }
            _ => {}
        }
    }
    ends
}

fn line_html(number: u32, line: &str, time: Option<&str>, fold: Option<&str>) -> String {
    let fold = fold
        .map(|name| format!("<i class=\"fold\">{}</i>", escaped(name)))
        .unwrap_or_default();
    let time = time
        .map(|text| format!("<i class=\"time\">{}</i>", escaped(text)))
        .unwrap_or_default();
    format!(
        "<div class=\"l\" id=\"L{number}\"><a href=\"#L{number}\">{number}</a><code>{line}</code>{fold}{time}</div>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(log: &str) -> String {
        log_html([log.to_owned()], true)
    }

    #[test]
    fn a_hostile_log_is_only_text() {
        let hostile = "<script>alert(1)</script>\x1b]0;t\x07\x1b[31m<b>\"'&\x1b[0m\x1b[2J\n\
                       travis_fold:start:</i><img src=x>\r\x1b[0Kx\n";
        let html = html(hostile);
        assert!(!html.contains('\x1b') && !html.contains('\x07'));
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<b>"));
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;<span class=\"f2\">&lt;b&gt;&quot;&#39;&amp;</span>"));
    }

    #[test]
    fn folds_are_closed_details_and_the_one_that_runs_is_open() {
        let done = "travis_fold:start:a\r\x1b[0K$ x\nout\ntravis_fold:end:a\r\x1b[0Kend\n";
        assert_eq!(
            html(done),
            "<details><summary><div class=\"l\" id=\"L1\"><a href=\"#L1\">1</a><code>$ x</code><i class=\"fold\">a</i></div></summary>\
             <div class=\"l\" id=\"L2\"><a href=\"#L2\">2</a><code>out</code></div></details>\
             <div class=\"l\" id=\"L3\"><a href=\"#L3\">3</a><code>end</code></div>"
        );
        let running = log_html(["travis_fold:start:a\r\x1b[0K$ x\nhal".to_owned()], false);
        assert!(running.starts_with("<details open data-running>"));
        assert!(running.ends_with("</details><div class=\"l tail\"><code>hal</code></div>"));
    }

    #[test]
    fn reversed_looks_swap_the_colours() {
        let of = |fg, bg| {
            classes(Style {
                fg,
                bg,
                flags: Style::REVERSE,
            })
        };
        assert_eq!(of(0, 0), "fi gi");
        assert_eq!(of(2, 0), "fi g2");
        assert_eq!(of(2, 3), "f3 g2");
    }

    #[test]
    fn a_long_log_shows_its_end() {
        let log = "x\n".repeat(MAX_LINES + 3);
        let html = html(&log);
        assert!(html.starts_with("<div class=\"cut\">The first 3 lines"));
        assert!(html.contains("id=\"L4\"") && !html.contains("id=\"L3\""));
    }
}

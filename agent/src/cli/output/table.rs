//! Tables: aligned with headings on a terminal, tab-separated lines without headings in a pipe.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Color, Style, one_line, paint};

/// One cell: a line of text, perhaps with a colour.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    color: Option<Color>,
}

impl Cell {
    /// Text in this colour.
    pub(crate) fn colored(text: &str, color: Option<Color>) -> Self {
        Cell {
            text: one_line(text),
            color,
        }
    }
}

impl Cell {
    /// Adds text at the end, in the same colour.
    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(&one_line(text));
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell::colored(text.as_ref(), None)
    }
}

/// Rows under headings.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Table {
            headings: headings.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row with as many cells as there are headings.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.headings.len());
        self.rows.push(cells);
    }

    /// The whole, every line ended.
    pub(crate) fn render(&self, style: &Style) -> String {
        if style.terminal {
            self.aligned(style)
        } else {
            self.plain(style)
        }
    }

    fn plain(&self, style: &Style) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let cells: Vec<String> = row
                .iter()
                .map(|cell| paint(&cell.text, cell.color, style))
                .collect();
            text.push_str(&cells.join("\t"));
            text.push('\n');
        }
        text
    }

    fn aligned(&self, style: &Style) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let widths: Vec<usize> = (0..self.headings.len())
            .map(|column| {
                let cells = self
                    .rows
                    .iter()
                    .filter_map(|row| row.get(column))
                    .map(|cell| cell.text.width());
                cells
                    .chain([self.headings[column].len()])
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let headings: Vec<Cell> = self
            .headings
            .iter()
            .map(|text| Cell::colored(text, Some(Color::Grey)))
            .collect();
        let mut text = String::new();
        for row in std::iter::once(&headings).chain(&self.rows) {
            text.push_str(&aligned_row(row, &widths, style));
            text.push('\n');
        }
        text
    }
}

/// One row; its last cell is cut off where the terminal ends.
fn aligned_row(row: &[Cell], widths: &[usize], style: &Style) -> String {
    let mut line = String::new();
    let mut used = 0;
    for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
        if index + 1 == row.len() {
            let room = style
                .width
                .map_or(usize::MAX, |columns| columns.saturating_sub(used).max(20));
            line.push_str(&paint(&cut(&cell.text, room), cell.color, style));
        } else {
            line.push_str(&paint(&cell.text, cell.color, style));
            line.push_str(&" ".repeat(width - cell.text.width() + 2));
            used += width + 2;
        }
    }
    line.trim_end().to_owned()
}

fn cut(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > room {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::state_color;

    fn sample() -> Table {
        let mut table = Table::new(&["NUMBER", "STATE", "MESSAGE"]);
        table.row(vec![
            "9".into(),
            Cell::colored("passed", state_color("passed")),
            "say 你好\tnow".into(),
        ]);
        table.row(vec![
            "10".into(),
            Cell::colored("failed", None),
            "a message that is much too long".into(),
        ]);
        table
    }

    #[test]
    fn pipes_get_tabs() {
        let style = Style {
            terminal: false,
            color: false,
            width: None,
            now: 0,
        };
        assert_eq!(
            sample().render(&style),
            "9\tpassed\tsay 你好 now\n10\tfailed\ta message that is much too long\n"
        );
    }

    #[test]
    fn terminals_get_columns_that_fit() {
        let style = Style {
            terminal: true,
            color: false,
            width: Some(39),
            now: 0,
        };
        assert_eq!(
            sample().render(&style),
            "NUMBER  STATE   MESSAGE\n9       passed  say 你好 now\n10      failed  a message that is much…\n"
        );
    }

    #[test]
    fn colours_do_not_disturb_the_columns() {
        let style = Style {
            terminal: true,
            color: true,
            width: None,
            now: 0,
        };
        let text = sample().render(&style);
        assert!(
            text.contains("9       \x1b[32mpassed\x1b[0m  say"),
            "{text:?}"
        );
    }

    #[test]
    fn an_empty_table_is_nothing() {
        let style = Style {
            terminal: true,
            color: true,
            width: None,
            now: 0,
        };
        assert_eq!(Table::new(&["A"]).render(&style), "");
    }
}

//! Tables of Markdown.

use std::fmt::Write;

/// Where a column's text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// Rows under headings.
pub struct Table {
    headings: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(headings: Vec<(String, Align)>) -> Self {
        Self { headings, rows: Vec::new() }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.headings.len(), "a cell for each heading");
        self.rows.push(cells);
    }

    pub fn write(&self, page: &mut String) {
        let headings: Vec<_> = self.headings.iter().map(|(text, _)| text.clone()).collect();
        write_row(page, &headings);
        let line = |(_, align): &(String, Align)| match align {
            Align::Left => "---",
            Align::Right => "---:",
        };
        let lines: Vec<_> = self.headings.iter().map(line).collect();
        writeln!(page, "|{}|", lines.join("|")).expect("memory takes all");
        self.rows.iter().for_each(|row| write_row(page, row));
        page.push('\n');
    }
}

fn write_row(page: &mut String, cells: &[String]) {
    let cells: Vec<_> = cells.iter().map(|cell| escaped(cell)).collect();
    writeln!(page, "| {} |", cells.join(" | ")).expect("memory takes all");
}

/// As text in a line of Markdown.
pub fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('&', "&amp;").replace('<', "&lt;").replace('_', "\\_")
}

//! A table as it is printed: text for the eye that is a Markdown table, too.

use std::fmt;

/// Title, head, rows, what must be said of them, and which of them break a bound.
#[derive(Debug)]
pub(crate) struct Table {
    title: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
    broken: Vec<String>,
}

impl Table {
    pub(crate) fn new<const COLUMNS: usize>(title: &str, head: [&str; COLUMNS]) -> Self {
        let head = head.map(str::to_owned).into();
        Self { title: title.to_owned(), head, rows: Vec::new(), notes: Vec::new(), broken: Vec::new() }
    }

    /// Adds a row; where it is shorter than the head, the rest stays empty.
    pub(crate) fn row<const CELLS: usize>(&mut self, cells: [String; CELLS]) {
        let mut row: Vec<String> = cells.into();
        row.resize(self.head.len(), String::new());
        self.rows.push(row);
    }

    /// Says something below the table.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Says that a bound is broken.
    pub(crate) fn breaks(&mut self, text: impl Into<String>) {
        self.broken.push(text.into());
    }

    /// Whether no bound is.
    pub(crate) fn holds(&self) -> bool {
        self.broken.is_empty()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let rows = self.rows.iter().chain([&self.head]);
            rows.map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        writeln!(f, "\n## {}\n", self.title)?;
        line(f, &self.head, &widths)?;
        write!(f, "|")?;
        widths.iter().try_for_each(|width| write!(f, "{}|", "-".repeat(width + 2)))?;
        writeln!(f)?;
        for row in &self.rows {
            line(f, row, &widths)?;
        }
        if !self.notes.is_empty() || !self.broken.is_empty() {
            writeln!(f)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "- {note}"))?;
        self.broken.iter().try_for_each(|broken| writeln!(f, "- BOUND BROKEN: {broken}"))
    }
}

fn line(f: &mut fmt::Formatter<'_>, cells: &[String], widths: &[usize]) -> fmt::Result {
    write!(f, "|")?;
    for (cell, &width) in cells.iter().zip(widths) {
        write!(f, " {cell:width$} |")?;
    }
    writeln!(f)
}

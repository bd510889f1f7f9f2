//! A table for people.
#![forbid(unsafe_code)]

mod style;
mod table;
mod text;

use crate::client::{Delivery, ErrorDelivery, ExportError, Exporter};
use std::io::{IsTerminal, Write};
use style::Style;
use table::Table;

/// Prints each snapshot as a table: rates and totals of counters, readings of gauges, and count,
/// quantiles and maximum of histograms, in units that are easy to read.
///
/// Rates and quantiles are those of the interval since the last table, in the last table those since
/// the start. Captured errors are printed as they come. What the client measures about itself, named
/// `quipu.`, is left out unless it is [asked for](Self::with_own_metrics).
///
/// On a terminal titles and errors are in colour, unless the environment variable `NO_COLOR` is set
/// to something (<https://no-color.org>) or `TERM` is `dumb`; anywhere else there is only text.
pub struct Console {
    out: Box<dyn Write + Send>,
    style: Style,
    shows_own_metrics: bool,
    text: String,
    table: Table,
}

impl Console {
    /// Prints to the standard output.
    pub fn stdout() -> Self {
        Self::new(std::io::stdout(), Style::for_terminal(std::io::stdout().is_terminal()))
    }

    /// Prints to the standard error.
    pub fn stderr() -> Self {
        Self::new(std::io::stderr(), Style::for_terminal(std::io::stderr().is_terminal()))
    }

    /// Prints to `out`, without colours.
    pub fn to(out: impl Write + Send + 'static) -> Self {
        Self::new(out, Style::Plain)
    }

    fn new(out: impl Write + Send + 'static, style: Style) -> Self {
        let (text, table) = (String::new(), Table::new());
        Self { out: Box::new(out), style, shows_own_metrics: false, text, table }
    }

    /// Prints the metrics whose names begin with `quipu.` as well.
    pub fn with_own_metrics(mut self) -> Self {
        self.shows_own_metrics = true;
        self
    }

    fn print(&mut self) -> Result<usize, ExportError> {
        self.out.write_all(self.text.as_bytes())?;
        self.out.flush()?;
        Ok(self.text.len())
    }
}

impl Exporter for Console {
    fn name(&self) -> &str {
        "console"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        self.text.clear();
        self.table.encode(delivery, self.shows_own_metrics, self.style, &mut self.text);
        delivery.count_bytes(self.print()?);
        Ok(())
    }

    fn takes_errors(&self) -> bool {
        true
    }

    fn export_errors(&mut self, delivery: &ErrorDelivery<'_>) -> Result<(), ExportError> {
        self.text.clear();
        delivery.errors().iter().for_each(|error| text::error(error, self.style, &mut self.text));
        self.print()?;
        Ok(())
    }
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

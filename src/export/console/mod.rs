//! A table for people.
#![forbid(unsafe_code)]

mod table;
mod text;

use crate::client::{Delivery, ExportError, Exporter};
use std::io::Write;

/// Prints each snapshot as a table: rates and totals of counters, readings of gauges, and count,
/// quantiles and maximum of histograms, in units that are easy to read.
///
/// Rates and quantiles are those of the interval since the last table, in the last table those since
/// the start.
pub struct Console {
    out: Box<dyn Write + Send>,
    text: String,
}

impl Console {
    /// Prints to the standard output.
    pub fn stdout() -> Self {
        Self::to(std::io::stdout())
    }

    /// Prints to the standard error.
    pub fn stderr() -> Self {
        Self::to(std::io::stderr())
    }

    /// Prints to `out`.
    pub fn to(out: impl Write + Send + 'static) -> Self {
        Self { out: Box::new(out), text: String::new() }
    }
}

impl Exporter for Console {
    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        self.text.clear();
        table::encode(delivery, &mut self.text);
        self.out.write_all(self.text.as_bytes())?;
        self.out.flush()?;
        Ok(())
    }
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

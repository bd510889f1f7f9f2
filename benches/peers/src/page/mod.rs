//! A comparison as a page of Markdown, with its charts beside it.
#![forbid(unsafe_code)]

mod cases;
mod explanations;
mod summary;
mod table;
#[cfg(test)]
mod tests;

use crate::charts::{self, Chart, DARK, Format, LIGHT, THEMES};
use crate::comparison::Comparison;
use crate::runs::{Run, Runs};
use explanations::Explanations;
use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

/// The page's file.
const PAGE: &str = "README.md";
/// The file of the runs that it is drawn from.
pub const RUNS: &str = "comparison.json";

/// Writes the page, its charts and the runs into a folder, and returns what should be mended.
pub fn draw(runs: &Runs, folder: &Path) -> io::Result<Vec<String>> {
    fs::create_dir_all(folder)?;
    let comparison = Comparison::of(runs);
    let charts = charts::all(&comparison);
    for chart in &charts {
        for format in charts::FORMATS {
            for theme in &THEMES {
                fs::write(folder.join(chart.file(format, theme)), chart.draw(format, theme))?;
            }
        }
    }
    let explanations = Explanations::written();
    fs::write(folder.join(PAGE), markdown(&comparison, &charts, &explanations))?;
    runs.write(&folder.join(RUNS))?;
    Ok(explanations.missing(&comparison))
}

fn markdown(comparison: &Comparison<'_>, charts: &[Chart], explanations: &Explanations) -> String {
    let mut page = String::from(include_str!("introduction.md"));
    for run in comparison.runs() {
        write_run(&mut page, run, comparison);
    }
    page.push_str("## Summary\n\n");
    summary::write(&mut page, comparison);
    page.push_str("## Charts\n\n");
    charts.iter().for_each(|chart| write_chart(&mut page, chart));
    for case in &comparison.cases {
        cases::write(&mut page, case, explanations.of(case.name));
    }
    let end = page.trim_end().len();
    page.truncate(end);
    page.push('\n');
    page
}

fn write_run(page: &mut String, run: &Run, comparison: &Comparison<'_>) {
    let entrants: Vec<_> = comparison
        .cases
        .iter()
        .filter(|case| std::ptr::eq(case.run, run))
        .flat_map(|case| case.entrants())
        .collect();
    // An entrant's name begins with its crate's.
    let first_word = |entrant: &&str| entrant.split([' ', ',']).next().map(String::from);
    let crates: Vec<_> = entrants.iter().filter_map(first_word).collect();
    let versions = run.versions.iter().filter(|(name, _)| crates.contains(name));
    let versions: Vec<_> = versions.map(|(name, version)| format!("{name} {version}")).collect();
    let cores = if run.machine.cores == 1 { "core" } else { "cores" };
    let commit = run.commit.as_ref().map_or(String::new(), |it| format!("; quipu's commit: {it}"));
    let lines = format!(
        "- Measured {}, by `{}`\n- Machine: {}, {} {cores}, {}\n- Versions: {}; {}{commit}\n\n",
        run.date.replace('T', " ").replace('Z', " UTC"),
        run.command,
        run.machine.processor,
        run.machine.cores,
        run.machine.system,
        versions.join(", "),
        run.rustc,
    );
    page.push_str(&lines);
}

/// For the page's width and colours.
fn write_chart(page: &mut String, chart: &Chart) {
    let source = |width: &str, format, theme: &charts::Theme| {
        let file = chart.file(format, theme);
        format!(
            "  <source media=\"{width}(prefers-color-scheme: {})\" srcset=\"{file}\">\n",
            theme.name
        )
    };
    let narrow = "(max-width: 600px) and ";
    let alternative = chart.alternative.replace('&', "&amp;").replace('"', "&quot;");
    write!(
        page,
        "<picture>\n{}{}{}  <img alt=\"{alternative}\" src=\"{}\">\n</picture>\n\n",
        source(narrow, Format::Narrow, &DARK),
        source(narrow, Format::Narrow, &LIGHT),
        source("", Format::Wide, &DARK),
        chart.file(Format::Wide, &LIGHT),
    )
    .expect("memory takes all");
}

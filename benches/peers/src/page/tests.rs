//! The page of a small run.

use super::*;
use crate::comparison::samples;

fn page(explanations: &Explanations) -> String {
    let runs = Runs::new(vec![samples::run()]);
    let comparison = Comparison::of(&runs);
    markdown(&comparison, &charts::all(&comparison), explanations)
}

/// The lines below a case's heading.
fn section<'p>(page: &'p str, case: &str) -> Vec<&'p str> {
    let heading = format!("## {case}");
    let after = page.lines().skip_while(|line| *line != heading).skip(1);
    after.take_while(|line| !line.starts_with("## ")).collect()
}

fn cells(row: &str) -> Vec<String> {
    let row = row.replace("\\|", "&#124;");
    row.trim_matches('|').split('|').map(|cell| cell.trim().into()).collect()
}

#[test]
fn each_case_has_everybody_from_least_to_most() {
    let page = page(&Explanations::parse(""));
    let of_case = section(&page, "counter, one handle");
    let rows: Vec<_> = of_case.iter().filter(|line| line.starts_with('|')).collect();
    let names: Vec<_> = rows.iter().map(|row| cells(row)[0].clone()).collect();
    let entrants = ["bare cell (floor)", "**quipu**", "swift", "steady", "slow &amp; &lt;sure>"];
    assert_eq!(names[2..], entrants);
    assert_eq!(names[0], "median, ns");
    let medians = ["2.00", "4.00", "64.0"];
    let (spreads, ratios) = (["1.90 .. 3.00", "3.80 .. 6.00"], ["1.00", "1.00", "1.00"]);
    let numbers = [&medians[..], &spreads, &ratios, &["no &#124; sum"]].concat();
    assert_eq!(cells(rows[4])[1..], numbers);
    assert!(!page.contains("NaN"));
}

#[test]
fn rows_have_a_cell_for_each_heading() {
    let page = page(&Explanations::parse(""));
    let mut columns = 0;
    for line in page.lines() {
        let is_row = line.starts_with('|');
        let here = if is_row { cells(line).len() } else { 0 };
        assert!(!is_row || columns == 0 || here == columns, "{line}");
        columns = here;
    }
}

#[test]
fn what_is_lost_is_in_the_summary_and_below_its_heading() {
    let page = page(&Explanations::parse(""));
    let summary = section(&page, "Summary");
    let lost: Vec<_> = summary.iter().filter(|line| line.contains("**not first**")).collect();
    let [lost] = lost[..] else { panic!("{lost:?}") };
    let row = ["gauge", "2 threads", "**not first**", "0.80 ns", "0.35 ns", "swift", "0.44"];
    assert_eq!(cells(lost)[..7], row);
    assert!(summary.join(" ").contains("is first at 37, and not at 1."), "{summary:?}");
    let of_case = section(&page, "gauge").join("\n");
    assert!(of_case.contains("quipu is **not first** at 2 threads (2.29 times swift)."));
    assert!(of_case.contains("- counting only: it has no gauges"));
    assert!(!section(&page, "histogram").join("\n").contains("not first"));
}

#[test]
fn explanations_are_shown_and_missed() {
    let runs = Runs::new(vec![samples::run()]);
    let missing = |text| Explanations::parse(text).missing(&Comparison::of(&runs));
    let told = "For who writes.\n\n## gauge\n\nOne line is shared.\n";
    assert!(missing(told).is_empty());
    assert!(section(&page(&Explanations::parse(told)), "gauge").contains(&"One line is shared."));
    assert_eq!(missing("").len(), 1);
    assert!(missing("")[0].contains("not first in `gauge`"));
    assert!(missing("\n## gauge\n\n").len() == 1, "an empty explanation is none");
    let unknown = missing("\n## gauge\nA line.\n\n## gouge\nA typing error.\n");
    assert!(unknown.len() == 1 && unknown[0].contains("`gouge`"), "{unknown:?}");
}

#[test]
fn links_lead_to_files_that_are_written() {
    let folder = std::env::temp_dir().join(format!("quipu-peers-page-{}", std::process::id()));
    draw(&Runs::new(vec![samples::run()]), &folder).unwrap();
    let page = fs::read_to_string(folder.join(PAGE)).unwrap();
    let links = page
        .split(['"', '(', ')'])
        .filter(|part| part.ends_with(".svg") || part.ends_with(".json"));
    let links: Vec<_> = links.collect();
    assert!(links.len() > 4 * 8, "{links:?}");
    let written = |link: &&&str| folder.join(link).is_file();
    assert_eq!(links.iter().filter(written).count(), links.len());
    let again = Runs::read(&[folder.join(RUNS)]).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert!(again.runs == [samples::run()]);
}

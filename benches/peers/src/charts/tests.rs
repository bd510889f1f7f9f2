//! What is drawn of a small run.

use super::drawing::width;
use super::*;
use crate::comparison::samples;
use crate::runs::Runs;
use roxmltree::{Document, Node};

/// A text, and where it is.
struct Text {
    text: String,
    class: String,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Text {
    fn of(node: Node<'_, '_>) -> Self {
        let class = node.attribute("class").unwrap().to_string();
        let is = |name: &str| class.split(' ').any(|one| one == name);
        let size = match () {
            () if is("title") => 18.0,
            () if is("heading") => 14.0,
            () if is("mark") => 11.0,
            () => 12.0,
        };
        let text = node.text().unwrap().to_string();
        let wide = width(&text, size) * 0.95;
        let (x, baseline) = (number(node, "x"), number(node, "y"));
        let left = match () {
            () if is("end") => x - wide,
            () if is("middle") => x - wide / 2.0,
            () => x,
        };
        let (top, bottom) = (baseline - size * 0.75, baseline + size * 0.2);
        Self { text, class, left, right: left + wide, top, bottom }
    }

    fn overlaps(&self, other: &Self) -> bool {
        let across = self.left < other.right && other.left < self.right;
        across && self.top < other.bottom && other.top < self.bottom
    }
}

fn number(node: Node<'_, '_>, attribute: &str) -> f64 {
    node.attribute(attribute).unwrap().parse().unwrap()
}

/// Calls it with each drawing's file, size and texts.
fn each_drawing(what: impl Fn(&str, (f64, f64), &[Text])) {
    let runs = Runs::new(vec![samples::run()]);
    let charts = all(&Comparison::of(&runs));
    let names: Vec<_> = charts.iter().map(|chart| &*chart.name).collect();
    let expected = [
        "overview-1",
        "overview-2",
        "records-1",
        "records-2",
        "scaling",
        "cold",
        "sizes",
        "memory",
    ];
    assert_eq!(names, expected);
    for chart in &charts {
        for format in FORMATS {
            for theme in &THEMES {
                let svg = chart.draw(format, theme);
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}", chart.name);
                let document = Document::parse(&svg).expect("well-formed");
                let root = document.root_element();
                let texts = document.descendants().filter(|node| node.has_tag_name("text"));
                let texts: Vec<_> = texts.map(Text::of).collect();
                let size = (number(root, "width"), number(root, "height"));
                what(&chart.file(format, theme), size, &texts);
            }
        }
    }
}

#[test]
fn everybody_is_named_in_every_panel() {
    each_drawing(|file, _, texts| {
        if file.starts_with("overview") {
            return;
        }
        let panels = match file.split('-').next().unwrap() {
            "records" => 3,
            "memory" => 1,
            _ => 2,
        };
        for (entrant, role) in samples::ENTRANTS {
            let named = texts.iter().filter(|text| text.text == entrant).count();
            let in_legend = usize::from(role == crate::results::Role::Quipu);
            // In lines only who is fast, or known.
            let is_line =
                file.starts_with("scaling") && !["quipu", "swift", "bare cell"].contains(&entrant);
            assert_eq!(named, if is_line { 0 } else { panels + in_legend }, "{entrant} in {file}");
        }
    });
}

#[test]
fn rows_are_in_the_order_of_their_values() {
    each_drawing(|file, _, texts| {
        if !file.starts_with("records-1") {
            return;
        }
        let is_name = |text: &&Text| {
            text.class.ends_with("name") && samples::ENTRANTS.iter().any(|it| it.0 == text.text)
        };
        let names: Vec<_> = texts.iter().filter(is_name).map(|text| &*text.text).collect();
        let order = ["bare cell", "quipu", "swift", "steady", "slow & <sure>"];
        assert_eq!(names, [order, order, order].concat());
    });
}

#[test]
fn texts_are_inside_and_do_not_overlap() {
    each_drawing(|file, (width, height), texts| {
        for (at, text) in texts.iter().enumerate() {
            assert!(text.left >= 0.0 && text.right <= width, "{} in {file}", text.text);
            assert!(text.top >= 0.0 && text.bottom <= height, "{} in {file}", text.text);
            for other in &texts[at + 1..] {
                assert!(!text.overlaps(other), "{}, {} in {file}", text.text, other.text);
            }
        }
    });
}

#[test]
fn nothing_is_drawn_of_nothing() {
    let mut run = samples::run();
    run.results.findings.clear();
    assert!(all(&Comparison::of(&Runs::new(vec![run]))).is_empty());
}

#[test]
fn what_is_lost_is_said() {
    each_drawing(|file, _, texts| {
        if file.starts_with("overview") {
            let lost = texts.iter().filter(|text| text.text.contains("not first")).count();
            assert_eq!(lost, usize::from(file.starts_with("overview-2")), "{file}");
        }
    });
}

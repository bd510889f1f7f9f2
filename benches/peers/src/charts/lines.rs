//! A panel with a line for each entrant, named at its end.

use super::drawing::{Drawing, width};
use super::frame::Panel;
use super::rows::{class, name_class};
use super::scale::Scale;
use crate::results::Role;

const HEAD: f64 = 30.0;
const PLOT: f64 = 280.0;
const FOOT: f64 = 34.0;
/// Between two names.
const PITCH: f64 = 15.0;
const LEADER: f64 = 16.0;

pub struct Lines {
    pub title: String,
    pub unit: String,
    /// What is along the axis below, in a word.
    pub along: String,
    /// Along the axis below, and what is written there.
    pub marks: Vec<(f64, String)>,
    /// A place along the axis that has a meaning, and which.
    pub border: Option<(f64, String)>,
    pub across: Scale,
    pub up: Scale,
    pub lines: Vec<Line>,
    /// What numbers on the left and names on the right take at least, in pixels.
    pub sides: (f64, f64),
}

/// Panels whose plots have the same width.
pub fn aligned(mut panels: Vec<Lines>) -> Vec<Box<dyn Panel>> {
    let sides = panels.iter().map(Lines::widest).fold((0.0, 0.0), larger);
    panels.iter_mut().for_each(|panel| panel.sides = sides);
    panels.into_iter().map(|panel| Box::new(panel) as Box<dyn Panel>).collect()
}

fn larger(one: (f64, f64), other: (f64, f64)) -> (f64, f64) {
    (one.0.max(other.0), one.1.max(other.1))
}

pub struct Line {
    pub name: String,
    pub role: Role,
    /// Whether it is named. Others are behind those that are.
    pub is_named: bool,
    /// From left to right; at least one.
    pub points: Vec<(f64, f64)>,
    /// The last value, as it is written.
    pub last: String,
}

impl Line {
    fn label(&self) -> f64 {
        width(&self.name, 12.0) + 14.0 + width(&self.last, 12.0)
    }

    fn end(&self) -> f64 {
        self.points.last().map_or(0.0, |(_, value)| *value)
    }
}

/// Where the plot is.
struct Plot {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Lines {
    /// The widest number on the left, and name on the right.
    fn widest(&self) -> (f64, f64) {
        let marks = self.up.marks(&self.unit);
        let mark = marks.iter().map(|(_, text)| width(text, 11.0)).fold(0.0, f64::max);
        let named = self.lines.iter().filter(|line| line.is_named);
        (mark, named.map(Line::label).fold(0.0, f64::max))
    }

    fn place(&self, plot: &Plot, (across, up): (f64, f64)) -> (f64, f64) {
        let x = plot.left + self.across.position(across) * (plot.right - plot.left);
        (x, plot.bottom - self.up.position(up) * (plot.bottom - plot.top))
    }

    fn draw_axes(&self, drawing: &mut Drawing, plot: &Plot) {
        for (value, text) in self.up.marks(&self.unit) {
            let (_, y) = self.place(plot, (0.0, value));
            drawing.line(&[(plot.left, y), (plot.right, y)], "grid");
            drawing.text((plot.left - 6.0, y + 4.0), "mark end", &text);
        }
        for (value, text) in &self.marks {
            let (x, _) = self.place(plot, (*value, 1.0));
            drawing.line(&[(x, plot.bottom), (x, plot.bottom + 4.0)], "axis");
            drawing.text((x, plot.bottom + 16.0), "mark middle", text);
        }
        drawing.line(&[(plot.left, plot.bottom), (plot.right, plot.bottom)], "axis");
        let middle = (plot.left + plot.right) / 2.0;
        drawing.text((middle, plot.bottom + 31.0), "mark middle", &self.along);
        if let Some((at, text)) = &self.border {
            let (x, _) = self.place(plot, (*at, 1.0));
            drawing.line(&[(x, plot.top), (x, plot.bottom)], "grid");
            drawing.text((x + 4.0, plot.top + 8.0), "mark", text);
        }
    }

    fn draw_lines(&self, drawing: &mut Drawing, plot: &Plot) {
        let rank = |line: &&Line| (line.is_named, line.role == Role::Quipu);
        let mut lines: Vec<_> = self.lines.iter().collect();
        lines.sort_by_key(rank);
        for line in lines {
            let class = if line.is_named { class(line.role) } else { "faint" };
            let points: Vec<_> = line.points.iter().map(|at| self.place(plot, *at)).collect();
            drawing.line(&points, &format!("{class} line"));
            if line.is_named {
                let radius = if line.role == Role::Quipu { 4.0 } else { 2.5 };
                points.iter().for_each(|at| drawing.circle(*at, radius, class));
            }
        }
    }

    fn draw_names(&self, drawing: &mut Drawing, plot: &Plot, right: f64) {
        let mut named: Vec<_> = self.lines.iter().filter(|line| line.is_named).collect();
        named.sort_by(|one, other| other.end().total_cmp(&one.end()));
        let wanted: Vec<_> =
            named.iter().map(|line| self.place(plot, (0.0, line.end())).1).collect();
        let places = apart(&wanted, PITCH, (plot.top, plot.bottom));
        for ((line, wanted), y) in named.iter().zip(wanted).zip(places) {
            let from = line.points.last().expect("a line has points");
            let (x, _) = self.place(plot, *from);
            let leader = [(x + 6.0, wanted), (plot.right + LEADER - 4.0, y)];
            drawing.line(&leader, "leader");
            let class = name_class(line.role);
            drawing.text((plot.right + LEADER, y + 4.0), class, &line.name);
            drawing.text((right, y + 4.0), &format!("{class} end"), &line.last);
        }
    }
}

impl Panel for Lines {
    fn height(&self, _width: f64) -> f64 {
        HEAD + PLOT + FOOT
    }

    fn draw(&self, drawing: &mut Drawing, (left, top): (f64, f64), wide: f64) {
        drawing.text((left, top + 14.0), "heading", &self.title);
        let (mark, label) = larger(self.sides, self.widest());
        let right = left + wide - 4.0;
        let plot = Plot {
            left: left + mark + 8.0,
            right: right - label - LEADER,
            top: top + HEAD,
            bottom: top + HEAD + PLOT,
        };
        self.draw_axes(drawing, &plot);
        self.draw_lines(drawing, &plot);
        self.draw_names(drawing, &plot, right);
    }
}

/// Places near those wanted, which rise, at least so far from each other and between two ends.
fn apart(wanted: &[f64], least: f64, (first, last): (f64, f64)) -> Vec<f64> {
    /// Places that touch, from the first one on.
    struct Group {
        sum: f64,
        count: usize,
    }
    impl Group {
        /// Where the middles of all are as near as can be to what they want.
        fn first(&self, least: f64, (first, last): (f64, f64)) -> f64 {
            let middle = self.sum / self.count as f64;
            let half = least * (self.count - 1) as f64 / 2.0;
            (middle - half).min(last - 2.0 * half).max(first)
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    for &wanted in wanted {
        groups.push(Group { sum: wanted, count: 1 });
        while let [.., before, after] = &groups[..] {
            let ends = before.first(least, (first, last)) + least * before.count as f64;
            if after.first(least, (first, last)) >= ends {
                break;
            }
            let (sum, count) = (before.sum + after.sum, before.count + after.count);
            groups.truncate(groups.len() - 2);
            groups.push(Group { sum, count });
        }
    }
    let places = |group: &Group| {
        let from = group.first(least, (first, last));
        (0..group.count).map(move |at| from + at as f64 * least).collect::<Vec<_>>()
    };
    groups.iter().flat_map(places).collect()
}

#[cfg(test)]
mod tests {
    use super::apart;

    #[test]
    fn names_keep_apart_and_near_their_lines() {
        assert_eq!(apart(&[10.0, 50.0], 15.0, (0.0, 100.0)), [10.0, 50.0]);
        assert_eq!(apart(&[50.0, 50.0, 50.0], 10.0, (0.0, 100.0)), [40.0, 50.0, 60.0]);
        assert_eq!(apart(&[0.0, 0.0, 12.0], 10.0, (0.0, 100.0)), [0.0, 10.0, 20.0]);
        assert_eq!(apart(&[99.0, 100.0], 10.0, (0.0, 100.0)), [90.0, 100.0]);
        assert_eq!(apart(&[5.0, 40.0, 41.0], 10.0, (0.0, 100.0)), [5.0, 35.5, 45.5]);
    }
}

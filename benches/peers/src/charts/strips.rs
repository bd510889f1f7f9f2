//! A panel with a row for each case, in which everybody has a mark.

use super::drawing::{Drawing, width};
use super::frame::Panel;
use super::scale::Scale;
use crate::comparison::Standing;
use crate::quantity::{plain, scaled};
use crate::results::Role;

const PITCH: f64 = 46.0;
const LINE: f64 = 16.0;
const FOOT: f64 = 16.0;

pub struct Strips {
    pub unit: String,
    pub scale: Scale,
    pub strips: Vec<Strip>,
}

pub struct Strip {
    pub case: String,
    pub unit: String,
    pub quipu: f64,
    pub floor: Option<f64>,
    pub fastest_peer: (String, f64),
    pub others: Vec<f64>,
}

impl Strip {
    /// `None` if there is nobody to compare with.
    pub fn of(case: &str, standing: &Standing<'_>) -> Option<Self> {
        let (quipu, fastest) = (standing.quipu()?, standing.fastest_peer()?);
        let peers = standing.findings().iter().filter(|finding| finding.role == Role::Peer);
        Some(Self {
            case: case.into(),
            unit: quipu.unit.clone(),
            quipu: quipu.median,
            floor: standing.floor().map(|floor| floor.median),
            fastest_peer: (fastest.entrant.clone(), fastest.median),
            others: peers.map(|peer| peer.median).filter(|&it| it != fastest.median).collect(),
        })
    }

    pub fn values(&self) -> impl Iterator<Item = f64> {
        let known = [self.quipu, self.fastest_peer.1];
        known.into_iter().chain(self.floor).chain(self.others.iter().copied())
    }

    /// What there is to say of the fastest peer.
    fn verdict(&self) -> String {
        let (name, peer) = &self.fastest_peer;
        let place = if self.quipu <= *peer { "" } else { ": not first" };
        format!("{name}: {} \u{d7} as long{place}", plain(peer / self.quipu, "ns"))
    }

    fn draw(&self, drawing: &mut Drawing, middle: f64, x: &impl Fn(f64) -> f64) {
        for &other in &self.others {
            let ends = [(x(other), middle - 6.0), (x(other), middle + 6.0)];
            drawing.line(&ends, "peer");
        }
        drawing.circle((x(self.fastest_peer.1), middle), 4.5, "peer");
        if let Some(floor) = self.floor {
            drawing.circle((x(floor), middle), 4.5, "floor");
        }
        drawing.circle((x(self.quipu), middle), 5.5, "quipu");
    }
}

impl Strips {
    /// Whether what is said of the fastest peer is below the case's name and not beside it.
    fn is_narrow(wide: f64) -> bool {
        wide < 500.0
    }

    fn pitch(wide: f64) -> f64 {
        if Self::is_narrow(wide) { PITCH + LINE } else { PITCH }
    }

    fn draw_words(&self, drawing: &mut Drawing, (left, top): (f64, f64), wide: f64) {
        let end = left + wide - 4.0;
        let verdicts: Vec<_> = self.strips.iter().map(Strip::verdict).collect();
        let widest = verdicts.iter().map(|text| width(text, 12.0)).fold(0.0, f64::max);
        for (at, (strip, verdict)) in self.strips.iter().zip(&verdicts).enumerate() {
            let line = top + at as f64 * Self::pitch(wide) + 14.0;
            let quipu = scaled(strip.quipu, &strip.unit);
            drawing.text((left, line), "heading", &strip.case);
            if Self::is_narrow(wide) {
                drawing.text((end, line), "quipu-name end", &quipu);
                drawing.text((end, line + LINE), "muted end", verdict);
            } else {
                drawing.text((end - widest - 10.0, line), "quipu-name end", &quipu);
                drawing.text((end - widest, line), "muted", verdict);
            }
        }
    }
}

impl Panel for Strips {
    fn height(&self, width: f64) -> f64 {
        self.strips.len() as f64 * Self::pitch(width) + FOOT
    }

    fn draw(&self, drawing: &mut Drawing, (left, top): (f64, f64), wide: f64) {
        let (from, to) = (left + 8.0, left + wide - 8.0);
        let x = |value: f64| from + self.scale.position(value) * (to - from);
        let pitch = Self::pitch(wide);
        for (at, strip) in self.strips.iter().enumerate() {
            let middle = top + (at + 1) as f64 * pitch - 14.0;
            for (value, _) in self.scale.marks(&self.unit) {
                drawing.line(&[(x(value), middle - 9.0), (x(value), middle + 9.0)], "grid");
            }
            drawing.line(&[(from, middle), (to, middle)], "grid");
            strip.draw(drawing, middle, &x);
        }
        for (value, text) in self.scale.marks(&self.unit) {
            let bottom = top + self.strips.len() as f64 * pitch;
            drawing.text((x(value), bottom + 12.0), "mark middle", &text);
        }
        self.draw_words(drawing, (left, top), wide);
    }
}

//! Colours, for light pages and for dark ones, and the letters.

pub struct Theme {
    /// As it is in the names of files.
    pub name: &'static str,
    background: &'static str,
    border: &'static str,
    text: &'static str,
    muted: &'static str,
    grid: &'static str,
    peer: &'static str,
    /// Peers that stay behind the others.
    faint: &'static str,
    floor: &'static str,
    accent: &'static str,
    /// Behind quipu's rows.
    tint: &'static str,
}

pub const LIGHT: Theme = Theme {
    name: "light",
    background: "#ffffff",
    border: "#d1d9e0",
    text: "#1f2328",
    muted: "#59636e",
    grid: "#e4e8ec",
    peer: "#66707b",
    faint: "#c9d0d7",
    floor: "#818b98",
    accent: "#c2410c",
    tint: "#fdf0e7",
};

pub const DARK: Theme = Theme {
    name: "dark",
    background: "#0d1117",
    border: "#30363d",
    text: "#e6edf3",
    muted: "#9aa3ad",
    grid: "#242a31",
    peer: "#9aa4ae",
    faint: "#3f4750",
    floor: "#7d8590",
    accent: "#ff9350",
    tint: "#2b1c12",
};

impl Theme {
    /// The classes that everything drawn has.
    pub fn style(&self) -> String {
        let Self {
            background, border, text, muted, grid, peer, faint, floor, accent, tint, ..
        } = self;
        format!(
            "text{{font:12px -apple-system,BlinkMacSystemFont,'Segoe UI','Noto Sans',Helvetica,Arial,\
             sans-serif;fill:{text};font-variant-numeric:tabular-nums}}\
             .title{{font-size:18px;font-weight:600}}\
             .heading{{font-size:14px;font-weight:600}}\
             .muted,.mark,.floor-name{{fill:{muted}}}\
             .mark{{font-size:11px}}\
             .floor-name{{font-style:italic}}\
             .quipu-name{{fill:{accent};font-weight:700}}\
             .end{{text-anchor:end}}.middle{{text-anchor:middle}}\
             .card{{fill:{background};stroke:{border}}}\
             .tint{{fill:{tint}}}\
             .grid{{stroke:{grid};fill:none}}\
             .axis{{stroke:{floor};fill:none}}\
             .reference{{stroke:{accent};stroke-dasharray:2 3;fill:none;opacity:.8}}\
             .leader{{stroke:{faint};fill:none}}\
             .quipu{{fill:{accent};stroke:{accent}}}\
             .peer{{fill:{peer};stroke:{peer}}}\
             .faint{{fill:{faint};stroke:{faint}}}\
             .floor{{fill:{background};stroke:{floor};stroke-width:1.5}}\
             .range{{stroke-width:2;fill:none;stroke-linecap:round;opacity:.55}}\
             .line{{fill:none;stroke-width:1.5;stroke-linejoin:round}}\
             .quipu.line{{stroke-width:3}}\
             .floor.line{{stroke-dasharray:4 3}}"
        )
    }
}

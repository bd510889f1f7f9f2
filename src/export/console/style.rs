//! Colours: the escape sequences of ECMA-48 that every terminal knows.
#![forbid(unsafe_code)]

use std::fmt::{Display, Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Coloured,
}

impl Style {
    pub(super) fn for_terminal(is_terminal: bool) -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        if is_terminal && !is_set("NO_COLOR") && !is_dumb { Self::Coloured } else { Self::Plain }
    }

    /// What stands above numbers.
    pub(super) fn title(self, text: &mut String, title: impl Display) {
        self.write(text, "1", title);
    }

    /// What is there for whoever looks for it.
    pub(super) fn aside(self, text: &mut String, aside: impl Display) {
        self.write(text, "2", aside);
    }

    /// What must not be overlooked.
    pub(super) fn alarm(self, text: &mut String, alarm: impl Display) {
        self.write(text, "1;31", alarm);
    }

    fn write(self, text: &mut String, code: &str, what: impl Display) {
        let written = match self {
            Self::Plain => write!(text, "{what}"),
            Self::Coloured => write!(text, "\x1b[{code}m{what}\x1b[0m"),
        };
        written.expect("a string takes whatever is written");
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_terminals_get_colours() {
        assert_eq!(Style::for_terminal(false), Style::Plain);
        let mut text = String::new();
        Style::Plain.title(&mut text, "plain");
        Style::Coloured.alarm(&mut text, "red");
        assert_eq!(text, "plain\x1b[1;31mred\x1b[0m");
    }
}

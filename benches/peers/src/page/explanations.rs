//! What is said by hand about cases, above all where quipu is not first.

use crate::comparison::Comparison;

/// Each case's name, and the text below it.
pub struct Explanations(Vec<(&'static str, &'static str)>);

impl Explanations {
    pub fn written() -> Self {
        Self::parse(include_str!("explanations.md"))
    }

    /// The text below each `## CASE`; what stands before the first one is for who writes them.
    pub fn parse(text: &'static str) -> Self {
        let sections = text.split("\n## ").skip(1);
        let parts = |section: &'static str| {
            let (case, text) = section.split_once('\n').unwrap_or((section, ""));
            (case.trim(), text.trim())
        };
        Self(sections.map(parts).collect())
    }

    pub fn of(&self, case: &str) -> Option<&str> {
        let known = self.0.iter().find(|(name, text)| *name == case && !text.is_empty());
        known.map(|(_, text)| *text)
    }

    /// What has to be written still, and what is about nothing.
    pub fn missing(&self, comparison: &Comparison<'_>) -> Vec<String> {
        let lost = comparison.cases.iter().filter(|case| !case.places_lost().is_empty());
        let unexplained = lost.filter(|case| self.of(case.name).is_none());
        let unexplained = unexplained.map(|case| {
            format!("quipu is not first in `{}`, and explanations.md does not say why", case.name)
        });
        let unknown = self.0.iter().filter(|(name, _)| comparison.case(name).is_none());
        let unknown = unknown.map(|(name, _)| {
            format!("explanations.md is about `{name}`, which no run has measured")
        });
        unexplained.chain(unknown).collect()
    }
}

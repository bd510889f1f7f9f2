//! Runs looked at case by case: who is where.
#![forbid(unsafe_code)]

#[cfg(test)]
pub mod samples;
mod standing;

use crate::results::{Finding, Gap};
use crate::runs::{Run, Runs};
pub use standing::Standing;

/// All cases, each of the last run that has it: what one run found is not compared with what
/// another one did.
pub struct Comparison<'r> {
    pub cases: Vec<Case<'r>>,
}

pub struct Case<'r> {
    pub name: &'r str,
    pub run: &'r Run,
    findings: Vec<&'r Finding>,
    pub gaps: Vec<&'r Gap>,
}

/// Where in a case everybody was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub series: Option<usize>,
    pub threads: usize,
}

impl<'r> Comparison<'r> {
    pub fn of(runs: &'r Runs) -> Self {
        let mut cases: Vec<Case<'r>> = Vec::new();
        for run in &runs.runs {
            for finding in &run.results.findings {
                let known = cases.iter_mut().find(|case| case.name == finding.case);
                match known {
                    Some(case) if std::ptr::eq(case.run, run) => case.findings.push(finding),
                    Some(case) => *case = Case::new(run, finding),
                    None => cases.push(Case::new(run, finding)),
                }
            }
        }
        Self { cases }
    }

    pub fn case(&self, name: &str) -> Option<&Case<'r>> {
        self.cases.iter().find(|case| case.name == name)
    }

    /// The runs that have a case here, in the order of their cases, each once.
    pub fn runs(&self) -> Vec<&'r Run> {
        distinct(self.cases.iter().map(|case| case.run))
    }
}

impl<'r> Case<'r> {
    fn new(run: &'r Run, finding: &'r Finding) -> Self {
        let gaps = run.results.gaps.iter().filter(|gap| gap.case == finding.case).collect();
        Self { name: &finding.case, run, findings: vec![finding], gaps }
    }

    pub fn unit(&self) -> &'r str {
        &self.findings[0].unit
    }

    /// By series, then by threads.
    pub fn places(&self) -> Vec<Place> {
        let mut places: Vec<_> = self.findings.iter().map(|finding| Place::of(finding)).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// How many series there were, from few to many; `[None]` if the case is not about that.
    pub fn sizes(&self) -> Vec<Option<usize>> {
        let mut sizes: Vec<_> = self.places().iter().map(|place| place.series).collect();
        sizes.dedup();
        sizes
    }

    /// The numbers of threads, from few to many.
    pub fn threads(&self) -> Vec<usize> {
        let mut threads: Vec<_> = self.places().iter().map(|place| place.threads).collect();
        threads.sort_unstable();
        threads.dedup();
        threads
    }

    /// Whether it is about how many series there are.
    pub fn is_sized(&self) -> bool {
        self.sizes().len() > 1
    }

    /// Everybody at a place; `None` if nobody was measured there.
    pub fn standing(&self, place: Place) -> Option<Standing<'r>> {
        let here = self.findings.iter().copied().filter(|finding| Place::of(finding) == place);
        Standing::of(here.collect())
    }

    /// Everybody at so many threads, with the fewest series that there are.
    pub fn at_threads(&self, threads: usize) -> Option<Standing<'r>> {
        let place = self.places().into_iter().find(|place| place.threads == threads)?;
        self.standing(place)
    }

    /// Everybody who takes part, in the order of the findings.
    pub fn entrants(&self) -> Vec<&'r str> {
        let mut entrants: Vec<&str> = Vec::new();
        for finding in &self.findings {
            if !entrants.contains(&&*finding.entrant) {
                entrants.push(&finding.entrant);
            }
        }
        entrants
    }

    /// What an entrant keeps of a record, where that is said.
    pub fn note(&self, entrant: &str) -> &'r str {
        let mut of_entrant = self.findings.iter().filter(|finding| finding.entrant == entrant);
        of_entrant.find(|finding| !finding.note.is_empty()).map_or("", |finding| &finding.note)
    }

    /// The places at which quipu and a peer were measured.
    pub fn places_compared(&self) -> Vec<(Place, Standing<'r>)> {
        let places = self.places().into_iter();
        let standings = places.filter_map(|place| Some((place, self.standing(place)?)));
        standings.filter(|(_, standing)| standing.is_compared()).collect()
    }

    /// The places at which a peer needs less than quipu.
    pub fn places_lost(&self) -> Vec<(Place, Standing<'r>)> {
        let mut places = self.places_compared();
        places.retain(|(_, standing)| !standing.is_quipu_first());
        places
    }
}

impl Place {
    fn of(finding: &Finding) -> Self {
        Self { series: finding.series, threads: finding.threads }
    }
}

/// Runs, each once.
pub fn distinct<'r>(runs: impl IntoIterator<Item = &'r Run>) -> Vec<&'r Run> {
    let mut distinct: Vec<&Run> = Vec::new();
    for run in runs {
        if !distinct.iter().any(|one| std::ptr::eq(*one, run)) {
            distinct.push(run);
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_all_of_the_last_run_that_has_it() {
        let (first, mut second) = (samples::run(), samples::run());
        second.results.findings.retain(|finding| finding.case == "gauge" && finding.threads == 1);
        let runs = Runs::new(vec![first, second]);
        let comparison = Comparison::of(&runs);
        assert_eq!(comparison.case("gauge").unwrap().threads(), [1]);
        assert_eq!(comparison.case("histogram").unwrap().threads(), [1, 2, 32]);
        assert!(std::ptr::eq(comparison.case("gauge").unwrap().run, &runs.runs[1]));
        assert_eq!(comparison.runs().len(), 2);
    }

    #[test]
    fn a_place_is_lost_where_a_peer_needs_less() {
        let runs = Runs::new(vec![samples::run()]);
        let comparison = Comparison::of(&runs);
        let lost = |case: &str| {
            let lost = comparison.case(case).unwrap().places_lost();
            lost.iter().map(|(place, _)| place.threads).collect::<Vec<_>>()
        };
        assert!(lost("histogram").is_empty());
        assert_eq!(lost("gauge"), [2]);
    }
}

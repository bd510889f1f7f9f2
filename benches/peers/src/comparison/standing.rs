//! Everybody at one place of a case.

use crate::results::{Finding, Role};

pub struct Standing<'r> {
    /// From the least median to the largest; quipu before who has the same.
    findings: Vec<&'r Finding>,
}

impl<'r> Standing<'r> {
    /// Of at least one finding.
    pub fn of(mut findings: Vec<&'r Finding>) -> Option<Self> {
        let is_other = |finding: &Finding| finding.role != Role::Quipu;
        findings.sort_by(|one, other| {
            let by_median = one.median.total_cmp(&other.median);
            by_median.then(is_other(one).cmp(&is_other(other)))
        });
        (!findings.is_empty()).then_some(Self { findings })
    }

    pub fn findings(&self) -> &[&'r Finding] {
        &self.findings
    }

    /// quipu, in the best of its ways if it has several.
    pub fn quipu(&self) -> Option<&'r Finding> {
        self.least(Role::Quipu)
    }

    pub fn fastest_peer(&self) -> Option<&'r Finding> {
        self.least(Role::Peer)
    }

    pub fn floor(&self) -> Option<&'r Finding> {
        self.least(Role::Floor)
    }

    fn least(&self, role: Role) -> Option<&'r Finding> {
        self.findings.iter().find(|finding| finding.role == role).copied()
    }

    /// Whether quipu and a peer are here.
    pub fn is_compared(&self) -> bool {
        self.quipu().is_some() && self.fastest_peer().is_some()
    }

    /// Whether no peer's median is smaller than quipu's.
    pub fn is_quipu_first(&self) -> bool {
        match (self.quipu(), self.fastest_peer()) {
            (Some(quipu), Some(peer)) => quipu.median <= peer.median,
            _ => true,
        }
    }

    pub fn of_entrant(&self, entrant: &str) -> Option<&'r Finding> {
        self.findings.iter().find(|finding| finding.entrant == entrant).copied()
    }
}

//! What the service counted against what its clients counted.

use crate::load::Tally;
use crate::metrics::OUTSIDE_REQUESTS;
use quipu::{Snapshot, Value};
use std::collections::BTreeMap;
use std::fmt;

/// The layer's durations: as many as there were requests.
const DURATION: &str = "http.server.request.duration";
/// The layer's requests in flight, by method.
const ACTIVE_REQUESTS: &str = "http.server.active_requests";

/// Requests by the first digit of their status.
type ByClass = BTreeMap<char, u64>;

/// What a snapshot says about requests.
pub struct Counted {
    /// From the service's own clients.
    from_clients: ByClass,
    from_outside: u64,
}

/// The two counts side by side.
pub struct Comparison {
    service: ByClass,
    clients: ByClass,
    unanswered: u64,
    from_outside: u64,
}

impl Counted {
    pub fn read(snapshot: &Snapshot) -> Self {
        let mut from_clients = sum_by_class(snapshot, DURATION, "http.response.status_code");
        let outside = sum_by_class(snapshot, OUTSIDE_REQUESTS, "status");
        for (class, count) in &outside {
            let all = from_clients.entry(*class).or_default();
            *all = all.wrapping_sub(*count);
        }
        from_clients.retain(|_, count| *count != 0);
        Self { from_clients, from_outside: outside.values().sum() }
    }

    /// All requests, whoever sent them.
    pub fn total(&self) -> u64 {
        self.from_clients.values().sum::<u64>() + self.from_outside
    }

    /// Whether no request was from the service's own clients.
    pub fn is_from_outside(&self) -> bool {
        self.from_clients.is_empty()
    }

    pub fn compare(self, tally: &Tally) -> Comparison {
        let mut clients = ByClass::new();
        for (status, count) in &tally.answers {
            *clients.entry(class(&status.to_string())).or_default() += count;
        }
        Comparison {
            service: self.from_clients,
            clients,
            unanswered: tally.unanswered,
            from_outside: self.from_outside,
        }
    }
}

/// Leaves out what has no status: a request whose client went away, or whose handler panicked.
fn sum_by_class(snapshot: &Snapshot, name: &str, status: &str) -> ByClass {
    let mut sums = ByClass::new();
    for (descriptor, value) in snapshot.iter().filter(|(it, _)| it.name() == name) {
        let status = descriptor.labels().find(|label| label.key() == status);
        let count = match value {
            Value::Counter(count) => count,
            Value::Histogram(durations) => durations.count(),
            _ => continue,
        };
        if let Some(status) = status {
            *sums.entry(class(status.value())).or_default() += count;
        }
    }
    sums
}

/// Requests that have not ended.
pub fn in_flight(snapshot: &Snapshot) -> i64 {
    let values = snapshot.iter().map(|(it, value)| match value {
        Value::UpDownCounter(active) if it.name() == ACTIVE_REQUESTS => active,
        _ => 0,
    });
    values.sum()
}

fn class(status: &str) -> char {
    status.chars().next().unwrap_or('?')
}

impl Comparison {
    pub fn agrees(&self) -> bool {
        self.service == self.clients
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = |counts: &ByClass| counts.values().sum::<u64>();
        let (service, clients) = (total(&self.service), total(&self.clients));
        match service.abs_diff(clients) {
            _ if self.agrees() => f.write_str("totals agree")?,
            0 => f.write_str("totals agree, but not by status")?,
            difference => write!(f, "totals differ by {}", grouped(difference))?,
        }
        write!(f, ": the service counted {}, its clients {}", requests(service), grouped(clients))?;
        if self.agrees() {
            write!(f, " ({})", classes(&self.service))?;
        } else {
            write!(f, " ({} against {})", classes(&self.service), classes(&self.clients))?;
        }
        if self.unanswered != 0 {
            write!(f, "; {} of the clients' requests got no answer", grouped(self.unanswered))?;
        }
        if self.from_outside != 0 {
            write!(f, "; {} more from outside", grouped(self.from_outside))?;
        }
        Ok(())
    }
}

fn classes(counts: &ByClass) -> String {
    let classes = counts.iter().map(|(class, count)| format!("{class}xx {}", grouped(*count)));
    classes.collect::<Vec<_>>().join(", ")
}

/// A number of requests: `1 request`, `12,345 requests`.
pub fn requests(number: u64) -> String {
    format!("{} request{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A number with its digits in groups: `12,345`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    groups
        .map(|group| group.iter().map(|&digit| char::from(digit)).collect::<String>())
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(service: &[(char, u64)], answers: &[(u16, u64)]) -> Comparison {
        let counted = Counted { from_clients: service.iter().copied().collect(), from_outside: 0 };
        counted.compare(&Tally { answers: answers.iter().copied().collect(), unanswered: 0 })
    }

    #[test]
    fn agreement_is_by_class() {
        let agreed = comparison(&[('2', 1_000), ('4', 7)], &[(200, 600), (202, 400), (404, 7)]);
        assert!(agreed.agrees());
        assert_eq!(
            agreed.to_string(),
            "totals agree: the service counted 1,007 requests, its clients 1,007 \
             (2xx 1,000, 4xx 7)"
        );
    }

    #[test]
    fn differences_are_told() {
        let lost = comparison(&[('2', 9)], &[(200, 10)]);
        assert!(!lost.agrees());
        assert!(lost.to_string().starts_with("totals differ by 1: "), "{lost}");
        let mixed = comparison(&[('2', 9), ('4', 1)], &[(200, 8), (404, 2)]);
        assert!(!mixed.agrees());
        assert!(mixed.to_string().ends_with("(2xx 9, 4xx 1 against 2xx 8, 4xx 2)"), "{mixed}");
    }

    #[test]
    fn numbers_are_grouped_by_three() {
        let grouped_numbers = [0, 999, 1_000, 12_345_678].map(grouped);
        assert_eq!(grouped_numbers, ["0", "999", "1,000", "12,345,678"]);
    }
}

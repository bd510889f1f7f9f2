//! What was captured, on its way: each in an envelope of its own, and none sent again that was taken.
//!
//! After a failure the client gives all of a delivery once more. What was taken by then is known by its
//! address, which nothing else can have while it is kept here. An envelope whose answer was lost goes
//! out again with the same id, by which Sentry recognises it.
#![forbid(unsafe_code)]

use crate::client::{ExportError, FailureCause};
use sentry_types::Uuid;
use std::sync::Arc;

pub(super) struct Unsent<T> {
    entries: Vec<Entry<T>>,
}

struct Entry<T> {
    item: Arc<T>,
    id: Uuid,
    fate: Fate,
}

enum Fate {
    Open,
    Taken,
    Refused(ExportError),
}

/// What became of a delivery that is done with.
pub(super) struct Outcome {
    pub(super) taken: usize,
    pub(super) refused: usize,
    /// Why the last one was refused.
    pub(super) refusal: Option<ExportError>,
}

impl<T> Unsent<T> {
    pub(super) fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Sends those of `items` that were neither taken nor refused by now.
    ///
    /// # Errors
    ///
    /// That of the first one that was neither; it and those behind it are open.
    pub(super) fn deliver(
        &mut self,
        items: &[Arc<T>],
        mut send: impl FnMut(&T, Uuid) -> Result<(), ExportError>,
    ) -> Result<Outcome, ExportError> {
        self.follow(items);
        for entry in &mut self.entries {
            if matches!(entry.fate, Fate::Open) {
                entry.fate = match send(&entry.item, entry.id) {
                    Ok(()) => Fate::Taken,
                    Err(error) if error.cause() == FailureCause::Rejected => Fate::Refused(error),
                    Err(error) => return Err(error),
                };
            }
        }
        let mut outcome = Outcome { taken: 0, refused: 0, refusal: None };
        for entry in self.entries.drain(..) {
            match entry.fate {
                Fate::Refused(error) => {
                    outcome.refused += 1;
                    outcome.refusal = Some(error);
                }
                Fate::Open | Fate::Taken => outcome.taken += 1,
            }
        }
        Ok(outcome)
    }

    /// Keeps what it knows of `items`, and nothing else.
    fn follow(&mut self, items: &[Arc<T>]) {
        self.entries.retain(|entry| items.iter().any(|item| Arc::ptr_eq(item, &entry.item)));
        for item in items {
            if !self.entries.iter().any(|entry| Arc::ptr_eq(item, &entry.item)) {
                let id = sentry_types::random_uuid();
                self.entries.push(Entry { item: item.clone(), id, fate: Fate::Open });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_taken_once_and_keeps_its_id_across_failures() {
        let items: Vec<Arc<u32>> = (0..4).map(Arc::new).collect();
        let (mut unsent, mut seen) = (Unsent::new(), Vec::new());
        let failed = unsent.deliver(&items[..3], |&item, id| {
            seen.push((item, id));
            match item {
                0 => Err(ExportError::new(FailureCause::Rejected, "no")),
                2 => Err(ExportError::new(FailureCause::Unavailable, "later")),
                _ => Ok(()),
            }
        });
        assert_eq!(failed.err().map(|error| error.cause()), Some(FailureCause::Unavailable));
        let outcome = unsent.deliver(&items, |&item, id| {
            seen.push((item, id));
            Ok(())
        });
        let outcome = outcome.unwrap();
        assert_eq!((outcome.taken, outcome.refused), (3, 1));
        assert!(outcome.refusal.is_some());
        let order: Vec<u32> = seen.iter().map(|(item, _)| *item).collect();
        assert_eq!(order, [0, 1, 2, 2, 3]);
        assert_eq!(seen[2].1, seen[3].1);
        assert!(seen[0].1 != seen[1].1 && seen[3].1 != seen[4].1);
    }

    #[test]
    fn what_the_client_gave_up_is_forgotten() {
        let later = || ExportError::new(FailureCause::Unavailable, "later");
        let mut unsent = Unsent::new();
        assert!(unsent.deliver(&[Arc::new(1)], |_, _| Err(later())).is_err());
        let mut seen = Vec::new();
        let outcome = unsent.deliver(&[Arc::new(2)], |&item, _| {
            seen.push(item);
            Ok(())
        });
        assert_eq!((outcome.unwrap().taken, seen), (1, vec![2]));
        assert!(unsent.entries.is_empty());
    }
}

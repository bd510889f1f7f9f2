//! Deltas in batches, each delivered once.
//!
//! Destinations that add deltas up must get each in exactly one batch that they took, though a delivery
//! may fail when some of its batches were taken and others were not. So a delivery that was begun is
//! finished first, from the batch on that failed, with the same contents: the same interval, the same
//! times. What was recorded meanwhile follows as the next delta, against the one that is finished.
//!
//! | state | `deliver` is called | then |
//! |---|---|---|
//! | nothing begun | all batches of the newest delta are taken | nothing begun |
//! | | one is not | begun: the snapshot, and where its rest begins |
//! | begun | the rest is taken | as from nothing begun, against that snapshot |
//! | | it is not | begun, from further on |
//!
//! It is kept by the exporter, on its delivery thread. Two snapshots are held at most beside the newest
//! one, however long a destination is down.
#![forbid(unsafe_code)]

use crate::client::{Delivery, DropCause, ExportError, FailureCause};
use crate::snapshot::Snapshot;
use crate::sync::Arc;

/// What a destination has taken.
#[derive(Default)]
pub(super) struct Batches {
    /// The last snapshot that it has in whole, if it is newer than the one that the client knows of.
    finished: Option<Arc<Snapshot>>,
    begun: Option<Begun>,
    /// Buffers for the next delta.
    buffers: Option<Snapshot>,
}

struct Begun {
    snapshot: Arc<Snapshot>,
    /// The place of the first series that is not delivered.
    rest: usize,
}

/// The next batch: series of a delta from a place on, in the order of [`Snapshot::iter_from`].
#[derive(Clone, Copy)]
pub(super) struct Rest<'a> {
    pub(super) delta: &'a Snapshot,
    /// The totals that it leads to, with the same series.
    pub(super) totals: &'a Snapshot,
    pub(super) from: usize,
}

/// What became of a batch.
pub(super) struct Batch {
    /// The place of the first series that was not in it.
    pub(super) end: usize,
    /// How many values it had.
    pub(super) values: usize,
    pub(super) outcome: Result<(), ExportError>,
}

impl Batches {
    /// Delivers what `delivery` has to, in batches that `send` makes and sends.
    ///
    /// A batch that was refused for good is dropped and counted: the same again would be refused
    /// again, and hold up all that comes after it.
    ///
    /// # Errors
    ///
    /// That of the first batch that failed, after which none is sent; or that of one that was refused,
    /// after all others were.
    pub(super) fn deliver(
        &mut self,
        delivery: &Delivery<'_>,
        mut send: impl FnMut(Rest<'_>) -> Batch,
    ) -> Result<(), ExportError> {
        let mut refusal = None;
        let earlier = self.begun.take();
        // If nothing newer has come since it failed, that is all there is.
        let has_newer = earlier
            .as_ref()
            .is_none_or(|earlier| earlier.snapshot.sequence() != delivery.snapshot().sequence());
        let newest = has_newer.then(|| Begun { snapshot: delivery.snapshot().clone(), rest: 0 });
        for begun in earlier.into_iter().chain(newest) {
            let before = self.finished.as_deref().or(delivery.acknowledged());
            let delta = match before {
                Some(before) => begun.snapshot.delta_into(before, self.buffers.take()),
                None => Snapshot::clone(&begun.snapshot),
            };
            // It is kept here meanwhile: `send` may panic.
            let begun = self.begun.insert(begun);
            while begun.rest < delta.len() {
                let Batch { end, values, outcome } =
                    send(Rest { delta: &delta, totals: &begun.snapshot, from: begun.rest });
                match outcome {
                    Err(error) if error.cause() == FailureCause::Rejected => {
                        delivery.count_dropped(DropCause::Refused, values);
                        refusal = Some(error);
                    }
                    Err(error) => {
                        self.buffers = Some(delta);
                        return Err(error);
                    }
                    Ok(()) => {}
                }
                begun.rest = end;
            }
            self.buffers = Some(delta);
            self.finished = self.begun.take().map(|begun| begun.snapshot);
        }
        match refusal {
            // The client has not been told of this snapshot, and is not, so it is kept.
            Some(refusal) => Err(refusal),
            None => {
                self.finished = None;
                Ok(())
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

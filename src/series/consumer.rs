//! Who reads snapshots, and up to which one they have.
#![forbid(unsafe_code)]

use super::table::Collection;
use crate::sync::{self, Mutex};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// A scrape says that somebody scrapes, for so long.
const SCRAPED_WITHIN: Duration = Duration::from_secs(600);

/// After so long, whoever scrapes is taken to have seen a snapshot.
const SCRAPED_AFTER: Duration = Duration::from_secs(120);

/// Somebody that snapshots are delivered to, and that acknowledges them.
pub(crate) trait Consumer: Send + Sync {
    /// The number of the newest snapshot that it has acknowledged, 0 before the first; `None` if
    /// nothing will be delivered to it any more.
    fn acknowledged(&self) -> Option<u64>;
}

#[derive(Default)]
pub(crate) struct Consumers {
    delivered_to: Mutex<Vec<Weak<dyn Consumer>>>,
    scraped: Mutex<Option<Instant>>,
}

impl Consumers {
    pub(crate) fn add(&self, consumer: &Arc<dyn Consumer>) {
        sync::lock(&self.delivered_to).push(Arc::downgrade(consumer));
    }

    /// Somebody has read a snapshot who acknowledges nothing.
    #[cfg(all(feature = "http", not(loom)))]
    pub(crate) fn note_scrape(&self, at: Instant) {
        *sync::lock(&self.scraped) = Some(at);
    }

    /// What has reached all of them before `collection`.
    pub(super) fn delivered(&self, collection: Collection) -> Delivered {
        let mut acknowledged = u64::MAX;
        sync::lock(&self.delivered_to).retain(|consumer| {
            let sequence = consumer.upgrade().and_then(|consumer| consumer.acknowledged());
            acknowledged = acknowledged.min(sequence.unwrap_or(u64::MAX));
            sequence.is_some()
        });
        let since_scrape =
            sync::lock(&self.scraped).map(|at| collection.at.saturating_duration_since(at));
        let is_scraped = since_scrape.is_some_and(|since| since < SCRAPED_WITHIN);
        let before = if is_scraped { collection.at.checked_sub(SCRAPED_AFTER) } else { None };
        Delivered { acknowledged, is_scraped, before }
    }
}

/// Which snapshots have reached everybody.
pub(super) struct Delivered {
    /// Up to this one, those who acknowledge.
    acknowledged: u64,
    is_scraped: bool,
    /// Taken before this, those who scrape.
    before: Option<Instant>,
}

impl Delivered {
    pub(super) fn covers(&self, snapshot: Collection) -> bool {
        let is_seen = !self.is_scraped || self.before.is_some_and(|before| snapshot.at <= before);
        snapshot.sequence <= self.acknowledged && is_seen
    }
}

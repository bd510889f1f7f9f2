//! Captured errors and traces on their way to the exporters that take such.
//!
//! Whoever captures one makes it a value of its own, tries to put it into a bounded queue of each
//! exporter, and goes on: a full queue costs what was captured, and it is counted. The exporter's thread
//! takes some at once, and keeps them until they are acknowledged or given up.
#![forbid(unsafe_code)]

use super::measures::Dropped;
use crate::sync::{self, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;

/// What may wait for one exporter.
const QUEUE: usize = 256;
/// What an exporter is given at once.
const BATCH: usize = 64;

/// What waits for one exporter, until it takes no more.
pub(super) struct CaptureQueue<T>(Mutex<Option<VecDeque<Arc<T>>>>);

impl<T> CaptureQueue<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Some(VecDeque::with_capacity(QUEUE))))
    }

    /// Puts something in, unless there is no room for it or nobody to take it. The lock is held for
    /// as long as it takes to move pointers.
    pub(super) fn put(&self, captured: Arc<T>) -> Result<(), Dropped> {
        match &mut *sync::lock(&self.0) {
            Some(waiting) if waiting.len() < QUEUE => waiting.push_back(captured),
            Some(_) => return Err(Dropped::QueueFull),
            None => return Err(Dropped::Stopped),
        }
        Ok(())
    }

    /// Moves the oldest ones into `batch`, which has room for so many.
    pub(super) fn take(&self, batch: &mut Vec<Arc<T>>) {
        if let Some(waiting) = &mut *sync::lock(&self.0) {
            let room = BATCH.saturating_sub(batch.len()).min(waiting.len());
            batch.extend(waiting.drain(..room));
        }
    }

    /// Lets nothing more in; returns how many waited.
    pub(super) fn close(&self) -> usize {
        sync::lock(&self.0).take().map_or(0, |waiting| waiting.len())
    }
}
